"""Locks: who may change what. The record, where it stands in the tree, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Me, Scene
from git_peer.core.log.state import Kept, Record, State, decode
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target import tree_index as trie
from git_peer.core.target.target import Spans, Target

TOKEN_SHIFT = 20  # a fencing token is the height, shifted, and the event's index below it
MODES = ("exclusive", "shared")
OF_LINES = 2  # the format of a log from which on lines of one file are compared


class Work(Record, frozen=True, kw_only=True):
    """What a holder's branch has that has not landed: `commit`, on `base`.

    `paths` is percent-encoded path → what stands there before and after it, "MODE ID" or "" for nothing; of so many
    that they do not go into an event there are none. `blobs` are those of them that are kept in the log's tree.
    """

    commit: str
    base: str = ""
    branch: str = ""
    pushed: bool = False  # the branch was on the remote then
    authors: tuple[str, ...] = ()  # e-mail addresses
    clone: str = ""
    gitdir: str = ""
    host: str = ""
    worktree: str = ""
    at: int = 0
    paths: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    blobs: tuple[str, ...] = ()


class Lock(Kept, frozen=True, kw_only=True):
    """A lock's record. `token` 0: tentative. `state` is held or pending."""

    id: str
    target: Target
    mode: str
    state: str = "held"
    sid: str
    session: str
    priority: int
    reason: str = ""
    task: str = ""
    token: int
    ttl: int
    at: int
    head: str = ""  # the commit that its holder stood on
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    # Of lines: id of another lock or fence on lines of the file → what had come of those on this one's blob.
    maps: dict[str, Spans] = msgspec.field(default_factory=dict)
    onto: str = ""  # the integration branch as its holder knew it at the grant
    work: Work | None = None
    since: int = 0  # when it became pending


# -- reading ------------------------------------------------------------------------------------
def root_of(target: Target) -> str:
    """The folder of the tree that mirrors such targets."""
    return layout.T_NAMES if target.kind == "name" else layout.T_LOCKS


def place(lock_id: str, target: Target, root: str = "") -> str:
    """The tree path of a lock's record; below another root that of a pending one."""
    return layout.record(root or root_of(target), targets.root_path(target), lock_id)


def pointer(session: str, lock_id: str, root: str = layout.T_HELD) -> str:
    """The tree path of the index entry that leads from a session to its lock's record."""
    return f"{root}/{session}/{lock_id}"


def holder_of(state: State, lock: Lock) -> Session | None:
    """The session that holds a lock; None where it is gone."""
    session = sessions.get(state, lock.session)
    return session if session is not None and session.sid == lock.sid else None


def is_ones(state: State, session: Session | None, me: Me, lock: Lock) -> bool:
    """Whether a lock is one's own. A pending one may have outlived its session: then it goes by where that was."""
    holder = holder_of(state, lock)
    if holder is not None or lock.work is None or lock.state == "held":
        return holder is not None and sessions.owns(session, me, holder)
    there = (lock.work.clone, lock.work.gitdir) == (me.clone, me.gitdir)
    return there and (sessions.name_for(state, me) == lock.session or (me.name is None and me.person))


def is_live(state: State, lock: Lock, scene: Scene) -> bool:
    """Whether the lease of a lock still runs."""
    session = holder_of(state, lock)
    return session is not None and scene.now <= sessions.expires(session, lock.ttl, scene)


def all_of(state: State) -> Iterator[Lock]:
    """Every lock."""
    for root in (layout.T_LOCKS, layout.T_NAMES):
        for _, raw in state.walk(root):
            yield decode(raw, Lock)


def held_by(state: State, name: str) -> Iterator[Lock]:
    """The locks of the session of that name."""
    for ident in sorted(state.entries(f"{layout.T_HELD}/{name}") or ()):
        lock = by_pointer(state, name, ident)
        if lock is not None:
            yield lock


def pending(state: State) -> Iterator[Lock]:
    """Every pending lock."""
    for _, raw in state.walk(layout.T_PENDING):
        yield decode(raw, Lock)


def pending_over(state: State, target: Target) -> Iterator[Lock]:
    """The pending locks whose target overlaps `target`."""
    folds = state.log.folds
    for _, raw in trie.near(state, layout.T_PENDING, targets.root_path(target), folds):
        lock = _read(raw)
        if targets.overlap(lock.target, target, folds):
            yield lock


def by_pointer(state: State, name: str, ident: str) -> Lock | None:
    """The lock `ident` that the session `name` holds."""
    return _pointed(state, pointer(name, ident))


def waiting(state: State, name: str, ident: str) -> Lock | None:
    """The pending lock `ident` of the session `name`, which may be over."""
    return _pointed(state, pointer(name, ident, layout.T_WAITING))


def _pointed(state: State, path: str) -> Lock | None:
    where = state.read(path)
    return None if where is None else state.get(where.decode(), Lock)


