"""Locking: how locks are granted, renewed, given back and lost. Commands, events, decide() and apply()."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import (
    Lock,
    against,
    by_pointer,
    describe,
    holder_of,
    is_live,
    near,
    place,
    pointer,
)
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Me, Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

# What may be asked for, and what is taken unasked: a person outranks agents, and both may be outranked.
AGENT_CEILING, PERSON_CEILING = 5, 10
AGENT_PRIORITY, PERSON_PRIORITY = 3, 8


class LockTake(Event, tag="lock.take", frozen=True, kw_only=True):
    """A lock is granted; the event's id is the lock's."""

    target: Target
    mode: str
    ttl: int
    priority: int
    reason: str = ""
    task: str = ""
    head: str = ""
    blobs: dict[str, str] = msgspec.field(default_factory=dict)


class LockRenew(Event, tag="lock.renew", frozen=True, kw_only=True):
    """The owner goes on with its lock, perhaps on other terms; id and token stay."""

    lock: str
    mode: str | None = None
    ttl: int | None = None
    reason: str | None = None
    priority: int | None = None
    task: str | None = None


class LockRelease(Event, tag="lock.release", frozen=True, kw_only=True):
    """The owner gives it back; `landed` names the commit by which its work reached the integration branch."""

    lock: str
    landed: str = ""


class LockExpire(Event, tag="lock.expire", frozen=True, kw_only=True):
    """A lease that ran out is ended, with the evidence."""

    lock: str
    holder: str
    evidence: Evidence


class LockPreempt(Event, tag="lock.preempt", frozen=True, kw_only=True):
    """Another's lock is ended for one of strictly higher priority."""

    lock: str
    holder: str
    priority: int


class LockBreak(Event, tag="lock.break", frozen=True, kw_only=True):
    """Another's lock is ended by force, or because its session was taken over."""

    lock: str
    holder: str
    reason: str


class Wish(Record, frozen=True, kw_only=True):
    """What `lock` asks for. `blobs`: path → blob at HEAD."""

    targets: tuple[Target, ...]
    mode: str = "exclusive"
    ttl: int | None = None
    priority: int | None = None
    reason: str | None = None
    task: str | None = None
    preempt: bool = False
    wait: int | None = None  # seconds to wait for it
    blobs: dict[str, str] = msgspec.field(default_factory=dict)


# -- deciding -----------------------------------------------------------------------------------
def lapse(state: State, lock: Lock, scene: Scene) -> Evidence | None:
    """The evidence by which anyone may end this lock; None while it must be taken for alive."""
    return expiry.evidence(holder_of(state, lock), lock.ttl, scene)


def priority_of(wish: Wish, session: Session, me: Me) -> int:
    """The priority of a wish: what it asks for, within what its kind of session may have."""
    person = sessions.is_person(session, me)
    ceiling = PERSON_CEILING if person else AGENT_CEILING
    if wish.priority is None:
        return PERSON_PRIORITY if person else AGENT_PRIORITY
    if not 0 <= wish.priority <= ceiling:
        raise PeerError("not_allowed", f"priority {wish.priority} is not yours: at most {ceiling} here")
    return wish.priority


def _envelope(session: Session, scene: Scene) -> dict[str, Any]:
    return {"id": scene.ident(), "at": scene.now, "by": session.name, "sid": session.sid}


def expire(state: State, lock: Lock, session: Session, scene: Scene) -> LockExpire | None:
    """The event that ends a lock which ran out, if it did."""
    evidence = lapse(state, lock, scene)
    if evidence is None:
        return None
    return LockExpire(**_envelope(session, scene), lock=lock.id, holder=lock.session, evidence=evidence)


def take(state: State, wish: Wish, session: Session, me: Me, scene: Scene) -> tuple[list[Event], list[str]]:
    """Events that grant every target of `wish`, and the ids of the locks it comes to; one's own are renewed.

    Raises PeerError("locked") with `conflicts` where another stands against one of them: all or nothing.
    """
    events: list[Event] = []
    ids: list[str] = []
    expired: set[str] = set()
    conflicts: list[tuple[Target, Lock]] = []
    person, priority = sessions.is_person(session, me), priority_of(wish, session, me)
    ttl = min(wish.ttl or (scene.ttl_person if person else scene.ttl_agent), scene.ttl_max)
    for target in dict.fromkeys(wish.targets):
        mine, agents = already(state, target, session, me, scene)
        if mine is not None:
            events.append(_renewal(mine, wish, ttl, session, scene))
            ids.append(mine.id)
            if wish.mode in (mine.mode, "shared"):
                continue
        elif agents is not None:
            ids.append(agents.id)
            continue
        for lock in against(state, target, wish.mode, session.sid):
            event: Event | None = expire(state, lock, session, scene)
            if event is None and wish.preempt and lock.priority < priority:
                event = LockPreempt(**_envelope(session, scene), lock=lock.id, holder=lock.session, priority=priority)
            if event is None:
                conflicts.append((target, lock))
            elif lock.id not in expired:
                expired.add(lock.id)
                events.insert(0, event)
        if mine is None:
            blobs = wish.blobs
            path = target.path if target.kind == "file" else ""
            granted = LockTake(
                **_envelope(session, scene),
                target=target,
                mode=wish.mode,
                ttl=ttl,
                priority=priority,
                reason=wish.reason or "",
                task=wish.task or "",
                head=me.head,
                blobs={path: blobs[path]} if path in blobs else {},
            )
            events.append(granted)
            ids.append(granted.id)
    if conflicts:
        raise locked(state, conflicts, scene)
    return events, ids


