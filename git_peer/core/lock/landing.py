"""Landings: which code reached which refs, which locks that releases, and what of them waits for its work to land.

A pending lock is one whose holder is done, and whose work has not landed. It refuses nobody.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.lock import events as locking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import Lock, Work
from git_peer.core.log.command import Answer, Command, Me, Scene
from git_peer.core.log.state import Event, State, encode
from git_peer.core.log.txn import MAX_EVENT, Txn
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.glob import covers
from git_peer.core.target.target import Target
from git_peer.layout import unpercent

SUMMARY = 16 * 1024  # bytes of what a landing says of its paths
HOWS = ("landed", "changed", "other", "nothing", "abandoned")  # how a lock ends without its owner's word


class RefUpdate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One ref of a push; an empty id stands for no ref."""

    ref: str
    old: str = ""
    new: str = ""


class PushLand(Event, tag="push.land", frozen=True, kw_only=True):
    """Code landed on the remote in the same atomic push as this event (or, `atomic` false, just before it)."""

    example = {"refs": [{"ref": "refs/heads/main", "new": "1a"}]}
    part = "land"

    since = {"paths": 2}

    refs: tuple[RefUpdate, ...]
    atomic: bool = True
    kept: tuple[str, ...] = ()  # ids of locks that go on, and whose work in this push others have to bring in
    paths: tuple[Target, ...] = ()  # what changed on the integration branch; of very many, the folders that they are in

    def says(self) -> str:
        heads = [one for one in self.refs if one.ref.startswith("refs/heads/")]
        others = [one for one in self.refs if one not in heads]
        said = []
        if to := ", ".join(one.ref.removeprefix("refs/heads/") for one in heads if one.new):
            some = [targets.show(target) for target in self.paths[:3]]
            more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
            said.append(f"landed work on {to}" + (f": {', '.join(some)}{more}" if some else ""))
        if pushed := ", ".join(one.ref.removeprefix("refs/") for one in others if one.new):
            said.append(f"pushed {pushed}")
        if gone := ", ".join(
            one.ref.removeprefix("refs/heads/").removeprefix("refs/") for one in self.refs if not one.new
        ):
            said.append(f"deleted {gone}")
        return "; ".join(said)

    def apply(self, state: State, height: int, index: int) -> None:
        """A sign of life. Releases that go with it are events of their own; what is kept has landed all the same."""
        for target in self.paths:
            if target.kind not in ("file", "dir"):
                raise Malformed("files and folders land")
        branch = f"refs/heads/{state.log.integration}"
        commit = next((update.new for update in self.refs if update.ref == branch), "")
        for ident in self.kept:
            lock = locking.owned(state, self, ident)
            if not commit:
                raise Malformed(f"nothing landed on {branch}")
            fences.landed(state, lock.target, lock.sid, commit)
        sessions.touch(state, self, height)


def summary(paths: Iterable[str], most: int = SUMMARY) -> tuple[Target, ...]:
    """The files of a landing, in order; of over `most` bytes the folders that they are in, as deep as fit."""
    found = sorted(set(paths))
    depth = max((path.count("/") for path in found), default=0)
    while sum(len(layout.percent(path)) + 40 for path in found) > most and depth >= 0:
        found = sorted({path if path.count("/") < depth else f"{'/'.join(path.split('/')[:depth])}/" for path in found})
        depth -= 1
    return tuple(targets.of_path("dir" if path.endswith("/") else "file", path.rstrip("/")) for path in found)


def ends(
    state: State,
    changed: Iterable[str],
    dirty: Iterable[str],
    session: Session,
    me: Me,
    apart: Container[str] = (),
    clean: Container[str] = (),
) -> tuple[list[Lock], list[Lock]]:
    """One's own held locks of which a push to the integration branch changed a path: (all done, unfinished).

    `apart` and `clean` are ids of locks on lines that the push, or the uncommitted work, on their file leaves alone.
    """
    folds = state.log.folds
    paths, unfinished = list(changed), list(dirty)

    def touches(lock: Lock, among: list[str]) -> bool:
        return any(covers(lock.target.kind, lock.target.real, path, folds) for path in among)

    met = [lock for lock in owned(state, session, me) if lock.id not in apart and touches(lock, paths)]
    done = [lock for lock in met if lock.id in clean or not touches(lock, unfinished)]
    return done, [lock for lock in met if lock not in done]


def owned(state: State, session: Session, me: Me) -> list[Lock]:
    """The locks that are held by who acts, or by an agent of its own."""
    owners = [s for s in sessions.all_of(state) if sessions.owns(session, me, s)]
    return [lock for owner in owners for lock in locks.held_by(state, owner.name) if lock.sid == owner.sid]


