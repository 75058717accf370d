"""Planning: a plan is changed by a list of edits, all or none. decide()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import contracts, graph, questions
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import (
    KEY,
    AddContract,
    AddPhase,
    AddTask,
    AnyEdit,
    ApproveContract,
    ChangeContract,
    ChangeTask,
    CloseQuestion,
    CutContract,
    CutPhase,
    Edit,
    EditPlan,
    NamePhase,
    OrderPhases,
    SetGoal,
    SetStatus,
)
from git_peer.core.plan.phases import PhaseDrop
from git_peer.core.plan.record import Plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import may_force
from git_peer.core.plan.task.decide import with_children
from git_peer.core.plan.task.record import Changes, Spec
from git_peer.core.rules import carry as carrying
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session.record import Me, Scene, Session

TOLD = 50  # changed tasks that an answer spells out
_Events = list[Event]


class _Bench:
    """What deciding a list of edits works with: the state with the earlier ones folded in."""

    def __init__(self, state: State, me: Me, session: Session, scene: Scene, before: int) -> None:
        self.state = state
        self.me = me
        self.session = session
        self.scene = scene
        self.before = before
        self.events: list[Event] = []
        self.count = plan.get(state).count
        self.keys: dict[str, str] = {}
        self.touched: dict[str, None] = {}

    def what(self) -> dict[str, Any]:
        """The envelope of one event."""
        return envelope(self.session, self.scene)

    def fold(self, events: list[Event]) -> None:
        """Take events on."""
        proven(self.state, events, self.scene, self.before + len(self.events))
        self.events += events

    def real(self, ident: str) -> str:
        """The id that an id of the list stands for."""
        return self.keys.get(ident, ident)


def decide_edit(state: State, command: EditPlan, scene: Scene) -> Outcome:
    """Every edit in turn; tasks that are new come together, in the order of what they wait for."""
    session, opening = opened(state, command.me, scene)
    bench = _Bench(state, command.me, session, scene, len(opening))
    edits = carrying.unless_there(state, command.edits) if command.carried else command.edits
    _name(bench, edits)
    added: list[AddTask] = []
    rest: list[AnyEdit] = []
    for edit in edits:
        if isinstance(edit, AddTask):
            added.append(edit)
        elif isinstance(edit, (SetGoal, AddPhase, OrderPhases, AddContract)):
            bench.fold(_EDITS[type(edit)](bench, edit))
        else:
            rest.append(edit)
    _add(bench, added)
    _link(bench, [edit for edit in rest if isinstance(edit, ChangeTask)])
    for edit in rest:
        if not isinstance(edit, ChangeTask):
            bench.fold(_EDITS[type(edit)](bench, edit))
    touched = list(bench.touched)

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        found = [tasks.get(after, ident) for ident in touched[:TOLD]]
        return {"ids": touched, "tasks": [tasks.describe(task) for task in found if task is not None]}

    events = opening + bench.events if bench.events else []
    return Outcome(events, answer, large=True, stateful=True)


# -- tasks ----------------------------------------------------------------------------------------
def _name(bench: _Bench, edits: tuple[AnyEdit, ...]) -> None:
    """Give ids in turn to the new tasks that have none."""
    given = [edit.id for edit in edits if isinstance(edit, AddTask)]
    taken = {name.casefold() for name in tasks.names(bench.state)}
    for ident in given:
        if not ident or ident.startswith(KEY):
            continue
        plan.check_id(ident, "task")
        if ident.casefold() in taken:
            raise PeerError("exists", f"there is a task {ident} already", f"`git peer task show {ident}`")
        taken.add(ident.casefold())
        bench.count = max(bench.count, plan.counted(ident))
    for ident in given:
        if ident.startswith(KEY):
            if ident in bench.keys:
                raise PeerError("invalid", f"two tasks are called {ident[1:]}", "an id is for one task")
            bench.keys[ident] = _turn(bench)


def _turn(bench: _Bench) -> str:
    bench.count += 1
    return f"t{bench.count}"


def _placed(bench: _Bench, spec: Spec, phases: dict[str, str]) -> Spec:
    """A spec with the real ids in it, in its parent's phase; `phases` are those of the new tasks so far."""
    real = msgspec.structs.replace(
        spec, depends_on=tuple(bench.real(one) for one in spec.depends_on), parent=bench.real(spec.parent)
    )
    if real.parent and not real.phase:
        parent = tasks.get(bench.state, real.parent)
        real = msgspec.structs.replace(real, phase=phases.get(real.parent, parent.phase if parent else ""))
    return real


