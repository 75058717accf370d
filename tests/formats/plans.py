"""Plans of every kind, and a log in memory that takes them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from git_peer.core.plan import edits
from git_peer.core.plan.contracts import TYPES
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import OVER, STATUSES, WORKED_ON, Item, Result
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.formats import jsonfile, markdown, markdown_text, toml
from git_peer.formats.document import Document, Row, of_board
from git_peer.ops.plan_merge import Found, Side, compare
from tests.core.bench import Bench, agent

LOG = ("L", "a" * 40)
ME = agent("importer")
READ: dict[str, Callable[[str], Document]] = {"toml": toml.read, "json": jsonfile.read, "md": markdown.read}
WRITE: dict[str, Callable[[Document], str]] = {"toml": toml.write, "json": jsonfile.write, "md": markdown_text.write}


def target(typed: str) -> Target:
    """A target as typed at the top of a work tree in which nothing is yet."""
    return targets.parse(typed, "", lambda _: "")


def take(bench: Bench, document: Document, base: Side | None = None) -> Found:
    """Bring a document into a log; `base`: what it was exported from."""
    present = Side(bench.state)
    found = compare(document, base or present, present, base is not None, target)
    if found.edits:
        bench.do(edits.EditPlan(me=ME, edits=tuple(found.edits)))
    return found


def board(bench: Bench) -> Document:
    """The log's plan."""
    return of_board(Board(bench.state), LOG)


def export(bench: Bench, form: str) -> str:
    """The log's plan as text."""
    return WRITE[form](board(bench))


# -- any plan -------------------------------------------------------------------------------------
_HARD = st.sampled_from([
    "- [ ] not a task", "after: t1", "accept: `x`", "```\ncode\n```", "~~~", "# no heading", "===", "---", "<!-- -->",
    "-->", "  indented", "trailing  ", "\ttab", "a\r\nb", "a\rb", '"quoted"', '"""', "'''", "`tick`", "``", "{#t1}",
    "(after: t2)", "`src/a.py`", "Contracts", "| a | b |", "1. one", "- bullet", "+ [ ] item", "**Note**: x", "\\n",
    "\\", "a\n\n\nb",
    "\x85", "\u2028", "\u00a0", "\u202e", "\x1b[31m", "é😀", "status: done", "> quote", "#", "{}", "]",
    "null", "title: x", "```description", "````", "* [x] x", "-", "[[tasks]]", "[x] y", "[ ] ", "a\n===", "name: y",
])  # fmt: skip
_LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TEXT = _HARD | st.lists(_LETTERS | _HARD, max_size=3).map("\n".join)
TITLE = TEXT.filter(bool)
IDENT = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,5}", fullmatch=True)
NAME = st.sampled_from(["zoe", "abe-1", "kim.x"])
PATHS = st.sampled_from([
    "src/a.py", "src/", ":/", "**/*.py", "src/[ab]*.c", "@deploy", "./@file", "a b/c", "src/a.py:10-45", "m.py::Name.f",
    ":(literal)x*y", "odd`tick", 'odd"quote', "café", "new\nline", "tab\tx", "a,b", "-dash", "x\udcff", "%41\udcfe/y",
    " lead", "trail ", "`", "(percent)",
])  # fmt: skip


