"""Merging: a session says that it stands on the integration head; the last one closes the phase. Command, decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import phases
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import its_locks
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Scene, Session


class Sync(Command, tag="phase-sync", frozen=True, kw_only=True):
    """This session stands on the integration head `head`; no phase: the one that is open."""

    head: str
    phase: str = ""


def decide_sync(state: State, command: Sync, scene: Scene) -> Outcome:
    """The word of one, and the closing of the phase where it was the last."""
    session, opening = opened(state, command.me, scene)
    phase = _phase(state, command.phase)
    events: list[Event] = []
    if phase.synced.get(session.name) != command.head:
        stood = phases.PhaseSync(**envelope(session, scene), phase=phase.id, head=command.head)
        events += proven(state, [stood], scene, len(opening))
        phase = plan.phase_of(state, phase.id)
    closing = _closing(state, phase, command, session, scene)
    events += proven(state, closing, scene, len(opening) + len(events))
    freed = _freed(state, closing, session, scene)
    events += proven(state, freed, scene, len(opening) + len(events))

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        there = plan.phase_of(after, phase.id)
        waits = phases.waiting_for(after, there, command.head, scene) if there.status == "open" else None
        opens = next((one.id for one in plan.get(after).phases if one.status == "open"), None)
        return {
            "phase": there.id,
            "status": there.status,
            "closed": there.status == "closed",
            "head": command.head,
            "waiting_for": waits,
            "open": opens,
        }

    return Outcome(opening + events if events else [], answer, stateful=True)


def _phase(state: State, text: str) -> Phase:
    there = plan.get(state)
    if text:
        phase = plan.find_phase(there, text)
    else:
        found = next((one for one in there.phases if one.status == "open"), None)
        if found is None:
            what = "every phase is closed" if there.phases else "the plan has no phases"
            raise PeerError("not_found", f"no phase is open: {what}", "`git peer phase list`")
        phase = found
    if phase.status != "open":
        raise PeerError("invalid", f"phase {phase.id} is {phase.status}, not open", "`git peer phase list`")
    return phase


def _closing(state: State, phase: Phase, command: Sync, session: Session, scene: Scene) -> list[Event]:
    """The event that closes the phase, if nothing is left to wait for; an empty one closes only when it is named."""
    among = phases.members(state, phase)
    if phases.unfinished(among) or not (among or command.phase):
        return []
    dead: dict[str, Evidence] = {}
    for name in phases.workers(among):
        if phase.synced.get(name) == command.head:
            continue
        there = sessions.get(state, name)
        proof = expiry.evidence(there, there.ttl if there else 0, scene)
        if proof is None:
            return []
        dead[name] = proof
    return [phases.PhaseClose(**envelope(session, scene), phase=phase.id, head=command.head, dead=dead)]


def _freed(state: State, closing: list[Event], session: Session, scene: Scene) -> list[Event]:
    """The locks of the tasks that the closing made done."""
    if not closing:
        return []
    held: list[locks.Lock] = []
    for task in tasks.all_of(state):
        if task.status == "done" and task.assignee:
            held += its_locks(state, task)
    return [locking.LockRelease(**envelope(session, scene), lock=lock.id) for lock in held]
