"""The gate: what the commit hooks start where something is locked. Standard library and git plumbing only.

    python -I -S gate_start.py pre-commit|pre-merge-commit|reference-transaction [GIT_DIR COMMON_DIR]

Exits 0 when the commit may be made, 1 when it is refused, 4 when that cannot be told. It is run by every commit,
so it imports little and starts two git children: one tells what is staged, one reads the log. Before it refuses it
has the log fetched, and waits a moment for that: what it refuses for is true now, or it says how old it is.
"""

from __future__ import annotations

import os
import time

from git_peer import layout
from git_peer.core.lock import rule as verdict
from git_peer.core.session import naming
from git_peer.core.session.clock import Clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

MOVES = "reference-transaction"  # of a strict clone: its input names the branches that move
KNOWN = 50  # branches, of the newest, among which one looks for a change that was made before
REFUSED, UNTRUSTED, INTERRUPTED = 1, 4, 130
PATIENCE = 2.0  # seconds that a refusal waits for the remote
BUSY = 10  # of the newest 50 commits: then many touch a path
SHOWN = 10  # refused paths that are listed
# Printable by Unicode's word, and seen by nobody.
_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
)

_GIT = ("git", "--no-replace-objects")
PLAIN = ("--root", "--no-show-signature", "--no-follow")  # a log, whatever the user's settings make of one
_DIFF = (
    *_GIT,
    "diff-index",
    "--cached",
    "--no-renames",
    "--no-relative",
    "--raw",
    "--no-abbrev",
    "-z",
    "--ignore-submodules=none",
    "--ita-invisible-in-index",
)
# What an unborn branch is compared with, by the length of an object id; git knows it without having it.
_EMPTY_TREE = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


class Unsure(Exception):
    """Why it cannot be told whether the commit may be made, and what to do about it."""

    def __init__(self, message: str, hint: str = "run 'git peer doctor'") -> None:
        super().__init__(message)
        self.hint = hint


# -- git ----------------------------------------------------------------------------------------
class Child:
    """A git process: `out` reads its stdout, `ask` is the file descriptor of its stdin, where it is wanted."""

    def __init__(
        self, argv: tuple[str, ...], asked: bool = False, quiet: bool = False, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = next(word for word in argv[1:] if not word.startswith("-"))
        read, write = os.pipe()  # ours are not inherited
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, write, 1)]
        theirs = self.ask = -1
        if asked:
            theirs, self.ask = os.pipe()
            actions.append((os.POSIX_SPAWN_DUP2, theirs, 0))
        if quiet:
            actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
        try:
            self._pid = os.posix_spawnp(argv[0], argv, os.environ if env is None else env, file_actions=actions)
        except OSError as why:
            raise Unsure(f"git does not start: {why.strerror}", "is git on PATH?") from None
        os.close(write)
        if asked:
            os.close(theirs)
        self.out = os.fdopen(read, "rb")

    def end(self) -> tuple[bytes, int]:
        """(the rest of its stdout, its exit status)."""
        with self.out:
            rest = self.out.read()
        return rest, os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


