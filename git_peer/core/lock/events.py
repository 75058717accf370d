"""What happens to locks: they are granted, renewed, given back and lost. How that is decided: `decide`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import Lock, Work
from git_peer.core.log.state import Event, State
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.target import target as targets
from git_peer.core.target.target import Spans, Target

MOST = 128 * 1024  # bytes of what the ends of one transaction say of their paths
AGENT_CEILING, PERSON_CEILING = 5, 10  # the priorities that may be asked for: a person outranks agents


class LockTake(Event, tag="lock.take", frozen=True, kw_only=True):
    """A lock is granted; the event's id is the lock's."""

    example = {
        "target": {"kind": "file", "path": "f"},
        "mode": "exclusive",
        "ttl": 60,
        "priority": 5,
    }
    part = "grant"
    since = {"maps": 2, "onto": 2}

    target: Target
    mode: str
    ttl: int
    priority: int
    reason: str = ""
    task: str = ""
    head: str = ""
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    maps: dict[str, Spans] = msgspec.field(default_factory=dict)
    onto: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """A grant: nothing held by others stands against it."""
        session = sessions.acting(state, self)
        targets.check(self.target)
        if self.mode not in locks.MODES or self.ttl <= 0 or index >= 1 << locks.TOKEN_SHIFT:
            raise Malformed("a lock needs a mode and a TTL")
        meets = self._of_lines(state)
        for lock in locks.against(state, self.target, self.mode, self.sid, meets):
            raise Malformed(f"{targets.show(self.target)} is held by {lock.session}")
        token = (height << locks.TOKEN_SHIFT) + index
        lock = Lock(
            id=self.id,
            target=self.target,
            mode=self.mode,
            sid=self.sid,
            session=self.by,
            priority=self.priority,
            reason=self.reason,
            task=self.task,
            token=token,
            ttl=self.ttl,
            at=self.at,
            head=self.head,
            blobs=self.blobs,
            maps=self.maps,
            onto=self.onto,
        )
        where = locks.place(lock.id, lock.target)
        if state.read(locks.pointer(self.by, self.id)) is not None:
            raise Malformed(f"lock {self.id} is there already")
        state.put(where, lock)
        state.write(locks.pointer(self.by, self.id), where.encode())
        sessions.touch(state, self, height, ttl=max(session.ttl, self.ttl))
        fences.taken(state, self.target, self.sid, self.by, token, self.at, self.maps)

    def _of_lines(self, state: State) -> locks.Meets | None:
        """Version 2: a grant of lines, with what was found of other lines of that file. How locks are compared."""
        if self.v == 1 or (self.target.kind not in ("lines", "section") and not self.maps):
            return None
        if not (self.target.region and self.target.blob):
            raise Malformed("maps are for lines of a blob, and lines want one")
        others = {lock.id for lock in locks.near(state, self.target) if targets.of_one_file(lock.target, self.target)}
        others |= fences.of_lines(state, self.target).keys()
        for ident, spans in self.maps.items():
            if ident not in others:
                raise Malformed(f"{ident} is on no lines of {self.target.path}")
            if not spans or not targets.sound(spans):
                raise Malformed(f"the lines of {ident} are no range")
        return locks.recorded_with(state, self.target, self.maps)

    def says(self) -> str:
        shared = " (shared)" if self.mode == "shared" else ""
        return f"took {targets.show(self.target)}{shared}"


class LockChange(Event, frozen=True, kw_only=True):
    """What happens to a lock that is there."""

    lock: str

    @property
    def named(self) -> str:
        """The lock, by its id."""
        return f"lock {self.lock[:8]}"


class LockEnd(LockChange, frozen=True, kw_only=True):
    """A lock ends. `paths` has its target, where so many locks end at once that it would be too much: nothing."""

    paths: tuple[Target, ...] = ()

    since = {"paths": 2}

    @property
    def named(self) -> str:
        """What was locked; an event of the first version has only the lock's id."""
        return ", ".join(map(targets.show, self.paths)) or super().named

    @property
    def on(self) -> str:
        """The same after the word lock."""
        return f" on {self.named}" if self.paths else f" {self.lock[:8]}"


