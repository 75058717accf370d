"""The hooks of a repository that clones push to: what the log there says of locks holds for every push to it.

    python -I -S server_start.py pre-receive|reference-transaction

Standard library and git plumbing only; git names the repository and, before it has taken a push's objects, where
these are. pre-receive refuses in words, moments before; reference-transaction (strict) is one step with the update.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property

from git_peer import layout
from git_peer.core.lock import rule as verdict
from git_peer.core.session.clock import LIVE, Clock
from git_peer.core.target import glob as globs
from git_peer.hooks.gate import PLAIN, Answer, Child, Objects, Tree, Unsure, advice, attributes, by_path, in_words
from git_peer.store.clone import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    Update = tuple[str, str, str]  # ref, old id, new id; "" for none

HEADS = "refs/heads/"
LOOKED_THROUGH = 500  # commits of the log, for what a holder has pushed
_GIT = ("git", "--no-replace-objects")
_RANGES = ("lines", "section")  # which lines a push changes is what git-peer itself looks at


class Refusal(Exception):
    """Why a push is refused, in lines, and what to do about it."""

    def __init__(self, lines: Iterable[str], hint: str) -> None:
        super().__init__(*lines)
        self.hint = hint


def _git(*args: str) -> list[str]:
    """What a git command prints, split at NUL; Unsure where it fails."""
    out, status = Child((*_GIT, *args)).end()
    if status:
        raise Unsure(f"git {args[0]} ended with status {status}")
    return [layout.from_bytes(part) for part in out.split(b"\0") if part]


def updates(lines: Iterable[str], common: str) -> list[Update]:
    """What git says of the refs that a push moves; with `common`, a transaction in that git directory."""
    found = []
    for line in lines:
        old, new, ref = line.rstrip("\n").split(" ", 2)
        if common:  # there zeros may also mean that nobody cared, and no deletion but that of a file
            if not new.strip("0") and _is_packed(common, f"{old} {ref}"):
                continue
            out, status = Child((*_GIT, "rev-parse", "--verify", "-q", ref), quiet=True).end()
            old = out.decode().strip() if status == 0 else ""
        ids = [ident if ident.strip("0") else "" for ident in (old, new)]
        if ids[0] != ids[1]:
            found.append((ref, ids[0], ids[1]))
    return found


def _is_packed(common: str, line: str) -> bool:
    """Whether `git pack-refs` takes away the file of a ref that it has packed: who deletes the ref holds the lock."""
    if os.path.lexists(f"{common}/packed-refs.lock"):
        return False
    try:
        with open(f"{common}/packed-refs", "rb") as file:
            return layout.to_bytes(line) in file.read().split(b"\n")
    except FileNotFoundError:
        return False


class Push:
    """One push, or one transaction of refs, beside the log of this repository."""

    def __init__(self, moved: Sequence[Update], branch: str, strict: bool, place: str) -> None:
        self.moved = moved
        self.place = place  # a folder to write to
        self.strict = strict
        self.log = HEADS + branch
        self.objects = Objects()
        self.carried = next((one for one in moved if one[0] == self.log), None)

    def check(self) -> None:
        """Refusal unless all of it may be done."""
        landings = self._landings(self.carried) if self.carried else set()
        if self._tip is None:
            return  # there is no log that could say anything
        for ref, old, new in self.moved:
            if not ref.startswith(HEADS) or ref == self.log or not self._gated(ref) or (ref, old, new) in landings:
                continue  # what is landed by the log git-peer has checked against this very log
            name = ref.removeprefix(HEADS)
            if self.strict:
                raise Refusal(
                    [f"{name} takes code only together with the log of git-peer, in one step"],
                    f"push it with 'git peer push', which sends both: git peer push REMOTE {name}",
                )
            self._check_ref(name, old, new)

    # -- the log --------------------------------------------------------------------------------------
    @cached_property
    def _tip(self) -> str | None:
        """The commit that the log comes to stand on."""
        if self.carried:
            return self.carried[2] or None
        found = self.objects.get(f"{self.log}^{{commit}}")
        return found[0] if found else None

    def _landings(self, carried: Update) -> set[Update]:
        """The updates that the new commits of the log record; Refusal where it does not go on from what it was."""
        _, old, new = carried
        name = self.log.removeprefix(HEADS)
        hint = "only git-peer writes it; who owns this server takes the check out with 'git peer server remove'"
        if not new:
            raise Refusal([f"{name} is the log of git-peer: it cannot be deleted"], hint)
        found: set[Update] = set()
        at = new
        while at != old:
            commit = self.objects.get(f"{at}^{{commit}}")
            if commit is None:
                raise Unsure(f"the commit {at} of the log is missing")
            head, _, message = layout.from_bytes(commit[2]).partition("\n\n")
            parents = [line[7:] for line in head.split("\n") if line.startswith("parent ")]
            events = list(_events(message, at))
            if len(parents) > 1 or not events:
                raise Refusal([f"{at[:12]} on {name} is no commit of git-peer's log"], hint)
            for event in events:
                refs = event.get("refs") if event.get("kind") == "push.land" else ()
                found |= {(one["ref"], one.get("old", ""), one.get("new", "")) for one in refs or ()}
            if not parents and old:
                raise Refusal([f"{name} would lose what it has: {new[:12]} does not go on from {old[:12]}"], hint)
            if not parents:
                break
            at = parents[0]
        return found

    @cached_property
    def _tree(self) -> Tree:
        return Tree(self.objects, str(self._tip))

    # -- code -----------------------------------------------------------------------------------------
    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        """The branches that take no change of what others have locked: the log's, and those that settings name."""
        raw = self._tree.read(layout.T_LOG) or b"{}"
        own = str(verdict.parse(raw, layout.T_LOG).get("integration") or "")
        out, _ = Child((*_GIT, "config", "-z", "--get-regexp", r"^peer\.(integration|gatebranches)$")).end()
        named = (row.partition("\n")[2] for row in layout.from_bytes(out).split("\0"))
        return (*filter(None, [own]), *(one for text in named for one in text.replace(",", " ").split()))

    def _gated(self, ref: str) -> bool:
        return any(globs.match(one, ref.removeprefix(HEADS)) for one in self._patterns)

    def _check_ref(self, name: str, old: str, new: str) -> None:
        if not new:
            held = by_path(self._held())
            if held:
                raise Refusal(
                    [f"{name} cannot be deleted while somebody holds locks", *in_words(held, Answer())],
                    "wait until they have landed or unlocked: 'git peer locks'",
                )
            return
        base = old or self._base(new)
        if not base:
            return  # an absence says nothing
        paths = _git("diff-tree", "-r", "--no-renames", "--name-only", "-z", base, new)
        found = by_path(self._against(paths, base, new))
        free = self._free([one["path"] for one in found], base) if found else set()
        found = [one for one in found if one["path"] not in free]
        if found:
            refused = [one for one in found if one["why"] != "disputed"] or found
            hint = advice(refused, Answer(), merging=False)
            if refused[0]["why"] == "locked":
                who = refused[0]["lock"]["session"]
                hint = f"ask {who}; if this is {who}'s own work, push it with 'git peer push', which says so"
            raise Refusal(in_words(found, Answer()), hint)

    def _free(self, paths: Sequence[str], base: str) -> set[str]:
        """Those of the paths that nobody's lock is on, by the attributes of what has landed."""
        index = f"{self.place}/index-{os.getpid()}"
        os.environ["GIT_INDEX_FILE"] = index
        try:
            _git("read-tree", base)
            return {path for path, names in attributes(paths).items() if verdict.FREE in names}
        finally:
            del os.environ["GIT_INDEX_FILE"]
            if os.path.lexists(index):
                os.unlink(index)

    def _base(self, new: str) -> str:
        """Where a new branch leaves what has landed; "" for nowhere."""
        for one in self._patterns:
            if not globs.is_glob(one) and self.objects.get(f"{HEADS}{one}"):
                out, status = Child((*_GIT, "merge-base", f"{HEADS}{one}", new), quiet=True).end()
                if status == 0:
                    return out.decode().strip()
        return ""

    @cached_property
    def _clock(self) -> Clock:
        return Clock(times.now(), times.steady(), times.boot(), {}, "", lambda: verdict.sessions(self._tree))

    def _against(self, paths: Sequence[str], base: str, new: str) -> Iterator[dict[str, Any]]:
        """What stands against a change of these paths, as verdict.judge gives it."""
        folds = verdict.folding(self._tree)
        holders: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        for path, lock in verdict.concerning(self._tree, layout.T_LOCKS, paths, folds):
            holder = self._holder(lock)
            if holder is not None and lock["target"]["kind"] not in _RANGES:
                holders.setdefault(path, []).append((lock, holder))
        for path, held in holders.items():
            if not self._is_theirs(path, [holder for _, holder in held], base, new):
                lock, holder = held[0]
                yield self._violation(path, lock, holder)
        for path, dispute in verdict.concerning(self._tree, layout.T_DISPUTES, paths, folds):
            yield {"path": path, "why": "disputed", "lock": None, "session": None, "expires": 0, "dispute": dispute}

    def _violation(self, path: str, lock: dict[str, Any], holder: dict[str, Any]) -> dict[str, Any]:
        end = self._clock.end(holder, lock["ttl"])
        return {"path": path, "why": "locked", "lock": lock, "session": holder, "expires": end}

    @cached_property
    def _sessions(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in verdict.sessions(self._tree)}

    def _holder(self, lock: dict[str, Any]) -> dict[str, Any] | None:
        """The session record of a lock that is held now."""
        one = self._sessions.get(lock["session"])
        if one is None or one["sid"] != lock["sid"] or lock.get("state", "held") != "held":
            return None
        return one if self._clock.standing(one, lock["ttl"]) == LIVE else None

    def _held(self) -> Iterator[dict[str, Any]]:
        """Every lock that is held, as a violation of its own path."""
        todo = [layout.T_LOCKS]
        while todo:
            at = todo.pop()
            for entry in self._tree.entries(at) or ():
                if entry[0] == "=":
                    todo.append(f"{at}/{entry}")
                elif entry[0] == "@":
                    lock = verdict.parse(self._tree.read(f"{at}/{entry}") or b"", entry)
                    holder = self._holder(lock)
                    if holder is not None:
                        yield self._violation(verdict.place(lock["target"])[1], lock, holder)

    # -- whose a change is ----------------------------------------------------------------------------
    def _is_theirs(self, path: str, holders: Sequence[dict[str, Any]], base: str, new: str) -> bool:
        """Whether every commit of a push that touches a path is, by trailer or branch, of one who holds it."""
        how = ("--full-history", "--diff-merges=combined", "--name-only", "-z", f"{base}..{new}")
        form = "--format=%H %(trailers:key=Peer-Session,valueonly,separator=%x20)"
        commits: list[list[str]] = []
        said: list[str] = []
        for row in _git("log", *PLAIN, *how, form, "--", f":(top,literal){path}"):
            if row.removeprefix("\n") == path:  # a merge that takes it from a parent does not name it
                commits.append(said)
            else:
                said = row.split()
        return bool(commits) and all(self._made(ident, names, holders) for ident, *names in commits)

    def _made(self, commit: str, names: Sequence[str], holders: Sequence[dict[str, Any]]) -> bool:
        for holder in holders:
            mine = [self._sessions[name] for name in names if name in self._sessions]
            if any(verdict.owns({**one, "gitdir": one.get("gitdir", "")}, holder) for one in mine):
                return True
            branch = HEADS + (holder.get("branch") or "")
            tips = {new for ref, new in self._pushed.get(holder["sid"], ()) if not self._gated(ref)}
            if not self._gated(branch):
                tips.add(branch)
            if any(self._has(tip, commit) for tip in tips):
                return True
        return False

    def _has(self, tip: str, commit: str) -> bool:
        if not self.objects.get(f"{tip}^{{commit}}"):
            return False
        return Child((*_GIT, "merge-base", "--is-ancestor", commit, tip), quiet=True).end()[1] == 0

    @cached_property
    def _pushed(self) -> dict[str, set[tuple[str, str]]]:
        """sid → (ref, commit) of what that session has pushed, by the newest landings in the log."""
        found: dict[str, set[tuple[str, str]]] = {}
        at = str(self._tip)
        for _ in range(LOOKED_THROUGH):
            commit = self.objects.get(f"{at}^{{commit}}")
            if commit is None:
                break
            head, _, message = layout.from_bytes(commit[2]).partition("\n\n")
            for event in _events(message, at):
                for one in event.get("refs", ()) if event["kind"] == "push.land" else ():
                    found.setdefault(event["sid"], set()).add((one["ref"], one.get("new", "")))
            parents = [line[7:] for line in head.split("\n") if line.startswith("parent ")]
            if not parents:
                break
            at = parents[0]
        return found


