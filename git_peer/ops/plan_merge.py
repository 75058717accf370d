"""What a plan's text changes: three sides are compared (the text, what it was made from, the log) and give edits.

A text that was exported from this log changes what was edited in it, and nothing else. Any other text has the log's
present plan for its base: it adds and changes, and takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from git_peer.core.errors import PeerError
from git_peer.core.log.state import State
from git_peer.core.plan import edits
from git_peer.core.plan.edits import KEY, AnyEdit
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import OVER, Changes, Spec, Task
from git_peer.core.target.target import Target
from git_peer.formats import document as formats
from git_peer.formats.document import FIELDS, Bad, Document, Row
from git_peer.ops import plan_check
from git_peer.ops.plan_names import Names

LOGS = ("assignee", "progress", "note", "commit", "reviewer", "result")  # what only commands say of a task
_MAY_SET = ("todo", "blocked", "dropped")
_STEPS = "`git peer task claim`, `progress`, `review` and `done` do that, step by step"


class Side:
    """A plan of the log: its rows as values, by id, and its tasks as the log keeps them."""

    def __init__(self, state: State) -> None:
        board = Board(state)
        made = formats.of_board(board)
        self.plan = board.plan
        self.goal = board.plan.goal
        self.phases = {row.values["id"]: row.values for row in made.rows("phases")}
        self.tasks = {row.values["id"]: row.values for row in made.rows("tasks")}
        self.contracts = {row.values["name"]: row.values for row in made.rows("contracts")}
        self.records = board.tasks


@dataclass
class Found:
    """What a text changes: the edits, and each change for people: {what, id, title, change, field?, old?, new?}."""

    edits: list[AnyEdit] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def note(self, sign: str, what: str, ident: str, title: str = "", **more: Any) -> None:
        """Keep a change; `sign` is +, - or ~."""
        shown = "" if ident.startswith(KEY) else ident
        self.changes.append({"change": sign, "what": what, "id": shown or None, "title": title, **more})


def compare(document: Document, base: Side, present: Side, rooted: bool, parse: Callable[[str], Target]) -> Found:
    """What `document` changes. `rooted`: `base` is the plan that it was exported from; else it is the present one.

    `parse` reads a target as typed at the top. Raises Bad with the line of what cannot be.
    """
    return _Merge(document, base, present, rooted, parse).run()


class _Merge:
    def __init__(
        self, document: Document, base: Side, present: Side, rooted: bool, parse: Callable[[str], Target]
    ) -> None:
        self.document, self.base, self.present, self.rooted = document, base, present, rooted
        self.parse = parse
        self.found = Found()
        self.names = Names(document, base.tasks if rooted else {}, present.tasks, present.phases, base.phases)
        self.after: dict[str, Task] = {}  # tasks as they will be, of those that change
        self.linked: list[str] = []  # those whose place in the plan changes

    def run(self) -> Found:
        plan_check.limits(self.document)
        self._goal()
        order = self._phases()
        parents, live = self._families()
        for row in self.document.rows("tasks"):
            ident = self.names.task_ids[row.index]
            self._task(row, ident, ident in parents, ident in live)
        if self.rooted:
            self._removed()
        plan_check.links(
            self.document, self.names, {**self.present.records, **self.after}, self.linked, order, self.present.plan
        )
        self._contracts()
        return self.found

    def _line(self, row: Row, section: str = "tasks", name: str = "") -> int:
        return self.document.locate(section, row.index, name)

    def _said(self, row: Row, section: str) -> dict[str, Any]:
        """What the text says of a row; an export says of what it leaves out that it has its default."""
        defaults = FIELDS[section]
        shown = self.document.shown[section] if self.document.log else ()
        return {name: defaults[name] for name in defaults if name in shown} | row.values

    # -- goal and phases --------------------------------------------------------------------------
    def _goal(self) -> None:
        goal = self.document.goal
        if goal is None and self.document.log:
            goal = ""
        if goal is None or goal in (self.base.goal, self.present.goal):
            return
        self.found.edits.append(edits.SetGoal(goal=goal, saw=self.base.goal))
        self.found.note("~", "goal", "", field="goal", old=self.base.goal, new=goal)

    def _phases(self) -> list[str]:
        """Phases; the ids of all of them as they will be in order."""
        there = list(self.present.phases)
        given = []
        for row in self.document.rows("phases"):
            ident = self.names.phase_ids[row.index]
            given.append(ident)
            known = self.base.phases.get(ident) or self.present.phases.get(ident)
            if known is None:
                self._new_phase(row, ident, there)
                continue
            said = self._said(row, "phases")
            name = said["name"] if said.get("name") else known["name"]
            if ident in self.present.phases and name not in (known["name"], self.present.phases[ident]["name"]):
                self.found.edits.append(edits.NamePhase(id=ident, name=name))
                self.found.note("~", "phase", ident, name, field="name", old=known["name"], new=name)
            for key in ("status", "head"):
                if said.get(key, "") not in ("", known[key], self.present.phases.get(ident, known)[key]):
                    raise Bad(
                        f"the {key} of phase {ident} cannot be edited",
                        self._line(row, "phases", key),
                        "`git peer phase sync` brings it to its merge point",
                    )
        if self.rooted:
            for ident in self.base.phases.keys() - set(given):
                if ident in self.present.phases:
                    self.found.edits.append(edits.CutPhase(id=ident))
                    self.found.note("-", "phase", ident, self.base.phases[ident]["name"])
        return self._order(there, given)

    def _new_phase(self, row: Row, ident: str, there: list[str]) -> None:
        name, status = row.values.get("name") or ident, row.values.get("status", "")
        if status not in ("", "pending", "open", "closed"):
            raise Bad(f"unknown status {status[:40]!r} of phase {ident}", self._line(row, "phases", "status"))
        edit = edits.AddPhase(id=ident, name=name, closed=status == "closed", head=row.values.get("head", ""))
        self.found.edits.append(edit)
        self.found.note("+", "phase", ident, name)
        there.append(ident)

    def _order(self, there: list[str], given: list[str]) -> list[str]:
        """The order of all phases: as the text has them, others keep their places."""
        was = [ident for ident in (self.base.phases if self.rooted else self.present.phases) if ident in set(given)]
        if [ident for ident in given if ident in set(was)] == was and given[: len(was)] == was:
            return there  # nobody moved any, and new ones stand at the end
        places = iter([ident for ident in given if ident in set(there)])
        wanted = [next(places) if ident in set(given) else ident for ident in there]
        if wanted != there:
            self.found.edits.append(edits.OrderPhases(ids=tuple(wanted)))
            self.found.note("~", "phases", "", field="order", old=", ".join(there), new=", ".join(wanted))
        return wanted

    # -- tasks ------------------------------------------------------------------------------------
    def _families(self) -> tuple[set[str], set[str]]:
        """(tasks that have subtasks, those below which one is not over), by what the text says."""
        above: dict[str, str] = {}
        for row in self.document.rows("tasks"):
            parent = row.values.get("parent", "")
            dropped = row.values.get("status") == "dropped"
            ident = self.names.task_ids[row.index]
            above[ident] = self.names.task(row, "parent", parent) if parent and not dropped else ""
        parents, live = set(above.values()), set[str]()
        for row in self.document.rows("tasks"):
            ident = self.names.task_ids[row.index]
            if ident not in parents and row.values.get("status", "todo") not in OVER:
                while ident and ident not in live:
                    live.add(ident)
                    ident = above.get(ident, "")
        return parents, live

    def _task(self, row: Row, ident: str, is_parent: bool, is_live: bool) -> None:
        said = self._resolved(row, self._said(row, "tasks"))
        known = self.base.tasks.get(ident) or self.present.tasks.get(ident)
        if known is None:
            self._new(row, ident, said, is_parent, is_live)
            return
        now = self.present.tasks.get(ident, known)
        for name in LOGS:
            if name in said and said[name] not in (known[name], now[name]):
                raise Bad(f"the {name} of task {ident} cannot be edited", self._line(row, "tasks", name), _STEPS)
        new = {name: said[name] for name in tasks.FIELDS if name in said and said[name] not in (known[name], now[name])}
        if new and self.rooted and ident not in self.base.tasks:
            hint = f"`git peer task show {ident}`; give the new one another id"
            raise Bad(f"a task {ident} was added meanwhile, and is another", self._line(row), hint, "exists")
        self._changed(row, ident, new, known)
        self._status(row, ident, said.get("status", known["status"]), known["status"], now)

    def _resolved(self, row: Row, said: dict[str, Any]) -> dict[str, Any]:
        """A task's values with ids for what they name."""
        if "depends_on" in said:
            named = (self.names.task(row, "depends_on", one) for one in said["depends_on"])
            said["depends_on"] = tuple(dict.fromkeys(named))
        if said.get("parent"):
            said["parent"] = self.names.task(row, "parent", said["parent"])
        if said.get("phase"):
            said["phase"] = self.names.phase(row, said["phase"])
        return said

    def _real(self, row: Row, name: str, value: Any, record: Task | None) -> Any:
        """A value as the log keeps it."""
        if name != "paths":
            return value
        same = {formats.path_text(target): target for target in record.paths} if record else {}
        found = []
        for text in value:
            try:
                found.append(same[text] if text in same else self.parse(formats.path_typed(text)))
            except (PeerError, ValueError) as why:
                said = why.message if isinstance(why, PeerError) else f"{text!r} is no path"
                raise Bad(said, self._line(row, "tasks", "paths"), getattr(why, "hint", "")) from None
        return tuple(found)

    def _changed(self, row: Row, ident: str, new: dict[str, Any], known: dict[str, Any]) -> None:
        if not new:
            return
        record = self.base.records.get(ident) or self.present.records[ident]
        real = {name: self._real(row, name, value, record) for name, value in new.items()}
        saw = Changes(**{name: getattr(record, name) for name in new})
        self.found.edits.append(edits.ChangeTask(id=ident, changes=Changes(**real), saw=saw))
        for name, value in new.items():
            self.found.note("~", "task", ident, known["title"], field=name, old=known[name], new=value)
        self.after[ident] = msgspec.structs.replace(self._later(ident), **real)
        if new.keys() & {"depends_on", "parent", "phase"}:
            self.linked.append(ident)

    def _later(self, ident: str) -> Task:
        return self.after.get(ident) or self.present.records[ident]

    def _status(self, row: Row, ident: str, status: str, was: str, now: dict[str, Any]) -> None:
        if status in (was, now["status"]):
            return
        plan_check.status(status, ident, lambda name: self._line(row, "tasks", name))
        if status not in _MAY_SET:
            line = self._line(row, "tasks", "status")
            raise Bad(f"an edited plan cannot make {ident} {status}: it is {was}", line, _STEPS)
        self.found.edits.append(edits.SetStatus(id=ident, status=status, saw=was))
        self.after[ident] = msgspec.structs.replace(self._later(ident), status=status)
        self.found.note("~", "task", ident, now["title"], field="status", old=was, new=status)

    def _new(self, row: Row, ident: str, said: dict[str, Any], is_parent: bool, is_live: bool) -> None:
        if not said.get("title"):
            raise Bad(f"task {ident} has no title", self._line(row, "tasks", "title"))
        said = FIELDS["tasks"] | said
        shown = ident if not ident.startswith(KEY) else said["title"]
        plan_check.status(said["status"], shown, lambda name: self._line(row, "tasks", name))
        plan_check.worker(said, shown, is_parent, lambda name: self._line(row, "tasks", name))
        spec = Spec(**{name: self._real(row, name, said[name], None) for name in tasks.FIELDS})
        status = said["status"]
        if is_parent:  # its subtasks say
            status = "todo" if is_live else "dropped" if status == "dropped" else "done"
        more = {name: said[name] for name in LOGS if name != "assignee" or not is_parent}
        self.found.edits.append(edits.AddTask(id=ident, spec=spec, status=status, **more))
        self.found.note("+", "task", ident, spec.title)
        self.after[ident] = Task(
            id=ident, order=0, status=status, **{name: getattr(spec, name) for name in tasks.FIELDS}
        )
        self.linked.append(ident)

    def _removed(self) -> None:
        """Tasks that the text no longer has are dropped, parents first; out of a phase that goes they are taken."""
        given = set(self.names.task_ids)
        gone = [task for ident, task in self.base.tasks.items() if ident not in given]
        phases = set(self.names.phase_ids)
        for task in _parents_first(gone, self.base.tasks):
            ident = task["id"]
            now = self.present.tasks.get(ident, task)
            if task["phase"] and task["phase"] not in phases and now["phase"]:
                saw = Changes(phase=task["phase"])
                self.found.edits.append(edits.ChangeTask(id=ident, changes=Changes(phase=""), saw=saw))
                self.after[ident] = msgspec.structs.replace(self._later(ident), phase="")
                self.linked.append(ident)
            if "dropped" in (task["status"], now["status"]):
                continue
            if task["status"] == "done":
                hint = "leave it in the file; `git peer task reopen` takes it up again"
                raise Bad(f"task {ident} is done and not in the file: what is done stays", 0, hint)
            self.found.edits.append(edits.SetStatus(id=ident, status="dropped", saw=task["status"]))
            self.after[ident] = msgspec.structs.replace(self._later(ident), status="dropped")
            self.found.note("-", "task", ident, task["title"])

    # -- contracts --------------------------------------------------------------------------------
    def _contracts(self) -> None:
        given = set()
        for row in self.document.rows("contracts"):
            name = row.values.get("name", "")
            if name in given:
                raise Bad(f"two contracts are called {name}", self._line(row, "contracts", "name"))
            given.add(name)
            said = self._said(row, "contracts")
            known = self.base.contracts.get(name) or self.present.contracts.get(name)
            if known is None:
                self._new_contract(row, name, said)
            else:
                self._contract(row, name, said, known)
        if self.rooted:
            for name, known in self.base.contracts.items():
                if name not in given and name in self.present.contracts:
                    self.found.edits.append(edits.CutContract(name=name, saw=known["version"]))
                    self.found.note("-", "contract", name)

    def _new_contract(self, row: Row, name: str, said: dict[str, Any]) -> None:
        full = FIELDS["contracts"] | said
        plan_check.contract(full, lambda key: self._line(row, "contracts", key))
        approved = full.pop("approved_by")
        self.found.edits.append(edits.AddContract(**full, approved=approved))
        self.found.note("+", "contract", name)

    def _contract(self, row: Row, name: str, said: dict[str, Any], known: dict[str, Any]) -> None:
        now = self.present.contracts.get(name, known)
        wanted = {key: said.get(key, known[key]) for key in ("type", "definition")}
        changed = [key for key, value in wanted.items() if value not in (known[key], now[key])]
        allowed = (known["version"], now["version"], *([known["version"] + 1] if changed else []))
        for key, fine in (
            ("version", allowed), ("status", (known["status"], now["status"])),
            ("approved_by", (known["approved_by"], now["approved_by"])),
        ):  # fmt: skip
            if key in said and said[key] not in fine:
                line = self._line(row, "contracts", key)
                raise Bad(f"the {key} of contract {name} cannot be edited", line, "`git peer contract approve`")
        if not changed:
            return
        plan_check.contract({**known, **wanted}, lambda key: self._line(row, "contracts", key))
        self.found.edits.append(edits.ChangeContract(name=name, saw=known["version"], **wanted))
        for key in changed:
            self.found.note("~", "contract", name, field=key, old=known[key], new=wanted[key])


def _parents_first(gone: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Tasks, each behind those above it."""

    def depth(task: dict[str, Any]) -> int:
        found = 0
        while task["parent"]:
            task = known[task["parent"]]
            found += 1
        return found

    return sorted(gone, key=depth)