class LockRenew(LockChange, tag="lock.renew", frozen=True, kw_only=True):
    """The owner goes on with its lock, perhaps on other terms; id and token stay."""

    example = {"lock": "k"}

    mode: str | None = None
    ttl: int | None = None
    reason: str | None = None
    priority: int | None = None
    task: str | None = None

    def apply(self, state: State, height: int, index: int) -> None:
        """The owner's new terms; a change to exclusive needs that nobody stands against it."""
        lock = find(state, self.by, self.lock)
        session = sessions.acting(state, self)
        if lock.sid != session.sid:
            raise Malformed(f"{self.by} does not hold {self.lock}")
        if self.mode is not None:
            if self.mode not in locks.MODES:
                raise Malformed(f"no lock mode {self.mode!r}")
            meets = locks.recorded_with(state, lock.target, lock.maps, lock.id)
            for other in locks.against(state, lock.target, self.mode, self.sid, meets):
                raise Malformed(f"{targets.show(lock.target)} is held by {other.session}")
        given = {
            key: getattr(self, key)
            for key in ("mode", "ttl", "reason", "priority", "task")
            if getattr(self, key) is not None
        }
        renewed = msgspec.structs.replace(lock, state="held", **given)
        state.put(locks.place(lock.id, lock.target), renewed)
        sessions.touch(state, self, height, ttl=max(session.ttl, renewed.ttl))

    def says(self) -> str:
        told = [self.mode] if self.mode else []
        told += [f"TTL {self.ttl} s"] if self.ttl else []
        told += [f"priority {self.priority}"] if self.priority is not None else []
        told += [f"for task {self.task}"] if self.task else []
        return f"renewed {self.named}" + (f" ({', '.join(told)})" if told else "")


class LockRelease(LockEnd, tag="lock.release", frozen=True, kw_only=True):
    """The owner gives it back; `landed` names the commit by which its work reached the integration branch."""

    example = {"lock": "k"}
    part = "end"

    landed: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """The owner's word; a landing is noted at the fences of who lost the path before."""
        lock = owned(state, self, self.lock)
        remove(state, lock, self)
        sessions.touch(state, self, height)
        if self.landed:
            fences.landed(state, lock.target, lock.sid, self.landed)

    def says(self) -> str:
        return f"released {self.named}" + (f", landed as {self.landed[:12]}" if self.landed else "")


class LockExpire(LockEnd, tag="lock.expire", frozen=True, kw_only=True):
    """A lease that ran out is ended, with the evidence."""

    example = {"lock": "k", "holder": "b", "evidence": {"how": "gone"}}
    part = "end"

    holder: str
    evidence: Evidence

    def apply(self, state: State, height: int, index: int) -> None:
        """The evidence must fit what the log knows of the holder."""
        lock = find(state, self.holder, self.lock)
        expiry.check(self.evidence, locks.holder_of(state, lock), lock.ttl, self, state)
        _lose(state, self, lock, height)

    def says(self) -> str:
        return f"ended {self.holder}'s lapsed lock{self.on}"


class LockPreempt(LockEnd, tag="lock.preempt", frozen=True, kw_only=True):
    """Another's lock is ended for one of strictly higher priority."""

    example = {"lock": "k", "holder": "b", "priority": 5}

    holder: str
    priority: int

    def apply(self, state: State, height: int, index: int) -> None:
        """Strictly higher, and within what the taker's kind may have."""
        lock, actor = find(state, self.holder, self.lock), sessions.acting(state, self)
        if not lock.priority < self.priority <= (AGENT_CEILING if actor.agent else PERSON_CEILING):
            raise Malformed(f"priority {self.priority} does not outrank {lock.priority}")
        _lose(state, self, lock, height)

    def says(self) -> str:
        return f"took {self.named} from {self.holder} by priority {self.priority}"


class LockBreak(LockEnd, tag="lock.break", frozen=True, kw_only=True):
    """Another's lock is ended by force, or because its session was taken over."""

    example = {"lock": "k", "holder": "b", "reason": "r"}
    part = "end"

    holder: str
    reason: str

    def apply(self, state: State, height: int, index: int) -> None:
        """Force, by name. Nobody loses what is pending: it was held no more."""
        pending = locks.waiting(state, self.holder, self.lock)
        if pending is not None:
            remove(state, pending, self)
            sessions.touch(state, self, height)
        else:
            _lose(state, self, find(state, self.holder, self.lock), height)

    def says(self) -> str:
        return f"broke {self.holder}'s lock{self.on}"


