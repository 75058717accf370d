"""A plain model of the log: what its events mean, in dictionaries, apart from the code that is checked with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from git_peer.core.lock import events as locking
from git_peer.core.lock import landing
from git_peer.core.lock import queue as waits
from git_peer.core.log.state import Event
from git_peer.core.session import record as sessions
from git_peer.core.target.target import Spans, Target, overlap, show

SHIFT = 20


@dataclass(frozen=True)
class Step:
    """An event where it stands."""

    event: Event
    commit: str
    height: int
    index: int

    @property
    def order(self) -> int:
        """Its place in the total order of events; of a grant, the token."""
        return (self.height << SHIFT) + self.index


@dataclass(frozen=True)
class Held:
    """A lock that somebody has."""

    ident: str
    target: Target
    mode: str
    sid: str
    session: str
    ttl: int
    priority: int
    reason: str
    token: int
    maps: dict[str, Spans] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """A place in the queue."""

    targets: tuple[Target, ...]
    mode: str
    sid: str
    session: str
    at: int
    turn: int


def _meet(one: Target, two: Target, known: Spans | None) -> bool:
    """Whether locks on both conflict. Of lines it is those of one file that touch; `known`: one's on two's blob."""
    if one.region and two.region and one.real == two.real:
        here = one.region if one.blob == two.blob else known
        return here is None or any(a <= d + 1 and c <= b + 1 for a, b in here for c, d in two.region)
    return overlap(one, two)


def _apart(a_mode: str, b_mode: str) -> bool:
    return "exclusive" in (a_mode, b_mode)


class Model:
    """Folds steps one by one; `wrong` gathers what must not be, each with the number of its invariant."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.waiting: dict[str, Waiting] = {}
        self.sids: dict[str, str] = {}
        self.last: dict[str, tuple[int, int]] = {}  # sid → height and clock of its last event
        self.taken: dict[str, Step] = {}
        self.released: dict[str, Step] = {}  # by its holder's word
        self.expired: list[tuple[Step, Held]] = []
        self.overtaken: list[tuple[Step, Waiting]] = []
        self.landed: list[Step] = []
        self.by_reason: dict[str, list[Step]] = {}
        self.wrong: list[str] = []
        self._ids: set[str] = set()

    def apply(self, step: Step) -> None:
        """The next event."""
        event = step.event
        if event.id in self._ids:
            self.wrong.append(f"4: event {event.id} occurs twice, again in {step.commit[:12]}")
        self._ids.add(event.id)
        match event:
            case locking.LockTake():
                self._take(step, event)
            case locking.LockRenew():
                self._renew(step, event)
            case locking.LockRelease() | locking.LockBreak() | locking.LockPreempt() | locking.LockExpire():
                self._end(step, event)
            case waits.LockWait():
                self.waiting[event.id] = Waiting(event.targets, event.mode, event.sid, event.by, event.at, step.order)
            case waits.LockUnwait():
                self.waiting.pop(event.wait, None)
            case sessions.SessionStart():
                self.sids[event.by] = event.sid
            case sessions.SessionEnd() | sessions.SessionLapse():
                left = [lock for lock in self.held.values() if lock.session == event.name]
                self.wrong += [f"1: {event.name} ended and left the lock on {show(lock.target)}" for lock in left]
                self.sids.pop(event.name, None)
            case landing.PushLand():
                self.landed.append(step)
        if event.sid:
            self.last[event.sid] = (step.height, event.at)

    def _against(
        self, target: Target, mode: str, sid: str, what: str, step: Step, maps: dict[str, Spans], ident: str
    ) -> None:
        for lock in self.held.values():
            if ident in lock.maps:
                meet = _meet(target, lock.target, lock.maps[ident])
            else:
                meet = _meet(lock.target, target, maps.get(lock.ident))
            if lock.sid != sid and _apart(mode, lock.mode) and meet:
                self.wrong.append(
                    f"1: {step.event.by} {what} {show(target)} while {lock.session} held {show(lock.target)} "
                    f"({step.commit[:12]})"
                )

    def _take(self, step: Step, event: locking.LockTake) -> None:
        self._against(event.target, event.mode, event.sid, "was granted", step, event.maps, event.id)
        own = [wait.turn for wait in self.waiting.values() if wait.sid == event.sid and event.target in wait.targets]
        mine = min(own, default=step.order)
        for wait in self.waiting.values():
            if wait.sid != event.sid and wait.turn < mine and _apart(event.mode, wait.mode):
                there = self.sids.get(wait.session) == wait.sid
                if there and any(_meet(target, event.target, ()) for target in wait.targets):
                    self.overtaken.append((step, wait))
        self.held[event.id] = Held(
            event.id, event.target, event.mode, event.sid, event.by, event.ttl, event.priority, event.reason,
            step.order, event.maps,
        )  # fmt: skip
        self.taken[event.id] = step
        self.by_reason.setdefault(event.reason, []).append(step)

    def _renew(self, step: Step, event: locking.LockRenew) -> None:
        lock = self.held.get(event.lock)
        if lock is None or lock.sid != event.sid:
            self.wrong.append(f"1: {event.by} renewed a lock that it does not hold ({step.commit[:12]})")
            return
        if event.mode is not None:
            self._against(lock.target, event.mode, event.sid, "made exclusive", step, lock.maps, lock.ident)
        if event.reason is not None:
            self.by_reason.setdefault(event.reason, []).append(step)
        given = {key: getattr(event, key) for key in ("mode", "ttl", "priority") if getattr(event, key) is not None}
        self.held[event.lock] = replace(lock, reason=event.reason or lock.reason, **given)

    def _end(
        self, step: Step, event: locking.LockRelease | locking.LockBreak | locking.LockPreempt | locking.LockExpire
    ) -> None:
        lock = self.held.pop(event.lock, None)
        where = f"({step.commit[:12]})"
        if lock is None:
            self.wrong.append(f"1: {event.by} ended a lock that nobody held {where}")
        elif isinstance(event, locking.LockRelease):
            self.released[event.lock] = step
        elif isinstance(event, locking.LockPreempt) and not lock.priority < event.priority:
            self.wrong.append(f"1: {event.by} preempted {lock.session} without outranking it {where}")
        elif isinstance(event, locking.LockExpire):
            self._expire(event, lock, where)
            self.expired.append((step, lock))

    def _expire(self, event: locking.LockExpire, lock: Held, where: str) -> None:
        proof = event.evidence
        if self.sids.get(lock.session) != lock.sid:
            return  # its session has gone
        height, at = self.last[lock.sid]
        if (proof.height, proof.at) != (height, at):
            self.wrong.append(
                f"6: {event.by} expired {show(lock.target)} by evidence of height {proof.height}, "
                f"and {lock.session} has given a sign of life at {height} {where}"
            )
        elif (proof.how == "wall" and event.at <= at + lock.ttl) or (
            proof.how == "watch" and proof.watched <= lock.ttl
        ):
            self.wrong.append(f"6: {event.by} expired {show(lock.target)} before its time {where}")
