"""Tasking: what happens to tasks, from being added to being done. Events and apply()."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.command import envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import graph
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import OVER, Changes, Result, Spec, Task
from git_peer.core.plan.task.subtasks import adopt, find, finish, mine, noted
from git_peer.core.session import expiry, naming
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Scene, Session
from git_peer.core.target.target import check

MAX_LIST = 500  # entries of one list of a task
MAX_SHORT = 1000  # bytes of a title, an id, a name
MAX_NOTE = 4000  # bytes of a note, and of what is kept of an output


class TaskAdd(Event, tag="task.add", frozen=True, kw_only=True):
    """A task. What a file says became of it elsewhere may come along; then nobody here works on it."""

    task: str
    spec: Spec
    status: str = "todo"
    assignee: str = ""
    progress: int = 0
    note: str = ""
    commit: str = ""
    reviewer: str = ""
    result: Result | None = None


class TaskEdit(Event, tag="task.edit", frozen=True, kw_only=True):
    """What a plan says of a task changes."""

    task: str
    changes: Changes


class TaskAssign(Event, tag="task.assign", frozen=True, kw_only=True):
    """A task is kept for a session, or handed over to it (`to` is its sid); no session: for whoever comes."""

    task: str
    session: str = ""
    to: str = ""


class TaskClaim(Event, tag="task.claim", frozen=True, kw_only=True):
    """The session works on a task that was ready, and nobody else does."""

    task: str


class TaskRelease(Event, tag="task.release", frozen=True, kw_only=True):
    """The assignee gives it back, or a person takes it away with the reason `force`."""

    task: str
    note: str = ""
    force: str = ""


class TaskLapse(Event, tag="task.lapse", frozen=True, kw_only=True):
    """The assignee's lease ran out: the task is there for others again. With the evidence."""

    task: str
    evidence: Evidence


class TaskMove(Event, tag="task.move", frozen=True, kw_only=True):
    """Another status. `commit` goes with review; `force` is a person's reason against the assignee's will."""

    task: str
    status: str
    note: str = ""
    commit: str = ""
    force: str = ""


class TaskProgress(Event, tag="task.progress", frozen=True, kw_only=True):
    """How far the assignee is; `check` and `uncheck` are items of the checklist, from 0."""

    task: str
    percent: int | None = None
    note: str | None = None
    check: tuple[int, ...] = ()
    uncheck: tuple[int, ...] = ()


class TaskResult(Event, tag="task.result", frozen=True, kw_only=True):
    """What the acceptance command said of a commit."""

    task: str
    commit: str
    passed: bool
    command: str = ""
    output: str = ""


def lapse(state: State, task: Task, session: Session, scene: Scene) -> TaskLapse | None:
    """The event that ends a dead session's claim; None while its lease must be taken for running."""
    holder = tasks.assignee_of(state, task)
    evidence = expiry.evidence(holder, holder.ttl if holder else 0, scene)
    return None if evidence is None else TaskLapse(**envelope(session, scene), task=task.id, evidence=evidence)


# -- applying -------------------------------------------------------------------------------------
def _short(texts: Any, most: int = MAX_SHORT) -> None:
    for text in texts:
        if len(text.encode("utf-8", "surrogatepass")) > most:
            raise Malformed(f"a text over {most} bytes")


def _check_spec(state: State, spec: Spec | Changes) -> None:
    """The shape of what a plan says; that what it names is there is looked at when the commit is whole."""
    _short([spec.title or "", spec.accept or ""], MAX_NOTE)
    _short([spec.description or ""], plan.MAX_TEXT)
    for texts in (spec.depends_on, spec.inputs, spec.outputs, spec.provides, spec.uses, spec.skills):
        if len(texts or ()) > MAX_LIST or len(set(texts or ())) != len(texts or ()):
            raise Malformed("a list that is too long, or names one thing twice")
        _short(texts or ())
    _short([item.text for item in spec.checklist or ()])
    if len(spec.paths or ()) > MAX_LIST or len(spec.checklist or ()) > MAX_LIST:
        raise Malformed("a list that is too long")
    for target in spec.paths or ():
        check(target)
    if spec.title == "" or not 0 <= (spec.priority or 0) <= tasks.MAX_PRIORITY or (spec.estimate or 0) < 0:
        raise Malformed("a task needs a title, a priority of 0 to 10, an estimate that is not negative")
    if spec.phase and plan.get(state).phase(spec.phase) is None:
        raise Malformed(f"no phase {spec.phase!r}")


def _go(task: Task, status: str) -> None:
    if status not in tasks.MOVES[task.status]:
        raise Malformed(f"task {task.id} cannot go from {task.status} to {status}")


