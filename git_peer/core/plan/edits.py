"""How a plan is changed: by a list of edits as data, all or none. What may be edited, and how each edit is decided."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import Record, State
from git_peer.core.log.txn import Txn
from git_peer.core.plan import contracts, questions
from git_peer.core.plan import record as plan
from git_peer.core.plan.phases import PhaseDrop
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.decide import with_children
from git_peer.core.plan.task.record import Changes, Result, Spec
from git_peer.core.session import record as sessions

KEY = "~"  # an id that begins so stands for a task of the same list of edits whose id is given in turn
SHOWN = 50  # changed tasks that an answer spells out


class Naming:
    """The ids that a list of edits gives in turn, and the tasks that it has changed."""

    def __init__(self, state: State) -> None:
        self.count = plan.get(state).count
        self.keys: dict[str, str] = {}
        self.changed: dict[str, None] = {}

    def turn(self) -> str:
        """The next id."""
        self.count += 1
        return f"t{self.count}"

    def real(self, ident: str) -> str:
        """The id that an id of the list stands for."""
        return self.keys.get(ident, ident)


class Edit(Record, tag_field="op", frozen=True, kw_only=True):
    """One edit of a plan."""

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Emit what it comes to, if anything; PeerError where it is refused."""
        raise NotImplementedError


class SetGoal(Edit, tag="goal", frozen=True, kw_only=True):
    """Another goal; `saw` is the one that the user's copy had."""

    goal: str
    saw: str | None = None

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Unless somebody else has set it meanwhile."""
        present = plan.get(txn.state).goal
        if present == self.goal:
            return
        if self.saw is not None and self.saw != present:
            raise PeerError("changed", "the goal was changed meanwhile", "`git peer plan show`")
        txn.emit(plan.PlanSet, goal=self.goal)


class AddPhase(Edit, tag="phase+", frozen=True, kw_only=True):
    """A phase at the end. No id: one made of its name."""

    name: str
    id: str = ""
    closed: bool = False
    head: str = ""

    def decide(self, txn: Txn, naming: Naming) -> None:
        """With an id that no other phase has."""
        there = plan.get(txn.state)
        taken = {phase.id: phase for phase in there.phases}
        if self.id:
            plan.check_id(self.id, "phase")
        if self.id in taken or (not self.id and any(phase.name == self.name for phase in there.phases)):
            raise PeerError("exists", f"there is a phase {self.id or self.name} already", "`git peer phase list`")
        if not self.name.strip():
            raise PeerError("invalid", "a phase needs a name", "`git peer phase add NAME`")
        ident = self.id or plan.slug(self.name, taken)
        txn.emit(plan.PhaseAdd, phase=ident, name=self.name, closed=self.closed, head=self.head)


class NamePhase(Edit, tag="phase=", frozen=True, kw_only=True):
    """Another name for a phase."""

    id: str
    name: str

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Its id stays."""
        phase = plan.find_phase(plan.get(txn.state), self.id)
        if phase.name != self.name:
            txn.emit(plan.PhaseEdit, phase=phase.id, name=self.name)


class CutPhase(Edit, tag="phase-", frozen=True, kw_only=True):
    """A phase without tasks goes."""

    id: str

    def decide(self, txn: Txn, naming: Naming) -> None:
        """The phase that the text names."""
        txn.emit(PhaseDrop, phase=plan.find_phase(plan.get(txn.state), self.id).id)


class OrderPhases(Edit, tag="phases", frozen=True, kw_only=True):
    """The order of all phases."""

    ids: tuple[str, ...]

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Where it is another one."""
        if tuple(phase.id for phase in plan.get(txn.state).phases) != self.ids:
            txn.emit(plan.PlanSet, order=self.ids)


class AddTask(Edit, tag="task+", frozen=True, kw_only=True):
    """A task. `id` "": given in turn; `~KEY`: the same, and other edits of the list speak of it by that key."""

    spec: Spec
    id: str = ""
    status: str = "todo"
    assignee: str = ""
    progress: int = 0
    note: str = ""
    commit: str = ""
    reviewer: str = ""
    result: Result | None = None

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Alone, as one of a list."""
        _add(txn, naming, [self])