class Objects:
    """The objects of the repository, by one `git cat-file --batch` that is asked as one goes."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._child = Child((*_GIT, "cat-file", "--batch"), asked=True, quiet=env is not None, env=env)

    def get(self, name: str) -> tuple[str, str, bytes] | None:
        """(id, type, content) of what the revision `name` means; None where there is nothing."""
        os.write(self._child.ask, name.encode() + b"\n")
        head = self._child.out.readline().split()
        if head[1:] == [b"missing"]:
            return None
        if len(head) != 3:
            raise Unsure("git cat-file ended early")
        size = int(head[2])
        data = self._child.out.read(size + 1)
        if len(data) != size + 1:
            raise Unsure("git cat-file ended early")
        return head[0].decode(), head[1].decode(), data[:-1]


class Blobs:
    """Versions of files. In a partial clone one that is not here is not fetched: no commit waits for that."""

    def __init__(self, objects: Objects, common: str) -> None:
        self._objects = objects
        self._pack = f"{common}/objects/pack"
        self._here: Objects | None = None
        self._known: dict[str, bytes | None] = {}

    def get(self, ident: str) -> bytes | None:
        """The content of a blob; None where there is none."""
        if ident not in self._known:
            found = self._found(ident) if ident.strip("0") else None
            self._known[ident] = found[2] if found is not None and found[1] == "blob" else None
        return self._known[ident]

    def _found(self, ident: str) -> tuple[str, str, bytes] | None:
        if not self._partial():
            return self._objects.get(ident)
        self._here = self._here or Objects({**os.environ, "GIT_NO_LAZY_FETCH": "1"})
        try:
            return self._here.get(ident)
        except (Unsure, OSError):  # asked for what is elsewhere it ends
            self._here = None
            return None

    def _partial(self) -> bool:
        try:
            return any(name.endswith(".promisor") for name in os.listdir(self._pack))
        except OSError:
            return False


class Tree:
    """The tree of the log as verdict.Reader: what is asked for is read, once."""

    def __init__(self, objects: Objects, tip: str = layout.TIP) -> None:
        top = objects.get(f"{tip}^{{tree}}")
        if top is None:
            raise Unsure(f"the log of git-peer is missing: there is no {tip} that could be read")
        self._objects = objects
        self._trees: dict[str, dict[str, str] | None] = {"": _entries(top[2], len(top[0]) // 2)}

    def entries(self, path: str) -> dict[str, str] | None:
        """Name → object id of the tree at `path`; None where there is none."""
        if path not in self._trees:
            known = path
            while known not in self._trees:
                known = known.rpartition("/")[0]
            while known != path:  # downwards, for a path may be deeper than Python's stack
                end = path.find("/", len(known) + 1) if known else path.find("/")
                below = path if end < 0 else path[:end]
                self._trees[below] = self._tree((self._trees[known] or {}).get(below.rpartition("/")[2]))
                known = below
        return self._trees[path]

    def read(self, path: str) -> bytes | None:
        """The blob at `path`; None where there is none."""
        folder, _, name = path.rpartition("/")
        ident = (self.entries(folder) or {}).get(name)
        kind, data = self._object(ident) if ident else ("", b"")
        return data if kind == "blob" else None

    def _tree(self, ident: str | None) -> dict[str, str] | None:
        kind, data = self._object(ident) if ident else ("", b"")
        return _entries(data, len(ident) // 2) if ident and kind == "tree" else None

    def _object(self, ident: str) -> tuple[str, bytes]:
        found = self._objects.get(ident)
        if found is None:
            raise Unsure(f"the log of git-peer is damaged: object {ident} is missing")
        return found[1], found[2]


def _entries(raw: bytes, width: int) -> dict[str, str]:
    """The entries of a raw tree object whose ids have `width` bytes: name → id."""
    found: dict[str, str] = {}
    at = 0
    while at < len(raw):
        space = raw.index(b" ", at)
        end = raw.index(b"\0", space)
        at = end + 1 + width
        found[layout.from_bytes(raw[space + 1 : end])] = raw[end + 1 : at].hex()
    return found


def differences(heads: Sequence[str]) -> list[Child]:
    """Processes that compare the index, as git's environment names it, with HEAD and each of `heads`."""
    return [Child((*_DIFF, parent, "--"), quiet=parent == "HEAD") for parent in ("HEAD", *heads)]


def staged(children: Sequence[Child], objects: Objects) -> dict[str, tuple[list[str], str]]:
    """The paths that all of differences() name: what each parent has there, and the index; no blob is all zeros."""
    paths: dict[bytes, tuple[list[str], str]] = {}
    for number, child in enumerate(children):
        out, status = child.end()
        if status and number == 0 and objects.get("HEAD") is None:  # unborn
            top = objects.get(f"{layout.TIP}^{{commit}}")
            out, status = Child((*_DIFF, _EMPTY_TREE[len(top[0]) if top else 40], "--")).end()
        if status:
            raise Unsure(f"git diff-index ended with status {status}")
        rows = out.split(b"\0")
        differ = {path: info.split(b" ") for info, path in zip(rows[::2], rows[1::2], strict=False)}
        if not number:
            paths = {path: ([info[2].decode()], info[3].decode()) for path, info in differ.items()}
            continue
        paths = {path: ([*old, differ[path][2].decode()], new) for path, (old, new) in paths.items() if path in differ}
    return {layout.from_bytes(path): change for path, change in paths.items()}