def _add(bench: _Bench, added: list[AddTask]) -> None:
    """New tasks, each after its parent and after what it depends on, so that a plan of any size folds in parts."""
    named = {bench.real(edit.id) if edit.id else _turn(bench): edit for edit in added}
    needs = {
        ident: [bench.real(one) for one in (*edit.spec.depends_on, edit.spec.parent) if one]
        for ident, edit in named.items()
    }
    for ident, wanted in needs.items():
        for one in wanted:
            if one not in needs and tasks.get(bench.state, one) is None:
                title = named[ident].spec.title
                raise PeerError(
                    "not_found", f"task {ident} ({title}) names {one!r}, which is no task", "`git peer task list`"
                )
    parents = {bench.real(edit.spec.parent) for edit in added if edit.status != "dropped"}
    phases: dict[str, str] = {}
    events: list[Event] = []
    for ident in graph.topological(needs):
        edit = named[ident]
        spec = _placed(bench, edit.spec, phases)
        phases[ident] = spec.phase
        own = {"status": edit.status, "assignee": edit.assignee}
        if ident in parents:  # its subtasks say, but where all of it is over
            own = {"status": edit.status} if edit.status in tasks.OVER else {}
        more = {name: getattr(edit, name) for name in ("progress", "note", "commit", "reviewer", "result")}
        events.append(tasking.TaskAdd(**bench.what(), task=ident, spec=spec, **own, **more))  # type: ignore[arg-type]
        bench.touched[ident] = None
    bench.fold(events)


def _link(bench: _Bench, edits: list[ChangeTask]) -> None:
    """All changes of tasks at once: what they make of the plan counts, not what one of them alone would."""
    bench.fold([event for edit in edits for event in _change(bench, edit)])


def _change(bench: _Bench, edit: ChangeTask) -> _Events:
    task = tasks.find(bench.state, bench.real(edit.id))
    given = edit.changes.given()
    for name in ("depends_on", "parent"):
        if name in given:
            found = given[name]
            given[name] = bench.real(found) if name == "parent" else tuple(bench.real(one) for one in found)
    saw = edit.saw.given() if edit.saw is not None else {}
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
        return []
    bench.touched[task.id] = None
    events: _Events = [tasking.TaskEdit(**bench.what(), task=task.id, changes=Changes(**new))]
    if "phase" in new:
        for below in tasks.all_of(bench.state):  # they stay together, dropped ones too
            if below.parent == task.id:
                events += _change(bench, ChangeTask(id=below.id, changes=Changes(phase=new["phase"])))
    return events


def _status(bench: _Bench, edit: SetStatus) -> _Events:
    task = tasks.find(bench.state, edit.id)
    if task.status == edit.status:
        return []
    if task.status != edit.saw:
        raise PeerError("changed", f"{task.id} is {task.status} now, not {edit.saw}", f"`git peer task show {task.id}`")
    if edit.status not in ("todo", "blocked", "dropped"):
        raise PeerError(
            "invalid",
            f"an edited plan cannot make {task.id} {edit.status}: it is {task.status}",
            "`git peer task claim`, `review` and `done` do that, step by step",
        )
    bench.touched[task.id] = None
    among = with_children(bench.state, task) if edit.status == "dropped" else [task]
    return [tasking.TaskMove(**bench.what(), task=one.id, status=edit.status) for one in among]


# -- goal and phases ------------------------------------------------------------------------------
def _goal(bench: _Bench, edit: SetGoal) -> _Events:
    there = plan.get(bench.state)
    if there.goal == edit.goal:
        return []
    if edit.saw is not None and edit.saw != there.goal:
        raise PeerError("changed", "the goal was changed meanwhile", "`git peer plan show`")
    return [plan.PlanSet(**bench.what(), goal=edit.goal)]


