"""Tasks: what is to be done. The record, its status, where it stands in the tree, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core.lock.record import rfc3339
from git_peer.core.log.state import Kept, Record, State, decode
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

# Where a word brings a task from where. A claim begins it, and a parent goes by its subtasks.
MOVES: dict[str, tuple[str, ...]] = {
    "todo": ("blocked", "dropped"),
    "in_progress": ("todo", "review", "blocked", "dropped"),
    "review": ("review", "merge_point", "in_progress", "dropped"),
    "merge_point": ("done", "in_progress", "dropped"),
    "done": ("todo",),
    "blocked": ("todo", "dropped"),
    "dropped": ("todo",),
}
STATUSES = tuple(MOVES)
OVER = ("done", "dropped")
WORKED_ON = ("in_progress", "review", "merge_point")
PRIORITY, MAX_PRIORITY = 5, 10
NOTES = 30  # entries of a task's history that its record keeps; the log has them all


class Item(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An item of a checklist."""

    text: str
    done: bool = False


class Result(Record, frozen=True, kw_only=True):
    """What the acceptance of a task said of a commit."""

    commit: str
    passed: bool
    by: str
    at: int
    command: str = ""
    output: str = ""  # the last of it


class Past(Record, frozen=True, kw_only=True):
    """An entry of a task's history."""

    at: int
    by: str
    what: str
    note: str = ""


class Spec(Kept, frozen=True, kw_only=True):
    """What a plan says of a task. `estimate` is in seconds."""

    title: str
    description: str = ""
    phase: str = ""
    parent: str = ""
    depends_on: tuple[str, ...] = ()
    paths: tuple[Target, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    accept: str = ""
    checklist: tuple[Item, ...] = ()
    priority: int = PRIORITY
    estimate: int = 0
    skills: tuple[str, ...] = ()


FIELDS = tuple(Spec.__struct_fields__)


class Changes(Record, frozen=True, kw_only=True):
    """New values of a Spec's fields; what is None stays."""

    title: str | None = None
    description: str | None = None
    phase: str | None = None
    parent: str | None = None
    depends_on: tuple[str, ...] | None = None
    paths: tuple[Target, ...] | None = None
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    provides: tuple[str, ...] | None = None
    uses: tuple[str, ...] | None = None
    accept: str | None = None
    checklist: tuple[Item, ...] | None = None
    priority: int | None = None
    estimate: int | None = None
    skills: tuple[str, ...] | None = None

    def given(self) -> dict[str, Any]:
        """The fields that change, and to what."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


class Task(Spec, frozen=True, kw_only=True):
    """tasks/<id>.json: a Spec and what became of it. Times are epoch seconds."""

    id: str
    order: int  # of the event that made it: height << 20 | index
    status: str = "todo"
    assignee: str = ""  # a session's name: who works on it, or for whom it is kept while it is todo
    sid: str = ""  # of the assignee that works on it
    claimed: int = 0  # when
    progress: int = 0  # percent
    note: str = ""
    commit: str = ""  # what is under review
    result: Result | None = None
    reviewer: str = ""
    children: tuple[str, ...] = ()  # subtasks that are not dropped
    workers: tuple[str, ...] = ()  # every session that had it: none of them reviews it, or changes its acceptance
    left: str = ""  # who left it unfinished last
    author: str = ""
    created: int = 0
    history: tuple[Past, ...] = ()


# -- reading --------------------------------------------------------------------------------------
def get(state: State, ident: str) -> Task | None:
    """The task of that very id."""
    return state.get(layout.task(ident), Task)


def names(state: State) -> list[str]:
    """The id of every task."""
    return [name.removesuffix(".json") for name in state.entries(layout.T_TASKS) or ()]


def all_of(state: State) -> Iterator[Task]:
    """Every task, by id."""
    for _, raw in state.walk(layout.T_TASKS):
        yield decode(raw, Task)


def find(state: State, name: str) -> Task:
    """The task that `name` names: its id, or a unique prefix of it."""
    from git_peer.core import near  # hot commands look nothing up by a part of its id

    known = names(state)
    task = get(state, name if name in known else near.begun(known, name, "task", "`git peer task list` shows them"))
    assert task is not None
    return task


def claimed_by(state: State, name: str) -> Iterator[Task]:
    """The unfinished tasks of the session of that name, those kept for it too."""
    for ident in sorted(state.entries(f"{layout.T_CLAIMS}/{name}") or ()):
        task = get(state, ident) if state.read(claim(name, ident)) is not None else None
        if task is not None:
            yield task


def claimed(state: State) -> Iterator[Task]:
    """Every unfinished task that is somebody's."""
    for name in sorted(state.entries(layout.T_CLAIMS) or ()):
        yield from claimed_by(state, name)


def claim(name: str, ident: str) -> str:
    """The tree path of the index entry that leads from a session to its task."""
    return f"{layout.T_CLAIMS}/{name}/{ident}"


def assignee_of(state: State, task: Task) -> Session | None:
    """The session that works on a task; None where it is gone, or nobody does."""
    session = sessions.get(state, task.assignee) if task.assignee else None
    return session if session is not None and session.sid == task.sid else None


# -- writing --------------------------------------------------------------------------------------
def put(state: State, task: Task, old: Task | None = None) -> None:
    """Keep a task, and the index of whose it is."""
    if old is not None and old.assignee and old.assignee != task.assignee:
        state.delete(claim(old.assignee, task.id))
    if task.assignee and task.status not in OVER:
        state.write(claim(task.assignee, task.id), task.status.encode())
    elif task.assignee and old is not None and old.status not in OVER:
        state.delete(claim(task.assignee, task.id))
    state.put(layout.task(task.id), task)


# -- showing --------------------------------------------------------------------------------------
def describe(task: Task) -> dict[str, Any]:
    """A task as the command contract's T."""
    view: dict[str, Any] = {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "phase": task.phase or None,
        "parent": task.parent or None,
        "depends_on": list(task.depends_on),
        "paths": [targets.show(target) for target in task.paths],
        "inputs": list(task.inputs),
        "outputs": list(task.outputs),
        "provides": list(task.provides),
        "uses": list(task.uses),
        "accept": task.accept,
        "checklist": [{"text": item.text, "done": item.done} for item in task.checklist],
        "priority": task.priority,
        "estimate": task.estimate or None,
        "skills": list(task.skills),
        "status": task.status,
        "assignee": task.assignee or None,
        "progress": task.progress,
        "note": task.note,
        "commit": task.commit or None,
        "reviewer": task.reviewer or None,
        "children": list(task.children),
        "left_by": task.left or None,
        "author": task.author,
        "created_at": rfc3339(task.created),
    }
    if task.claimed:
        view["claimed_at"] = rfc3339(task.claimed)
    if task.result is not None:
        view["result"] = {**msgspec.to_builtins(task.result), "at": rfc3339(task.result.at)}
    return view


def past(task: Task) -> list[dict[str, Any]]:
    """A task's history, oldest first, as its record keeps it."""
    return [{**msgspec.to_builtins(entry), "note": entry.note, "at": rfc3339(entry.at)} for entry in task.history]