class Moved:
    """What branches get by a move: commits that no other ref had, and the paths that these change."""

    def __init__(self, lines: Iterable[str], gitdir: str, common: str) -> None:
        self._known = known = ["--branches", "--remotes", "--tags", *_fetched(gitdir, common)]
        self._touched: dict[str, dict[str, bool]] = {}  # path → commit → whether it is a merge
        self._moves: list[tuple[str, str]] = []
        for line in filter(None, lines):
            old, new, _ = line.split(" ", 2)
            if new.strip("0"):
                self._moves.append((old if old.strip("0") else "", new))
                self._look(new, known)

    def _look(self, new: str, known: Sequence[str]) -> None:
        how = ("--full-history", "--diff-merges=combined", "--name-only", "--no-renames", "--no-relative", "-z")
        words = ("log", "--ignore-missing", *PLAIN, *how, "--ignore-submodules=none", "--format=//%H %P", new)
        out, status = Child((*_GIT, *words, "--not", *known, "--")).end()
        if status:
            raise Unsure(f"git log ended with status {status}")
        commit, merge, parting = "", False, b""  # a line break parts the first path from its commit
        for word in out.split(b"\0"):
            if word.startswith(b"//"):  # no path begins so
                commit, *parents = word[2:].decode().split()
                merge, parting = len(parents) > 1, b"\n"
            elif word:
                path = layout.from_bytes(word.removeprefix(parting))
                self._touched.setdefault(path, {})[commit] = merge
                parting = b""

    @property
    def paths(self) -> list[str]:
        return list(self._touched)

    def changes(self, path: str) -> bool:
        """Whether a move changes a path, and as no commit has that is known."""
        touched = self._touched.get(path, {})
        for old, new in self._moves:
            if any(_at(one, path) == _at(new, path) for one in ([old] if old else self._left(new))):
                continue  # a squash, or what goes back to what it was
            if any(touched.values()) or not self._is_known(old, new, path, set(touched)):
                return True
        return False

    def contents(self, path: str) -> list[tuple[list[str], str]]:
        """(the blobs that were at a path, the one that is there now) of each move."""
        return [
            ([_blob(one, path) for one in ([old] if old else self._left(new))], _blob(new, path))
            for old, new in self._moves
        ]

    def _left(self, new: str) -> list[str]:
        """Where a new branch leaves what is known."""
        out, _ = Child((*_GIT, "rev-list", "--ignore-missing", "--boundary", new, "--not", *self._known, "--")).end()
        return [line[1:] for line in out.decode().split() if line.startswith("-")]

    def _is_known(self, old: str, new: str, path: str, touched: set[str]) -> bool:
        """Whether all that this move does to a path other commits did before: a rebase, a cherry-pick."""
        newest = ("for-each-ref", "--sort=-committerdate", f"--count={KNOWN}", "--format=%(objectname)")
        out, _ = Child((*_GIT, *newest, "refs/heads", "refs/remotes")).end()
        tips = dict.fromkeys([*([old] if old else []), *out.decode().split()])
        sides = [f"{tip}...{new}" for tip in tips if tip != new]
        how = ("rev-list", "--cherry-pick", "--right-only", "--no-merges", *sides)
        out, status = Child((*_GIT, *how, "--", f":(top,literal){path}")).end()
        return status == 0 and bool(sides) and not touched & set(out.decode().split())


def _fetched(gitdir: str, common: str) -> Iterable[str]:
    """What the last fetch has brought, unless it came from this very repository."""
    for line in layout.from_bytes(_read(f"{gitdir}/FETCH_HEAD") or b"").splitlines():
        ident, _, of = line.partition("\t")
        place = (of[of.rfind("' of ") + 5 :] if "' of " in of else of.rpartition("\t")[2]).removeprefix("file://")
        own = (place, f"{place}/.git", f"{place}.git")
        if ident and not any(os.path.isdir(one) and os.path.samefile(one, common) for one in own):
            yield ident


def _at(commit: str, path: str) -> tuple[str, ...]:
    """What stands at a path of a commit, with its mode."""
    out, _ = Child((*_GIT, "ls-tree", "-z", "--full-tree", commit, "--", f":(literal){path}")).end()
    return tuple(layout.from_bytes(out).split("\0"))


