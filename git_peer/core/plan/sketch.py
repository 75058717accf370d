"""Sketches: a plan in the few short fields that a small model can fill in, and the proposal that is meant by it. Pure.

Nothing in a sketch can spoil all of it: what cannot be taken is left out or mended, and named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.proposal import LONG, Proposal, Resolve, is_nothing
from git_peer.core.plan.proposal import TITLE as LONGEST_TITLE
from git_peer.core.plan.task.record import Changes, Item
from git_peer.core.target.target import Target, show

TASKS, AFTER = 8, 4  # entries
TITLE, WHAT, PATH = 80, 300, 100  # characters

_TESTS = re.compile(r"(?:test_(\w+)|(\w+)_test|(\w+)[._](?:test|spec))\.\w+", re.ASCII)
_NUMBER = re.compile(r"\D{0,8}([0-9]{1,3})")  # 2, "2", "#2", "task 2"


def schema(most: int) -> dict[str, Any]:
    """The JSON schema of a sketch of at most so many tasks; every text in it is bounded, and so is an answer."""
    fields = {
        "title": {"type": "string", "description": "What is to be done.", "minLength": 1, "maxLength": TITLE},
        "what": {"type": "string", "description": "What it must do, in one or two sentences.", "maxLength": WHAT},
        "path": {"type": "string", "description": "The one file to write.", "maxLength": PATH},
        "after": {
            "type": "array",
            "description": "Numbers of the tasks that must be done before; the first task is 1.",
            "items": {"type": "integer", "minimum": 1, "maximum": min(most, TASKS)},
            "maxItems": AFTER,
        },
    }
    task = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    tasks = {"type": "array", "items": task, "minItems": 1, "maxItems": min(most, TASKS)}
    return {"type": "object", "properties": {"tasks": tasks}, "required": ["tasks"], "additionalProperties": False}


@dataclass
class _Task:
    number: int  # as the model counts
    title: str
    what: str
    paths: list[Target]
    after: list[int] = field(default_factory=list)  # numbers of earlier tasks

    @property
    def names(self) -> set[str]:
        return {show(one) for one in self.paths}


def read(raw: Any, goal: str, resolve: Resolve, most: int) -> tuple[Proposal, list[str]]:
    """The proposal that a sketch means, without tasks where it has none; and what was left out or mended."""
    said: list[str] = []
    given = raw.get("tasks") if isinstance(raw, dict) else raw
    listed = given if isinstance(given, list) else [raw if isinstance(raw, dict) else None]
    if len(listed) > most:
        said.append(f"{len(listed) - most} tasks were left out: {most} are allowed")
    found: list[_Task] = []
    for number, one in enumerate(listed[:most], 1):
        task = _task(one, number, resolve, said)
        if task is not None:
            found.append(task)
    for task, one in zip(found, [listed[task.number - 1] for task in found], strict=True):
        task.after = _after(one.get("after") if isinstance(one, dict) else None, task, found, said)
    found = _joined(found, said)
    if len(found) > 1 and _one_file(found):
        said.append(f"its {len(found)} tasks are all about {show(found[0].paths[0])}: they are one task")
        return _whole(goal, found), said
    if len(found) == 1:
        return _whole(goal, found), said
    return Proposal(tasks=tuple((f"s{task.number}", _changes(task)) for task in found)), said


def one_task(goal: str) -> Proposal:
    """The goal itself as the one task there is."""
    return _whole(goal, [])


def _whole(goal: str, steps: list[_Task]) -> Proposal:
    """One task that is the goal; what its steps were is its checklist, and their files are its."""
    title = steps[0].title if len(steps) == 1 else text.line(goal.strip().split("\n")[0], LONGEST_TITLE)
    lines = [text.line(one.title, text.SUMMARY) for one in steps] if len(steps) > 1 else []
    paths = list(dict.fromkeys(path for one in steps for path in one.paths))
    description = text.clean(goal.strip())
    if text.size(description) > LONG:
        description = text.line(goal, LONG // 4)
    checklist = tuple(Item(line) for line in dict.fromkeys(lines) if line)
    return Proposal(
        tasks=(("s1", Changes(title=title, description=description, paths=tuple(paths), checklist=checklist)),)
    )


def _changes(task: _Task) -> Changes:
    after = tuple(f"s{number}" for number in task.after)
    return Changes(title=task.title, description=task.what, paths=tuple(task.paths), depends_on=after)


# -- reading --------------------------------------------------------------------------------------
def _task(raw: Any, number: int, resolve: Resolve, said: list[str]) -> _Task | None:
    """One entry; None where it says nothing that could be done."""
    given = {"title": raw} if isinstance(raw, str) else raw
    if not isinstance(given, dict):
        said.append(f"task {number} was left out: it is no task")
        return None
    title, what = _words(given.get("title"), LONGEST_TITLE), _words(given.get("what"), 4 * WHAT)
    paths = _paths(given.get("path"), number, resolve, said)
    title = title or text.line(what, TITLE) or (f"Write {show(paths[0])}"[:LONGEST_TITLE] if paths else "")
    if not title:
        said.append(f"task {number} was left out: it has no title")
        return None
    return _Task(number, title, what, paths)


def _words(raw: Any, most: int) -> str:
    if not isinstance(raw, str) or is_nothing(raw):
        return ""
    return text.line(raw, most)


def _paths(raw: Any, number: int, resolve: Resolve, said: list[str]) -> list[Target]:
    found: list[Target] = []
    listed = raw if isinstance(raw, list) else raw.split(",") if isinstance(raw, str) else []
    for one in listed[:TASKS]:
        path = one.strip().strip("`'\"").strip() if isinstance(one, str) else ""
        if is_nothing(path) or path in (".", "./", "/"):
            continue
        try:
            if text.line(path) != path or len(path) > 4 * PATH:
                raise PeerError("usage", "no path")
            target = resolve(path.lstrip("/"))  # from the top of the repository, for whom else?
        except PeerError:
            target = None
        if target is None or target.kind == "name":
            said.append(f"task {number}: the path {text.quoted(path, 80)} was left out: it cannot be one")
        elif target not in found:
            found.append(target)
    return found


def _after(raw: Any, task: _Task, found: list[_Task], said: list[str]) -> list[int]:
    """The tasks before it that it waits for. Only earlier ones: so there are no circles."""
    before = {one.number: one for one in found if one.number < task.number}
    titles = {one.title.casefold(): one.number for one in before.values()}
    numbers: list[int] = []
    for one in (raw if isinstance(raw, list) else [raw])[: 4 * AFTER]:
        if one is None or one == 0 or (isinstance(one, str) and is_nothing(one)):
            continue
        match = _NUMBER.fullmatch(str(one).strip()) if isinstance(one, (str, int)) else None
        number = titles.get(one.strip().casefold()) if isinstance(one, str) else None
        number = int(match[1]) if number is None and match else number
        if number not in before:
            told = text.quoted(str(one), 60)
            said.append(f"task {task.number}: that it comes after {told} was left out: no task before it is that")
        elif number not in numbers:
            numbers.append(number)
    return numbers


# -- what is meant by it --------------------------------------------------------------------------
def _joined(found: list[_Task], said: list[str]) -> list[_Task]:
    """Without what is said twice, tests with what they test, and tasks of one file one after the other."""
    kept: dict[int, _Task] = {}
    instead: dict[int, int] = {}
    for task in found:
        task.after = list(dict.fromkeys(instead.get(number, number) for number in task.after))
        into = next((one for one in kept.values() if _belongs(task, one)), None)
        if into is not None and all(number <= into.number for number in task.after):
            instead[task.number] = into.number
            into.paths += [path for path in task.paths if path not in into.paths]
            into.after += [n for n in task.after if n not in (*into.after, into.number)]
            twice = task.title.casefold() == into.title.casefold()
            if not twice:
                into.what = text.line(f"{into.what} {task.what or task.title}", 8 * WHAT).strip()
            said.append(f"task {task.number} is part of task {into.number}: {'said twice' if twice else 'its tests'}")
            continue
        for one in kept.values():
            if task.names & one.names and one.number not in task.after:
                task.after.append(one.number)
        kept[task.number] = task
    return list(kept.values())


def _belongs(task: _Task, other: _Task) -> bool:
    """Whether it is what another says already, or no more than its tests: who writes code here tests it, too."""
    if task.names == other.names and task.title.casefold() == other.title.casefold():
        return True
    return bool(task.paths and other.paths) and all(
        _tests(path, code) for path in task.paths for code in other.paths[:1]
    )


def _tests(path: Target, code: Target) -> bool:
    """Whether a file is called as the tests of another."""
    match = _TESTS.fullmatch(show(path).rpartition("/")[2])
    if match is None or code.kind != "file":
        return False
    return show(code).rpartition("/")[2].rpartition(".")[0] in match.groups()


def _one_file(found: list[_Task]) -> bool:
    """Whether all of them change one file, besides its tests."""
    main = found[0].paths[:1]
    return bool(main) and all(
        task.paths and all(path == main[0] or _tests(path, main[0]) for path in task.paths) for task in found
    )