def already(state: State, target: Target, session: Session, me: Me, scene: Scene) -> tuple[Lock | None, Lock | None]:
    """(one's own lock on this very target, an agent's live lock that a person may answer with)."""
    agents = None
    for lock in near(state, target):
        if lock.sid == session.sid:
            if lock.target == target:
                return lock, None
            continue
        holder = holder_of(state, lock)
        if holder is None or lock.mode != "exclusive" or not sessions.owns(session, me, holder):
            continue
        if is_live(state, lock, scene) and targets.contains(lock.target, target):
            agents = lock
    return None, agents


def _renewal(lock: Lock, wish: Wish, ttl: int, session: Session, scene: Scene) -> LockRenew:
    def news(given: Any, had: Any) -> Any:
        return given if given is not None and given != had else None

    return LockRenew(
        **_envelope(session, scene),
        lock=lock.id,
        mode=news(wish.mode, lock.mode),
        ttl=news(ttl if wish.ttl else None, lock.ttl),
        reason=news(wish.reason, lock.reason),
        priority=news(wish.priority, lock.priority),
        task=news(wish.task, lock.task),
    )


def locked(state: State, conflicts: list[tuple[Target, Lock]], scene: Scene) -> PeerError:
    """The refusal that names what stands in the way."""
    target, lock = conflicts[0]
    view = describe(state, lock, scene, "")
    until = "its lease has run out, and may be taken a little later" if not view["live"] else view["expires_at"]
    why = f": {lock.reason}" if lock.reason else ""
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    return PeerError(
        "locked",
        f"{targets.show(target)} is locked by {lock.session} ({lock.mode}, {targets.show(lock.target)}, "
        f"until {until}){why}{more}",
        f"ask {lock.session}, work on something else, or try again later; `git peer locks` shows what is taken",
        acquired=False,
        conflicts=[{"target": targets.show(t), "lock": describe(state, c, scene, "")} for t, c in conflicts],
    )


def release(
    state: State, chosen: list[Lock], session: Session, me: Me, scene: Scene, force: str | None, landed: str = ""
) -> list[Event]:
    """Events that end the chosen locks: one's own by release, another's by force with its reason."""
    events: list[Event] = []
    for lock in chosen:
        holder = holder_of(state, lock)
        if holder is not None and sessions.owns(session, me, holder):
            events.append(LockRelease(**_envelope(session, scene), lock=lock.id, landed=landed))
        elif force is not None:
            if not sessions.is_person(session, me) and not scene.agents_may_force:
                raise PeerError("not_allowed", "an agent may not break another's lock", "ask a person, or the holder")
            events.append(LockBreak(**_envelope(session, scene), lock=lock.id, holder=lock.session, reason=force))
        else:
            event = expire(state, lock, session, scene)
            if event is None:
                raise PeerError(
                    "not_yours",
                    f"{targets.show(lock.target)} is locked by {lock.session}, not by {session.name}",
                    f"ask {lock.session} to unlock it",
                    lock=describe(state, lock, scene, ""),
                )
            events.append(event)
    return events


# -- applying -----------------------------------------------------------------------------------
def _find(state: State, holder: str, ident: str) -> Lock:
    lock = by_pointer(state, holder, ident)
    if lock is None:
        raise Malformed(f"{holder} holds no lock {ident}")
    return lock


def owned(state: State, event: Event, ident: str) -> Lock:
    """The lock `ident`, which the event's session holds or, as the work tree's person, owns."""
    actor = sessions.acting(state, event)
    lock = by_pointer(state, actor.name, ident)
    if lock is None and actor.default:
        for other in state.entries(layout.T_HELD) or ():
            owner = sessions.get(state, other)
            if owner is not None and (owner.clone, owner.gitdir) == (actor.clone, actor.gitdir):
                lock = lock or by_pointer(state, other, ident)
    if lock is None:
        lock = _of_finished_task(state, ident)
    if lock is None or (lock.session == actor.name and lock.sid != actor.sid):
        raise Malformed(f"{event.by} owns no lock {ident}")
    return lock