def _blob(commit: str, path: str) -> str:
    """The id of what stands at a path of a commit; zeros where there is nothing."""
    row = _at(commit, path)[0].partition("\t")[0].split()
    return row[2] if row else "0" * 40


def merged(hook: str, gitdir: str) -> list[str]:
    """The commits that are being merged into HEAD; empty when this is no merge."""
    heads = _read(f"{gitdir}/MERGE_HEAD")
    if heads is not None:
        return heads.decode("ascii", "replace").split()
    # git runs pre-merge-commit before it writes MERGE_HEAD
    found = [key[8:] for key in os.environ if key.startswith("GITHEAD_")] if hook == "pre-merge-commit" else []
    return [head for head in found if len(head) >= 40 and all(char in "0123456789abcdef" for char in head)]


def _contains(heads: Sequence[str], commit: str) -> bool:
    """Whether one of `heads` has `commit` in its history."""
    child = Child((*_GIT, "rev-list", "--max-count=1", f"{commit}^{{commit}}", "--not", *heads, "--"), quiet=True)
    out, status = child.end()  # a commit that is not here at all: status 128
    return status == 0 and not out


# -- what this clone keeps beside the log -----------------------------------------------------------
def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _input() -> list[str]:
    """The lines of this process's input."""
    with open(0, "rb", closefd=False) as file:
        return layout.from_bytes(file.read()).split("\n")


def markers(folder: str) -> list[dict[str, Any]]:
    """The marker files of a folder, parsed."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and name[0] != ".")
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = ((name, _read(f"{folder}/{name}")) for name in names)  # one may go while we look
    return [verdict.parse(raw, f"the marker {name}") for name, raw in found if raw is not None]


def _where() -> tuple[str, str]:
    """(git directory, common git directory) when the hook has not told them."""
    out, status = Child((*_GIT, "rev-parse", "--git-dir", "--show-object-format", "--git-common-dir")).end()
    gitdir, _, rest = layout.from_bytes(out[:-1]).partition("\nsha")
    if status or not rest:
        raise Unsure("git rev-parse tells of no repository here", "run it inside a repository")
    return gitdir, rest.partition("\n")[2]


# -- attributes -----------------------------------------------------------------------------------
def are_marked(common: str, top: str = ".") -> bool:
    """Whether any path may have an attribute of ours, as the hook's lines of sh see it."""
    files = (f"{top}/.gitattributes", f"{common}/info/attributes")
    return os.path.exists(f"{common}/{layout.FOLDER}/{layout.F_MARKED}") or any(
        word in (_read(file) or b"") for file in files for word in (b"peer-lock", b"peer-free")
    )


def attributes(paths: Sequence[str]) -> dict[str, set[str]]:
    """Path → which of our attributes it has."""
    found: dict[str, set[str]] = {}
    for words in verdict.asked(paths):
        out, status = Child((*_GIT, *words)).end()
        if status:
            raise Unsure(f"git check-attr ended with status {status}")
        found |= verdict.told(layout.from_bytes(out))
    return found


def is_busy(path: str) -> bool:
    """Whether many of the newest commits touch a path."""
    words = ("log", "--max-count=50", "--no-merges", "--format=", "--name-only", "--no-relative", "-z", "HEAD", "--")
    out, status = Child((*_GIT, *words), quiet=True).end()
    return status == 0 and out.split(b"\0").count(layout.to_bytes(path)) >= BUSY


def sharing(path: str) -> str:
    """What there is to do about a path that many touch."""
    return (
        f"many commits touch {quoted(path)}: 'git peer lock --shared' lets several have it; in .gitattributes, "
        "peer-free lets everybody change it, and peer-lock has each take it first"
    )


# -- the answer -----------------------------------------------------------------------------------
class Answer:
    """What stands against a commit, see verdict.judge; what is only doubted; and what the copy of the log is worth.

    `silent`: the remote that did not answer in time, "" where it did or none was asked; `age`: seconds since it was
    fetched last, None where that is not known.
    """

    def __init__(self) -> None:
        self.against: list[dict[str, Any]] = []
        self.doubted: list[dict[str, Any]] = []
        self.silent = ""
        self.age: int | None = None

    @property
    def refuses(self) -> bool:
        """Whether the commit is refused: what is disputed may be committed, and may not land."""
        return any(against["why"] != "disputed" for against in self.against)