def _list(entries: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(entries, max_size=2, unique=True).map(tuple)


def _path_text(typed: str) -> str:
    from git_peer.formats.document import path_text

    return path_text(target(typed))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any plan that a log can hold."""
    phases = draw(st.lists(IDENT, max_size=3, unique_by=str.casefold))
    names = draw(st.lists(TITLE.filter(lambda name: bool(name.strip())), min_size=3, max_size=3, unique=True))
    closed = draw(st.integers(0, len(phases)))
    idents = draw(st.lists(IDENT, max_size=5, unique_by=str.casefold))
    rows: list[dict[str, Any]] = []
    for at, ident in enumerate(idents):
        earlier = rows[:at]
        parent = draw(st.sampled_from([None, *[row for row in earlier if row["status"] != "dropped"]]))
        order = parent["order"] if parent else draw(st.integers(-1, len(phases) - 1))
        top = at  # what waits for the outermost of its parents is out of the question: those before it are not
        above = parent
        while above is not None:
            top, above = rows.index(above), above["above"]
        before = [row["id"] for row in earlier[:top] if row["order"] <= order or order < 0]
        rows.append(draw(_task(ident, phases, order, parent, before, closed)))
    _settle(rows, closed)
    contracts = [
        {
            "name": name, "type": draw(st.sampled_from(TYPES)), "definition": draw(TITLE),
            "version": draw(st.integers(1, 9)), "status": draw(st.sampled_from(["draft", "approved", "locked"])),
            "approved_by": draw(_list(NAME)),
        }
        for name in draw(st.lists(IDENT, max_size=2, unique_by=str.casefold))
    ]  # fmt: skip
    heads = ["c" * 40 if at < closed else "" for at in range(len(phases))]
    return Document(
        goal=draw(TEXT),
        phases=[
            Row(at, {"id": ident, "name": names[at], "status": "closed" if at < closed else "", "head": heads[at]})
            for at, ident in enumerate(phases)
        ],
        tasks=[
            Row(at, {key: value for key, value in row.items() if key not in ("order", "above")})
            for at, row in enumerate(rows)
        ],
        contracts=[Row(at, values) for at, values in enumerate(contracts)],
    )


@st.composite
def _task(
    draw: st.DrawFn,
    ident: str,
    phases: list[str],
    order: int,
    parent: dict[str, Any] | None,
    before: list[str],
    closed: int,
) -> dict[str, Any]:
    status = draw(st.sampled_from(STATUSES))
    return {
        "id": ident, "title": draw(TITLE), "description": draw(TEXT), "phase": phases[order] if order >= 0 else "",
        "parent": parent["id"] if parent else "", "order": order, "above": parent,
        "depends_on": tuple(draw(st.lists(st.sampled_from(before), max_size=2, unique=True)) if before else ()),
        "paths": tuple(dict.fromkeys(map(_path_text, draw(_list(PATHS))))),
        "inputs": draw(_list(TEXT)), "outputs": draw(_list(TEXT)), "provides": draw(_list(TEXT)),
        "uses": draw(_list(IDENT)), "accept": draw(TEXT), "skills": draw(_list(TEXT)),
        "checklist": tuple(draw(st.lists(st.builds(Item, text=TEXT, done=st.booleans()), max_size=2))),
        "priority": draw(st.integers(0, 10)), "estimate": draw(st.integers(0, 100_000)), "status": status,
        "assignee": draw(NAME) if status in WORKED_ON else draw(st.sampled_from(["", "zoe"])),
        "progress": draw(st.integers(0, 100)), "note": draw(TEXT), "commit": draw(st.sampled_from(["", "d" * 40])),
        "reviewer": draw(st.sampled_from(["", "kim.x"])),
        "result": draw(st.none() | st.builds(
            Result, commit=st.just("d" * 40), passed=st.booleans(), by=NAME, at=st.integers(0, 2**32),
            command=TEXT, output=TEXT,
        )),
    }  # fmt: skip


def _settle(rows: list[dict[str, Any]], closed: int) -> None:
    """Make statuses go together: a parent is what its subtasks are; in a closed phase everything is over."""
    for row in rows:
        if 0 <= row["order"] < closed and row["status"] not in OVER:
            row["status"] = "done"
    for row in reversed(rows):
        parts = [one for one in rows if one["parent"] == row["id"] and one["status"] != "dropped"]
        if parts:
            done = all(one["status"] == "done" for one in parts)
            row |= {"status": "done" if done else "in_progress", "assignee": ""}
            row["progress"] = 0
