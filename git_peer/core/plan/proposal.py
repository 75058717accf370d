"""Proposals: what a planner model returns, read as a stranger's data. Its schema, and what is wrong with its shape.

Problems are sentences that the model and a person understand; `drafts` says what is wrong with it as a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Changes, Item
from git_peer.core.session import naming
from git_peer.core.target.target import Target, show

Resolve = Callable[[str], Target]
"""The target that a text names from the top of the work tree; PeerError("usage") where it may name none."""

TITLE, LINE, ASKED, COMMAND = 200, 240, 500, 1000  # characters
LONG = 8 * 1024  # bytes of a description, a definition
WHOLE = 48 * 1024  # bytes of a task
LIST = 100  # entries of one list of a task
CONTRACTS = 200
PROBLEMS = 50  # that are told; the rest is counted
QUESTIONS = 10  # of one call
YEAR = 366 * 86400  # seconds

_LISTS = ("depends_on", "paths", "inputs", "outputs", "provides", "uses", "checklist", "skills")


class Proposal(msgspec.Struct, frozen=True):
    """What was proposed, clean and bounded. `tasks`: (the model's id, what it says of it), in its order."""

    goal: str = ""
    phases: tuple[tuple[str, str], ...] = ()  # (id, name)
    tasks: tuple[tuple[str, Changes], ...] = ()
    contracts: tuple[tuple[str, str, str], ...] = ()  # (name, type, definition)
    drop: tuple[str, ...] = ()


# -- schemas --------------------------------------------------------------------------------------
def _of(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


def _texts(description: str) -> dict[str, Any]:
    return _of("array", description, items={"type": "string"})


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def schema(replan: bool) -> dict[str, Any]:
    """The JSON schema of a proposal; of changes to a plan with `replan`."""
    ident = "letters, digits, '.', '_' and '-', at most 64 of them"
    whole = " An existing task is named by its id: only the fields given here change." if replan else ""
    task = {
        "id": _of("string", f"Unique: {ident}. New tasks get final ids later; other tasks refer to it by this one."),
        "title": _of("string", f"One line that says what is to be done, at most {TITLE} characters."),
        "description": _of("string", "What whoever does it has to know, in Markdown."),
        "phase": _of("string", "The id of its phase."),
        "parent": _of("string", "The id of the task of which it is a part. Only where a task is divided."),
        "depends_on": _texts("Ids of tasks that must be done before this one begins."),
        "paths": _texts(
            "What it will change, from the top of the repository: a file, a folder that ends in '/', or a glob such as "
            "src/**/*.py. As narrow as can be: who works on a task locks them."
        ),
        "inputs": _texts("What it needs, a line each."),
        "outputs": _texts("What it makes, a line each."),
        "provides": _texts("Names of contracts that it fulfils."),
        "uses": _texts("Names of contracts that it relies on."),
        "accept": _of("string", "A shell command that ends with status 0 exactly when the task is done right."),
        "checklist": _texts("Steps or conditions, a line each."),
        "priority": _of("integer", "0 to 10; more urgent is higher.", minimum=0, maximum=10),
        "estimate": _of("integer", "Seconds of work.", minimum=0),
        "skills": _texts("What a worker must be able to do. Only where not every worker can."),
    }
    phase = {"id": _of("string", ident), "name": _of("string", "What people call it.")}
    contract = {
        "name": _of("string", ident),
        "type": _of("string", "What it is.", enum=list(contracts.TYPES)),
        "definition": _of("string", "What tasks agree on, precise enough to work against."),
    }
    properties = {
        "phases": _of(
            "array",
            "The phases in order: each begins when the one before it is integrated. Few; none for a small goal."
            + (" New ones come after those that are there." if replan else ""),
            items=_object(phase, ["id", "name"]),
        ),
        "tasks": _of("array", "The tasks." + whole, items=_object(task, ["id"] if replan else ["id", "title"])),
        "contracts": _of(
            "array",
            "What tasks that run at the same time must agree on: signatures, endpoints, types, tables.",
            items=_object(contract, ["name", "type", "definition"]),
        ),
    }
    if replan:
        properties["goal"] = _of("string", "The goal in one or a few sentences, where it changes.")
        properties["drop"] = _texts("Ids of existing tasks that are no longer to be done. Only todo or blocked ones.")
    return _object(properties, ["tasks"])


def question_schema() -> dict[str, Any]:
    """The JSON schema of questions to the team."""
    question = {
        "text": _of("string", "The question, with what one has to know to answer it."),
        "to": _of("string", "The name of the session that should answer; left out, it is for everybody."),
    }
    asked = _of("array", f"At most {QUESTIONS}.", items=_object(question, ["text"]), minItems=1, maxItems=QUESTIONS)
    return _object({"questions": asked}, ["questions"])


# -- reading --------------------------------------------------------------------------------------
def is_nothing(said: str) -> bool:
    """Whether a text plainly stands for that there is none."""
    return said.strip().strip("\"'`").casefold() in ("", "null", "none", "nil", "n/a", "undefined", "-", "[]")


class _Reader:
    """Takes values out of a stranger's JSON, and notes what is wrong with them. `defined`: ids that it gives itself."""

    def __init__(self, defined: Collection[str] = ()) -> None:
        self.problems: list[str] = []
        self._defined = defined

    def means_none(self, raw: Any) -> bool:
        """Whether it stands for no id: where one is meant, there is a thing of that name."""
        return raw is None or (isinstance(raw, str) and raw not in self._defined and is_nothing(raw))

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}"[:300])

    def fields(self, raw: Any, where: str, allowed: dict[str, Any]) -> dict[str, Any]:
        """The keys of an object that belong there."""
        if not isinstance(raw, dict):
            self.wrong(where, f"an object is wanted, not {_kind(raw)}")
            return {}
        for key in raw:
            if key not in allowed:
                self.wrong(where, f"unknown key {text.quoted(str(key), 60)}")
        return {key: value for key, value in raw.items() if key in allowed and value is not None}

    def items(self, raw: Any, where: str, most: int) -> list[Any]:
        if not isinstance(raw, list):
            self.wrong(where, f"a list is wanted, not {_kind(raw)}")
            return []
        if len(raw) > most:
            self.wrong(where, f"{len(raw):,} entries: {most} are allowed")
        return raw[:most]

    def line(self, raw: Any, where: str, most: int = LINE) -> str:
        """A text on one line."""
        if not isinstance(raw, str):
            self.wrong(where, f"a text is wanted, not {_kind(raw)}")
            return ""
        found = text.line(raw[: most * 8])
        if len(found) > most or len(raw) > most * 8:
            self.wrong(where, f"a text of {len(raw):,} characters: {most} are allowed")
        return found[:most]

    def long(self, raw: Any, where: str) -> str:
        if not isinstance(raw, str):
            self.wrong(where, f"a text is wanted, not {_kind(raw)}")
            return ""
        if text.size(raw) > LONG:
            self.wrong(where, f"a text of {text.size(raw):,} bytes: {LONG:,} are allowed")
            return ""
        return text.clean(raw)

    def ident(self, raw: Any, where: str) -> str:
        found = raw if isinstance(raw, str) else ""
        if not isinstance(raw, str):
            self.wrong(where, f"an id is wanted, not {_kind(raw)}")
        elif not plan.is_id(found):
            self.wrong(where, f"{text.quoted(found, 80)} is no id: letters, digits, '.', '_' and '-', at most 64")
            return ""
        return found

    def number(self, raw: Any, where: str, most: int) -> int | None:
        if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= most:
            self.wrong(where, f"an integer of 0 to {most:,} is wanted")
            return None
        return raw


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def read(raw: Any, resolve: Resolve, most: int, replan: bool) -> tuple[Proposal, list[str]]:
    """The proposal in `raw`, and every problem of its shape. `most`: tasks that are allowed."""
    reader = _Reader(_defined(raw))
    given = reader.fields(raw, "the plan", schema(replan)["properties"])
    found = Proposal(
        goal=reader.long(given.get("goal", ""), "goal"),
        phases=tuple(_phases(reader, given.get("phases", []))),
        tasks=tuple(_tasks(reader, given.get("tasks", []), resolve, most, replan)),
        contracts=tuple(_contracts(reader, given.get("contracts", []))),
        drop=tuple(reader.ident(one, "drop") for one in reader.items(given.get("drop", []), "drop", 10 * most)),
    )
    return found, reader.problems


def _defined(raw: Any) -> set[str]:
    """The ids and names that a plan gives to what is in it."""
    parts = raw if isinstance(raw, dict) else {}
    listed = [parts.get(part) for part in ("phases", "tasks", "contracts")]
    rows = [row for part in listed if isinstance(part, list) for row in part if isinstance(row, dict)]
    return {one for row in rows for key in ("id", "name") if isinstance(one := row.get(key), str)}


def _phases(reader: _Reader, raw: Any) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for at, one in enumerate(reader.items(raw, "phases", plan.MAX_PHASES)):
        where = f"phases[{at}]"
        given = reader.fields(one, where, {"id": 0, "name": 0})
        if not isinstance(one, dict):
            continue
        ident = reader.ident(given.get("id"), f"{where}.id")
        name = reader.line(given.get("name", ident), f"{where}.name", TITLE)
        if ident in found:
            reader.wrong(where, f"a second phase {ident}")
        elif ident and not name:
            reader.wrong(where, "an empty name")
        found[ident] = name
    return [(ident, name) for ident, name in found.items() if ident]


def _tasks(reader: _Reader, raw: Any, resolve: Resolve, most: int, replan: bool) -> list[tuple[str, Changes]]:
    allowed = schema(replan)["properties"]["tasks"]["items"]["properties"]
    found: dict[str, tuple[str, Changes]] = {}
    if isinstance(raw, list) and len(raw) > most:
        reader.wrong("tasks", f"too many tasks: {len(raw):,}, {most} are allowed; make each of them larger")
        raw = raw[:most]
    for at, one in enumerate(reader.items(raw, "tasks", most)):
        where = f"tasks[{at}]"
        if isinstance(one, dict) and isinstance(one.get("id"), str) and plan.is_id(one["id"]):
            where = f"task {one['id']}"
        given = reader.fields(one, where, allowed)
        if not isinstance(one, dict):
            continue
        ident = reader.ident(given.get("id"), f"{where}.id")
        changes = _task(reader, given, where, resolve)
        if ident.casefold() in found:
            reader.wrong(where, "a second task of that id")
        elif ident:
            found[ident.casefold()] = (ident, changes)
    return list(found.values())


def _task(reader: _Reader, given: dict[str, Any], where: str, resolve: Resolve) -> Changes:
    new: dict[str, Any] = {}
    if "title" in given:
        new["title"] = reader.line(given["title"], f"{where}: title", TITLE)
        if not new["title"] and isinstance(given["title"], str):
            reader.wrong(where, "an empty title")
    if "description" in given:
        new["description"] = reader.long(given["description"], f"{where}: description")
    if "accept" in given:
        new["accept"] = reader.line(given["accept"], f"{where}: accept", COMMAND)
    for name in ("phase", "parent"):
        if given.get(name) and not (name == "parent" and reader.means_none(given[name])):
            new[name] = reader.ident(given[name], f"{where}: {name}")
    for name, most in (("priority", tasks.MAX_PRIORITY), ("estimate", YEAR)):
        if name in given:
            new[name] = reader.number(given[name], f"{where}: {name}", most)
    for name in _LISTS:
        if name not in given:
            continue
        told = f"{where}: {name}"
        listed = reader.items(given[name], told, LIST)
        if name == "paths":
            new[name] = tuple(dict.fromkeys(_paths(reader, listed, told, resolve)))
        elif name in ("depends_on", "provides", "uses"):
            new[name] = tuple(dict.fromkeys(_idents(reader, listed, told)))
        else:
            lines = dict.fromkeys(one for raw in listed if (one := reader.line(raw, told)))
            new[name] = tuple(Item(one) for one in lines) if name == "checklist" else tuple(lines)
    changes = Changes(**{name: value for name, value in new.items() if value is not None})
    size = len(msgspec.json.encode(changes))
    if size > WHOLE:
        reader.wrong(where, f"it is too large: {size:,} bytes, {WHOLE:,} are allowed")
    return changes


def _idents(reader: _Reader, listed: list[Any], where: str) -> list[str]:
    return [one for raw in listed if (raw is None or not reader.means_none(raw)) and (one := reader.ident(raw, where))]


def _paths(reader: _Reader, listed: list[Any], where: str, resolve: Resolve) -> list[Target]:
    found = []
    for raw in listed:
        if not isinstance(raw, str) or len(raw) > 4096:
            reader.wrong(where, f"a path is wanted, not {_kind(raw)}" if not isinstance(raw, str) else "a path so long")
            continue
        if text.clean(raw) != raw:
            reader.wrong(where, f"{text.quoted(raw, 80)} has characters that nobody sees")
            continue
        try:
            target = resolve(raw)
        except PeerError as why:
            reader.wrong(where, f"{text.quoted(raw, 80)}: {text.line(why.message, 150)}")
            continue
        if target.kind == "name":
            reader.wrong(where, f"{text.quoted(show(target), 80)} is a name, not a path")
        else:
            found.append(target)
    return found


def _contracts(reader: _Reader, raw: Any) -> list[tuple[str, str, str]]:
    found: dict[str, tuple[str, str, str]] = {}
    for at, one in enumerate(reader.items(raw, "contracts", CONTRACTS)):
        where = f"contracts[{at}]"
        given = reader.fields(one, where, {"name": 0, "type": 0, "definition": 0})
        if not isinstance(one, dict):
            continue
        name = reader.ident(given.get("name"), f"{where}.name")
        kind = given.get("type", "free")
        if not isinstance(kind, str) or kind not in contracts.TYPES:
            reader.wrong(where, f"its type is one of {', '.join(contracts.TYPES)}")
            kind = "free"
        definition = reader.long(given.get("definition", ""), f"{where}.definition")
        if not definition and isinstance(given.get("definition", ""), str):
            reader.wrong(where, "an empty definition")
        if name in found:
            reader.wrong(where, f"a second contract {name}")
        elif name:
            found[name] = (name, kind, definition)
    return list(found.values())


def read_questions(raw: Any, sessions: set[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The questions in `raw` as (text, to), and every problem. `sessions`: whom one may ask."""
    reader = _Reader()
    given = reader.fields(raw, "the call", {"questions": 0})
    found: list[tuple[str, str]] = []
    for at, one in enumerate(reader.items(given.get("questions", []), "questions", QUESTIONS)):
        where = f"questions[{at}]"
        asked = reader.fields(one, where, {"text": 0, "to": 0})
        if not isinstance(one, dict):
            continue
        said = reader.line(asked.get("text", ""), f"{where}.text", ASKED)
        to = asked.get("to") or ""
        if not said:
            reader.wrong(where, "it is empty")
        if to and (not isinstance(to, str) or not naming.is_name(to) or to not in sessions):
            reader.wrong(where, f"there is no session {text.quoted(str(to), 80)}; leave `to` out to ask everybody")
            continue
        found.append((said, to))
    if not found and not reader.problems:
        reader.wrong("questions", "there is none")
    return found, reader.problems


def listed(problems: list[str]) -> list[str]:
    """The problems as they are told: so many, and how many more there are."""
    more = len(problems) - PROBLEMS
    return problems if more <= 0 else [*problems[:PROBLEMS], f"and {more:,} more"]
