"""Families: how a task and its subtasks hang together when either changes. For apply(); what tasking builds on."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, State
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Past, Task
from git_peer.core.session import record as sessions


def find(state: State, ident: str) -> Task:
    """The task of that very id; Malformed where there is none."""
    task = tasks.get(state, ident)
    if task is None:
        raise Malformed(f"no task {ident!r}")
    return task


def noted(task: Task, event: Event, what: str, words: str = "", **changes: Any) -> Task:
    """The task with changes, and an entry of its history that says so."""
    short = words.encode("utf-8", "surrogatepass")[:200].decode("utf-8", "ignore")
    entry = Past(at=event.at, by=event.by, what=what, note=short)
    return msgspec.structs.replace(task, history=(*task.history[1 - tasks.NOTES :], entry), **changes)


def mine(state: State, event: Event, task: Task) -> bool:
    """Whether the task is the event's session's, or an agent's whose person it is."""
    actor, holder = sessions.acting(state, event), tasks.assignee_of(state, task)
    if holder is None:
        return False
    return holder.sid == actor.sid or (actor.default and (actor.clone, actor.gitdir) == (holder.clone, holder.gitdir))


def adopt(state: State, event: Event, task: Task, old: str) -> None:
    """Keep the parents' lists of children, of which dropped ones are none: a parent is done by its children alone."""
    if old and (old != task.parent or task.status == "dropped"):
        former = tasks.get(state, old)
        if former is not None and task.id in former.children:
            left = tuple(child for child in former.children if child != task.id)
            tasks.put(state, msgspec.structs.replace(former, children=left), former)
            finish(state, event, old)
    if task.parent and task.parent != old and task.status != "dropped":
        parent = find(state, task.parent)
        over = task.status == "done" and parent.status in tasks.OVER  # both come from a file
        closed = parent.status in ("done", "review", "merge_point") and not parent.children
        if not over and (parent.status == "dropped" or closed):
            raise Malformed(f"task {parent.id} is {parent.status}: it takes no subtasks")
        who = parent.assignee
        if tasks.assignee_of(state, parent) is not None and not mine(state, event, parent):
            raise Malformed(f"task {parent.id} is {who}'s, who works on it", "not_yours", f"ask {who} to split it")
        changes: dict[str, Any] = {"children": (*parent.children, task.id)}
        if not parent.children and not over:
            changes |= {"status": "in_progress", "assignee": "", "sid": "", "claimed": 0}
        what = "split" if not parent.children else "subtask"
        tasks.put(state, noted(parent, event, what, task.id, **changes), parent)
        finish(state, event, parent.id)


def finish(state: State, event: Event, ident: str) -> None:
    """A parent whose children are all done is done; where none is left, it is to be done itself."""
    while ident:
        parent = find(state, ident)
        children = [find(state, child) for child in parent.children]
        done = all(child.status == "done" for child in children)
        status = "todo" if not children else "done" if done else "in_progress"
        if status == parent.status or parent.status in ("dropped", "blocked"):
            return
        progress = 100 if status == "done" else parent.progress
        tasks.put(state, noted(parent, event, status, "by its subtasks", status=status, progress=progress), parent)
        ident = parent.parent
