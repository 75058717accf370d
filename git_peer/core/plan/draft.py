"""Drafts: a proposal laid over the plan that is there. What is wrong with it as a plan, and the edits it asks for."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.plan import contracts, quality
from git_peer.core.plan.contracts import Contract
from git_peer.core.plan.edits import (
    KEY,
    AddContract,
    AddPhase,
    AddTask,
    AnyEdit,
    ChangeContract,
    ChangeTask,
    CloseQuestion,
    SetGoal,
    SetStatus,
)
from git_peer.core.plan.proposal import Proposal
from git_peer.core.plan.record import MAX_PHASES, Phase, Plan
from git_peer.core.plan.task import graph
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import FIELDS, OVER, Changes, Spec, Task

FREE = ("todo", "blocked")  # what a planner may change: nobody works on it, and it is not over


class Draft:
    """A proposal laid over a plan. `tasks`: what there would be, by its id, or by the model's where it is new."""

    def __init__(self, proposal: Proposal, board: Board) -> None:
        self.proposal = proposal
        self.board = board
        self.known: dict[str, Contract] = {one.name: one for one in contracts.all_of(board.state)}
        self.ids = {ident.casefold(): ident for ident in board.tasks}
        self.tasks = dict(board.tasks)
        self.plan = self._plan()
        self.new: list[str] = []
        for ident, changes in proposal.tasks:
            there = self.tasks.get(self.ids.get(ident.casefold(), ident))
            given = changes.given()
            if there is not None:
                self.tasks[there.id] = msgspec.structs.replace(there, **given)
            else:
                self.new.append(ident)
                self.tasks[ident] = Task(**{"title": "", **given}, id=ident, order=0)
        for ident in proposal.drop:
            if ident in self.tasks:
                self.tasks[ident] = msgspec.structs.replace(self.tasks[ident], status="dropped")
        self._related()

    def _plan(self) -> Plan:
        there = self.board.plan
        added = [Phase(id=i, name=name) for i, name in self.proposal.phases if there.phase(i) is None]
        return msgspec.structs.replace(there, phases=(*there.phases, *added))

    def _related(self) -> None:
        """Children as their parents have them, and phases as they have them from their parents."""
        children: dict[str, list[str]] = {}
        for ident, task in self.tasks.items():
            children.setdefault(task.parent, []).append(ident)
        for ident, task in self.tasks.items():
            self.tasks[ident] = msgspec.structs.replace(task, children=tuple(children.get(ident, ())))
        for ident in self.new:
            parent = self.tasks.get(self.tasks[ident].parent)
            seen = {ident}
            while parent is not None and not self.tasks[ident].phase and parent.id not in seen:
                self.tasks[ident] = msgspec.structs.replace(self.tasks[ident], phase=parent.phase)
                seen.add(parent.id)
                parent = self.tasks.get(parent.parent)

    # -- what is wrong ----------------------------------------------------------------------------
    def problems(self, replan: bool) -> list[str]:
        """What is wrong with it as a plan, or as changes to one; a sentence each."""
        found: list[str] = []
        if len(self.plan.phases) > MAX_PHASES:
            found.append(f"phases: {len(self.plan.phases)}, {MAX_PHASES} are allowed")
        if not self.new and not replan:
            found.append("tasks: there are none")
        for ident, _ in self.proposal.tasks:
            found += [f"task {ident}: {what}" for what in self._wrong(ident)]
        for ident in self.proposal.drop:
            there = self.board.tasks.get(ident)
            if there is None:
                found.append(f"drop: there is no task {ident}")
            elif there.status not in FREE or there.children:
                found.append(f"drop: {ident} is {there.status}: what is started or over stays as it is")
        gone = set(self.proposal.drop)
        for ident, task in self.tasks.items():
            for dep in task.depends_on:
                if dep in gone and task.status not in OVER:
                    found.append(f"task {ident}: it depends on {dep}, which is dropped")
        for name, kind, definition in self.proposal.contracts:
            old = self.known.get(name)
            if old is not None and old.status == "locked" and (old.type, old.definition) != (kind, definition):
                found.append(f"contract {name}: it is locked, its phase has closed on it; define another one")
        return found or self._around()

    def _wrong(self, ident: str) -> list[str]:
        there = self.board.tasks.get(ident)
        task = self.tasks.get(ident)
        if task is None:
            return [f"there is a task {self.ids[ident.casefold()]} already: ids differ in more than case"]
        if there is not None and (there.status not in FREE or there.children):
            return [f"it is {there.status}: what is started or over stays as it is; add a new task instead"]
        found = [] if task.title else ["an empty title"]
        phase = self.plan.phase(task.phase) if task.phase else None
        if task.phase and phase is None:
            found.append(f"there is no phase {task.phase}")
        if phase is not None and phase.status == "closed":
            found.append(f"phase {phase.id} is closed")
        for dep in task.depends_on:
            if dep == ident:
                found.append("it depends on itself")
            elif dep not in self.tasks:
                found.append(f"it depends on {dep}, which is no task")
            elif dep in self.board.tasks and self.board[dep].status == "dropped":
                found.append(f"it depends on {dep}, which was dropped")
        if task.parent:
            found += self._parent(task)
        names = {*self.known, *(name for name, _, _ in self.proposal.contracts)}
        for verb, wanted in (("uses", task.uses), ("provides", task.provides)):
            found += [f"it {verb} the contract {one}, which is not defined" for one in wanted if one not in names]
        return found

    def _parent(self, task: Task) -> list[str]:
        parent = self.tasks.get(task.parent)
        if parent is None:
            return [f"its parent {task.parent} is no task"]
        there = self.board.tasks.get(task.parent)
        if there is not None and there.id != task.id and not there.children and there.status not in FREE:
            return [f"its parent {there.id} is {there.status}: what is started is not divided"]
        if parent.status in OVER:
            return [f"its parent {parent.id} is {parent.status}"]
        if parent.phase != task.phase:
            return [f"it is in phase {task.phase or 'none'}, its parent {parent.id} in {parent.phase or 'none'}"]
        return []

    def _around(self) -> list[str]:
        """Cycles, and what waits for a later phase: asked only of a plan whose names are all there."""
        around = graph.cycle(self.tasks, self.tasks)
        if around:
            return [f"tasks wait for each other in a cycle: {' → '.join(around)}"]
        found = []
        for ident, _ in self.proposal.tasks:
            late = graph.late(self.plan, self.tasks, self.tasks[ident])
            if late:
                own = self.tasks[ident].phase or "no phase"
                found.append(f"task {ident} ({own}) depends on {late}, whose phase {self.tasks[late].phase} is later")
        return found

    # -- what it asks for -------------------------------------------------------------------------
    def edits(self, goal: str, used: list[str]) -> tuple[AnyEdit, ...]:
        """The edits, as against the plan that was seen. `goal` "" leaves it; `used`: ids of questions that it ends."""
        there = self.board.plan
        made: list[AnyEdit] = [SetGoal(goal=goal, saw=there.goal)] if goal and goal != there.goal else []
        made += [AddPhase(id=i, name=name) for i, name in self.proposal.phases if there.phase(i) is None]
        for name, kind, definition in self.proposal.contracts:
            old = self.known.get(name)
            if old is None:
                made.append(AddContract(name=name, type=kind, definition=definition))
            elif (old.type, old.definition) != (kind, definition):
                made.append(ChangeContract(name=name, saw=old.version, definition=definition, type=kind))
        new = set(self.new)
        for ident, changes in self.proposal.tasks:
            given = self._keyed(changes.given(), new)
            if ident in new:
                phase = self.tasks[ident].phase
                made.append(AddTask(id=KEY + ident, spec=Spec(**{**given, "phase": phase})))
                continue
            task = self.board.tasks[ident]
            changed = {name: value for name, value in given.items() if value != getattr(task, name)}
            if changed:
                saw = Changes(**{name: getattr(task, name) for name in changed})
                made.append(ChangeTask(id=ident, changes=Changes(**changed), saw=saw))
                # Refused where somebody began to work on it meanwhile.
                made.append(SetStatus(id=ident, status=task.status, saw=task.status))
        made += [SetStatus(id=i, status="dropped", saw=self.board.tasks[i].status) for i in self.proposal.drop]
        made += [CloseQuestion(id=one) for one in used]
        return tuple(made)

    @staticmethod
    def _keyed(given: dict[str, Any], new: set[str]) -> dict[str, Any]:
        """The same with new tasks by the keys that stand for them until they have ids."""
        found = dict(given)
        if "depends_on" in found:
            found["depends_on"] = tuple(KEY + one if one in new else one for one in found["depends_on"])
        if found.get("parent") in new:
            found["parent"] = KEY + found["parent"]
        return found