def check(hook: str, gitdir: str, common: str) -> Answer:
    """What stands against the commit that `hook` is run for; a refusal is one of a log that was fetched for it."""
    found = Answer()
    folder = f"{common}/{layout.FOLDER}"
    clone = _read(f"{folder}/{layout.F_CLONE}")
    if clone is None:  # not set up here
        return found
    moved = Moved(_input(), gitdir, common) if hook == MOVES else None
    heads = merged(hook, gitdir)
    children = differences(heads) if moved is None else []  # they run while the log is looked at
    objects = Objects()
    tree = Tree(objects)
    changed = staged(children, objects) if moved is None else {}
    paths = list(changed) if moved is None else moved.paths
    tentative = markers(f"{folder}/{layout.D_TENTATIVE}")
    fenced = markers(f"{folder}/{layout.D_FENCED}")
    marks = attributes(paths) if paths and are_marked(common) else {}
    free = {path for path, names in marks.items() if verdict.FREE in names}
    needed = [path for path in paths if verdict.NEEDED in marks.get(path, ()) and path not in free]
    paths = [path for path in paths if path not in free]
    if not tentative and not fenced and not needed:
        folds = verdict.folding(tree)
        locked = (True for _ in verdict.concerning(tree, layout.T_LOCKS, paths, folds))
        if not any(locked) and not any(True for _ in verdict.disputes(tree, paths, folds, int(time.time()))):
            return found  # before anything is imported that only a record needs
    from git_peer.store.clone import runs, times

    of_clone = verdict.checked(verdict.parse(clone, layout.F_CLONE), {"clone": str}, layout.F_CLONE)
    here, top = os.path.realpath(gitdir), os.path.realpath(common)
    name = "" if here == top else os.path.relpath(here, top)
    # A copied clone is another one: until it has an id of its own, nothing in the log is its.
    ident = of_clone["clone"] if of_clone.get("inode") == os.stat(common).st_ino else ""
    called = naming.name_from(os.environ, name)[0]
    me = {"clone": ident, "gitdir": name, "name": called, "also": runs.also(folder, called)}
    known: dict[str, bool] = {}
    blobs = Blobs(objects, common)

    def landed(commit: str) -> bool:
        if commit not in known:
            known[commit] = _contains(("HEAD", *heads), commit)
        return known[commit]

    def left(session: dict[str, Any]) -> bool:
        return bool(ident) and session["clone"] == ident and runs.has_left(top, session)

    def untouched(path: str, targets: Sequence[dict[str, Any]]) -> Sequence[bool]:
        from git_peer.core.target import lines

        taken_on = [blobs.get(target["blob"]) for target in targets]
        for target, raw in zip(targets, taken_on, strict=True):
            target["missing"] = raw is None  # for who is told
        spans = [verdict.spans_of(target) for target in targets]
        found = [
            lines.untouched(spans, taken_on, [blobs.get(ident) for ident in old], blobs.get(new))
            for old, new in ([changed[path]] if moved is None else moved.contents(path))
        ]
        return [all(one) for one in zip(*found, strict=True)]

    def judge(tree: Tree) -> None:
        tentative, fenced = markers(f"{folder}/{layout.D_TENTATIVE}"), markers(f"{folder}/{layout.D_FENCED}")
        seen = verdict.parse(_read(f"{folder}/{layout.F_SEEN}") or b"{}", layout.F_SEEN)
        clock = Clock(times.now(), times.steady(), times.boot(), seen, ident, lambda: verdict.sessions(tree))
        found.doubted = []
        doubted = found.doubted.append
        against = verdict.judge(tree, paths, me, clock, tentative, fenced, landed, doubted, left, untouched)
        if any(one["why"] != "disputed" for one in against) and not marks:  # attributes of a folder below, too
            free = {
                path for path, names in attributes([one["path"] for one in against]).items() if verdict.FREE in names
            }
            against = [one for one in against if one["path"] not in free]
        against += verdict.unheld(tree, needed, me, clock, tentative)
        found.against = [one for one in against if moved is None or moved.changes(one["path"])]

    judge(tree)
    if found.refuses and of_clone.get("remote"):
        from git_peer.hooks import background  # only a refusal waits for it

        if background.refreshed(os.environ, PATIENCE):
            judge(Tree(objects))
        else:
            found.silent, found.age = clean(str(of_clone["remote"])), times.age(folder)
    return found


