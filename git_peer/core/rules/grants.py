"""Grants: what a decision gave to somebody anew, and how it is given back where nobody was told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockRelease, LockTake
from git_peer.core.log.state import Event, State
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.events import TaskClaim, TaskRelease
from git_peer.core.session.record import Scene

Fresh = tuple[str, str, str]  # (session, sid, the lock's id, or `task/` and the task's)
_TASK = "task/"


def fresh(events: Iterable[Event]) -> list[Fresh]:
    """The locks and claims that these events grant."""
    found: list[Fresh] = []
    for event in events:
        if isinstance(event, LockTake):
            found.append((event.by, event.sid, event.id))
        elif isinstance(event, TaskClaim):
            found.append((event.by, event.sid, _TASK + event.task))
    return found


def back(state: State, granted: Sequence[Fresh], scene: Scene) -> list[Event]:
    """Events that give back, in the name of the sessions that have them, those that they still have."""
    events: list[Event] = []
    for by, sid, ident in granted:
        what: dict[str, Any] = {"id": scene.ident(), "at": scene.now, "by": by, "sid": sid}
        if ident.startswith(_TASK):
            task = tasks.get(state, ident.removeprefix(_TASK))
            if task is not None and (task.sid, task.status) == (sid, "in_progress"):
                events.append(TaskRelease(**what, task=task.id, note="its claim was never told"))
            continue
        lock = locks.by_pointer(state, by, ident)
        if lock is not None and lock.sid == sid:
            events.append(LockRelease(**what, lock=ident))
    return events
