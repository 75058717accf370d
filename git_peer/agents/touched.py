"""What a git command would change in a work tree, asked of git before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from posixpath import dirname
from typing import NamedTuple

from git_peer.agents.shell import Call
from git_peer.store.git.remote import run

PATIENCE = 1.0  # seconds for each question to git; what it does not tell by then is left to the gate

_DIFF = ("diff", "--name-only", "--no-renames", "--no-relative", "--ignore-submodules=none", "-z")


# Options whose value is the next word.
_VALUED: dict[str, tuple[str, ...]] = {
    "cherry-pick": ("-m", "--mainline", "-X", "--strategy", "--strategy-option"),
    "clean": ("-e", "--exclude"),
    "commit": ("-m", "--message", "-F", "--file", "-C", "-c", "-t", "--template", "--author", "--date", "--fixup"),
    "push": ("-o", "--push-option", "--repo", "--receive-pack", "--exec", "--recurse-submodules"),
    "merge": ("-m", "-F", "-s", "-X", "--strategy", "--strategy-option", "--into-name"),
    "pull": ("-s", "-X", "--strategy", "--strategy-option"),
    "rebase": ("-s", "-X", "-x", "--exec", "--onto", "--strategy", "--strategy-option"),
    "restore": ("-s", "--source"),
    "revert": ("-m", "--mainline", "-X", "--strategy", "--strategy-option"),
    "stash": ("-m", "--message"),
}


class Change(NamedTuple):
    """Paths from the top: `edits` are changed as by an edit, whoever holds them; `moves` become another commit's.

    So a merge of what a holder has landed is no edit of it, but changes files under whoever works in this very tree.
    """

    edits: frozenset[str]
    moves: frozenset[str]


def by(call: Call, top: str) -> Change:
    """What the command would change in the work tree at `top`."""
    edits, moves = _Tree(call, top).change()
    return Change(frozenset(edits), frozenset(moves))


def alias(name: str, where: str) -> str:
    """What git's settings have a word stand for in a directory; "" for nothing."""
    folder = Path(where)
    ran = run(("config", "--get", f"alias.{name}"), folder, PATIENCE) if folder.is_dir() else None
    return ran.out.strip() if ran and ran.status == 0 else ""


