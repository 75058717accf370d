"""What a plan's text may say: bounds, names and links, with the line of what is wrong. apply() has the last word."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from git_peer.core.log.txn import MAX_EVENT
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase, Plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.core.session import naming
from git_peer.formats.document import Bad, Document, Row
from git_peer.ops.plan_names import Names, shown

MAX_TASKS = 20_000
MAX_DEPTH = 50  # subtasks of subtasks of …
_ROOM = MAX_EVENT - 4096  # bytes of what a text says of one task; an event has more around it
_LONGEST = {"title": tasking.MAX_NOTE, "accept": tasking.MAX_NOTE, "note": tasking.MAX_NOTE} | {
    "description": plan.MAX_TEXT, "name": 1000, "definition": plan.MAX_TEXT
}  # fmt: skip

_Line = Callable[[str], int]


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def limits(document: Document) -> None:
    """Bad where there is too much of something."""
    if len(document.rows("tasks")) > MAX_TASKS:
        line = document.locate("tasks", MAX_TASKS, "")
        raise Bad(f"more than {MAX_TASKS:,} tasks", line, "split the plan, or leave details to those who do it")
    if len(document.rows("phases")) > plan.MAX_PHASES:
        raise Bad(f"more than {plan.MAX_PHASES} phases", document.locate("phases", plan.MAX_PHASES, ""))
    if _size(document.goal or "") > plan.MAX_TEXT:
        raise Bad(f"a goal over {plan.MAX_TEXT // 1024} KiB", document.locate("goal", -1, ""))
    for section in ("phases", "tasks", "contracts"):
        for row in document.rows(section):
            for name, value in row.values.items():
                if why := _too_much(name, value):
                    one = section[:-1]
                    raise Bad(f"{name} of {one} {shown(row)}: {why}", document.locate(section, row.index, name))
    for row in document.rows("tasks"):
        _task(document, row)


def _too_much(name: str, value: Any) -> str:
    if isinstance(value, str) and _size(value) > _LONGEST.get(name, tasking.MAX_SHORT):
        return f"over {_LONGEST.get(name, tasking.MAX_SHORT):,} bytes"
    if isinstance(value, tuple):
        if len(value) > tasking.MAX_LIST:
            return f"more than {tasking.MAX_LIST} entries"
        texts = [one if isinstance(one, str) else one.text for one in value]
        if any(_size(one) > tasking.MAX_SHORT for one in texts):
            return f"an entry over {tasking.MAX_SHORT:,} bytes"
        if name not in ("checklist", "depends_on") and len(set(texts)) != len(texts):
            return "an entry is there twice"
    return ""


def _task(document: Document, row: Row) -> None:
    values = row.values
    if values.get("title") == "" or ("title" not in values and (document.log or "id" not in values)):
        raise Bad(f"task {shown(row)} has no title", document.locate("tasks", row.index, "title"))
    for name, most in (("priority", tasks.MAX_PRIORITY), ("progress", 100), ("estimate", 2**40)):
        if not 0 <= values.get(name, 0) <= most:
            line = document.locate("tasks", row.index, name)
            raise Bad(f"{name} of task {shown(row)} is {values[name]}: 0 to {most} are allowed", line)
    if len(msgspec.json.encode(values)) > _ROOM:
        raise Bad(f"task {shown(row)} is over {_ROOM // 1024} KiB", document.locate("tasks", row.index, ""))


def status(given: str, ident: str, line: _Line) -> None:
    """Bad unless `given` is a task's status."""
    if given not in tasks.STATUSES:
        near = difflib.get_close_matches(given[:40], tasks.STATUSES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(tasks.STATUSES)}"
        raise Bad(f"unknown status {given[:40]!r} of task {ident}", line("status"), hint)


def worker(said: dict[str, Any], ident: str, is_parent: bool, line: _Line) -> None:
    """Bad where a new task's status and assignee do not go together, or the assignee is no session's name."""
    if said["assignee"] and not naming.is_name(said["assignee"]):
        raise Bad(f"the assignee of task {ident} is no session's name: {said['assignee'][:80]!r}", line("assignee"))
    if said["status"] in tasks.WORKED_ON and not said["assignee"] and not is_parent:
        raise Bad(f"task {ident} is {said['status']}, and nobody is its assignee", line("status"))


