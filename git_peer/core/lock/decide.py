"""Taking: how a session asks for locks, and waits for them in turn. The commands and decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import Wish
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.rules import fold
from git_peer.core.rules.opening import opened
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Me, Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target


class Take(Command, tag="lock", frozen=True, kw_only=True):
    """Take locks, all or none."""

    wish: Wish


class Unwait(Command, tag="unwait", frozen=True, kw_only=True):
    """Give up one's place in the queue."""

    targets: tuple[Target, ...]
    mode: str


def decide_take(state: State, command: Take, scene: Scene) -> Outcome:
    size = sum(len(target.path) for target in command.wish.targets)
    if size > fold.MAX_BATCH:  # before each of them is looked up
        raise fold.too_large(size)
    session, opening = opened(state, command.me, scene)
    wish, place = command.wish, waits.own(state, session, command.wish.targets, command.wish.mode)
    events: list[Event] = []
    try:
        events, ids = granted(state, wish, session, command.me, place, scene)
    except PeerError as why:
        if why.code != "locked" or wish.wait is None:
            raise
        return _wait(state, command, session, opening, place, why, scene)
    if place is not None:
        events.append(waits.LockUnwait(**envelope(session, scene), wait=place.id))

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        found = [locks.by_pointer(after, session.name, ident) or locks.by_id(after, ident) for ident in ids]
        views = [locks.describe(after, lock, scene, "") for lock in found]
        return {"acquired": True, "locks": views}

    return Outcome(opening + events if events else [], answer)


def granted(
    state: State, wish: Wish, session: Session, me: Me, place: waits.Wait | None, scene: Scene
) -> tuple[list[Event], list[str]]:
    """Events that grant `wish`, and the ids of the locks; PeerError("locked") where somebody has it, or comes first."""
    _queue(state, wish, session, me, place, scene)
    return locking.take(state, wish, session, me, scene)


def _queue(state: State, wish: Wish, session: Session, me: Me, place: waits.Wait | None, scene: Scene) -> None:
    """Who asked earlier comes first: PeerError("locked") that names the waiter."""
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
        gone = waits.swept(state, scene, lambda: envelope(session, scene))
        priority = locking.priority_of(wish, session, command.me)
        asked = waits.LockWait(
            **envelope(session, scene),
            targets=wish.targets,
            mode=wish.mode,
            priority=priority,
            patience=wish.wait or 1,
        )
        events = [*opening, *gone, asked]
    told = {"acquired": False, "waiting": True, "conflicts": conflicts, "why": why.message}
    return Outcome(events, lambda after, scene: told)


def decide_unwait(state: State, command: Unwait, scene: Scene) -> Outcome:
    session = sessions.find(state, command.me)
    place = waits.own(state, session, command.targets, command.mode) if session is not None else None
    if session is None or place is None:
        return Outcome([], lambda after, scene: {"waiting": False})
    over = waits.LockUnwait(**envelope(session, scene), wait=place.id)
    return Outcome([over], lambda after, scene: {"waiting": False})