class _Tree:
    """One command in one work tree."""

    def __init__(self, call: Call, top: str) -> None:
        self.call = call
        self.top = top
        given = list(call.words)
        cut = given.index("--") if "--" in given else len(given)
        self.flags: set[str] = set()
        self.words: list[str] = []
        self.values: dict[str, str] = {}
        self.specs = [word for word in given[cut + 1 :] if word]
        words, valued = iter(given[:cut]), _VALUED.get(call.verb, ())
        for word in words:
            option, equals, value = word.partition("=")
            if not word.startswith("-") or word == "-":
                self.words += [word] if word else []
                continue
            self.flags.add(word)
            if option in valued:
                self.values[option] = value if equals else next(words, "")

    def change(self) -> tuple[Iterable[str], Iterable[str]]:
        """(edits, moves)."""
        return _COMMANDS[self.call.verb](self)

    # -- what git says ------------------------------------------------------------------------------
    def _git(self, *args: str, at_top: bool = False) -> str:
        env = {"GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "0"}
        if self.call.gitdir:
            env |= {"GIT_DIR": str(Path(self.call.where, self.call.gitdir)), "GIT_WORK_TREE": self.top}
        where = Path(self.top if at_top else self.call.where)
        ran = run(args, where if where.is_dir() else Path(self.top), PATIENCE, env)
        return ran.out if ran.status == 0 else ""

    def _names(self, *args: str) -> set[str]:
        return {name for name in self._git(*args).split("\0") if name}

    def _dirty(self, specs: Iterable[str] = (), against: str = "HEAD") -> set[str]:
        """Tracked files that differ from a commit."""
        return self._names(*_DIFF, against, "--", *specs)

    def _untracked(self, ignored: bool, specs: Iterable[str] = ()) -> set[str]:
        skipped = [] if ignored else ["--exclude-standard"]
        return self._names("ls-files", "--others", "--full-name", "-z", *skipped, "--", *(specs or [":/"]))

    def _between(self, one: str, two: str) -> set[str]:
        return self._names(*_DIFF, one, two, "--") if one and two else set()

    def _commit(self, name: str) -> str:
        name = "@{-1}" if name == "-" else name
        return self._git("rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}").strip()

    def _set(self, *keys: str) -> bool:
        """Whether one of these settings is on."""
        return any(self._git("config", "--bool", key).strip() == "true" for key in keys)

    def _stashed_around(self, *keys: str) -> set[str]:
        """What `--autostash` puts away and back."""
        on = "--autostash" in self.flags or ("--no-autostash" not in self.flags and self._set(*keys))
        return self._dirty() if on else set()

    # -- the commands -------------------------------------------------------------------------------
    def _stash(self) -> tuple[Iterable[str], Iterable[str]]:
        if self.words[:1] in (["pop"], ["apply"]):
            name = self.words[1] if len(self.words) > 1 else "stash@{0}"
            name = f"stash@{{{name}}}" if name.isdigit() else name
            return self._between(f"{name}^1", name), ()
        specs = [*self.specs, *(self.words[1:] if self.words[:1] == ["push"] else [])]
        found = self._dirty(specs)
        if {"-u", "--include-untracked", "-a", "--all"} & self.flags:
            found |= self._untracked(bool({"-a", "--all"} & self.flags), specs)
        return found, ()

    def _reset(self) -> tuple[Iterable[str], Iterable[str]]:
        to = self._commit(self.words[0]) if self.words else ""
        return (self._dirty() if "--hard" in self.flags else ()), self._between("HEAD", to)

    def _checkout(self) -> tuple[Iterable[str], Iterable[str]]:
        if self.specs:  # [COMMIT] -- FILES
            return self._brought_back(self.words[0] if self.words else "", self.specs), ()
        made = bool({"-b", "-B", "-c", "-C"} & self.flags)  # the first word is the branch to be made
        name = self.words[1 if made else 0] if len(self.words) > made else ""
        if "--orphan" in self.flags:
            return (), self._names("ls-files", "--full-name", "-z", ":/") if self.call.verb == "switch" else ()
        rest = self.words[2 if made else 1 :]
        to = self._commit(name) if name else ""
        if name and not made and ((to and rest) or (not to and not self._of_a_remote(name))):
            return self._brought_back(name if to else "", rest if to else self.words), ()
        force = {"-f", "--force", "--discard-changes"} & self.flags
        return (self._dirty() if force else ()), self._between("HEAD", to or self._of_a_remote(name))

    def _of_a_remote(self, branch: str) -> str:
        """The commit of the one remote's branch of that name, which `checkout` makes a branch of."""
        if not branch or self.call.verb == "restore":
            return ""
        found = self._git("for-each-ref", "--format=%(objectname)", f"refs/remotes/*/{branch}").split()
        return found[0] if found else ""

    def _brought_back(self, commit: str, specs: Iterable[str]) -> set[str]:
        """The files of these that differ from a commit, or from the index where none is named."""
        if commit:
            return self._dirty(specs, commit)
        return self._names(*_DIFF, "--", *specs)

    def _restore(self) -> tuple[Iterable[str], Iterable[str]]:
        source = self.values.get("-s") or self.values.get("--source", "")
        staged = bool({"-S", "--staged"} & self.flags)
        return self._brought_back(source or ("HEAD" if staged else ""), [*self.specs, *self.words]), ()

    def _clean(self) -> tuple[Iterable[str], Iterable[str]]:
        letters = {letter for flag in self.flags if not flag.startswith("--") for letter in flag[1:]}
        if not letters & {"f"} and "--force" not in self.flags and not self._git_cleans_unasked:
            return (), ()
        found = self._untracked(bool(letters & {"x", "X"}), [*self.specs, *self.words] or ["."])
        if "X" in letters:
            found -= self._untracked(False)
        if "d" not in letters and not self.specs and not self.words:
            kept = {""}
            for path in self._names("ls-files", "--full-name", "-z", ":/"):
                while (path := dirname(path)) and path not in kept:
                    kept.add(path)
            found = {path for path in found if dirname(path) in kept}
        return found, ()

    @property
    def _git_cleans_unasked(self) -> bool:
        return self._git("config", "--bool", "clean.requireForce").strip() == "false"

    def _pull(self) -> tuple[Iterable[str], Iterable[str]]:
        keys = ("rebase.autoStash", "merge.autoStash")
        return self._stashed_around(*keys), self._between("HEAD", self._commit("@{upstream}"))

    def _rebase(self) -> tuple[Iterable[str], Iterable[str]]:
        if {"--abort", "--quit", "--continue", "--skip", "--edit-todo"} & self.flags:
            return self._gone_on()
        onto = self._commit(self.values.get("--onto") or (self.words[0] if self.words else "@{upstream}"))
        return self._stashed_around("rebase.autoStash"), self._between("HEAD", onto)

    def _merge(self) -> tuple[Iterable[str], Iterable[str]]:
        if {"--abort", "--quit", "--continue"} & self.flags:
            return self._gone_on()
        moves: set[str] = set()
        for word in self.words or ["@{upstream}"]:
            base = self._git("merge-base", "HEAD", word).strip()
            moves |= self._between(base, self._commit(word))
        return self._stashed_around("merge.autoStash"), moves

    def _cherry_pick(self) -> tuple[Iterable[str], Iterable[str]]:
        if {"--abort", "--quit", "--continue", "--skip"} & self.flags:
            return self._gone_on()
        moves: set[str] = set()
        for word in self.words[:50]:
            one, dots, two = word.partition("..")
            moves |= (
                self._between(one or "HEAD", two.lstrip(".") or "HEAD") if dots else self._between(f"{word}^", word)
            )
        return (), moves

    def _gone_on(self) -> tuple[Iterable[str], Iterable[str]]:
        """One's own merge or rebase is given up, or goes on: what it brought in is no edit of others' files."""
        return (), (self._dirty() if {"--abort", "--skip"} & self.flags else ())

    def _read_tree(self) -> tuple[Iterable[str], Iterable[str]]:
        if not {"-u", "--reset"} & self.flags:
            return (), ()
        to = self._git("rev-parse", "--verify", "-q", f"{self.words[-1]}^{{tree}}").strip() if self.words else ""
        return (self._dirty() if "--reset" in self.flags else ()), self._between("HEAD", to)

    def _checkout_index(self) -> tuple[Iterable[str], Iterable[str]]:
        forced = any("f" in flag for flag in self.flags)
        specs = [] if any("a" in flag for flag in self.flags) else [*self.specs, *self.words]
        return (self._brought_back("", specs) if forced else ()), ()

    def _worktree_remove(self) -> tuple[Iterable[str], Iterable[str]]:
        return self._dirty() | self._untracked(ignored=False), ()

    def _find(self) -> tuple[Iterable[str], Iterable[str]]:
        """What `find` deletes, or hands to a command that changes it; nothing where a test cannot be read off it."""
        from git_peer.agents import found

        return found.by_find(self.call.words, self.call.where, self.top, self._listed), ()

    def _rsync(self) -> tuple[Iterable[str], Iterable[str]]:
        from git_peer.agents import found

        return found.by_rsync(self.call.words, self.call.where, self.top), ()

    def _listed(self, *specs: str) -> set[str]:
        """The files of these, tracked or not, ignored ones among them."""
        args = ("ls-files", "--cached", "--others", "--full-name", "-z", "--")
        return self._names(*args, *(f":(literal){spec}" for spec in specs))

    def _by_list(self) -> tuple[Iterable[str], Iterable[str]]:
        """What git itself lists, for a command that changes each of it."""
        words = [word for word in self.call.words[:-1] if word not in ("-z", "--null", "-0")]
        if words[:1] == ["ls-files"]:
            return self._names("ls-files", "--full-name", "-z", *words[1:]), ()
        if words[:1] == ["diff"] and "--name-only" in words:
            return self._names(*_DIFF, *(word for word in words[1:] if word != "--name-only")), ()
        if words[:1] == ["grep"] and {"-l", "--files-with-matches"} & set(words):
            return self._names("grep", "--full-name", "-z", *words[1:]), ()
        return (), ()

    def _push(self) -> tuple[Iterable[str], Iterable[str]]:
        """A push that no hook looks at: what its commits change that no remote has."""
        specs = [*self.words[1:], *self.specs]
        names = [spec.lstrip("+").partition(":")[0] for spec in specs if spec.lstrip("+").partition(":")[0]]
        tips = [name for name in names or ["HEAD"] if self._commit(name)]
        how = ("log", "--format=", "--name-only", "--no-renames", "--no-relative", "-z", "--no-merges")
        return (self._names(*how, *tips, "--not", "--remotes") if tips else set()), ()

    def _commit_made(self) -> tuple[Iterable[str], Iterable[str]]:
        """A commit that no hook looks at: what the gate would have looked at."""
        letters = {letter for flag in self.flags if not flag.startswith("--") for letter in flag[1:]}
        found = self._names(*_DIFF, "--cached", "HEAD", "--")
        if "a" in letters or "--all" in self.flags:
            found |= self._dirty()
        named = [*self.specs, *(word for word in self.words if Path(self.call.where, word).exists())]
        return found | (self._dirty(named) if named else set()), ()


_COMMANDS = {
    "checkout": _Tree._checkout,
    "checkout-index": _Tree._checkout_index,
    "cherry-pick": _Tree._cherry_pick,
    "clean": _Tree._clean,
    "commit": _Tree._commit_made,
    "find": _Tree._find,
    "listed": _Tree._by_list,
    "push": _Tree._push,
    "rsync": _Tree._rsync,
    "merge": _Tree._merge,
    "pull": _Tree._pull,
    "read-tree": _Tree._read_tree,
    "rebase": _Tree._rebase,
    "reset": _Tree._reset,
    "restore": _Tree._restore,
    "revert": _Tree._cherry_pick,
    "stash": _Tree._stash,
    "switch": _Tree._checkout,
    "worktree remove": _Tree._worktree_remove,
}
