"""Grants: what a decision gave to somebody anew, and how it is given back where nobody was told of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockRelease, LockTake, named
from git_peer.core.log.command import Me, Scene
from git_peer.core.log.state import Event, State
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.events import TaskClaim, TaskRelease
from git_peer.core.rules import lifetime
from git_peer.core.session import record as sessions

Fresh = tuple[str, str, str]  # (session, sid, the lock's id, or `task/` and the task's)
_TASK = "task/"


def fresh(events: Iterable[Event]) -> list[Fresh]:
    """The locks and claims that these events grant."""
    granted: list[Fresh] = []
    for event in events:
        if isinstance(event, LockTake):
            granted.append((event.by, event.sid, event.id))
        elif isinstance(event, TaskClaim):
            granted.append((event.by, event.sid, _TASK + event.task))
    return granted


def back(state: State, granted: Sequence[Fresh], scene: Scene) -> list[Event]:
    """Events that give back, in the name of the sessions that have them, those that they still have."""
    txn = Txn(state, Me(clone=""), scene, lifetime.begin, graph.check)
    for name, sid, ident in granted:
        session = sessions.get(state, name)
        if session is None or session.sid != sid:
            continue
        txn.acts(session, False)
        if ident.startswith(_TASK):
            task = tasks.get(state, ident.removeprefix(_TASK))
            if task is not None and (task.sid, task.status) == (sid, "in_progress"):
                txn.emit(TaskRelease, task=task.id, note="its claim was never told")
            continue
        lock = locks.by_pointer(state, name, ident)
        if lock is not None and lock.sid == sid:
            txn.emit(LockRelease, lock=ident, paths=named(lock, [lock]))
    return txn.events