def _of_finished_task(state: State, ident: str) -> Lock | None:
    """A lock that was taken for a task which is over: whoever ended that ends the lock."""
    for name in state.entries(layout.T_HELD) or ():
        lock = by_pointer(state, name, ident)
        task = tasks.get(state, lock.task) if lock is not None and lock.task else None
        if lock is not None and task is not None and task.status in tasks.OVER:
            return lock
    return None


def _remove(state: State, lock: Lock) -> None:
    state.delete(place(lock.id, lock.target))
    state.delete(pointer(lock.session, lock.id))


def apply_take(state: State, event: LockTake, height: int, index: int) -> None:
    """A grant: nothing held by others stands against it."""
    session = sessions.acting(state, event)
    targets.check(event.target)
    if event.mode not in locks.MODES or event.ttl <= 0 or index >= 1 << locks.TOKEN_SHIFT:
        raise Malformed("a lock needs a mode and a TTL")
    for lock in against(state, event.target, event.mode, event.sid):
        raise Malformed(f"{targets.show(event.target)} is held by {lock.session}")
    token = (height << locks.TOKEN_SHIFT) + index
    lock = Lock(
        id=event.id,
        target=event.target,
        mode=event.mode,
        sid=event.sid,
        session=event.by,
        priority=event.priority,
        reason=event.reason,
        task=event.task,
        token=token,
        ttl=event.ttl,
        at=event.at,
        head=event.head,
        blobs=event.blobs,
    )
    where = place(lock.id, lock.target)
    if state.read(pointer(event.by, event.id)) is not None:
        raise Malformed(f"lock {event.id} is there already")
    state.put(where, lock)
    state.write(pointer(event.by, event.id), where.encode())
    sessions.touch(state, event, height, ttl=max(session.ttl, event.ttl))
    fences.taken(state, event.target, event.sid, event.by, token, event.at)


def apply_renew(state: State, event: LockRenew, height: int, index: int) -> None:
    """The owner's new terms; a change to exclusive needs that nobody stands against it."""
    lock = _find(state, event.by, event.lock)
    session = sessions.acting(state, event)
    if lock.sid != session.sid:
        raise Malformed(f"{event.by} does not hold {event.lock}")
    if event.mode is not None:
        if event.mode not in locks.MODES:
            raise Malformed(f"no lock mode {event.mode!r}")
        for other in against(state, lock.target, event.mode, event.sid):
            raise Malformed(f"{targets.show(lock.target)} is held by {other.session}")
    given = {
        key: getattr(event, key)
        for key in ("mode", "ttl", "reason", "priority", "task")
        if getattr(event, key) is not None
    }
    renewed = msgspec.structs.replace(lock, state="held", **given)
    state.put(place(lock.id, lock.target), renewed)
    sessions.touch(state, event, height, ttl=max(session.ttl, renewed.ttl))


def apply_release(state: State, event: LockRelease, height: int, index: int) -> None:
    """The owner's word; a landing is noted at the fences of who lost the path before."""
    lock = owned(state, event, event.lock)
    _remove(state, lock)
    sessions.touch(state, event, height)
    if event.landed:
        fences.landed(state, lock.target, lock.sid, event.landed)


def apply_expire(state: State, event: LockExpire, height: int, index: int) -> None:
    """The evidence must fit what the log knows of the holder."""
    lock = _find(state, event.holder, event.lock)
    expiry.check(event.evidence, holder_of(state, lock), lock.ttl, event)
    _lose(state, event, lock, height)


def apply_break(state: State, event: LockBreak, height: int, index: int) -> None:
    """Force, by name."""
    _lose(state, event, _find(state, event.holder, event.lock), height)


def apply_preempt(state: State, event: LockPreempt, height: int, index: int) -> None:
    """Strictly higher, and within what the taker's kind may have."""
    lock, actor = _find(state, event.holder, event.lock), sessions.acting(state, event)
    if not lock.priority < event.priority <= (AGENT_CEILING if actor.agent else PERSON_CEILING):
        raise Malformed(f"priority {event.priority} does not outrank {lock.priority}")
    _lose(state, event, lock, height)


def _lose(state: State, event: Event, lock: Lock, height: int) -> None:
    _remove(state, lock)
    sessions.touch(state, event, height)
    fences.lost(state, lock.id, lock.target, lock.sid, lock.session, lock.token, event.at)
