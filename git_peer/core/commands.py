"""Commands: what a session asks for, as data. decide() turns one into events on a state, or a refusal.

A command is data because it outlives its process: it is decided again after a lost race, and a tentative
one is decided by `sync`, perhaps days later.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from git_peer.core import fold, landing, locking, locks, sessions, targets, waits
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.landing import RefUpdate
from git_peer.core.locking import Wish
from git_peer.core.sessions import Me, Scene, Session
from git_peer.core.state import Event, Record, State
from git_peer.core.targets import Target


class Command(Record, tag_field="do", frozen=True, kw_only=True):
    """Something to be decided for `me`."""

    me: Me


class Outcome(msgspec.Struct, frozen=True):
    """What a decision comes to: events to publish, and the answer as the state after them tells it."""

    events: list[Event]
    answer: Callable[[State, Scene], dict[str, Any]]


class Take(Command, tag="lock", frozen=True, kw_only=True):
    """Take locks, all or none."""

    wish: Wish


class Unwait(Command, tag="unwait", frozen=True, kw_only=True):
    """Give up one's place in the queue."""

    targets: tuple[Target, ...]
    mode: str


class Release(Command, tag="unlock", frozen=True, kw_only=True):
    """Give locks back: exact targets, ids, or all of one's own. `force` is the reason for breaking another's."""

    targets: tuple[Target, ...] = ()
    ids: tuple[str, ...] = ()
    all: bool = False
    force: str | None = None


class Start(Command, tag="session-start", frozen=True, kw_only=True):
    """Start this session, or note what changed about it."""


class Renew(Command, tag="session-renew", frozen=True, kw_only=True):
    """A sign of life."""


class End(Command, tag="session-end", frozen=True, kw_only=True):
    """End a session and give back what it holds; no name: one's own."""

    name: str = ""


class Land(Command, tag="push", frozen=True, kw_only=True):
    """Record code that lands in the same push, and release what it finishes."""

    refs: tuple[RefUpdate, ...]
    changed: tuple[str, ...] = ()  # percent-encoded paths that reach the integration branch
    dirty: tuple[str, ...] = ()  # percent-encoded paths with uncommitted change
    landed: str = ""  # the commit that the integration branch comes to stand on
    atomic: bool = True


_DECODER: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Take | Unwait | Release | Start | Renew | End | Land)