def main(argv: Sequence[str]) -> int:
    """Run the gate for the hook `argv[0]`; the exit status. Says on stderr why, in git's two lines."""
    hook, *where = argv
    os.environ["GIT_NO_REPLACE_OBJECTS"] = "1"  # what counts is what is there
    try:
        gitdir, common = where or _where()
        found = check(hook, gitdir, common)
    except Unsure as why:
        return _say(UNTRUSTED, [str(why)], why.hint)
    except KeyboardInterrupt:  # while a refusal waited for the remote
        return INTERRUPTED
    except Exception as why:  # whatever it was, nothing is known of the locks
        if os.environ.get("GIT_PEER_DEBUG"):
            raise
        text = str(why) if isinstance(why, (ValueError, OSError)) else f"{type(why).__name__}: {why}"
        return _say(UNTRUSTED, [f"git-peer could not check this commit: {text}"], "run 'git peer doctor'")
    if found.refuses:
        refused = by_path(against for against in found.against if against["why"] != "disputed")
        _note(refused, gitdir, common)
        return _say(REFUSED, in_words(refused, found), advice(refused, found, merging=hook == "pre-merge-commit"))
    if found.doubted:
        doubted = by_path(found.doubted)
        _say(
            0,
            in_words(doubted, found),
            "'git peer sync' looks whether that is so, 'git peer doctor' after the clock",
            "warning",
        )
    if found.against:
        disputed = by_path(found.against)
        return _say(0, in_words(disputed, found), advice(disputed, found, merging=False), "warning")
    return 0


def _note(refused: Sequence[dict[str, Any]], gitdir: str, common: str) -> None:
    """Tell whoever watches this clone of a commit that is refused."""
    from git_peer.store.clone import refusals

    here, top = os.path.realpath(gitdir), os.path.realpath(common)
    called = naming.name_from(os.environ, "" if here == top else os.path.relpath(here, top))[0]
    against = [(quoted(one["path"]), str((one["session"] or {}).get("name", ""))) for one in refused]
    refusals.note(f"{common}/{layout.FOLDER}", called or "", "commit", str(refused[0]["why"]), against)


