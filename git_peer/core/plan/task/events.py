"""Tasking: what happens to tasks, from being added to being done. Events and apply()."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, State, alike
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import OVER, Changes, Result, Spec, Task
from git_peer.core.plan.task.subtasks import adopt, find, finish, mine, noted
from git_peer.core.session import expiry, naming
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.target.target import check

MAX_LIST = 500  # entries of one list of a task
MAX_SHORT = 1000  # bytes of a title, an id, a name
MAX_NOTE = 4000  # bytes of a note, and of what is kept of an output


class TaskEvent(plan.PlanEvent, frozen=True, kw_only=True):
    """What happens to a task."""

    task: str

    def named(self, state: State) -> str:
        """Its id and its title."""
        task = tasks.get(state, self.task)
        return f"{self.task} {task.title}" if task is not None else self.task


class TaskAdd(TaskEvent, tag="task.add", frozen=True, kw_only=True):
    """A task. What a file says became of it elsewhere may come along; then nobody here works on it."""

    example = {"task": "t1", "spec": {"title": "T"}}
    does = "added"

    spec: Spec
    status: str = "todo"
    assignee: str = ""
    progress: int = 0
    note: str = ""
    commit: str = ""
    reviewer: str = ""
    result: Result | None = None

    def apply(self, state: State, height: int, index: int) -> None:
        """A new id. Work that a file calls unfinished is nobody's here: its next claim finds its session gone."""
        sessions.touch(state, self, height)
        if not plan.is_id(self.task) or tasks.get(state, self.task) is not None:
            raise Malformed(f"no new task: {self.task!r}")
        if self.status not in tasks.STATUSES or not 0 <= self.progress <= 100:
            raise Malformed(f"no status {self.status!r}")
        if self.status in tasks.WORKED_ON and not self.assignee:
            raise Malformed(f"a task that is {self.status} has an assignee")
        if self.assignee and not naming.is_name(self.assignee):  # it becomes a folder of the tree
            raise Malformed(f"not a session's name: {self.assignee!r}")
        _check_spec(state, self.spec)
        phase = plan.get(state).phase(self.spec.phase)
        if phase is not None and phase.status == "closed" and self.status not in OVER:
            raise Malformed(f"phase {phase.id} is closed")
        _short([self.note, self.commit, self.reviewer], MAX_NOTE)
        task = Task(
            **alike(self.spec, Task),
            **alike(self, Task) | {"id": self.task, "sid": ""},
            order=(height << 20) + index,
            workers=(self.assignee,) if self.assignee else (),
            author=self.by,
            created=self.at,
        )
        tasks.put(state, noted(task, self, "added"))
        adopt(state, self, task, "")
        state.relinked.add(task.id)
        there = plan.get(state)
        if plan.counted(task.id) > there.count:
            plan.put(state, msgspec.structs.replace(there, count=plan.counted(task.id)))

    def says(self) -> str:
        return f"added task {self.task}: {self.spec.title}"


class TaskEdit(TaskEvent, tag="task.edit", frozen=True, kw_only=True):
    """What a plan says of a task changes."""

    example = {"task": "t1", "changes": {"title": "U"}}
    does = "edited"

    changes: Changes

    def apply(self, state: State, height: int, index: int) -> None:
        """Not the acceptance of work that is one's own, or that was accepted by it."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        _check_spec(state, self.changes)
        changes = self.changes.given()
        if not changes:
            raise Malformed("an edit that changes nothing")
        if (
            changes.get("phase")
            and task.status not in OVER
            and plan.phase_of(state, changes["phase"]).status == "closed"
        ):
            raise Malformed(f"phase {changes['phase']} is closed")
        if "accept" in changes and changes["accept"] != task.accept:
            if self.by in task.workers:
                raise Malformed(
                    f"{self.by} worked on {task.id}, and cannot change its acceptance command",
                    "not_allowed",
                    "ask another session, or a person, to change it",
                )
            if task.status in ("merge_point", "done"):
                raise Malformed(f"task {task.id} was accepted already")
            changes["result"] = None
        edited = noted(task, self, "edited", ", ".join(name for name in changes if name != "result"), **changes)
        tasks.put(state, edited, task)
        if "parent" in changes:
            adopt(state, self, edited, task.parent)
        if changes.keys() & {"depends_on", "parent"}:
            state.relinked.add(task.id)
        if "phase" in changes:
            state.relinked.add("")  # who depends on it may come too early now

    def says(self) -> str:
        return f"edited task {self.task}: {', '.join(sorted(self.changes.given())).replace('_', ' ')}"


class TaskAssign(TaskEvent, tag="task.assign", frozen=True, kw_only=True):
    """A task is kept for a session, or handed over to it (`to` is its sid); no session: for whoever comes."""

    example = {"task": "t1"}
    does = "assigned"

    session: str = ""
    to: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """What is to do is kept for a session; what somebody works on is handed over by it."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        if self.session and not naming.is_name(self.session):
            raise Malformed(f"not a session's name: {self.session!r}")
        if task.status == "todo" and not self.to:
            tasks.put(state, noted(task, self, "assigned", self.session, assignee=self.session, sid=""), task)
            return
        to = sessions.get(state, self.session)
        if task.status != "in_progress" or to is None or to.sid != self.to or not mine(state, self, task):
            raise Malformed(f"task {task.id} is not {self.by}'s to hand over")
        workers = _with(task.workers, to.name)
        changes: dict[str, Any] = {"assignee": to.name, "sid": to.sid, "claimed": self.at, "workers": workers}
        tasks.put(state, noted(task, self, "handed over", to.name, **changes), task)

    def says(self) -> str:
        return (
            f"assigned task {self.task} to {self.session}"
            if self.session
            else f"left task {self.task} to whoever comes"
        )


