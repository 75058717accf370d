"""A plan between its log and its text: goal, phases, tasks and contracts as plain values, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import fields

from git_peer import layout
from git_peer.core import duration
from git_peer.core.plan import contracts
from git_peer.core.plan.contracts import Contract
from git_peer.core.plan.edits import KEY, AddTask
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import graph
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Spec, Task
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

# What each kind of row may say, and what it says where it says nothing. Paths are targets as typed at the top.
PHASE: dict[str, Any] = {"id": "", "name": "", "status": "", "head": ""}
TASK: dict[str, Any] = {"id": ""} | {
    one.name: "" if one.required else one.default for one in (*fields(Spec), *fields(AddTask)) if one.name != "spec"
}
CONTRACT: dict[str, Any] = {
    "name": "", "type": "free", "definition": "", "version": 1, "status": "draft", "approved_by": (),
}  # fmt: skip
FIELDS = {"phases": PHASE, "tasks": TASK, "contracts": CONTRACT}
PERCENT = ":(percent)"  # before a path whose bytes are not UTF-8: they follow percent-encoded


Locate = Callable[[str, int, str], int]
"""(section, index of a row, field) → line of the text, 0 where it is not known."""


class Bad(Exception):
    """Text that is no plan: what is wrong, on which line (0: not known), a hint, and the contract's error code."""

    def __init__(self, message: str, line: int = 0, hint: str = "", code: str = "invalid") -> None:
        super().__init__(message)
        self.line = line
        self.hint = hint
        self.code = code


@dataclass
class Row:
    """A phase, task or contract: `values` has what the text says of it, by field; `index` is its place among all."""

    index: int
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """By what other rows of the text speak of it: its id, else a key that is nobody's id."""
        return str(self.values.get("id") or f"{KEY}#{self.index}")


@dataclass
class Document:
    """A plan as a text has it. None: the text does not speak of that at all.

    `log` is (log id, commit) of the export that it was; such a text is complete: a field of `shown` that is missing
    has its default. `left_out` are lines that belong to nothing in the plan.
    """

    goal: str | None = None
    phases: list[Row] | None = None
    tasks: list[Row] | None = None
    contracts: list[Row] | None = None
    log: tuple[str, str] | None = None
    shown: dict[str, frozenset[str]] = field(
        default_factory=lambda: {section: frozenset(fields) for section, fields in FIELDS.items()}
    )
    locate: Locate = lambda section, index, name: 0
    left_out: list[int] = field(default_factory=list)

    def rows(self, section: str) -> list[Row]:
        """The rows of `phases`, `tasks` or `contracts`."""
        found: list[Row] | None = getattr(self, section)
        return found or []


# -- from the log ---------------------------------------------------------------------------------
def of_board(board: Board, log: tuple[str, str] | None = None) -> Document:
    """The whole plan. A task stands behind what it waits for: in that order it can be added."""
    needs = {task.id: [*task.depends_on, *((task.parent,) if task.parent else ())] for task in board.tasks.values()}
    ordered = [board.tasks[ident] for ident in graph.topological(needs)]
    return Document(
        goal=board.plan.goal,
        phases=[Row(at, of_phase(phase)) for at, phase in enumerate(board.plan.phases)],
        tasks=[Row(at, of_task(task)) for at, task in enumerate(ordered)],
        contracts=[Row(at, of_contract(one)) for at, one in enumerate(contracts.all_of(board.state))],
        log=log,
    )


def of_phase(phase: Phase) -> dict[str, Any]:
    """A phase's values."""
    return {"id": phase.id, "name": phase.name, "status": phase.status, "head": phase.head}


def of_task(task: Task) -> dict[str, Any]:
    """A task's values; how far one with subtasks is, they say."""
    found = {name: getattr(task, name) for name in TASK} | {"paths": tuple(map(path_text, task.paths))}
    return found | {"progress": 0} if task.children else found


def of_contract(contract: Contract) -> dict[str, Any]:
    """A contract's values."""
    return {name: getattr(contract, "approved" if name == "approved_by" else name) for name in CONTRACT}


def path_text(target: Target) -> str:
    """A target as a text of UTF-8 can have it."""
    text = targets.show(target)
    return text if layout.is_utf8(text) else PERCENT + layout.percent(text)


def path_typed(text: str) -> str:
    """What somebody would type for path_text(); ValueError where it is no encoding of bytes."""
    return layout.unpercent(text.removeprefix(PERCENT)) if text.startswith(PERCENT) else text


def seconds(text: str) -> int:
    """The seconds of a duration in a plan file; ValueError for anything else."""
    return duration.seconds(text.strip().lower(), 10**17)