def decode(raw: bytes) -> Command:
    """The command in `raw`."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise Malformed(f"not a command: {why}") from None


def decide(state: State, command: Command, scene: Scene) -> Outcome:
    """Events and answer of `command` on `state`; PeerError where it is refused."""
    return _DECIDE[type(command)](state, command, scene)


def _opened(state: State, me: Me, scene: Scene) -> tuple[Session, list[Event]]:
    """The session of `me`, and the events that start it where it had not: `state` has them folded in already."""
    session, start = sessions.ensure(state, me, scene)
    if start is None:
        return session, []
    events: list[Event] = []
    for lock in locks.held_by(state, session.name):  # left by the run that bore the name before
        broken = {"id": scene.ident(), "at": scene.now, "by": session.name, "sid": session.sid}
        if me.takeover:
            events.append(locking.LockBreak(**broken, lock=lock.id, holder=session.name, reason="taken over"))  # type: ignore[arg-type]
        else:
            proof = locking.Evidence(how="gone")
            events.append(locking.LockExpire(**broken, lock=lock.id, holder=session.name, evidence=proof))  # type: ignore[arg-type]
    opening = [start, *events, *_swept(state, session, scene)]
    fold.apply(state, opening, scene.height, scene.index)
    return session, opening


def _swept(state: State, session: Session, scene: Scene) -> list[Event]:
    """Whoever begins sweeps a little: sessions silent for a week, and what lapsed with them."""
    events: list[Event] = []
    for gone in sessions.silent(state, scene, 20):
        if gone.name == session.name:
            continue
        ends = [locking.expire(state, lock, session, scene) for lock in islice(locks.held_by(state, gone.name), 51)]
        if len(ends) > 50 or None in ends:
            continue
        events.extend(end for end in ends if end is not None)
        envelope = {"id": scene.ident(), "at": scene.now, "by": session.name, "sid": session.sid}
        proof = {"name": gone.name, "lapsed": gone.sid, "height": gone.height, "last": gone.at}
        events.append(sessions.SessionLapse(**envelope, **proof))  # type: ignore[arg-type]
    return events


def _take(state: State, command: Take, scene: Scene) -> Outcome:
    size = sum(len(target.path) for target in command.wish.targets)
    if size > fold.MAX_BATCH:  # before each of them is looked up
        raise fold.too_large(size)
    session, opening = _opened(state, command.me, scene)
    wish, place = command.wish, waits.own(state, session, command.wish.targets, command.wish.mode)
    events: list[Event] = []
    try:
        _queue(state, command, session, place, scene)
        events, ids = locking.take(state, wish, session, command.me, scene)
    except PeerError as why:
        if why.code != "locked" or wish.wait is None:
            raise
        return _wait(state, command, session, opening, place, why, scene)
    if place is not None:
        events.append(waits.LockUnwait(**_envelope(session, scene), wait=place.id))

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        views = [locks.describe(after, locks.by_id(after, ident), scene, "") for ident in ids]
        return {"acquired": True, "locks": views}

    return Outcome(opening + events if events else [], answer)


def _envelope(session: Session, scene: Scene) -> dict[str, Any]:
    return {"id": scene.ident(), "at": scene.now, "by": session.name, "sid": session.sid}


def _queue(state: State, command: Take, session: Session, place: waits.Wait | None, scene: Scene) -> None:
    """Who asked earlier comes first: PeerError("locked") that names the waiter."""
    wish, me = command.wish, command.me
    wanted = []
    for target in wish.targets:
        mine, agents = locking.already(state, target, session, me, scene)
        if agents is None and (mine is None or (wish.mode == "exclusive" and mine.mode == "shared")):
            wanted.append(target)
    over = locking.priority_of(wish, session, me) if wish.preempt else None
    turn = place.turn if place is not None else None
    found = list(waits.ahead(state, tuple(wanted), wish.mode, session.sid, turn, over, scene))
    if found:
        target, first = found[0]
        raise PeerError(
            "locked",
            f"{targets.show(target)} is free for {first.session} first, who has been waiting for it",
            "`git peer lock --wait 10m` takes a place in the queue",
            acquired=False,
            conflicts=[{"target": targets.show(t), "lock": None, "waiter": w.session, "sid": w.sid} for t, w in found],
        )


def _wait(
    state: State,
    command: Take,
    session: Session,
    opening: list[Event],
    place: waits.Wait | None,
    why: PeerError,
    scene: Scene,
) -> Outcome:
    """A place in the queue, or the news that one still has it."""
    wish, conflicts = command.wish, why.extra["conflicts"]
    blockers = {one["sid"] if one.get("lock") is None else one["lock"]["sid"] for one in conflicts}
    waits.refuse_cycle(state, session, blockers, scene)
    events: list[Event] = []
    if place is None:
        gone = waits.swept(state, scene, lambda: _envelope(session, scene))
        priority = locking.priority_of(wish, session, command.me)
        asked = waits.LockWait(
            **_envelope(session, scene),
            targets=wish.targets,
            mode=wish.mode,
            priority=priority,
            patience=wish.wait or 1,
        )
        events = [*opening, *gone, asked]
    told = {"acquired": False, "waiting": True, "conflicts": conflicts, "why": why.message}
    return Outcome(events, lambda after, scene: told)


def _unwait(state: State, command: Unwait, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    place = waits.own(state, session, command.targets, command.mode) if session is not None else None
    if session is None or place is None:
        return Outcome([], lambda after, scene: {"waiting": False})
    over = waits.LockUnwait(**_envelope(session, scene), wait=place.id)
    return Outcome([over], lambda after, scene: {"waiting": False})


def _release(state: State, command: Release, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    chosen = _chosen(state, command, session, scene)
    opening: list[Event] = []
    if session is None and chosen:  # a person gives back what an agent held, or breaks another's by force
        session, opening = _opened(state, command.me, scene)
    views = [locks.describe(state, lock, scene, "") for lock in chosen]
    events = locking.release(state, chosen, session, command.me, scene, command.force) if session else []
    return Outcome(opening + events if events else [], lambda after, scene: {"released": views})


def _mine(state: State, session: Session, me: Me) -> list[locks.Lock]:
    owners = [other for other in sessions.all_of(state) if sessions.owns(session, me, other)]
    return [lock for owner in owners for lock in locks.held_by(state, owner.name) if lock.sid == owner.sid]


def _chosen(state: State, command: Release, session: Session | None, scene: Scene) -> list[locks.Lock]:
    me = command.me
    if command.all:
        return [] if session is None else list(locks.held_by(state, session.name))
    found = [locks.by_id(state, ident) for ident in command.ids]
    for target in command.targets:
        there = [lock for lock in locks.overlapping(state, target) if lock.target == target]
        own = [lock for lock in there if _is_own(state, lock, session, me)]
        if not there:
            raise _no_such(state, target)
        if not own and command.force is None:
            raise PeerError(
                "not_yours",
                f"{targets.show(target)} is locked by {there[0].session}, not by this session",
                f"ask {there[0].session} to unlock it",
                lock=locks.describe(state, there[0], scene, ""),
            )
        found.extend(own or there)
    return list({lock.id: lock for lock in found}.values())


def _is_own(state: State, lock: locks.Lock, session: Session | None, me: Me) -> bool:
    holder = locks.holder_of(state, lock)
    return holder is not None and sessions.owns(session, me, holder)


def _no_such(state: State, target: Target) -> PeerError:
    near = [targets.show(lock.target) for lock in locks.overlapping(state, target)][:3]
    hint = f"`unlock` takes exact targets; there is a lock on {', '.join(near)}" if near else "`git peer locks --mine`"
    return PeerError("not_found", f"there is no lock on {targets.show(target)}", hint)


def _view(name: str) -> Callable[[State, Scene], dict[str, Any]]:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        session = sessions.get(after, name)
        return {"started": session is not None, "name": name, "sid": session.sid if session else None}

    return answer


def _renewal(session: Session, me: Me, scene: Scene) -> Event:
    return sessions.SessionRenew(
        id=scene.ident(),
        at=scene.now,
        by=session.name,
        sid=session.sid,
        branch=me.branch or None,
        head=me.head or None,
        doing=me.doing or None,
    )


def _start(state: State, command: Start, scene: Scene) -> Outcome:
    session, opening = _opened(state, command.me, scene)
    return Outcome(opening or [_renewal(session, command.me, scene)], _view(session.name))


def _renew(state: State, command: Renew, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    if session is None:
        raise PeerError("not_found", "this session has not started", "`git peer session start`")
    return Outcome([_renewal(session, command.me, scene)], _view(session.name))


def _end(state: State, command: End, scene: Scene) -> Outcome:
    mine = sessions.find(state, command.me)
    ended = sessions.get(state, command.name) if command.name else mine
    if ended is None:
        raise PeerError("not_found", f"no session {command.name or 'of this work tree'} to end", "`git peer peers`")
    if not sessions.owns(mine, command.me, ended):
        raise PeerError("not_yours", f"{ended.name} is another's session", "its own run, or its person, ends it")
    session, opening = (mine, []) if mine is not None else _opened(state, command.me, scene)
    held = list(locks.held_by(state, ended.name))
    views = [locks.describe(state, lock, scene, "") for lock in held]
    freed = locking.release(state, held, session, command.me, scene, None)
    over = sessions.SessionEnd(
        id=scene.ident(), at=scene.now, by=session.name, sid=session.sid, name=ended.name, ended=ended.sid
    )
    return Outcome([*opening, *freed, over], lambda after, scene: {"ended": ended.name, "released": views})


def _land(state: State, command: Land, scene: Scene) -> Outcome:
    from git_peer.layout import unpercent

    session, opening = _opened(state, command.me, scene)
    changed, dirty = ([unpercent(path) for path in paths] for paths in (command.changed, command.dirty))
    freed = landing.released(state, changed, dirty, session, command.me) if changed else []
    views = [locks.describe(state, lock, scene, "") for lock in freed]
    events = landing.events(command.refs, freed, command.landed, command.atomic, session, scene)
    return Outcome([*opening, *events], lambda after, scene: {"released": views})


_DECIDE: dict[type[Command], Callable[[State, Any, Scene], Outcome]] = {
    Take: _take,
    Unwait: _unwait,
    Release: _release,
    Start: _start,
    Renew: _renew,
    End: _end,
    Land: _land,
}