class TaskClaim(TaskEvent, tag="task.claim", frozen=True, kw_only=True):
    """The session works on a task that was ready, and nobody else does."""

    example = {"task": "t1"}
    does = "claimed"

    def apply(self, state: State, height: int, index: int) -> None:
        """Ready, and nobody else's: the one place where a task gets its worker."""
        session = sessions.touch(state, self, height)
        task = find(state, self.task)
        unmet = graph.unmet(state, task)
        if task.status != "todo" or unmet or task.children:
            raise Malformed(f"task {task.id} is {task.status}, waits for {', '.join(unmet) or 'nothing'}")
        changes: dict[str, Any] = {
            "status": "in_progress",
            "assignee": session.name,
            "sid": session.sid,
            "claimed": self.at,
            "workers": _with(task.workers, session.name),
        }
        tasks.put(state, noted(task, self, "claimed", **changes), task)

    def says(self) -> str:
        return f"claimed task {self.task}"


class TaskRelease(TaskEvent, tag="task.release", frozen=True, kw_only=True):
    """The assignee gives it back, or a person takes it away with the reason `force`."""

    example = {"task": "t1"}
    does = "released"

    note: str = ""
    force: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """The assignee's word, or force by name."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        _short([self.note, self.force], MAX_NOTE)
        if task.status != "in_progress" or task.children or not (self.force or mine(state, self, task)):
            raise Malformed(f"task {task.id} is not {self.by}'s")
        tasks.put(state, _freed(task, self, "released", self.force or self.note), task)

    def says(self) -> str:
        why = self.force or self.note
        return f"released task {self.task}" + (f": {why}" if why else "")


class TaskLapse(TaskEvent, tag="task.lapse", frozen=True, kw_only=True):
    """The assignee's lease ran out: the task is there for others again. With the evidence."""

    example = {"task": "t1", "evidence": {"how": "gone"}}
    does = "took back the lapsed"

    evidence: Evidence

    def apply(self, state: State, height: int, index: int) -> None:
        """The evidence must fit what the log knows of the assignee."""
        task = find(state, self.task)
        holder = tasks.assignee_of(state, task)
        if task.status != "in_progress" or task.children:
            raise Malformed(f"nobody works on task {task.id}")
        expiry.check(self.evidence, holder, holder.ttl if holder else 0, self, state)
        sessions.touch(state, self, height)
        tasks.put(state, _freed(task, self, "lapsed", task.assignee), task)

    def says(self) -> str:
        return f"took back the lapsed task {self.task}"