def contract(said: dict[str, Any], line: _Line) -> None:
    """Bad where a contract is none."""
    name = said["name"]
    if not plan.is_id(name):
        raise Bad(f"not a name for a contract: {name[:80]!r}", line("name"), "letters, digits, '.', '_' and '-'")
    if said["type"] not in contracts.TYPES:
        hint = f"there are {', '.join(contracts.TYPES)}"
        raise Bad(f"unknown type {said['type'][:40]!r} of contract {name}", line("type"), hint)
    if not said["definition"]:
        raise Bad(f"contract {name} has no definition", line("definition"))
    if said["version"] < 1 or said["status"] not in ("draft", "approved", "locked"):
        raise Bad(f"contract {name}: a version begins at 1; it is draft, approved or locked", line("status"))


# -- links ----------------------------------------------------------------------------------------
def links(
    document: Document, names: Names, known: dict[str, Task], linked: Iterable[str], order: list[str], there: Plan
) -> None:
    """Bad where the tasks that a text links anew go round, or stand in the wrong phase. Phases will have that order.

    `known` are all tasks as they will be; their children are filled in here.
    """
    wanted = list(dict.fromkeys(linked))
    if not wanted:
        return
    below: dict[str, list[str]] = {}
    for task in known.values():
        if task.parent:
            below.setdefault(task.parent, []).append(task.id)
    rows = dict(zip(names.task_ids, document.rows("tasks"), strict=True))
    spoken = {ident: shown(row) for ident, row in rows.items()}
    for ident, children in below.items():
        live = tuple(child for child in children if known[child].status != "dropped")
        known[ident] = msgspec.structs.replace(known[ident], children=live)
    _deep(known, wanted, document, rows)
    around = graph.cycle(known, wanted)
    if around:
        told = " → ".join(spoken.get(ident, ident) for ident in around)
        first = next((ident for ident in around if ident in rows), "")
        field = "depends_on" if first and rows[first].values.get("depends_on") else "parent"
        line = _line(document, rows, first, field)
        raise Bad(f"a cycle of tasks: {told}", line, "take one of these dependencies out", "cycle")
    new = {ident for ident in wanted if known[ident].order == 0}
    said = {ident for ident in wanted if "phase" in rows.get(ident, Row(0)).values}
    for ident in _from_the_top(known, below):  # a subtask goes with its parent
        task = known[ident]
        if not task.parent or known[task.parent].phase == task.phase:
            continue
        if ident in said and (task.phase or ident not in new):
            line = _line(document, rows, ident, "phase")
            above = spoken.get(task.parent, task.parent)
            raise Bad(f"task {spoken[ident]} is in another phase than its parent {above}", line)
        known[ident] = msgspec.structs.replace(task, phase=known[task.parent].phase)
    phases = {phase.id: phase for phase in there.phases}
    ordered = Plan(phases=tuple(phases.get(ident) or Phase(id=ident, name=ident) for ident in order))
    for ident in wanted:
        behind = graph.late(ordered, known, known[ident])
        if behind:
            line = _line(document, rows, ident, "depends_on")
            told = f"{spoken.get(ident, ident)} depends on {spoken.get(behind, behind)}"
            raise Bad(f"task {told} of a later phase", line, "move one of them, or take the dependency out")


def _deep(known: dict[str, Task], wanted: list[str], document: Document, rows: dict[str, Row]) -> None:
    """Bad where subtasks stand in each other too deep."""
    for ident in wanted:
        if known[ident].parent:
            around = list(zip(range(MAX_DEPTH + 2), graph.ancestry(known, known[ident]), strict=False))
            if len(around) > MAX_DEPTH + 1:
                line = _line(document, rows, ident, "parent")
                raise Bad(f"subtasks stand more than {MAX_DEPTH} levels deep", line)


def _from_the_top(known: dict[str, Task], below: dict[str, list[str]]) -> Iterable[str]:
    stack = [ident for ident in below if not known[ident].parent]
    while stack:
        ident = stack.pop()
        yield ident
        stack += below.get(ident, [])


def _line(document: Document, rows: dict[str, Row], ident: str, name: str) -> int:
    return document.locate("tasks", rows[ident].index, name) if ident in rows else 0