class ChangeTask(Edit, tag="task=", frozen=True, kw_only=True):
    """New values of what a plan says of a task; `saw` are those that the user's copy had."""

    id: str
    changes: Changes
    saw: Changes | None = None

    def decide(self, txn: Txn, naming: Naming) -> None:
        """What differs from what is there, unless somebody else has changed that meanwhile."""
        task = tasks.find(txn.state, naming.real(self.id))
        given = self.changes.given()
        if "parent" in given:
            given["parent"] = naming.real(given["parent"])
        if "depends_on" in given:
            given["depends_on"] = tuple(naming.real(dep) for dep in given["depends_on"])
        saw = self.saw.given() if self.saw is not None else {}
        new: dict[str, Any] = {}
        for name, value in given.items():
            present = getattr(task, name)
            if present == value:
                continue
            if name in saw and present != saw[name]:
                raise PeerError(
                    "changed",
                    f"the {name.replace('_', ' ')} of {task.id} ({text.quoted(task.title, 80)}) was changed meanwhile",
                    f"look at it with `git peer task show {task.id}` and say it again",
                )
            new[name] = value
        if not new:
            return
        naming.changed[task.id] = None
        txn.emit(tasking.TaskEdit, task=task.id, changes=Changes(**new))
        if "phase" in new:
            for below in list(tasks.all_of(txn.state)):  # they stay together, dropped ones too
                if below.parent == task.id:
                    ChangeTask(id=below.id, changes=Changes(phase=new["phase"])).decide(txn, naming)


class SetStatus(Edit, tag="task!", frozen=True, kw_only=True):
    """An edited file gives a task another status: blocked, dropped or todo, where that may be."""

    id: str
    status: str
    saw: str

    def decide(self, txn: Txn, naming: Naming) -> None:
        """A dropped task goes with its subtasks."""
        task = tasks.find(txn.state, self.id)
        if task.status == self.status:
            return
        if task.status != self.saw:
            now = f"{task.id} is {task.status} now, not {self.saw}"
            raise PeerError("changed", now, f"`git peer task show {task.id}`")
        if self.status not in ("todo", "blocked", "dropped"):
            raise PeerError(
                "invalid",
                f"an edited plan cannot make {task.id} {self.status}: it is {task.status}",
                "`git peer task claim`, `review` and `done` do that, step by step",
            )
        naming.changed[task.id] = None
        for member in with_children(txn.state, task) if self.status == "dropped" else [task]:
            txn.emit(tasking.TaskMove, task=member.id, status=self.status)


class AddContract(Edit, tag="contract+", frozen=True, kw_only=True):
    """A contract."""

    name: str
    type: str
    definition: str
    version: int = 1
    status: str = "draft"
    approved: tuple[str, ...] = ()

    def decide(self, txn: Txn, naming: Naming) -> None:
        """With a name that no other has."""
        plan.check_id(self.name, "contract")
        if contracts.get(txn.state, self.name) is not None:
            hint = f"`git peer contract change {self.name}` changes it"
            raise PeerError("exists", f"there is a contract {self.name} already", hint)
        txn.emit(
            contracts.ContractAdd,
            contract=self.name,
            type=self.type,
            definition=self.definition,
            version=self.version,
            status=self.status,
            approved=self.approved,
        )


class ChangeContract(Edit, tag="contract=", frozen=True, kw_only=True):
    """The next version after `saw`; `force` is a person's reason to change a locked one."""

    name: str
    saw: int
    definition: str
    type: str = ""
    force: str | None = None

    def decide(self, txn: Txn, naming: Naming) -> None:
        """A locked one changes by a person's force; else by a debate alone."""
        contract = _seen(txn.state, self.name, self.saw)
        if (contract.definition, contract.type) == (self.definition, self.type or contract.type):
            return
        if contract.status == "locked":
            if self.force is None:
                raise PeerError(
                    "not_allowed",
                    f"contract {self.name} is locked: its phase has closed on version {contract.version}",
                    f"`git peer debate start --contract {self.name}` asks the others; "
                    "a person may change it with a reason",
                )
            sessions.may_force(txn.session, txn.me, txn.scene, "change a locked contract")
        txn.emit(
            contracts.ContractChange,
            contract=self.name,
            version=self.saw + 1,
            definition=self.definition,
            type=self.type,
            force=(self.force or "") if contract.status == "locked" else "",
        )