def _phase_plus(bench: _Bench, edit: AddPhase) -> _Events:
    there: Plan = plan.get(bench.state)
    taken = {phase.id: phase for phase in there.phases}
    if edit.id:
        plan.check_id(edit.id, "phase")
    if edit.id in taken or (not edit.id and any(phase.name == edit.name for phase in there.phases)):
        raise PeerError("exists", f"there is a phase {edit.id or edit.name} already", "`git peer phase list`")
    if not edit.name.strip():
        raise PeerError("invalid", "a phase needs a name", "`git peer phase add NAME`")
    ident = edit.id or plan.slug(edit.name, taken)
    return [plan.PhaseAdd(**bench.what(), phase=ident, name=edit.name, closed=edit.closed, head=edit.head)]


def _phase_name(bench: _Bench, edit: NamePhase) -> _Events:
    phase = plan.find_phase(plan.get(bench.state), edit.id)
    return [] if phase.name == edit.name else [plan.PhaseEdit(**bench.what(), phase=phase.id, name=edit.name)]


def _phase_cut(bench: _Bench, edit: CutPhase) -> _Events:
    return [PhaseDrop(**bench.what(), phase=plan.find_phase(plan.get(bench.state), edit.id).id)]


def _phase_order(bench: _Bench, edit: OrderPhases) -> _Events:
    present = tuple(phase.id for phase in plan.get(bench.state).phases)
    return [] if present == edit.ids else [plan.PlanSet(**bench.what(), order=edit.ids)]


# -- contracts ------------------------------------------------------------------------------------
def _contract_plus(bench: _Bench, edit: AddContract) -> _Events:
    plan.check_id(edit.name, "contract")
    if contracts.get(bench.state, edit.name) is not None:
        raise PeerError(
            "exists", f"there is a contract {edit.name} already", f"`git peer contract change {edit.name}` changes it"
        )
    fields = {"version": edit.version, "status": edit.status, "approved": edit.approved}
    what = {"contract": edit.name, "type": edit.type, "definition": edit.definition}
    return [contracts.ContractAdd(**bench.what(), **what, **fields)]  # type: ignore[arg-type]


def _seen(bench: _Bench, name: str, version: int) -> contracts.Contract:
    contract = contracts.find(bench.state, name)
    if contract.version != version:
        raise PeerError(
            "changed",
            f"contract {name} is at version {contract.version} now, not {version}",
            f"read it with `git peer contract show {name}` first",
        )
    return contract


def _contract_change(bench: _Bench, edit: ChangeContract) -> _Events:
    contract = _seen(bench, edit.name, edit.saw)
    if (contract.definition, contract.type) == (edit.definition, edit.type or contract.type):
        return []
    if contract.status == "locked":
        if edit.force is None:
            raise PeerError(
                "not_allowed",
                f"contract {edit.name} is locked: its phase has closed on version {contract.version}",
                f"`git peer debate start --contract {edit.name}` asks the others; a person may change it with a reason",
            )
        may_force(bench.session, bench.me, bench.scene, "change a locked contract")
    return [
        contracts.ContractChange(
            **bench.what(),
            contract=edit.name,
            version=edit.saw + 1,
            definition=edit.definition,
            type=edit.type,
            force=(edit.force or "") if contract.status == "locked" else "",
        )
    ]


def _contract_approve(bench: _Bench, edit: ApproveContract) -> _Events:
    contract = _seen(bench, edit.name, edit.version)
    if bench.session.name in contract.approved:
        return []
    return [contracts.ContractApprove(**bench.what(), contract=edit.name, version=edit.version)]


def _contract_cut(bench: _Bench, edit: CutContract) -> _Events:
    _seen(bench, edit.name, edit.saw)
    return [contracts.ContractDrop(**bench.what(), contract=edit.name, version=edit.saw)]


def _question_cut(bench: _Bench, edit: CloseQuestion) -> _Events:
    there = questions.get(bench.state, edit.id) is not None
    return [questions.QuestionClose(**bench.what(), question=edit.id)] if there else []


_EDITS: dict[type[Edit], Callable[[_Bench, Any], _Events]] = {
    SetGoal: _goal,
    AddPhase: _phase_plus,
    NamePhase: _phase_name,
    CutPhase: _phase_cut,
    OrderPhases: _phase_order,
    SetStatus: _status,
    AddContract: _contract_plus,
    ChangeContract: _contract_change,
    ApproveContract: _contract_approve,
    CutContract: _contract_cut,
    CloseQuestion: _question_cut,
}