def apply_add(state: State, event: TaskAdd, height: int, index: int) -> None:
    """A new id. Work that a file calls unfinished is nobody's here: its next claim finds its session gone."""
    sessions.touch(state, event, height)
    if not plan.is_id(event.task) or tasks.get(state, event.task) is not None:
        raise Malformed(f"no new task: {event.task!r}")
    if event.status not in tasks.STATUSES or not 0 <= event.progress <= 100:
        raise Malformed(f"no status {event.status!r}")
    if event.status in tasks.WORKED_ON and not event.assignee:
        raise Malformed(f"a task that is {event.status} has an assignee")
    if event.assignee and not naming.is_name(event.assignee):  # it becomes a folder of the tree
        raise Malformed(f"not a session's name: {event.assignee!r}")
    _check_spec(state, event.spec)
    phase = plan.get(state).phase(event.spec.phase)
    if phase is not None and phase.status == "closed" and event.status not in OVER:
        raise Malformed(f"phase {phase.id} is closed")
    _short([event.note, event.commit, event.reviewer], MAX_NOTE)
    task = Task(
        **{name: getattr(event.spec, name) for name in tasks.FIELDS},
        id=event.task,
        order=(height << 20) + index,
        status=event.status,
        assignee=event.assignee,
        progress=event.progress,
        note=event.note,
        commit=event.commit,
        reviewer=event.reviewer,
        result=event.result,
        workers=(event.assignee,) if event.assignee else (),
        author=event.by,
        created=event.at,
    )
    tasks.put(state, noted(task, event, "added"))
    adopt(state, event, task, "")
    state.relinked.add(task.id)
    there = plan.get(state)
    if plan.counted(task.id) > there.count:
        plan.put(state, msgspec.structs.replace(there, count=plan.counted(task.id)))


def apply_edit(state: State, event: TaskEdit, height: int, index: int) -> None:
    """Not the acceptance of work that is one's own, or that was accepted by it."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    _check_spec(state, event.changes)
    changes = event.changes.given()
    if not changes:
        raise Malformed("an edit that changes nothing")
    if changes.get("phase") and task.status not in OVER and plan.phase_of(state, changes["phase"]).status == "closed":
        raise Malformed(f"phase {changes['phase']} is closed")
    if "accept" in changes and changes["accept"] != task.accept:
        if event.by in task.workers:
            raise Malformed(
                f"{event.by} worked on {task.id}: it cannot change its acceptance",
                "not_allowed",
                "ask another session, or a person, to change it",
            )
        if task.status in ("merge_point", "done"):
            raise Malformed(f"task {task.id} was accepted already")
        changes["result"] = None
    edited = noted(task, event, "edited", ", ".join(name for name in changes if name != "result"), **changes)
    tasks.put(state, edited, task)
    if "parent" in changes:
        adopt(state, event, edited, task.parent)
    if changes.keys() & {"depends_on", "parent"}:
        state.relinked.add(task.id)
    if "phase" in changes:
        state.relinked.add("")  # who depends on it may come too early now


def apply_assign(state: State, event: TaskAssign, height: int, index: int) -> None:
    """What is to do is kept for a session; what somebody works on is handed over by it."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    if event.session and not naming.is_name(event.session):
        raise Malformed(f"not a session's name: {event.session!r}")
    if task.status == "todo" and not event.to:
        tasks.put(state, noted(task, event, "assigned", event.session, assignee=event.session, sid=""), task)
        return
    to = sessions.get(state, event.session)
    if task.status != "in_progress" or to is None or to.sid != event.to or not mine(state, event, task):
        raise Malformed(f"task {task.id} is not {event.by}'s to hand over")
    workers = _with(task.workers, to.name)
    changes: dict[str, Any] = {"assignee": to.name, "sid": to.sid, "claimed": event.at, "workers": workers}
    tasks.put(state, noted(task, event, "handed over", to.name, **changes), task)


def _with(workers: tuple[str, ...], name: str) -> tuple[str, ...]:
    return workers if name in workers else (*workers, name)


def apply_claim(state: State, event: TaskClaim, height: int, index: int) -> None:
    """Ready, and nobody else's: the one place where a task gets its worker."""
    session = sessions.touch(state, event, height)
    task = find(state, event.task)
    unmet = graph.unmet(state, task)
    if task.status != "todo" or unmet or task.children:
        raise Malformed(f"task {task.id} is {task.status}, waits for {', '.join(unmet) or 'nothing'}")
    changes: dict[str, Any] = {
        "status": "in_progress",
        "assignee": session.name,
        "sid": session.sid,
        "claimed": event.at,
        "workers": _with(task.workers, session.name),
    }
    tasks.put(state, noted(task, event, "claimed", **changes), task)


def _freed(task: Task, event: Event, what: str, note: str) -> Task:
    changes: dict[str, Any] = {"status": "todo", "assignee": "", "sid": "", "claimed": 0, "left": task.assignee}
    return noted(task, event, what, note, **changes)