def _events(message: str, where: str) -> Iterator[dict[str, Any]]:
    """The events of a commit of the log; none where it is not one."""
    lines = message.partition("\n\n")[2].rstrip("\n").split("\n")
    for line in lines:
        if not line.startswith("{"):
            return
        try:
            event = verdict.parse(line.encode("utf-8", "surrogateescape"), where)
        except ValueError:
            return
        if not isinstance(event.get("kind"), str):
            return
        yield event


def main(argv: Sequence[str]) -> int:
    """Run one of the hooks; the exit status. Says on stderr why, in git's two lines: git shows it to who pushes."""
    hook = argv[0]
    os.environ["GIT_NO_REPLACE_OBJECTS"] = "1"
    try:
        place = os.path.dirname(os.path.abspath(argv[1]))
        with open(f"{place}/{layout.F_SERVER}", "rb") as file:
            facts = verdict.parse(file.read(), layout.F_SERVER)
        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").splitlines()
        moved = updates(filter(None, lines), os.path.dirname(place) if hook == "reference-transaction" else "")
        Push(moved, str(facts.get("branch") or layout.BRANCH), bool(facts.get("strict")), place).check()
    except Refusal as why:
        return _say([str(line) for line in why.args], why.hint)
    except Exception as why:  # noqa: BLE001 - whatever it was, nothing is known of the locks
        text = str(why) if isinstance(why, (Unsure, ValueError, OSError)) else f"{type(why).__name__}: {why}"
        return _say([f"git-peer could not check this push: {text}"], "ask who looks after this server")
    return 0


def _say(errors: Sequence[str], hint: str) -> int:
    said = "".join(f"{'error' if not at else '  and'}: {line}\n" for at, line in enumerate(errors))
    os.write(2, f"{said}hint: {hint}\n".encode("utf-8", "replace"))
    return 1