class ApproveContract(Edit, tag="contract!", frozen=True, kw_only=True):
    """The session agrees to that very version."""

    name: str
    version: int

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Once."""
        if txn.session.name not in _seen(txn.state, self.name, self.version).approved:
            txn.emit(contracts.ContractApprove, contract=self.name, version=self.version)


class CutContract(Edit, tag="contract-", frozen=True, kw_only=True):
    """A contract goes, in the version that the user's copy had."""

    name: str
    saw: int

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Unless there is another version of it by now."""
        _seen(txn.state, self.name, self.saw)
        txn.emit(contracts.ContractDrop, contract=self.name, version=self.saw)


class CloseQuestion(Edit, tag="question-", frozen=True, kw_only=True):
    """A question leaves the tree: the plan was made with what was answered to it. One that has gone stays so."""

    id: str

    def decide(self, txn: Txn, naming: Naming) -> None:
        """Where it is still there."""
        if questions.get(txn.state, self.id) is not None:
            txn.emit(questions.QuestionClose, question=self.id)


AnyEdit = (
    SetGoal
    | AddPhase
    | NamePhase
    | CutPhase
    | OrderPhases
    | AddTask
    | ChangeTask
    | SetStatus
    | AddContract
    | ChangeContract
    | ApproveContract
    | CutContract
    | CloseQuestion
)


class EditPlan(Command, tag="plan-edit", frozen=True, kw_only=True):
    """Change the plan: all of the edits, or none. `carried`: from another log; what is there already is passed over."""

    large = True
    stateful = True

    edits: tuple[AnyEdit, ...]
    carried: bool = False
    how: str = ""  # by what the plan is revised as a whole: new, replan, import
    why: str = ""

    def decide(self, txn: Txn) -> Answer:
        """What tasks need first, then new tasks, then the changes of tasks, then the rest, each in the list's order.

        A commit may end after each of these steps: a plan of any size folds in parts.
        """
        txn.begin()
        before = len(txn.events)
        naming = Naming(txn.state)
        edits = _unless_there(txn.state, self.edits) if self.carried else self.edits
        _name(txn.state, naming, edits)
        first, added, linked, rest = _steps(edits)
        for edit in first:
            edit.decide(txn, naming)
            txn.check()
        _add(txn, naming, added)
        txn.check()
        for change in linked:  # all at once: what they make of the plan counts, not what one of them alone would
            change.decide(txn, naming)
        txn.check()
        for edit in rest:
            edit.decide(txn, naming)
            txn.check()
        changed = list(naming.changed)
        if self.how and len(txn.events) > before and txn.state.log.format >= plan.PlanRevise.came:
            txn.emit(
                plan.PlanRevise,
                how=self.how,
                added=len(added),
                changed=len(linked),
                dropped=sum(isinstance(edit, SetStatus) and edit.status == "dropped" for edit in edits),
                why=text.line(self.why, text.SUMMARY),
            )

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            there = [tasks.get(after, ident) for ident in changed[:SHOWN]]
            return {"ids": changed, "tasks": [tasks.describe(task) for task in there if task is not None]}

        return answer


def _steps(edits: tuple[AnyEdit, ...]) -> tuple[list[AnyEdit], list[AddTask], list[ChangeTask], list[AnyEdit]]:
    """(what tasks need, new tasks, changes of tasks, the rest)."""
    first: list[AnyEdit] = []
    rest: list[AnyEdit] = []
    for edit in edits:
        if isinstance(edit, (SetGoal, AddPhase, OrderPhases, AddContract)):
            first.append(edit)
        elif not isinstance(edit, (AddTask, ChangeTask)):
            rest.append(edit)
    added = [edit for edit in edits if isinstance(edit, AddTask)]
    return first, added, [edit for edit in edits if isinstance(edit, ChangeTask)], rest


def _seen(state: State, name: str, version: int) -> contracts.Contract:
    """The contract of that name, in the version that the user's copy had."""
    contract = contracts.find(state, name)
    if contract.version != version:
        raise PeerError(
            "changed",
            f"contract {name} is at version {contract.version} now, not {version}",
            f"read it with `git peer contract show {name}` first",
        )
    return contract