def apply_release(state: State, event: TaskRelease, height: int, index: int) -> None:
    """The assignee's word, or force by name."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    _short([event.note, event.force], MAX_NOTE)
    if task.status != "in_progress" or task.children or not (event.force or mine(state, event, task)):
        raise Malformed(f"task {task.id} is not {event.by}'s")
    tasks.put(state, _freed(task, event, "released", event.force or event.note), task)


def apply_lapse(state: State, event: TaskLapse, height: int, index: int) -> None:
    """The evidence must fit what the log knows of the assignee."""
    task = find(state, event.task)
    holder = tasks.assignee_of(state, task)
    if task.status != "in_progress" or task.children:
        raise Malformed(f"nobody works on task {task.id}")
    expiry.check(event.evidence, holder, holder.ttl if holder else 0, event, state)
    sessions.touch(state, event, height)
    tasks.put(state, _freed(task, event, "lapsed", task.assignee), task)


def apply_move(state: State, event: TaskMove, height: int, index: int) -> None:
    """By the status machine, and by who may."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    _short([event.note, event.force, event.commit], MAX_NOTE)
    _go(task, event.status)
    back = task.status == "dropped" and event.status == "todo"
    if task.children and event.status != "dropped" and not back:
        raise Malformed(f"task {task.id} is done by its subtasks")
    own, worked = mine(state, event, task), task.status in tasks.WORKED_ON
    changes: dict[str, Any] = {"status": event.status, "note": event.note or task.note}
    if event.status == "review":
        if not own or not event.commit:
            raise Malformed(f"task {task.id} is not {event.by}'s to hand in")
        changes["commit"] = event.commit
        if task.result is not None and task.result.commit != event.commit:
            changes["result"] = None
    elif event.status == "merge_point":
        if event.by in task.workers or event.sid == task.sid:
            raise Malformed(f"{event.by} worked on {task.id}: another session accepts it")
        if task.accept and (task.result is None or not task.result.passed or task.result.commit != task.commit):
            raise Malformed(f"no acceptance of {task.commit[:12]} is on record for {task.id}")
        changes["reviewer"] = event.by
    elif event.status == "in_progress":  # sent back, or taken back: with who works on it
        changes |= {"reviewer": "", "result": None}
    elif event.status == "done":
        changes["progress"] = 100
    elif worked and not (own or event.force or tasks.assignee_of(state, task) is None):
        raise Malformed(f"task {task.id} is {task.assignee}'s", "not_yours", f"ask {task.assignee}")
    elif event.status in ("blocked", "dropped", "todo"):
        changes |= {"assignee": "", "sid": "", "claimed": 0, "left": task.assignee if worked else task.left}
        if event.status == "todo":
            if task.phase and plan.phase_of(state, task.phase).status == "closed":
                raise Malformed(f"phase {task.phase} is closed")
            changes |= {"progress": 0, "commit": "", "result": None, "reviewer": ""}
    moved = noted(task, event, event.status, event.force or event.note, **changes)
    tasks.put(state, moved, task)
    if "dropped" in (event.status, task.status):  # it leaves its parent, or comes back
        adopt(state, event, moved, task.parent if event.status == "dropped" else "")
        state.relinked.add(task.id)
        if task.children:
            finish(state, event, task.id)
    elif task.parent:
        finish(state, event, task.parent)


def apply_progress(state: State, event: TaskProgress, height: int, index: int) -> None:
    """The assignee's word on its own task."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    if not mine(state, event, task) or task.status not in tasks.WORKED_ON:
        raise Malformed(f"task {task.id} is not {event.by}'s")
    percent = task.progress if event.percent is None else event.percent
    if not 0 <= percent <= 100 or any(not 0 <= at < len(task.checklist) for at in (*event.check, *event.uncheck)):
        raise Malformed("a percentage of 0 to 100, and items that are there")
    _short([event.note or ""], MAX_NOTE)
    listed = tuple(
        msgspec.structs.replace(item, done=True if at in event.check else False if at in event.uncheck else item.done)
        for at, item in enumerate(task.checklist)
    )
    note = task.note if event.note is None else event.note
    changes: dict[str, Any] = {"progress": percent, "note": note, "checklist": listed}
    tasks.put(state, noted(task, event, f"{percent} %", event.note or "", **changes), task)


def apply_result(state: State, event: TaskResult, height: int, index: int) -> None:
    """Of the commit under review, or of one that is to be."""
    sessions.touch(state, event, height)
    task = find(state, event.task)
    _short([event.output, event.command], MAX_NOTE)
    if task.status not in ("in_progress", "review") or not event.commit:
        raise Malformed(f"task {task.id} is {task.status}")
    if task.status == "review" and event.commit != task.commit:
        raise Malformed(f"{task.id} has {task.commit[:12]} under review")
    said = "passed" if event.passed else "failed"
    result = Result(
        commit=event.commit, passed=event.passed, by=event.by, at=event.at, command=event.command, output=event.output
    )
    tasks.put(state, noted(task, event, f"acceptance {said}", event.commit[:12], result=result), task)