class Land(Command, tag="push", frozen=True, kw_only=True):
    """Record code that lands in the same push, and release what it finishes."""

    refs: tuple[RefUpdate, ...]
    changed: tuple[str, ...] = ()  # percent-encoded paths that reach the integration branch
    dirty: tuple[str, ...] = ()  # percent-encoded paths with uncommitted change
    apart: tuple[str, ...] = ()  # ids of locks on lines that it does not change, though their file
    clean: tuple[str, ...] = ()  # and of those that the uncommitted change of their file leaves alone
    landed: str = ""  # the commit that the integration branch comes to stand on
    atomic: bool = True
    keep: bool = False  # release nothing
    work: Work | None = None  # what the branch has that does not land with this

    def decide(self, txn: Txn) -> Answer:
        """The landing, and the releases that it brings; a kept lock of which others wait for the work is named."""
        changed, dirty = ([unpercent(path) for path in paths] for paths in (self.changed, self.dirty))
        given = txn.session, self.me, self.apart, self.clean
        done, going = ends(txn.state, changed, dirty, *given) if changed else ([], [])
        freed, kept = ([], done + going) if self.keep else (done, going)
        main = f"refs/heads/{txn.state.log.integration}"
        there = any(one.ref == main and one.new for one in self.refs)  # who waits for it looks there
        awaited = tuple(lock.id for lock in kept if there and fences.awaits(txn.state, lock.target, lock.sid))
        views = [locks.describe(txn.state, lock, txn.scene, "") for lock in freed]
        txn.emit(PushLand, refs=self.refs, atomic=self.atomic, kept=awaited, paths=summary(changed))
        for lock in freed:
            txn.emit(locking.LockRelease, lock=lock.id, landed=self.landed, paths=locking.named(lock, freed))
        if self.work is not None:
            for lock in owned(txn.state, txn.session, self.me):
                record(txn, lock, self.work)
        return lambda after, scene: {"released": views}


# -- locks that wait for their work to land ------------------------------------------------------
class LockWork(locking.LockChange, tag="lock.work", frozen=True, kw_only=True):
    """What a lock's holder has changed and not landed yet: its own word; of a pending lock anybody's who looked."""

    came = 2
    example = {"lock": "k", "work": {"commit": "1a"}, "v": 2}

    work: Work
    holder: str = ""  # of a pending lock

    def says(self) -> str:
        whose = f" of {self.holder}" if self.holder else ""
        return f"noted the work{whose} under {self.named}, on {self.work.branch or self.work.commit[:12]}"

    def apply(self, state: State, height: int, index: int) -> None:
        """It replaces what was known before."""
        if self.holder:
            lock = _waiting(state, self.holder, self.lock)
            where = locks.place(lock.id, lock.target, layout.T_PENDING)
        else:
            lock = locking.owned(state, self, self.lock)
            if lock.state != "held":
                raise Malformed(f"{self.by} holds no lock {self.lock}")
            where = locks.place(lock.id, lock.target)
        locking.keep(state, lock.id, lock.work, self.work)
        state.put(where, msgspec.structs.replace(lock, work=self.work))
        if self.sid:
            sessions.touch(state, self, height)


class LockPend(locking.LockChange, tag="lock.pend", frozen=True, kw_only=True):
    """A lock becomes pending: its owner's word, or its lease ran out, with the evidence, and its work is known."""

    came = 2
    example = {"lock": "k", "holder": "b", "work": {"commit": "1a"}, "v": 2}

    holder: str
    work: Work | None = None  # none: what is on record
    evidence: Evidence | None = None

    def apply(self, state: State, height: int, index: int) -> None:
        """Nobody is refused by it any more. Whose lease ran out is fenced, as by lock.expire."""
        if self.evidence is None:
            lock = locking.owned(state, self, self.lock)
        else:
            lock = locking.find(state, self.holder, self.lock)
            expiry.check(self.evidence, locks.holder_of(state, lock), lock.ttl, self, state)
        work = self.work or lock.work
        if lock.state != "held" or lock.session != self.holder or work is None or lock.target.kind == "name":
            raise Malformed(f"{self.lock} has no work that could land")
        locking.remove(state, lock)
        locking.keep(state, lock.id, None, work)
        where = locks.place(lock.id, lock.target, layout.T_PENDING)
        state.put(where, msgspec.structs.replace(lock, state="pending", work=work, since=self.at))
        state.write(locks.pointer(lock.session, lock.id, layout.T_WAITING), where.encode())
        sessions.touch(state, self, height)
        if self.evidence is not None:
            fences.lost(state, lock.id, lock.target, lock.sid, lock.session, lock.token, self.at)

    def says(self) -> str:
        on = f" on {self.work.branch}" if self.work is not None and self.work.branch else ""
        whose = "" if self.holder == self.by else f"{self.holder}'s lapsed "
        return f"left {whose}{self.named} pending until its work{on} has landed"


