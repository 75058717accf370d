"""Integration: in which order finished tasks are merged, what each waits for, and that merged ones are done. Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockRelease, named
from git_peer.core.log.command import Answer, Command
from git_peer.core.log.state import Record
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import its_locks
from git_peer.core.plan.task.record import Task
from git_peer.core.session.record import Session

HANDED_IN = ("review", "merge_point", "done")


class Landed(Record, frozen=True, kw_only=True):
    """A task's work is in the branch that tasks are brought together on."""

    task: str
    commit: str


class Integrate(Command, tag="task-integrate", frozen=True, kw_only=True):
    """What was merged is accepted, and done: those tasks that have that very commit in review, or accepted."""

    large = True
    stateful = True

    landed: tuple[Landed, ...]

    def decide(self, txn: Txn) -> Answer:
        """{accepted: [task], left: [{task, why}], released}: each task for itself; what is over is passed over."""
        session = txn.session
        accepted: list[str] = []
        left: list[dict[str, Any]] = []
        freed: list[dict[str, Any]] = []
        for landed in self.landed:
            task = tasks.get(txn.state, landed.task)
            why = _against(task, landed, session)
            if task is None or why is None:
                continue
            if why:
                left.append({"task": landed.task, "why": why})
                continue
            held = its_locks(txn.state, task)
            views = [locks.describe(txn.state, lock, txn.scene, "") for lock in held]
            try:
                for status in ("merge_point", "done") if task.status == "review" else ("done",):
                    txn.emit(tasking.TaskMove, task=task.id, status=status)
                for lock in held:
                    txn.emit(LockRelease, lock=lock.id, paths=named(lock, held))
            except PeerError as refusal:
                left.append({"task": landed.task, "why": refusal.message})
                continue
            accepted.append(task.id)
            freed += views
        answer = {"accepted": accepted, "left": left, "released": freed}
        return lambda after, scene: answer


# -- order ----------------------------------------------------------------------------------------
def ordered(board: Board) -> list[Task]:
    """Every task without subtasks, each after what it waits for; else by phase, and as they were added."""
    leaves = [task for task in board.tasks.values() if not task.children]
    leaves.sort(key=lambda task: (board.plan.order(task.phase), task.order))
    return [board[ident] for ident in graph.topological({task.id: before(board, task) for task in leaves})]


def before(board: Board, task: Task) -> list[str]:
    """The tasks without subtasks that this one waits for: its dependencies and its parents', through their parts."""
    todo = [dep for above in graph.ancestry(board, task) for dep in above.depends_on]
    leaves: dict[str, None] = {}
    seen: set[str] = set()
    while todo:
        ident = todo.pop()
        if ident in seen:
            continue
        seen.add(ident)
        if board[ident].children:
            todo += board[ident].children
        else:
            leaves[ident] = None
    return sorted(leaves, key=lambda ident: board[ident].order)


def is_handed_in(task: Task) -> bool:
    """Whether there is a commit of it that others may take."""
    return bool(task.commit) and task.status in HANDED_IN


def holding(board: Board, task: Task, there: Container[str], stopped: Container[str]) -> list[str]:
    """What keeps a task from being merged: what it waits for that was stopped, or is neither in the branch nor over."""
    return [
        ident
        for ident in before(board, task)
        if ident in stopped or not (ident in there or board[ident].status in tasks.OVER)
    ]


def _against(task: Task | None, landed: Landed, session: Session) -> str | None:
    """Why a task is not accepted; "" where it is to be, None where nothing is left to do about it."""
    if task is None:
        return "there is no such task any more"
    if task.status in tasks.OVER:
        return None
    if task.commit != landed.commit or task.status not in HANDED_IN:
        now = f"it is {task.status}" + (f" with {task.commit[:12]}" if task.commit else "")
        return f"it changed while {landed.commit[:12]} was merged: {now}"
    if task.status != "review":
        return ""
    if session.name in task.workers or session.sid == task.sid:
        return f"{session.name} worked on it: another session accepts it"
    result = task.result
    if task.accept and (result is None or not result.passed or result.commit != task.commit):
        return f"no passed result of its acceptance is on record for {task.commit[:12]}"
    return ""
