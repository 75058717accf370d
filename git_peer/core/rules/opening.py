"""How a session begins inside the transaction of its first command, and what it sweeps on its way."""

from __future__ import annotations

from itertools import islice

from git_peer.core.debate import events as debating
from git_peer.core.delta import events as telling
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import record as locks
from git_peer.core.log.command import envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.rules import fold
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Me, Scene, Session


def opened(state: State, me: Me, scene: Scene) -> tuple[Session, list[Event]]:
    """The session of `me`, and the events that start it where it had not: `state` has them folded in already."""
    session, start = sessions.ensure(state, me, scene)
    if start is None:
        return session, []
    events: list[Event] = []
    gone = Evidence(how="gone")
    for lock in locks.held_by(state, session.name):  # left by the run that bore the name before
        what = {**envelope(session, scene), "lock": lock.id, "holder": session.name}
        if me.takeover:
            events.append(locking.LockBreak(**what, reason="taken over"))
        else:
            events.append(locking.LockExpire(**what, evidence=gone))
    events.extend(
        tasking.TaskLapse(**envelope(session, scene), task=task.id, evidence=gone)
        for task in tasks.claimed_by(state, session.name)
        if task.status == "in_progress"
    )
    news = [*telling.lapsed(state, session, scene), *debating.swept(state, session, scene)]
    opening = [start, *events, *news, *_swept(state, session, scene)]  # what is news goes by sessions that may go
    fold.apply(state, opening, scene.height, scene.index)
    return session, opening


def _swept(state: State, session: Session, scene: Scene) -> list[Event]:
    """Whoever begins sweeps a little: sessions silent for a week, and what lapsed with them."""
    events: list[Event] = []
    for gone in sessions.silent(state, scene, 20):
        if gone.name == session.name:
            continue
        ends: list[Event | None] = [
            *(locking.expire(state, lock, session, scene) for lock in islice(locks.held_by(state, gone.name), 51)),
            *(
                tasking.lapse(state, task, session, scene)
                for task in islice(tasks.claimed_by(state, gone.name), 51)
                if task.status == "in_progress"
            ),
        ]
        if len(ends) > 50 or None in ends:
            continue
        events.extend(end for end in ends if end is not None)
        what = envelope(session, scene)
        events.append(sessions.SessionLapse(**what, name=gone.name, lapsed=gone.sid, height=gone.height, last=gone.at))
    return events


def proven(state: State, events: list[Event], scene: Scene, before: int) -> list[Event]:
    """`events`, folded into `state` behind `before` others; PeerError where the rules of apply() refuse them."""
    if events:
        try:
            fold.apply(state, events, scene.height, scene.index + before)
        except Malformed as why:
            refusal = PeerError(why.code, str(why), why.hint)
            refusal.stateful = True
            raise refusal from None
    return events
