"""Where the work of locks has landed: looked for in what is new on the integration branches, and recorded.

`git peer sync`, `git peer landed` and the hooks' fetch in the background ask here. The rule is
core/lock/landing_rule.py; what it costs grows with the new commits and the locks that wait, not with history.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import landing_rule as rule
from git_peer.core.lock import push_rule
from git_peer.core.lock import record as locks
from git_peer.core.lock.landing import LockLand, LockWork, of_lock
from git_peer.core.lock.landing_rule import Found, Merged, Search, Step, Tally, Verdict
from git_peer.core.lock.push_rule import Content
from git_peer.core.lock.record import Lock, Work
from git_peer.core.log.command import Outcome, Scene
from git_peer.core.log.state import Event, State
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.layout import unpercent
from git_peer.ops import destination, unlanded
from git_peer.ops.destination import HEADS
from git_peer.ops.peer import Peer
from git_peer.store import files
from git_peer.store.git import refs
from git_peer.store.git.history import Missing
from git_peer.store.git.landing import Commit, Mainline
from git_peer.store.git.remote import run
from git_peer.store.git.repo import Repo

_NAMED = 500  # paths that a command line takes
_DEEPER = (100, 1000, 0)  # commits by which a shallow clone is deepened, one after the other; 0: all the way


class Seen(NamedTuple):
    """What was seen of one lock. `work` is as it is now; `gone`: its branch was on the remote, and is no more."""

    lock: Lock
    work: Work
    verdict: Verdict
    gone: bool = False
    ref: str = ""


class End(NamedTuple):
    """A lock that is to end, and how."""

    seen: Seen
    how: str
    commit: str


class Look:
    """One look at the integration branches. `deepen`: a shallow clone may be deepened for it."""

    def __init__(self, peer: Peer, patience: float, deepen: bool = False, only: str = "") -> None:
        self.peer = peer
        self._only = only and HEADS + only.removeprefix(HEADS)
        self.history = Mainline(peer.repo, patience)
        self.gates = unlanded.landing(peer)
        self.answered = True
        self._patience = patience
        self._deepen = deepen
        self._spans: dict[tuple[str, str], list[Commit]] = {}
        self._brought: dict[tuple[str, str], dict[str, str]] = {}
        self._memory: dict[str, Any] = files.read_json(peer.clone.folder / layout.F_LANDING)
        self._kept: dict[str, Any] = {}

    # -- which locks, and what they wait for --------------------------------------------------------
    def seen(self) -> list[Seen]:
        """What there is to say of every pending lock, and of those that this clone's sessions hold with landed work."""
        peer = self.peer
        # The oldest grants first: the commits that they read serve the others.
        pending, held = sorted(locks.pending(peer.state), key=lambda lock: lock.token), self._held()
        if not pending and not held:
            if self._memory:
                (peer.clone.folder / layout.F_LANDING).unlink(missing_ok=True)
            return []
        tips = self.tips
        if not tips:
            return [Seen(lock, lock.work or Work(commit=""), Verdict(rule.UNKNOWN)) for lock in pending]
        found = [self._judged(lock, *self._now(lock)) for lock in pending]
        found += [self._judged(lock, work, False) for lock, work in held]
        files.write_json(peer.clone.folder / layout.F_LANDING, self._kept, durable=False)
        return found

    def _held(self) -> list[tuple[Lock, Work]]:
        """The locks of this clone's sessions whose branch has work under them."""
        peer = self.peer
        found: list[tuple[Lock, Work]] = []
        for session in sessions.all_of(peer.state) if peer.me.clone else ():
            if session.clone != peer.me.clone or not session.branch or self.gates.lands(HEADS + session.branch):
                continue
            own = [one for one in locks.held_by(peer.state, session.name) if one.sid == session.sid and one.onto]
            tip = self._here(session.branch) if own else ""
            changed: dict[str, dict[str, tuple[Content, Content]]] = {}  # by what it is compared with
            for lock in own if tip else ():
                try:
                    base = next(iter(self.history.bases(tip, lock.onto)), "")
                    if base not in changed:
                        every = unlanded.covering(peer, own)
                        changed[base] = unlanded.between(peer, self.history, base, tip, every)
                except PeerError:
                    continue
                covered = unlanded.covering(peer, [lock])
                paths = {path: both for path, both in changed[base].items() if covered(path)}
                if base and paths and not _dirty(peer, session, paths):
                    work = unlanded.made(peer, paths, tip, base, session.branch, False, keep=False, of=session)
                    found.append((lock, work))
        return found

    def _here(self, branch: str) -> str:
        """Where a branch of this clone stands."""
        found = refs.read(self.peer.repo.git, HEADS + branch)
        return str(found) if found else ""

    @cached_property
    def _there(self) -> dict[str, str]:
        """Ref → commit: the integration branches and those of pending work, as their remote has them now."""
        peer, code = self.peer, self.gates.code
        if peer.remote is None or not code:
            names = [name for name in peer.repo.git.references if name.startswith(HEADS)]
            return {name: self.history.commit(str(peer.repo.git.references[name].target)) for name in names}
        wanted = [one if "*" in one else HEADS + one for one in self.gates.landing]
        waiting = {HEADS + lock.work.branch for lock in locks.pending(peer.state) if lock.work and lock.work.branch}
        url = self.gates.code_url
        told = destination.listed(peer, url, [*wanted, *sorted(waiting)], self._patience)
        if told is None:
            self.answered = False
            return {}
        told = {ref: ident for ref, ident in told.items() if self.gates.lands(ref) or ref in waiting}
        missing = [ref for ref, ident in told.items() if not self.history.commit(ident)]
        if missing:
            destination.bring(peer, url, missing, self._patience)
        return told

    @cached_property
    def tips(self) -> dict[str, str]:
        """Ref → commit of the integration branches."""
        return {
            ref: ident for ref, ident in self._there.items() if self.gates.lands(ref) and self.history.commit(ident)
        }

    def _now(self, lock: Lock) -> tuple[Work, bool]:
        """(the work of a pending lock as its branch has it now, whether that branch has gone)."""
        work = lock.work or Work(commit="")
        ref = HEADS + work.branch
        local = self.peer.remote is None
        known = work.branch and not self.gates.lands(ref) and self.answered
        there = self._there.get(ref, "") if known else ""
        mine = work.clone == self.peer.me.clone
        if known and not there and mine and not local and not work.pushed:
            there = self._here(work.branch)
        gone = bool(known) and not there and (work.pushed or (local and mine))
        if not there or there == work.commit or not self.history.commit(there):
            if (
                there
                and there == work.commit
                and not work.blobs
                and not work.pushed
                and ref in self._there
                and not local
            ):
                again = self._remade(lock, work, there)  # it is public now: the log may keep it
                return again or work, gone
            return work, gone
        return self._remade(lock, work, there) or work, gone

    def _remade(self, lock: Lock, work: Work, tip: str) -> Work | None:
        """The work as a newer tip of its branch has it; None where that cannot be told, or it has been merged."""
        peer, history = self.peer, self.history
        try:
            if any(history.comes_after(one, tip) for one in self.tips.values()):
                if not history.comes_after(tip, work.commit):
                    return None
                bases = [work.base] if work.base else []
            else:
                bases = list(history.bases(tip, *self.tips.values()))
            base = bases[0] if bases else ""
            paths = unlanded.between(peer, history, base, tip, unlanded.covering(peer, [lock]))
        except PeerError:
            return None
        public = peer.remote is None or self._there.get(HEADS + work.branch) == tip
        made = unlanded.made(peer, paths, tip, base, work.branch, public and peer.remote is not None, keep=public)
        where = {"clone": work.clone, "gitdir": work.gitdir, "host": work.host, "worktree": work.worktree}
        made = msgspec.structs.replace(made, **where)
        return of_lock(peer.state, peer.scene(peer.state), lock, made) or msgspec.structs.replace(
            made, paths={}, blobs=()
        )

    # -- the judgement ------------------------------------------------------------------------------
    def _judged(self, lock: Lock, work: Work, gone: bool) -> Seen:
        best = Verdict(rule.UNKNOWN)
        where = ""
        for ref, tip in self.tips.items():
            try:
                one = self._on(lock, work, ref, tip)
            except PeerError:  # what is missing here ends nothing
                continue
            if _rank(one) > _rank(best):
                best, where = one, ref
        if lock.id in self._kept:
            shown = {"how": best.how, "done": best.done, "of": best.of, "commit": best.commit, "gone": gone}
            self._kept[lock.id]["verdict"] = shown
        return Seen(lock, work, best, gone, where)

    def _on(self, lock: Lock, work: Work, ref: str, tip: str) -> Verdict:
        """What became of some work on one integration branch."""
        paths = self._paths(lock, work)
        region = lock.target.region if lock.target.blob else ()
        within = {path: self.history.region(lock.target.blob, paths[path][0], region) for path in paths if region}
        search = Search(paths, self.history, within)
        if not search.paths:
            return Verdict(rule.NOTHING)
        key = f"{work.commit} {work.base}"
        known = self._memory.get(lock.id)
        had = _noted(known, key, ref)
        if had and (had["tip"] == tip or self.history.comes_after(tip, had["tip"])):
            start, tally, merged = had["tip"], _tally(had["tally"], search), had["merged"]
        else:  # the first look, or the branch was rewritten: from the beginning
            start, tally, merged = self._start(lock, work, tip), search.empty(), ""
            search.begin(tally, start, lambda path: self.history.content(start, path))
        span = self.span(start, tip)
        near = (one for one in span if search.concerns(one.changes.keys(), one.objects))
        search.follow(tally, (Step(one.commit, one.changes, _is_ours(one, lock, work)) for one in near))
        merged = merged or (self._bringing(start, tip, span).get(work.commit, "") if span else "")
        self._kept.setdefault(lock.id, {"work": key})
        self._kept[lock.id][ref] = {"tip": tip, "merged": merged, "tally": _plain(tally)}
        verdict = search.verdict(tally, lambda path: self.history.content(tip, path))
        if not merged or verdict.how == rule.LANDED:
            return verdict
        whole = self._of_merge(search, work, merged, tip)
        if verdict.how == rule.OTHER:  # the merge left it out, and another made the same
            return verdict if whole.how == rule.BURIED else verdict._replace(how=rule.LANDED)
        return whole

    def _start(self, lock: Lock, work: Work, tip: str) -> str:
        """Where the integration branch stood at the grant, or what it still has of that."""
        start = lock.onto or work.base
        if not start:
            return ""
        self._have(start, tip)
        return next(iter(self.history.bases(tip, start)), "")

    def _paths(self, lock: Lock, work: Work) -> dict[str, tuple[Content, Content]]:
        if work.paths or not work.commit:
            return {unpercent(path): (unlanded.content(a), unlanded.content(b)) for path, (a, b) in work.paths.items()}
        if not self.history.commit(work.commit) or (work.base and not self.history.commit(work.base)):
            raise Missing(work.commit)
        return unlanded.between(self.peer, self.history, work.base, work.commit, unlanded.covering(self.peer, [lock]))

    def span(self, start: str, tip: str) -> list[Commit]:
        """The new commits of an integration branch; those of one look that begin at different ones are read once."""
        if start == tip:
            return []
        if (start, tip) not in self._spans:
            for (other, end), commits in list(self._spans.items()):
                at = next((n for n, one in enumerate(commits) if one.commit == start), None)
                if end == tip and at is not None and (other, tip) in self._spans:
                    self._spans[start, tip] = commits[at + 1 :]
                    return self._spans[start, tip]
            self._spans[start, tip] = self.history.span(start, tip)
        return self._spans[start, tip]

    def _bringing(self, start: str, tip: str, span: Sequence[Commit]) -> dict[str, str]:
        """Commit → the one along first parents that brought it to the branch."""
        if (start, tip) not in self._brought:
            self._brought[start, tip] = self.history.brought(start, tip, span)
        return self._brought[start, tip]

    def _of_merge(self, search: Search, work: Work, merge: str, tip: str) -> Verdict:
        """What a merge of the work's very commits made of it."""
        history = self.history
        before = next(iter(history.parents(merge)), "")
        bases = history.bases(before, work.commit) if before else ()
        found = []
        for path, (_, after) in search.paths.items():
            stood, stands = history.content(before, path), history.content(merge, path)

            def merging(*three: Content, path: str = path) -> set[Content]:
                return history.merges(path, *three)

            clean = {
                one
                for base in bases or ("",)
                for one in push_rule.merged(history.content(base, path), stood, after, merging)
            }
            found.append(Merged(after, stood, stands, clean, history.content(tip, path)))
        return rule.of_merge(merge, found)

    def _have(self, commit: str, tip: str) -> None:
        """Have a commit here, and what is between it and the tip; Missing where that is not to be had."""
        history = self.history
        if not history.shallow:
            if not history.commit(commit):
                raise Missing(commit)
            return
        for depth in (None, *(_DEEPER if self._deepen else ())):
            if depth is not None:
                _deepen(self.peer, self.gates, depth, self._patience)
                anew = Repo(os.fspath(self.peer.repo.top or self.peer.repo.gitdir))  # libgit2 keeps where it was cut
                history = self.history = Mainline(anew, self._patience)
                self._spans.clear()
            try:
                if history.commit(commit) and history.comes_after(tip, commit):
                    return
            except Missing:
                continue
        if history.shallow or not history.commit(commit):
            raise Missing(commit)