def named(lock: Lock, among: Iterable[Lock]) -> tuple[Target, ...]:
    """The `paths` of the event that ends `lock`; none where so many end with it that they would not fit a batch."""
    return (lock.target,) if sum(len(one.target.path) + 60 for one in among) <= MOST else ()


def find(state: State, holder: str, ident: str) -> Lock:
    """The lock `ident` that the session `holder` holds."""
    lock = locks.by_pointer(state, holder, ident)
    if lock is None:
        raise Malformed(f"{holder} holds no lock {ident}")
    return lock


def owned(state: State, event: Event, ident: str) -> Lock:
    """The lock `ident`, which the event's session holds or, as the work tree's person, owns."""
    actor = sessions.acting(state, event)
    lock = locks.by_pointer(state, actor.name, ident)
    if lock is None and actor.default:
        for other in state.entries(layout.T_HELD) or ():
            owner = sessions.get(state, other)
            if owner is not None and (owner.clone, owner.gitdir) == (actor.clone, actor.gitdir):
                lock = lock or locks.by_pointer(state, other, ident)
    if lock is None:
        lock = _of_finished_task(state, ident)
    if lock is None:
        lock = _pending(state, actor, ident)
        if lock is not None:
            return lock
    if lock is None or (lock.session == actor.name and lock.sid != actor.sid):
        raise Malformed(f"{event.by} owns no lock {ident}")
    return lock


def _pending(state: State, actor: sessions.Session, ident: str) -> Lock | None:
    """A pending lock that is the actor's: by its sid, or by where its session was and what it was called."""
    for name in state.entries(layout.T_WAITING) or ():
        lock = locks.waiting(state, name, ident)
        if lock is None:
            continue
        there = lock.work is not None and (lock.work.clone, lock.work.gitdir) == (actor.clone, actor.gitdir)
        if lock.sid == actor.sid or (there and (actor.default or actor.name == lock.session)):
            return lock
    return None


class _Task(msgspec.Struct):
    """What a lock has to know of the task that it was taken for."""

    status: str = "todo"


def _of_finished_task(state: State, ident: str) -> Lock | None:
    """A lock that was taken for a task which is over: whoever ended that ends the lock."""
    for name in state.entries(layout.T_HELD) or ():
        lock = locks.by_pointer(state, name, ident)
        task = state.get(layout.task(lock.task), _Task) if lock is not None and lock.task else None
        if lock is not None and task is not None and task.status in ("done", "dropped"):
            return lock
    return None


def remove(state: State, lock: Lock, event: LockEnd | None = None) -> None:
    """Take a lock out of the tree, held or pending, with what is kept of its work; `event` may say what was locked."""
    if event is not None and event.paths not in ((), (lock.target,)):
        raise Malformed(f"lock {lock.id} is on {targets.show(lock.target)}")
    keep(state, lock.id, lock.work, None)
    if lock.state == "pending":
        state.delete(locks.place(lock.id, lock.target, layout.T_PENDING))
        state.delete(locks.pointer(lock.session, lock.id, layout.T_WAITING))
    else:
        state.delete(locks.place(lock.id, lock.target))
        state.delete(locks.pointer(lock.session, lock.id))


def keep(state: State, ident: str, old: Work | None, new: Work | None) -> None:
    """Have the tree keep the blobs by which a lock's work is told, in place of those of earlier work."""
    wanted = new.blobs if new is not None else ()
    for blob in old.blobs if old is not None else ():
        if blob not in wanted:
            state.delete(f"{layout.T_KEPT}/{ident}/{blob}")
    for blob in wanted:
        state.write(f"{layout.T_KEPT}/{ident}/{blob}", layout.Linked(blob.encode()))


def _lose(state: State, event: LockEnd, lock: Lock, height: int) -> None:
    remove(state, lock, event)
    sessions.touch(state, event, height)
    fences.lost(state, lock.id, lock.target, lock.sid, lock.session, lock.token, event.at)