def by_path(violations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first violation of each path."""
    found: dict[str, dict[str, Any]] = {}
    for against in violations:
        found.setdefault(against["path"], against)
    return list(found.values())


def in_words(found: Sequence[dict[str, Any]], by: Answer) -> list[str]:
    """Violations in words, not too many."""
    lines = [described(against, as_of(by)) for against in found[:SHOWN]]
    return [*lines, f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else lines


def as_of(by: Answer) -> str:
    """How old the copy is that a refusal goes by, where that has to be said."""
    if not by.silent:
        return ""
    from git_peer.store.clone import times

    return ", by a copy of unknown age" if by.age is None else f", as of {times.span(by.age)} ago"


def described(against: dict[str, Any], age: str) -> str:
    """One violation in words; `age` tells how old the copy is."""
    path, lock = quoted(against["path"]), against["lock"]
    if against["why"] == "fenced":
        holder = clean(str(against["fence"]["holder"]["session"]))
        return f"{path} is no longer yours{lost_by(against['end'])}: {holder} has locked it since{age}"
    if against["why"] == verdict.REQUIRED:
        return f"{path} wants a lock of whoever changes it (peer-lock in .gitattributes), and you hold none{age}"
    if against["why"] == "disputed":
        topic = clean(str(against["dispute"].get("topic", "")))
        where = f" in debate {clean(str(against['dispute']['id']))[:8]}"
        return f"{path} is disputed{where}" + (f": {topic}" if topic else "")
    kind, target = verdict.place(lock["target"])
    on = "" if target == against["path"] else f" on {quoted(target + '/' if kind == 'dir' else target)}"
    on = part(lock["target"]) or on
    from git_peer.store.clone import times

    until = times.when(against["expires"])
    if against["expires"] < time.time():  # a clock of which that is not taken
        age = f"{age}; this clock says it is later, and is not borne out"
    holder = against["session"]
    where = naming.where(str(lock["session"]), str(holder.get("host", "")), str(holder.get("worktree", "")))
    place = f", at {clean(where)}" if where else ""
    text = f"{path} is locked by {clean(lock['session'])} ({clean(lock['mode'])}{on}, lapses {until}{place}{age})"
    reason = clean(str(lock.get("reason", "")))
    return f"{text}: {reason}" if reason else text


def part(target: dict[str, Any]) -> str:
    """The lines or the section that a lock is on, in words; "" for a whole file."""
    spans = verdict.spans_of(target)
    if not spans:
        return ""
    rows = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans[:SHOWN])
    rows += ", …" if len(spans) > SHOWN else ""
    rows += " of a version that is not here" if target.get("missing") else ""
    name = clean(str(target.get("section", "")))
    return f" on {name}, lines {rows}" if name else f" on lines {rows}"


def lost_by(end: dict[str, Any]) -> str:
    """By whom and why a lock was lost, in brackets; "" where that is not known."""
    by, reason = clean(str(end.get("by", ""))), clean(str(end.get("reason", "")))
    how = {"forced": "broke your lock", "preempted": "outranked you", "expired": "ended your lock, which had run out"}
    said = how.get(str(end.get("how")))
    return (f" ({by} {said}" + (f": {reason}" if reason else "") + ")") if said else ""


def advice(refused: Sequence[dict[str, Any]], by: Answer, merging: bool) -> str:
    """What one can do about it."""
    if by.silent:
        return f"{by.silent} did not answer: 'git peer sync' looks again; else {_advice(refused, merging)}"
    return _advice(refused, merging)


def _advice(refused: Sequence[dict[str, Any]], merging: bool) -> str:
    whys = {against["why"] for against in refused}
    if "locked" in whys:
        holders = dict.fromkeys(clean(a["lock"]["session"]) for a in refused if a["why"] == "locked")
        who = next(iter(holders)) if len(holders) == 1 else "the holders"
        busy = next((a["path"] for a in refused if a["why"] == "locked" and is_busy(a["path"])), None)
        if busy is not None and not merging:
            return f"ask {who}, or wait until then; {sharing(busy)}"
        if merging:
            return f"wait until then or ask {who}, then finish the merge with 'git commit'"
        if any(a["lock"] and a["lock"]["target"].get("missing") for a in refused):
            return f"'git fetch' that version: without it {who} has the whole file here"
        if all(a["lock"] and verdict.spans_of(a["lock"]["target"]) for a in refused):
            return f"wait until then, ask {who}, or leave those lines as they are ('git add -p')"
        return f"wait until then, ask {who}, or commit the rest with 'git commit -- <other paths>'"
    if verdict.REQUIRED in whys:
        first = next(against["path"] for against in refused if against["why"] == verdict.REQUIRED)
        return f"take it first: git peer lock {quoted(first)}"
    if "fenced" in whys:
        return "merge what has landed since, or take it again with 'git peer lock'"
    return "it cannot be pushed until a person has decided the debate about it"


def clean(text: str) -> str:
    """A stranger's text on one line of a terminal: without control and direction-changing characters."""
    return " ".join("".join(char if _is_seen(char) else " " for char in text).split())


def _is_seen(char: str) -> bool:
    return char.isprintable() and char not in _UNSEEN and not "\U000e0000" <= char <= "\U000e0fff"


def quoted(path: str) -> str:
    """A path as git shows it with core.quotePath off: in quotes, with octal escapes, when it has odd bytes."""
    if all(map(_is_seen, path)) and '"' not in path and "\\" not in path:
        return path
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    text = ""
    for char in path:
        plain = char if _is_seen(char) else "".join(f"\\{byte:03o}" for byte in layout.to_bytes(char))
        text += short.get(char, plain)
    return f'"{text}"'


def _say(status: int, errors: Iterable[str], hint: str, kind: str = "error") -> int:
    lines = [f"{kind}: {error}\n" for error in errors] + [f"hint: {hint}\n"]
    os.write(2, "".join(lines).encode("utf-8", "replace"))
    return status