# -- new tasks ------------------------------------------------------------------------------------
def _name(state: State, naming: Naming, edits: tuple[AnyEdit, ...]) -> None:
    """Take the ids that are given; give ids in turn to the new tasks that have a key."""
    given = [edit.id for edit in edits if isinstance(edit, AddTask)]
    taken = {name.casefold() for name in tasks.names(state)}
    for ident in given:
        if not ident or ident.startswith(KEY):
            continue
        plan.check_id(ident, "task")
        if ident.casefold() in taken:
            raise PeerError("exists", f"there is a task {ident} already", f"`git peer task show {ident}`")
        taken.add(ident.casefold())
        naming.count = max(naming.count, plan.counted(ident))
    for ident in given:
        if ident.startswith(KEY):
            if ident in naming.keys:
                raise PeerError("invalid", f"two tasks are called {ident[1:]}", "an id is for one task")
            naming.keys[ident] = naming.turn()


def _add(txn: Txn, naming: Naming, added: list[AddTask]) -> None:
    """New tasks, each after its parent and after what it depends on, so that a plan of any size folds in parts."""
    named = {naming.real(edit.id) if edit.id else naming.turn(): edit for edit in added}
    needs = {
        ident: [naming.real(dep) for dep in (*edit.spec.depends_on, edit.spec.parent) if dep]
        for ident, edit in named.items()
    }
    for ident, wanted in needs.items():
        for dep in wanted:
            if dep not in needs and tasks.get(txn.state, dep) is None:
                title = named[ident].spec.title
                raise PeerError(
                    "not_found", f"task {ident} ({title}) names {dep!r}, which is no task", "`git peer task list`"
                )
    parents = {naming.real(edit.spec.parent) for edit in added if edit.status != "dropped"}
    for ident in graph.topological(needs):
        edit = named[ident]
        own = {"status": edit.status, "assignee": edit.assignee}
        if ident in parents:  # its subtasks say, but where all of it is over
            own = {"status": edit.status} if edit.status in tasks.OVER else {}
        more = {name: getattr(edit, name) for name in ("progress", "note", "commit", "reviewer", "result")}
        txn.emit(tasking.TaskAdd, task=ident, spec=_placed(txn.state, naming, edit.spec), **own, **more)
        naming.changed[ident] = None


def _placed(state: State, naming: Naming, spec: Spec) -> Spec:
    """A spec with the real ids in it, in its parent's phase."""
    real = msgspec.structs.replace(
        spec, depends_on=tuple(naming.real(dep) for dep in spec.depends_on), parent=naming.real(spec.parent)
    )
    if real.parent and not real.phase:
        parent = tasks.get(state, real.parent)
        real = msgspec.structs.replace(real, phase=parent.phase if parent is not None else "")
    return real


# -- a plan that is carried over ------------------------------------------------------------------
def _unless_there(state: State, edits: tuple[AnyEdit, ...]) -> tuple[AnyEdit, ...]:
    """The edits of a plan that was carried over, without what the log has: deciding them twice adds nothing twice.

    A task whose id is another's here gets one in turn.
    """
    there = plan.get(state)
    ids = {name.casefold() for name in tasks.names(state)}
    renamed: dict[str, str] = {}
    kept: list[AnyEdit] = []
    for edit in edits:
        if isinstance(edit, AddTask) and edit.id.casefold() in ids:
            known = tasks.get(state, edit.id)
            if known is not None and known.title == edit.spec.title:
                continue
            renamed[edit.id] = KEY + edit.id
        elif (
            (isinstance(edit, SetGoal) and there.goal)
            or (isinstance(edit, AddPhase) and there.phase(edit.id) is not None)
            or (isinstance(edit, AddContract) and contracts.get(state, edit.name) is not None)
        ):
            continue
        kept.append(edit)
    return tuple(_renamed(edit, renamed) if isinstance(edit, AddTask) else edit for edit in kept)


def _renamed(edit: AddTask, renamed: dict[str, str]) -> AddTask:
    spec = msgspec.structs.replace(
        edit.spec,
        depends_on=tuple(renamed.get(dep, dep) for dep in edit.spec.depends_on),
        parent=renamed.get(edit.spec.parent, edit.spec.parent),
    )
    return msgspec.structs.replace(edit, id=renamed.get(edit.id, edit.id), spec=spec)