def collisions(after: Board, before: Board, new: list[str]) -> list[str]:
    """Pairs of tasks that may run together and touch the same paths, where the proposal is about one of them.

    A sentence each. `new`: the model's ids of the tasks that are new, in its order.
    """
    made = sorted((one for one in after.tasks if one not in before.tasks), key=lambda one: int(one[1:]))
    names = dict(zip(made, new, strict=True))
    found = []
    for pair in quality.collisions(quality.Order(after)):
        a, b = pair["tasks"]
        old = before.tasks.get(a), before.tasks.get(b)
        if None not in old and all(_same(one, after[one.id]) for one in old if one is not None):
            continue  # was so before
        shown = ", ".join(text.line(path, 80) for path in pair["paths"][:3])
        found.append(f"{names.get(a, a)} and {names.get(b, b)} may run at the same time and both change {shown}")
    return found


def _same(old: Task, new: Task) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in FIELDS)


# -- what it changes ------------------------------------------------------------------------------
def difference(before: Board, after: Board) -> dict[str, Any]:
    """What one plan has that another has not.

    {goal?: [old, new], phases: [id], contracts: [name], added: [id], dropped: [id], changed: [{id, fields: [name]}]}
    """
    found: dict[str, Any] = {"goal": [before.plan.goal, after.plan.goal]} if before.plan.goal != after.plan.goal else {}
    old = {one.name: one.version for one in contracts.all_of(before.state)}
    changed = []
    for ident, task in before.tasks.items():
        fields = [name for name in FIELDS if getattr(task, name) != getattr(after[ident], name)]
        if fields:
            changed.append({"id": ident, "fields": fields})
    return {
        **found,
        "phases": [phase.id for phase in after.plan.phases if before.plan.phase(phase.id) is None],
        "contracts": [one.name for one in contracts.all_of(after.state) if old.get(one.name) != one.version],
        "added": [ident for ident in after.tasks if ident not in before.tasks],
        "changed": changed,
        "dropped": [i for i, task in before.tasks.items() if task.status != "dropped" == after[i].status],
    }
