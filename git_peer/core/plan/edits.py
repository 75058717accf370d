"""Edits: the ways in which a plan may be changed, as data; and the command that makes some of them, all or none."""

from __future__ import annotations

from git_peer.core.log.command import Command
from git_peer.core.log.state import Record
from git_peer.core.plan.task.record import Changes, Result, Spec

KEY = "~"  # an id that begins so stands for a task of the same list of edits whose id is given in turn


class Edit(Record, tag_field="op", frozen=True, kw_only=True):
    """One edit of a plan."""


class SetGoal(Edit, tag="goal", frozen=True, kw_only=True):
    """Another goal; `saw` is the one that the user's copy had."""

    goal: str
    saw: str | None = None


class AddPhase(Edit, tag="phase+", frozen=True, kw_only=True):
    """A phase at the end. No id: one made of its name."""

    name: str
    id: str = ""
    closed: bool = False
    head: str = ""


class NamePhase(Edit, tag="phase=", frozen=True, kw_only=True):
    """Another name for a phase."""

    id: str
    name: str


class CutPhase(Edit, tag="phase-", frozen=True, kw_only=True):
    """A phase without tasks goes."""

    id: str


class OrderPhases(Edit, tag="phases", frozen=True, kw_only=True):
    """The order of all phases."""

    ids: tuple[str, ...]


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


class ChangeTask(Edit, tag="task=", frozen=True, kw_only=True):
    """New values of what a plan says of a task; `saw` are those that the user's copy had."""

    id: str
    changes: Changes
    saw: Changes | None = None


class SetStatus(Edit, tag="task!", frozen=True, kw_only=True):
    """An edited file gives a task another status: blocked, dropped or todo, where that may be."""

    id: str
    status: str
    saw: str


class AddContract(Edit, tag="contract+", frozen=True, kw_only=True):
    """A contract."""

    name: str
    type: str
    definition: str
    version: int = 1
    status: str = "draft"
    approved: tuple[str, ...] = ()


class ChangeContract(Edit, tag="contract=", frozen=True, kw_only=True):
    """The next version after `saw`; `force` is a person's reason to change a locked one."""

    name: str
    saw: int
    definition: str
    type: str = ""
    force: str | None = None


class ApproveContract(Edit, tag="contract!", frozen=True, kw_only=True):
    """The session agrees to that very version."""

    name: str
    version: int


class CutContract(Edit, tag="contract-", frozen=True, kw_only=True):
    """A contract goes, in the version that the user's copy had."""

    name: str
    saw: int


class CloseQuestion(Edit, tag="question-", frozen=True, kw_only=True):
    """A question leaves the tree: the plan was made with what was answered to it. One that has gone stays so."""

    id: str


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

    edits: tuple[AnyEdit, ...]
    carried: bool = False