class TaskMove(TaskEvent, tag="task.move", frozen=True, kw_only=True):
    """Another status. `commit` goes with review; `force` is a person's reason against the assignee's will."""

    example = {"task": "t1", "status": "blocked"}

    status: str
    note: str = ""
    commit: str = ""
    force: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """By the status machine, and by who may."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        _short([self.note, self.force, self.commit], MAX_NOTE)
        _go(task, self.status)
        back = task.status == "dropped" and self.status == "todo"
        if task.children and self.status != "dropped" and not back:
            raise Malformed(f"task {task.id} is done by its subtasks")
        own, worked = mine(state, self, task), task.status in tasks.WORKED_ON
        changes: dict[str, Any] = {"status": self.status, "note": self.note or task.note}
        if self.status == "review":
            if not own or not self.commit:
                raise Malformed(f"task {task.id} is not {self.by}'s to hand in")
            changes["commit"] = self.commit
            if task.result is not None and task.result.commit != self.commit:
                changes["result"] = None
        elif self.status == "merge_point":
            if self.by in task.workers or self.sid == task.sid:
                raise Malformed(f"{self.by} worked on {task.id}: another session accepts it")
            if task.accept and (task.result is None or not task.result.passed or task.result.commit != task.commit):
                raise Malformed(f"no acceptance of {task.commit[:12]} is on record for {task.id}")
            changes["reviewer"] = self.by
        elif self.status == "in_progress":  # sent back, or taken back: with who works on it
            changes |= {"reviewer": "", "result": None}
        elif self.status == "done":
            changes["progress"] = 100
        elif worked and not (own or self.force or tasks.assignee_of(state, task) is None):
            raise Malformed(f"task {task.id} is {task.assignee}'s", "not_yours", f"ask {task.assignee}")
        elif self.status in ("blocked", "dropped", "todo"):
            changes |= {"assignee": "", "sid": "", "claimed": 0, "left": task.assignee if worked else task.left}
            if self.status == "todo":
                if task.phase and plan.phase_of(state, task.phase).status == "closed":
                    raise Malformed(f"phase {task.phase} is closed")
                changes |= {"progress": 0, "commit": "", "result": None, "reviewer": ""}
        moved = noted(task, self, self.status, self.force or self.note, **changes)
        tasks.put(state, moved, task)
        if "dropped" in (self.status, task.status):  # it leaves its parent, or comes back
            adopt(state, self, moved, task.parent if self.status == "dropped" else "")
            state.relinked.add(task.id)
            if task.children:
                finish(state, self, task.id)
        elif task.parent:
            finish(state, self, task.parent)

    def line(self, state: State) -> str:
        """With the task's title."""
        return f"task: {self.by} {self._verb} {self.named(state)}".rstrip()

    @property
    def _verb(self) -> str:
        """A move has the verb of where it leads."""
        does = {"review": "handed in", "merge_point": "accepted", "in_progress": "sent back"}
        return does.get(self.status, f"set to {self.status.replace('_', ' ')}")

    def says(self) -> str:
        why = self.force or self.note
        return f"{self._verb} task {self.task}" + (f": {why}" if why else "")


class TaskProgress(TaskEvent, tag="task.progress", frozen=True, kw_only=True):
    """How far the assignee is; `check` and `uncheck` are items of the checklist, from 0."""

    example = {"task": "t1"}
    does = "goes on with"

    percent: int | None = None
    note: str | None = None
    check: tuple[int, ...] = ()
    uncheck: tuple[int, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """The assignee's word on its own task."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        if not mine(state, self, task) or task.status not in tasks.WORKED_ON:
            raise Malformed(f"task {task.id} is not {self.by}'s")
        percent = task.progress if self.percent is None else self.percent
        if not 0 <= percent <= 100 or any(not 0 <= at < len(task.checklist) for at in (*self.check, *self.uncheck)):
            raise Malformed("a percentage of 0 to 100, and items that are there")
        _short([self.note or ""], MAX_NOTE)
        listed = tuple(
            msgspec.structs.replace(item, done=True if at in self.check else False if at in self.uncheck else item.done)
            for at, item in enumerate(task.checklist)
        )
        note = task.note if self.note is None else self.note
        changes: dict[str, Any] = {"progress": percent, "note": note, "checklist": listed}
        tasks.put(state, noted(task, self, f"{percent} %", self.note or "", **changes), task)

    def says(self) -> str:
        told = [f"{self.percent} %"] if self.percent is not None else []
        ticked, open_ = (", ".join(str(at + 1) for at in items) for items in (self.check, self.uncheck))
        told += [f"items done: {ticked}"] if ticked else []
        told += [f"items open again: {open_}"] if open_ else []
        return (
            f"goes on with task {self.task}"
            + "".join(f", {one}" for one in told)
            + (f": {self.note}" if self.note else "")
        )


class TaskResult(TaskEvent, tag="task.result", frozen=True, kw_only=True):
    """What the acceptance command said of a commit."""

    example = {"task": "t1", "commit": "1a", "passed": True}
    does = "tried"

    commit: str
    passed: bool
    command: str = ""
    output: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """Of the commit under review, or of one that is to be."""
        sessions.touch(state, self, height)
        task = find(state, self.task)
        _short([self.output, self.command], MAX_NOTE)
        if task.status not in ("in_progress", "review") or not self.commit:
            raise Malformed(f"task {task.id} is {task.status}")
        if task.status == "review" and self.commit != task.commit:
            raise Malformed(f"{task.id} has {task.commit[:12]} under review")
        verdict = "passed" if self.passed else "failed"
        result = Result(
            commit=self.commit, passed=self.passed, by=self.by, at=self.at, command=self.command, output=self.output
        )
        tasks.put(state, noted(task, self, f"acceptance {verdict}", self.commit[:12], result=result), task)

    def says(self) -> str:
        how = "passed" if self.passed else "failed"
        return f"tried task {self.task} on {self.commit[:12]}: {how}"


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


def _with(workers: tuple[str, ...], name: str) -> tuple[str, ...]:
    return workers if name in workers else (*workers, name)


def _freed(task: Task, event: Event, what: str, note: str) -> Task:
    changes: dict[str, Any] = {"status": "todo", "assignee": "", "sid": "", "claimed": 0, "left": task.assignee}
    return noted(task, event, what, note, **changes)
