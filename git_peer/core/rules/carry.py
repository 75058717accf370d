"""Carrying over: a local log's plan and news, as commands for the log that its clone joins. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from git_peer.core.debate import record as debates
from git_peer.core.delta import record as deltas
from git_peer.core.delta.decide import Tell
from git_peer.core.delta.record import News
from git_peer.core.log.command import Command, Me
from git_peer.core.log.state import State, alike
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import AddContract, AddPhase, AddTask, AnyEdit, EditPlan, SetGoal
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Spec, Task
from git_peer.core.session import record as sessions


def commands(state: State, me: Me) -> Iterator[Command]:
    """What is open in a log, to be decided again in another: its plan, then its deltas."""
    edits = tuple(_edits(state))
    if edits:
        yield EditPlan(me=me, edits=edits, carried=True)
    for delta in deltas.all_of(state):
        author = sessions.get(state, delta.session)
        news = News(**alike(delta, News) | {"supersedes": ""})
        yield Tell(me=_who(author, me), ident=delta.id, news=news)


def left_behind(state: State) -> list[str]:
    """The topics of open debates: their turns cannot be taken again in others' names."""
    return [debate.topic for debate in debates.all_of(state) if debate.status != "resolved"]


def _who(author: sessions.Session | None, me: Me) -> Me:
    if author is None or author.clone != me.clone:
        return me
    name = None if author.default else author.name
    there = {"gitdir": author.gitdir, "worktree": author.worktree, "branch": author.branch, "head": author.head}
    return msgspec.structs.replace(me, name=name, agent=author.agent, **there)


def _edits(state: State) -> Iterator[AnyEdit]:
    there = plan.get(state)
    closed = {phase.id for phase in there.phases if phase.status == "closed"}
    if there.goal:
        yield SetGoal(goal=there.goal)
    for phase in there.phases:
        if phase.id not in closed:
            yield AddPhase(id=phase.id, name=phase.name)
    for contract in contracts.all_of(state):
        status = {"version": contract.version, "status": contract.status, "approved": contract.approved}
        yield AddContract(name=contract.name, type=contract.type, definition=contract.definition, **status)  # type: ignore[arg-type]
    taken = {task.id: task for task in tasks.all_of(state) if task.phase not in closed and task.status != "dropped"}
    for task in sorted(taken.values(), key=lambda task: task.order):
        yield _task(task, taken)


def _task(task: Task, taken: dict[str, Task]) -> AddTask:
    """A task with what it waits for; what was left behind is done."""
    fields = alike(task, Spec)
    fields["depends_on"] = tuple(dep for dep in task.depends_on if dep in taken)
    fields["parent"] = task.parent if task.parent in taken else ""
    working = {"assignee": task.assignee} if task.status in (*tasks.WORKED_ON, *tasks.OVER) else {}
    return AddTask(
        id=task.id,
        spec=Spec(**fields),
        status=task.status,
        progress=task.progress,
        note=task.note,
        commit=task.commit,
        result=task.result,
        **working,
    )