def by_id(state: State, prefix: str) -> Lock:
    """The one lock whose id begins with `prefix`."""
    named = [
        pointer(name, ident, root)
        for root in (layout.T_HELD, layout.T_WAITING)
        for name in state.entries(root) or ()
        for ident in state.entries(f"{root}/{name}") or ()
        if ident.startswith(prefix)
    ]
    lock = _pointed(state, named[0]) if len(named) == 1 else None
    if lock is None:
        many = "more than one lock's id begins" if named else "no lock's id begins"
        raise PeerError("not_found", f"{many} with {prefix}", "`git peer locks` lists them")
    return lock


@lru_cache(maxsize=8192)
def _read(raw: bytes) -> Lock:
    """The record in `raw`: of many targets of one command each is compared with every other's."""
    return decode(raw, Lock)


def near(state: State, target: Target) -> Iterator[Lock]:
    """Every lock that may overlap `target` by where it stands in the tree."""
    for _, raw in trie.near(state, root_of(target), targets.root_path(target), state.log.folds):
        yield _read(raw)


def overlapping(state: State, target: Target) -> Iterator[Lock]:
    """Every lock whose target overlaps `target`, whoever holds it."""
    folds = state.log.folds
    return (lock for lock in near(state, target) if targets.overlap(lock.target, target, folds))


Meets = Callable[[Lock], bool]


def against(state: State, target: Target, mode: str, sid: str, meets: Meets | None = None) -> Iterator[Lock]:
    """The held locks of others that stand against `sid` having `target`; Malformed where that is too much work.

    `meets` tells which do, where lines are compared.
    """
    folds = state.log.folds
    for lock in near(state, target):
        if lock.sid != sid and lock.state == "held" and "exclusive" in (lock.mode, mode):
            state.spend(targets.work(lock.target, target))
            if meets(lock) if meets is not None else targets.overlap(lock.target, target, folds):
                yield lock


def seen_with(state: State, target: Target, scene: Scene) -> Meets:
    """Which locks meet `target`, for a decision: lines are followed to its blob."""
    folds = state.log.folds
    return lambda lock: targets.meet(lock.target, target, targets.carried(lock.target, target, scene.carry), folds)


def recorded_with(state: State, target: Target, maps: Mapping[str, Spans], ident: str = "") -> Meets | None:
    """The same by what grants have recorded: `maps` of the one on `target`, whose id is `ident`."""
    if state.log.format < OF_LINES:
        return None
    folds = state.log.folds

    def meets(lock: Lock) -> bool:
        if ident in lock.maps and lock.id not in maps:
            return targets.meet(target, lock.target, lock.maps[ident], folds)
        return targets.meet(lock.target, target, maps.get(lock.id), folds)

    return meets


# -- showing ------------------------------------------------------------------------------------
def rfc3339(at: int) -> str:
    """Epoch seconds as RFC 3339 in UTC."""
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=min(max(at, 0), 253402300799))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ends(state: State, lock: Lock, scene: Scene) -> int:
    """Epoch second at which the lease of a lock runs out; of one whose holder is gone, when it was taken."""
    session = holder_of(state, lock)
    return sessions.expires(session, lock.ttl, scene) if session is not None else lock.at


def describe(state: State, lock: Lock, scene: Scene, guarantee: str) -> dict[str, Any]:
    """A lock as the command contract's L."""
    session, work = holder_of(state, lock), lock.work or Work(commit="")
    until = ends(state, lock, scene)
    target, is_pending = lock.target, lock.state == "pending"
    if is_pending:  # it refuses nobody, and waits for so long
        until = lock.since + scene.pending_ttl
    view: dict[str, Any] = {
        "id": lock.id,
        "target": targets.show(target),
        "kind": target.kind,
        "path": target.path,
        "mode": lock.mode,
        "state": lock.state,
        "session": lock.session,
        "sid": lock.sid,
        "host": work.host or (session.host if session else ""),
        "branch": work.branch or (session.branch if session else ""),
        "worktree": work.worktree or (session.worktree if session else ""),
        "reason": lock.reason,
        "priority": lock.priority,
        "token": lock.token or None,
        "ttl": lock.ttl,
        "acquired_at": rfc3339(lock.at),
        "expires_at": rfc3339(until),
        "live": is_pending or (session is not None and session.sid not in scene.left and scene.now <= until),
        "guarantee": guarantee
        or ("tentative" if not lock.token else "local" if state.log.mode == "local" else "remote"),
    }
    optional: dict[str, Any] = {
        "path_encoding": target.encoding,
        "lines": target.lines,
        "section": target.section,
        "spans": target.spans,
        "blob": target.blob,
        "task": lock.task,
        "head": lock.head,
    }
    if lock.work is not None:
        optional["work"] = describe_work(lock.work)
    if is_pending:
        optional["pending_since"] = rfc3339(lock.since)
    view.update({key: value for key, value in optional.items() if value})
    return view


def describe_work(work: Work) -> dict[str, Any]:
    """Unlanded work as JSON has it."""
    return {
        "commit": work.commit,
        "branch": work.branch,
        "pushed": work.pushed,
        "authors": list(work.authors),
        "paths": sorted(work.paths),
        "at": rfc3339(work.at),
    }
