"""Integration: in which order finished tasks are merged, what each waits for, and that merged ones are done. Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan import graph
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import its_locks
from git_peer.core.plan.task.record import Task
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session.record import Scene, Session

HANDED_IN = ("review", "merge_point", "done")


class Landed(Record, frozen=True, kw_only=True):
    """A task's work is in the branch that tasks are brought together on."""

    task: str
    commit: str


class Integrate(Command, tag="task-integrate", frozen=True, kw_only=True):
    """What was merged is accepted, and done: those tasks that have that very commit in review, or accepted."""

    landed: tuple[Landed, ...]


# -- order ----------------------------------------------------------------------------------------
def ordered(board: Board) -> list[Task]:
    """Every task without subtasks, each after what it waits for; else by phase, and as they were added."""
    leaves = [task for task in board.tasks.values() if not task.children]
    leaves.sort(key=lambda task: (board.plan.order(task.phase), task.order))
    return [board[ident] for ident in graph.topological({task.id: before(board, task) for task in leaves})]


def before(board: Board, task: Task) -> list[str]:
    """The tasks without subtasks that this one waits for: its dependencies and its parents', through their parts."""
    todo = [dep for one in graph.ancestry(board, task) for dep in one.depends_on]
    found: dict[str, None] = {}
    seen: set[str] = set()
    while todo:
        ident = todo.pop()
        if ident in seen:
            continue
        seen.add(ident)
        if board[ident].children:
            todo += board[ident].children
        else:
            found[ident] = None
    return sorted(found, key=lambda ident: board[ident].order)


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


# -- deciding -------------------------------------------------------------------------------------
def decide_integrate(state: State, command: Integrate, scene: Scene) -> Outcome:
    """{accepted: [task], left: [{task, why}], released}: each task for itself; what is over already is passed over."""
    session, opening = opened(state, command.me, scene)
    events: list[Event] = []
    accepted: list[str] = []
    left: list[dict[str, Any]] = []
    freed: list[locks.Lock] = []
    for one in command.landed:
        task = tasks.get(state, one.task)
        why = _against(task, one, session)
        if task is None or why is None:
            continue
        if why:
            left.append({"task": one.task, "why": why})
            continue
        steps = ("merge_point", "done") if task.status == "review" else ("done",)
        try:
            held = its_locks(state, task)
            for status in steps:
                move = tasking.TaskMove(**envelope(session, scene), task=task.id, status=status)
                events += proven(state, [move], scene, len(opening) + len(events))
            ends: list[Event] = [locking.LockRelease(**envelope(session, scene), lock=lock.id) for lock in held]
            events += proven(state, ends, scene, len(opening) + len(events))
        except PeerError as refusal:
            left.append({"task": one.task, "why": refusal.message})
            continue
        accepted.append(task.id)
        freed += held
    views = [locks.describe(state, lock, scene, "") for lock in freed]
    answer = {"accepted": accepted, "left": left, "released": views}
    return Outcome(opening + events if events else [], lambda after, scene: answer, large=True, stateful=True)


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
