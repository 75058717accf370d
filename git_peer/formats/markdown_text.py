"""A plan as Markdown that markdown.read() reads back: what people read on a page, and what may be edited there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from git_peer.core import duration
from git_peer.core.plan.task.record import OVER, PRIORITY
from git_peer.core.text import HIDDEN
from git_peer.formats.document import Document, Row
from git_peer.formats.markdown import ATTRIBUTE, FENCE, HEAD, INLINE, ITEM, RULE
from git_peer.formats.spans import code, is_seen, listed, quote

_BOX = {"done": "x", "dropped": "-"}


def write(document: Document) -> str:
    """The document as Markdown."""
    parts: list[str] = []
    if document.log:
        head = f"<!-- git-peer plan: log {document.log[0]} commit {document.log[1]} -->"
        assert HEAD.fullmatch(head)
        parts.append(head)
    if document.goal:
        parts.append(_goal(document.goal))
    below: dict[str, list[Row]] = {}
    for row in document.rows("tasks"):
        below.setdefault(row.values["parent"], []).append(row)
    top = below.get("", [])
    by_phase: dict[str, list[Row]] = {}
    for row in top:
        by_phase.setdefault(row.values["phase"], []).append(row)
    parts += _items(by_phase.get("", []), below)
    for phase in document.rows("phases"):
        name, said = phase.values["name"], [f"status: {phase.values['status']}"] if phase.values["status"] else []
        if _is_odd_line(name):
            said.insert(0, f"name: {quote(name)}")
        parts.append(f"## {_line(name)} {{#{phase.values['id']}}}" + "".join(f"\n\n{one}" for one in said))
        parts += _items(by_phase.get(phase.values["id"], []), below)
    if document.contracts:
        parts.append("## Contracts")
        parts += [_contract(row.values) for row in document.contracts]
    return "\n\n".join(parts) + "\n"


# -- pieces of text -------------------------------------------------------------------------------
def _line(text: str) -> str:
    """A text as one line that says about the same."""
    return " ".join(HIDDEN.sub(" ", text).split()).rstrip("#{} ") or "-"


def _is_odd_line(text: str) -> bool:
    """Whether a title would not be read back as it is."""
    return (
        not text
        or _line(text) != text
        or INLINE.search(text) is not None
        or not is_seen(text)
        or text[0] in "#=<"
        or text.lower() == "contracts"
    )


def _is_plain(text: str) -> bool:
    """Whether a text is read back as it is where it stands among the lines of an item, or below a heading."""
    lines = text.split("\n")
    return bool(lines[0] and lines[-1]) and not any(
        line != line.rstrip()
        or not is_seen(bare := line.lstrip(" "))
        or bare != bare.strip()
        or any(pattern.fullmatch(bare) for pattern in (ATTRIBUTE, FENCE, ITEM, RULE))
        or bare.startswith(("<!--", "#", "```", "~~~"))
        for line in lines
    )


def _block(text: str, kind: str, pad: str = "") -> str:
    """A text as a code block that keeps every character."""
    if HIDDEN.search(text):
        text, kind = quote(text), f"{kind} quoted"
    mark = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    lines = [pad + line if line else "" for line in text.split("\n")]
    return "\n".join([f"{pad}{mark}{kind}", *lines, f"{pad}{mark}"])


def _goal(goal: str) -> str:
    first = goal.partition("\n")[0]
    plain = _is_plain(goal) and not _is_odd_line(first)
    return f"# {goal}" if plain else f"# {_line(first)}\n\n" + _block(goal, "goal")


# -- tasks ----------------------------------------------------------------------------------------
def _items(rows: list[Row], below: dict[str, list[Row]]) -> list[str]:
    """Tasks with their subtasks as one list; nothing for none."""
    lines: list[str] = []
    stack = [(row, 0) for row in reversed(rows)]
    while stack:
        row, depth = stack.pop()
        children = below.get(row.values["id"], [])
        lines += _item(row.values, "  " * depth, any(child.values["status"] != "dropped" for child in children))
        stack += [(child, depth + 1) for child in reversed(children)]
    return ["\n".join(lines)] if lines else []


def _item(task: dict[str, Any], pad: str, has_items: bool) -> Iterator[str]:
    title, description = task["title"], task["description"]
    box = _BOX.get(task["status"], " ")
    yield f"{pad}- [{box}] {_line(INLINE.sub(' ', title))} {{#{task['id']}}}"
    inner = pad + "  "
    if description:
        if _is_plain(description):
            yield from (inner + line if line else "" for line in description.split("\n"))
        else:
            yield _block(description, "description", inner)
    for key, value in _attributes(task, has_items, "`" in title + description):
        yield f"{inner}{key}: {value}".rstrip(" ")
    if _is_odd_line(title):
        yield f"{inner}title: {quote(title)}"
    for item in task["checklist"]:
        text = item.text if item.text and item.text == item.text.strip() and is_seen(item.text) else ""
        text = text if text and text[0] not in '"`' else quote(item.text)
        yield f"{inner}+ [{'x' if item.done else ' '}] {text}"


def _attributes(task: dict[str, Any], has_items: bool, has_spans: bool) -> Iterator[tuple[str, str]]:
    """What a task says besides, as lines. Where a code span may be taken for a path, the paths are said in any case."""
    if task["depends_on"]:
        yield "after", listed(task["depends_on"])
    if task["paths"] or has_spans:
        yield "paths", ", ".join(map(code, task["paths"]))
    if task["accept"]:
        yield "accept", code(task["accept"])
    for key in ("skills", "uses", "provides", "inputs", "outputs"):
        if task[key]:
            yield key, listed(task[key])
    if task["priority"] != PRIORITY:
        yield "priority", str(task["priority"])
    if task["estimate"]:
        yield "estimate", duration.shown(task["estimate"])
    if has_items:
        return  # its subtasks say how far it is
    if task["status"] not in ("todo", *OVER):
        yield "status", task["status"]
    if task["assignee"]:
        yield "assignee", task["assignee"]
    if task["progress"] and task["status"] not in OVER:
        yield "progress", f"{task['progress']}%"


# -- contracts ------------------------------------------------------------------------------------
def _contract(contract: dict[str, Any]) -> str:
    said = [f"### {contract['name']}", f"type: {contract['type']}", f"version: {contract['version']}"]
    said.append(f"status: {contract['status']}")
    if contract["approved_by"]:
        said.append(f"approved by: {listed(contract['approved_by'])}")
    return "\n\n".join([said[0], "\n".join(said[1:]), _block(contract["definition"], "definition")])