def _deepen(peer: Peer, gates: destination.Gates, depth: int, patience: float) -> None:
    how = f"--deepen={depth}" if depth else "--unshallow"
    args = ["-c", "core.hooksPath=/dev/null", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", how]
    specs = [f"+{HEADS}{one}:refs/peer/landing/{one}" for one in gates.landing if "*" not in one]
    run([*args, "--refmap=", gates.code_url, *specs], destination.top_of(peer), patience, destination.environment(peer))


def _rank(one: Verdict) -> tuple[int, int]:
    order = (rule.UNKNOWN, rule.PENDING, rule.PARTLY, rule.LOOK, rule.BURIED, rule.NOTHING, rule.OTHER, rule.CHANGED)
    return (order.index(one.how) if one.how in order else len(order)), one.done


def _is_ours(one: Commit, lock: Lock, work: Work) -> bool:
    """Whether a commit says that it has the work of a lock: by a trailer, its message, or who made it."""
    if one.sessions:
        return lock.session in one.sessions
    if work.branch and re.search(rf"(?<![\w/-]){re.escape(work.branch)}(?![\w-])", one.message):
        return True
    return one.author in work.authors


def _noted(known: Any, work: str, ref: str) -> dict[str, Any]:
    """What an earlier look noted of some work on a branch; nothing where that is not whole."""
    had = known.get(ref) if isinstance(known, dict) and known.get("work") == work else None
    kinds = {"tip": str, "merged": str, "tally": dict}
    whole = isinstance(had, dict) and all(isinstance(had.get(name), kind) for name, kind in kinds.items())
    return had if had is not None and whole else {}


def _plain(tally: Tally) -> dict[str, list[Any]]:
    return {
        layout.percent(path): [
            None if one is None else [one.commit, one.ours, unlanded.spelled(one.before), one.look] for one in found
        ]
        for path, found in tally.items()
    }


def _tally(raw: Mapping[str, list[Any]], search: Search) -> Tally:
    """What a look noted, for the next one; nothing where the work is not what it was."""
    try:
        read: Tally = {
            unpercent(path): [
                None if one is None else Found(str(one[0]), bool(one[1]), unlanded.content(one[2]), bool(one[3]))
                for one in found
            ]
            for path, found in raw.items()
        }
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return search.empty()
    fresh = search.empty()
    same = {path: len(found) for path, found in read.items()} == {path: len(found) for path, found in fresh.items()}
    return read if same else fresh


def _dirty(peer: Peer, session: sessions.Session, paths: Iterable[str]) -> bool:
    """Whether the work tree of a session of this clone has uncommitted change under these paths."""
    gitdir = peer.repo.common / session.gitdir if session.gitdir else peer.repo.common
    args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"]
    where: dict[str, str] = {}
    if session.gitdir:
        try:
            top = (gitdir / "gitdir").read_text().rstrip("\n").removesuffix("/.git")
            where = {"GIT_DIR": str(gitdir), "GIT_WORK_TREE": top}
        except OSError:
            return False  # that work tree is gone
    elif peer.repo.common.name == ".git":
        where = {"GIT_DIR": str(gitdir), "GIT_WORK_TREE": str(peer.repo.common.parent)}
    else:
        return False
    where["GIT_OPTIONAL_LOCKS"] = "0"
    wanted = [f":(literal,top){path}" for path in paths]
    few = ["--", *wanted] if len(wanted) <= _NAMED else []  # of many any change in the work tree counts
    ran = run([*args, *few], gitdir, 10, where)
    return bool(ran.status) or bool(ran.out)


# -- what comes of it -------------------------------------------------------------------------------
def ends(peer: Peer, seen: Sequence[Seen], scene: Scene) -> list[End]:
    """The locks that end by what was seen."""
    found = []
    for one in seen:
        lock, verdict = one.lock, one.verdict
        if lock.state == "held":
            if verdict.how in (rule.LANDED, rule.CHANGED, rule.OTHER) and verdict.commit:
                found.append(End(one, verdict.how, verdict.commit))
        elif verdict.how in rule.ENDS:
            found.append(End(one, verdict.how, verdict.commit))
        elif verdict.how == rule.LOOK and one.gone:
            found.append(End(one, rule.CHANGED, verdict.commit))
        elif scene.clock_trusted and scene.now > lock.since + scene.pending_ttl:
            found.append(End(one, rule.ABANDONED, ""))
    return found


def settle(peer: Peer, patience: float, write: bool = True, deepen: bool = False, only: str = "") -> dict[str, Any]:
    """Look, and record what has landed: {released, waiting, notices}. `write` false: say what would end.

    `only`: on this integration branch.
    """
    look = Look(peer, patience, deepen, only)
    if only and not look.gates.lands(HEADS + only.removeprefix(HEADS)):
        raise PeerError("not_found", f"{only} is no integration branch here", "peer.integration names them")
    seen = look.seen()
    if not seen:
        return {"released": [], "waiting": [], "notices": []}
    state = peer.state
    scene = peer.scene(state)
    over = ends(peer, seen, scene)
    views = [
        locks.describe(state, end.seen.lock, scene, "") | {"how": end.how, "landed": end.commit or None} for end in over
    ]
    named = {end.seen.lock.id for end in over}
    moved = [one for one in seen if one.lock.state == "pending" and one.lock.id not in named and _moved(one)]
    if write and (over or moved):
        _record(peer, over, moved)
    waiting = [
        locks.describe(state, one.lock, scene, "") | {"landing": _shown(one)}
        for one in seen
        if one.lock.id not in named and one.lock.state == "pending"
    ]
    return {"released": views, "waiting": waiting, "notices": [*_ended(over), *told(peer, seen, named)]}


def is_due(peer: Peer) -> bool:
    """Whether any lock could end by a look: a pending one, or one of this clone's sessions on a branch of its own."""
    state, gates = peer.state, None
    if any(state.entries(layout.T_PENDING) or ()):
        return True
    for session in sessions.all_of(state):
        if session.clone == peer.me.clone and session.branch and sessions.holds(state, session.name):
            gates = gates or unlanded.landing(peer)
            if not gates.lands(HEADS + session.branch):
                return True
    return False


def may_write(peer: Peer) -> bool:
    """Whether this clone may write to the log."""
    return peer.remote is None or peer.clone.facts.get("writable") is not False


def _moved(one: Seen) -> bool:
    """Whether the branch of pending work is another than the log knows."""
    had = one.lock.work
    return had is not None and (had.commit, had.base, had.pushed) != (one.work.commit, one.work.base, one.work.pushed)


def _record(peer: Peer, over: Sequence[End], moved: Sequence[Seen]) -> None:
    """Write down what has landed, and where work stands now. The log itself says it: no session need be there."""
    peer.writable()
    if peer.state.log.format < LockLand.came:
        return  # it has no pending locks, and says nothing of work

    def decide(state: State, scene: Scene, fresh: bool) -> Outcome:
        events: list[Event] = []

        def there(lock: Lock) -> bool:
            find = locks.waiting if lock.state == "pending" else locks.by_pointer
            return find(state, lock.session, lock.id) == lock

        for end in over:
            lock = end.seen.lock
            clone = peer.me.clone if lock.state == "held" else ""
            if there(lock):
                landed = LockLand(
                    id=scene.ident(),
                    at=scene.now,
                    by="git-peer",
                    v=LockLand.came,
                    lock=lock.id,
                    holder=lock.session,
                    how=end.how,
                    commit=end.commit,
                    clone=clone,
                )
                events.append(landed)
        for one in moved:
            if there(one.lock):
                ident, holder = one.lock.id, one.lock.session
                moves = LockWork(
                    id=scene.ident(),
                    at=scene.now,
                    by="git-peer",
                    v=LockWork.came,
                    lock=ident,
                    holder=holder,
                    work=one.work,
                )
                events.append(moves)
        return Outcome(events, lambda after, scene: {}, large=True)

    with peer.clone.writing(peer.settings.get("retryTimeout")):
        peer.engine.attempt(decide)
        peer.engine.told()


def _shown(one: Seen) -> dict[str, Any]:
    verdict = one.verdict
    how = rule.ABANDONED if one.gone and verdict.how in (rule.PENDING, rule.PARTLY) else verdict.how
    return {"how": how, "commit": verdict.commit or None, "done": verdict.done, "of": verdict.of, "gone": one.gone}


def _ended(over: Sequence[End]) -> list[dict[str, Any]]:
    """What whoever looks is to know of locks that ended otherwise than by plainly landing."""
    said = {
        rule.CHANGED: "was changed on landing, look at it",
        rule.ABANDONED: "has waited for too long and is forgotten: it never landed",
    }
    found = []
    for end in over:
        lock, verdict = end.seen.lock, end.seen.verdict
        why = said.get(end.how, "has landed and was taken back since" if verdict.reverted else "")
        if why:
            at = f" ({end.commit[:12]})" if end.commit else ""
            text = f"the work of {lock.session} on {targets.show(lock.target)} {why}{at}"
            found.append({"code": "landing", "message": text, "lock": lock.id, "commit": end.commit or None})
    return found


def told(peer: Peer, seen: Sequence[Seen], ended: Iterable[str]) -> list[dict[str, Any]]:
    """What is to be said of work that still waits."""
    found = []
    for one in seen:
        lock, verdict = one.lock, one.verdict
        if lock.id in ended or lock.state != "pending":
            continue
        path, branch = targets.show(lock.target), one.work.branch or one.work.commit[:12]
        text = hint = ""
        if verdict.how == rule.BURIED:
            text = f"{branch} was merged ({verdict.commit[:12]}), and the work of {lock.session} on {path} was left out"
            shows = f"`git diff {verdict.commit[:12]} {one.work.commit[:12]} -- {path}` shows what is missing"
            hint = f"ask who merged it; {shows}"
        elif verdict.how == rule.LOOK and _is_mine(peer, lock):
            text = f"something much like your work on {path} has landed ({verdict.commit[:12]})"
            hint = f"look at it; `git peer unlock {path}` if that is your work"
        elif one.gone and verdict.how in (rule.PENDING, rule.PARTLY):
            part = f", only {verdict.done} of {verdict.of} hunks" if verdict.done else ""
            text = f"the branch {branch} is gone, and the work of {lock.session} on {path} has not landed{part}"
            hint = f"`git peer unlock {path}` forgets it; else it is forgotten after peer.pendingTtl"
        if text:
            found.append({"code": "landing", "message": text, "lock": lock.id, "hint": hint, "target": path})
    return found


def _is_mine(peer: Peer, lock: Lock) -> bool:
    return locks.is_ones(peer.state, peer.session(), peer.me, lock)