class LockLand(locking.LockChange, tag="lock.land", frozen=True, kw_only=True):
    """A lock ends because its work has landed, by `commit`; or there is nothing to land, or its time is over.

    Anybody may see that of a pending lock; of one that is held its own clone, `clone`, which knows its work tree.
    """

    came = 2
    example = {"lock": "k", "holder": "b", "how": "landed", "commit": "1a", "v": 2}

    holder: str
    how: str
    commit: str = ""
    clone: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """It goes; who lost the path before may go on from the commit."""
        if self.how not in HOWS:
            raise Malformed(f"{self.how!r} ends no lock")
        lock = locks.waiting(state, self.holder, self.lock)
        if lock is None:
            lock = locking.find(state, self.holder, self.lock)
            holder = locks.holder_of(state, lock)
            if not self.clone or not self.commit or holder is None or holder.clone != self.clone:
                raise Malformed(f"{self.holder} still holds {self.lock}")
        locking.remove(state, lock)
        if self.commit:
            fences.landed(state, lock.target, lock.sid, self.commit)
        if self.sid:
            sessions.touch(state, self, height)

    def says(self) -> str:
        ends = {"nothing": "has nothing left to land", "abandoned": "was abandoned"}
        what = ends.get(self.how) or f"has landed{f' as {self.commit[:12]}' if self.commit else ''}"
        return f"saw that the work of {self.holder} under {self.named} {what}"


def _waiting(state: State, holder: str, ident: str) -> Lock:
    lock = locks.waiting(state, holder, ident)
    if lock is None:
        raise Malformed(f"{holder} has no pending lock {ident}")
    return lock


# -- deciding -------------------------------------------------------------------------------------
def of_lock(state: State, scene: Scene, lock: Lock, work: Work | None) -> Work | None:
    """The part of some work that a lock covers; None where it covers none of it, or the log has no such thing."""
    if work is None or lock.target.kind == "name" or state.log.format < LockPend.came:
        return None
    folds, target = state.log.folds, lock.target
    paths = {
        path: both for path, both in work.paths.items() if covers(target.kind, target.real, unpercent(path), folds)
    }
    if target.region and target.blob:
        paths = {path: both for path, both in paths.items() if _is_within(target, scene, *both)}
    if not paths:
        return None
    wanted = {side.partition(" ")[2] for both in paths.values() for side in both}
    found = msgspec.structs.replace(work, paths=paths, blobs=tuple(one for one in work.blobs if one in wanted))
    if len(encode(found)) > MAX_EVENT - 4096:  # then its commits tell, to who has them
        return msgspec.structs.replace(found, paths={}, blobs=())
    return found


def _is_within(target: Target, scene: Scene, before: str, after: str) -> bool:
    """Whether work on a file is in the lines of a target: its deletion is, its mode alone is not."""
    old, new = before.partition(" ")[2], after.partition(" ")[2]
    return not old or not new or scene.meets(target.blob, old, new, target.region)


def of_any(state: State, scene: Scene, lock: Lock, works: Iterable[Work]) -> Work | None:
    """The part that a lock covers of the first of some branches' work that has one."""
    return next((part for part in (of_lock(state, scene, lock, work) for work in works) if part is not None), None)


def hand_over(txn: Txn, lock: Lock, works: Sequence[Work]) -> bool:
    """Let a lock of one's own go: it waits for its work to land, if there is any; whether it does.

    `works` is what its holder's branches have, the one that comes first counts.
    """
    part = of_any(txn.state, txn.scene, lock, works)
    if part is None and lock.work is not None and lock.work.branch not in {work.branch for work in works}:
        part = lock.work  # of a branch that is not here
    if part is None:
        txn.emit(locking.LockRelease, lock=lock.id, paths=locking.named(lock, [lock]))
        return False
    txn.emit(LockPend, lock=lock.id, holder=lock.session, work=None if part == lock.work else part)
    return True


def lapsed(txn: Txn, lock: Lock, evidence: Evidence, among: Iterable[Lock] = ()) -> None:
    """End a lock whose lease ran out; what is known of its work makes it pending. `among`: those that end with it."""
    if lock.work is None:
        paths = locking.named(lock, among or [lock])
        txn.emit(locking.LockExpire, lock=lock.id, holder=lock.session, evidence=evidence, paths=paths)
    else:
        txn.emit(LockPend, lock=lock.id, holder=lock.session, evidence=evidence)


def record(txn: Txn, lock: Lock, work: Work | None) -> None:
    """Note the work under a lock of one's own that goes on, where that is news."""
    part = of_lock(txn.state, txn.scene, lock, work)
    if part is not None and (lock.work is None or lock.work.commit != part.commit or lock.work.pushed != part.pushed):
        txn.emit(LockWork, lock=lock.id, work=part)
