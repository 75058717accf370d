"""Merge points: when a phase may close, whom it waits for, and what closing it brings about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, State
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Scene


class PhaseSync(Event, tag="phase.sync", frozen=True, kw_only=True):
    """The session stands on the integration head `head`."""

    phase: str
    head: str


class PhaseClose(Event, tag="phase.close", frozen=True, kw_only=True):
    """A merge point: every task is accepted, and who works there stands on `head`, or is dead, by this evidence."""

    phase: str
    head: str
    dead: dict[str, Evidence] = msgspec.field(default_factory=dict)


class PhaseDrop(Event, tag="phase.drop", frozen=True, kw_only=True):
    """A phase without tasks goes; where it was the open one, the next opens."""

    phase: str


def members(state: State, phase: Phase, known: Iterable[Task] | None = None) -> list[Task]:
    """The tasks of a phase, of all or of those `known`, dropped ones left out."""
    every = tasks.all_of(state) if known is None else known
    return [task for task in every if task.phase == phase.id and task.status != "dropped"]


def unfinished(among: Iterable[Task]) -> list[Task]:
    """Those that are not accepted yet; a parent is what its subtasks are."""
    return [task for task in among if task.status not in ("merge_point", "done") and not task.children]


def workers(among: Iterable[Task]) -> list[str]:
    """The names of the sessions that have work among these tasks."""
    return sorted({task.assignee for task in among if task.assignee and task.status in (*tasks.WORKED_ON, "done")})


def waiting_for(
    state: State, phase: Phase, head: str, scene: Scene, known: Iterable[Task] | None = None
) -> dict[str, Any]:
    """Whom and what a phase waits for: {tasks, sessions, dead}; `head` "" takes what most of them stand on."""
    among = members(state, phase, known)
    live: list[str] = []
    dead: list[str] = []
    for name in workers(among):
        session = sessions.get(state, name)
        (live if session is not None and sessions.is_live(session, scene) else dead).append(name)
    heads = [phase.synced[name] for name in live if name in phase.synced]
    wanted = head or (max(heads, key=heads.count) if heads else "")
    late = [name for name in live if not wanted or phase.synced.get(name) != wanted]
    return {
        "tasks": [{"id": t.id, "status": t.status, "assignee": t.assignee or None} for t in unfinished(among)],
        "sessions": late,
        "dead": dead,
    }


# -- applying -------------------------------------------------------------------------------------
def apply_sync(state: State, event: PhaseSync, height: int, index: int) -> None:
    """Kept with the phase until it closes."""
    sessions.touch(state, event, height)
    phase = plan.phase_of(state, event.phase)
    if phase.status != "open" or not event.head:
        raise Malformed(f"phase {event.phase} is {phase.status}")
    plan.change(state, msgspec.structs.replace(phase, synced={**phase.synced, event.by: event.head}))


def apply_close(state: State, event: PhaseClose, height: int, index: int) -> None:
    """Tasks are done, their contracts locked, the next phase opens."""
    phase = plan.phase_of(state, event.phase)
    among = members(state, phase)
    if phase.status != "open" or unfinished(among):
        raise Malformed(f"phase {event.phase} is not at its merge point")
    for name in workers(among):
        if name in event.dead:
            worker = sessions.get(state, name)
            expiry.check(event.dead[name], worker, worker.ttl if worker else 0, event, state)
        elif phase.synced.get(name) != event.head:
            raise Malformed(f"{name} does not stand on {event.head[:12]}")
    sessions.touch(state, event, height)
    for task in among:
        if task.status == "merge_point":
            move = tasking.TaskMove(id=event.id, at=event.at, by=event.by, sid=event.sid, task=task.id, status="done")
            tasking.apply_move(state, move, height, index)
        for name in (*task.provides, *task.uses):
            contracts.lock(state, name)
    there = plan.get(state)
    closed = msgspec.structs.replace(phase, status="closed", head=event.head, synced={})
    phases = tuple(closed if one.id == phase.id else one for one in there.phases)
    plan.put(state, msgspec.structs.replace(there, phases=plan.opened_next(phases)))


def apply_drop(state: State, event: PhaseDrop, height: int, index: int) -> None:
    """Only where nothing is in it."""
    sessions.touch(state, event, height)
    plan.phase_of(state, event.phase)
    if any(task.phase == event.phase for task in tasks.all_of(state)):
        raise Malformed(f"phase {event.phase} has tasks")
    there = plan.get(state)
    left = tuple(phase for phase in there.phases if phase.id != event.phase)
    plan.put(state, msgspec.structs.replace(there, phases=plan.opened_next(left)))
