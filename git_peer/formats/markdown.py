"""A plan in Markdown, read line by line: headings are phases, items with a box are tasks. Linear in time.

docs/plan-files.md tells people the rules. A list's own rules of indentation are CommonMark's, but for tolerance: what
stands two columns behind an item's mark is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from git_peer.core.tasks import FIELDS, Item
from git_peer.formats.document import Bad, Document, Row, seconds
from git_peer.formats.plain import log_of
from git_peer.formats.spans import spans, whole, words

HEAD = re.compile(r"<!-- git-peer plan: log ([^ ]+) commit ([^ ]+) -->")
FENCE = re.compile(r"(`{3,})([^`]*)|(~{3,})(.*)")
ITEM = re.compile(r"([-*+]|[0-9]{1,9}[.)])[ \t]+\[([ xX~-])\](?:[ \t](.*))?")
KEYS = {
    "after": "depends_on", "depends on": "depends_on", "depends_on": "depends_on", "path": "paths", "paths": "paths",
    "accept": "accept", "skills": "skills", "priority": "priority", "estimate": "estimate", "uses": "uses",
    "provides": "provides", "inputs": "inputs", "outputs": "outputs", "status": "status", "assignee": "assignee",
    "progress": "progress", "title": "title",
}  # fmt: skip
_OF_PHASE = {"name": "name", "status": "status"}
_OF_CONTRACT = {"type": "type", "version": "version", "status": "status", "approved by": "approved_by"}
_KEY = r"(?:[-*+][ \t]+)?(?:\*\*|__|\*|_)?({})(?:\*\*|__|\*|_)?[ \t]?:(?:\*\*|__|\*|_)?(?:[ \t](.*))?"
ATTRIBUTE = re.compile(_KEY.format("|".join(KEYS)), re.IGNORECASE)
PHASE_ATTRIBUTE = re.compile(_KEY.format("|".join(_OF_PHASE)), re.IGNORECASE)
_CONTRACT_ATTRIBUTE = re.compile(_KEY.format("|".join(_OF_CONTRACT)), re.IGNORECASE)
LISTS = frozenset({"depends_on", "paths", "skills", "uses", "provides", "inputs", "outputs", "approved_by"})
INLINE = re.compile(r"\((?:after|depends on|depends_on):([^()]*)\)", re.IGNORECASE)
RULE = re.compile(r"={2,}|-{3,}|\*{3,}|_{3,}")  # under a line it makes a heading of it
_BULLET = re.compile(r"[-*+][ \t]+(?!\[[ xX~-]\])(.*)")
_PATH = re.compile(r"@[\w./-]+|[^\s()<>{}\"'`=$|;]*(?:/[^\s()<>{}\"'`=$|;]*|[\w-]\.[A-Za-z][A-Za-z0-9]{0,5})")
_BOXES = {" ": "", "x": "done", "X": "done", "-": "dropped", "~": "dropped"}
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass
class _Open:
    """An item that is being read: the column of its mark, and the lines of its description."""

    row: Row
    column: int
    text: list[str] = field(default_factory=list)
    exact: str | None = None
    inside: bool = False  # an item stands in it
    box: str = " "


def read(text: str) -> Document:
    """The document in a Markdown text; Bad with the line of what is wrong."""
    return _Reader(text).read()


class _Reader:
    """One reading: the line that comes next, the section, the items that are open."""

    def __init__(self, text: str) -> None:
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.at = 0
        self.document = Document(phases=[], tasks=[], contracts=[], locate=self.place)
        self.document.shown = {
            "phases": frozenset({"name"}),
            "tasks": frozenset(FIELDS),
            "contracts": frozenset({"type", "definition"}),
        }
        self.places: dict[tuple[str, int, str], int] = {}
        self.items: list[_Open] = []
        self.all: list[_Open] = []
        self.goal: list[str] | None = None
        self.goal_exact: str | None = None
        self.section = ""  # goal, phase, contracts, contract; "" before any heading
        self.phase = ""
        self.begun = False  # whether the phase has tasks
        self.contract: Row | None = None
        self.definition: list[str] = []
        self.lazy = False  # whether the line before may go on
        self.prose = False  # whether it was one that an underline makes a heading of
        self.pending: tuple[Row, str, int] | None = None  # a list whose entries stand below

    def place(self, section: str, index: int, name: str) -> int:
        """Document.locate."""
        return self.places.get((section, index, name)) or self.places.get((section, index, ""), 0)

    def read(self) -> Document:
        if self.lines[0].rstrip() == "---":  # front matter
            end = next((at for at, line in enumerate(self.lines[1:], 1) if line.rstrip() in ("---", "...")), 0)
            self.at = end + 1
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            self.line(line)
        self.end_contract()
        self.finish()
        return self.document

    # -- lines ------------------------------------------------------------------------------------
    def line(self, line: str) -> None:
        rest = line.lstrip(" \t")
        column = _columns(line[: len(line) - len(rest)])
        if not rest:
            self.blank()
            return
        before = self.items[-1] if self.items else None
        while self.items and self.items[-1].column + 2 > column:
            self.items.pop()
        owner = self.items[-1] if self.items else None
        lazy, prose = self.lazy, self.prose
        self.lazy = self.prose = False
        item = ITEM.fullmatch(rest)
        if self.pending is not None and not (column >= self.pending[2] and _BULLET.fullmatch(rest)):
            self.pending = None
        if fence := FENCE.fullmatch(rest):
            self.fence(fence, column, owner)
        elif rest.startswith("<!--"):
            self.comment(rest)
        elif self.section in ("contracts", "contract") and not (rest[0] == "#" and column < 4):
            self.in_contract(line.rstrip(), rest)
        elif item and item[1] == "+" and owner is not None:
            self.check(owner, item)
        elif item:
            self.item(item, column, owner)
        elif owner is None and rest[0] == "#" and column < 4 and _heading(rest) is not None:
            self.heading(*(_heading(rest) or (0, "")))
        elif self.pending is not None:
            row, key, _ = self.pending
            found = _BULLET.fullmatch(rest)
            row.values[key] += tuple(words(found[1] if found else rest))
        elif owner is not None:
            self.in_item(owner, _cut(line, owner.column + 2).rstrip(), rest, column)
        elif lazy and before is not None:
            self.items.append(before)
            self.in_item(before, rest.rstrip(), rest, column)
        elif prose and RULE.fullmatch(rest.rstrip()) and rest[0] in "=-":
            self.underlined(1 if rest[0] == "=" else 2)
        else:
            self.outside(line.rstrip(), rest)

    def blank(self) -> None:
        self.lazy = self.prose = False
        if self.items:
            self.items[-1].text.append("")
        elif self.section == "goal" and self.goal is not None:
            self.goal.append("")
        elif self.section == "contract":
            self.definition.append("")

    def outside(self, line: str, rest: str) -> None:
        """Text that is in no item."""
        found = PHASE_ATTRIBUTE.fullmatch(rest) if self.section == "phase" and not self.begun else None
        phases = self.document.rows("phases")
        if found and phases:
            self.put("phases", phases[-1], _OF_PHASE[found[1].lower()], found[2] or "")
        elif RULE.fullmatch(line.strip()):
            return
        elif self.section == "goal" and self.goal is not None:
            self.goal.append(line)
            self.prose = True
        else:
            self.document.left_out.append(self.at)
            self.prose = True

    def underlined(self, level: int) -> None:
        """The line before was a heading."""
        line = self.lines[self.at - 2].strip(" \t")
        if self.section == "goal" and self.goal:
            self.goal.pop()
        elif self.document.left_out and self.document.left_out[-1] == self.at - 1:
            self.document.left_out.pop()
        self.heading(level, line)

    def comment(self, rest: str) -> None:
        """Passed over, but for the head of an export."""
        first = self.at
        found = HEAD.fullmatch(rest.rstrip())
        if found:
            self.document.log = log_of((found[1], found[2]), first)
            return
        closed = "-->" in rest
        while not closed:
            if self.at == len(self.lines):
                raise Bad("a comment that does not end", first, "`-->` ends it")
            closed = "-->" in self.lines[self.at]
            self.at += 1

    def fence(self, fence: re.Match[str], column: int, owner: _Open | None) -> None:
        """A code block: a description, the goal or a definition as it is, or a part of the text around it."""
        first, mark, info = self.at, fence[1] or fence[3], (fence[2] or fence[4] or "").strip()
        content: list[str] = []
        while True:
            if self.at == len(self.lines):
                raise Bad("a code block that does not end", first, f"a line of {mark} ends it")
            line = self.lines[self.at]
            self.at += 1
            bare = line.strip(" \t")
            if len(bare) >= len(mark) and bare == mark[0] * len(bare):
                break
            content.append(_cut(line, column))
        kind, _, how = info.partition(" ")
        text = "\n".join(content)
        if how == "quoted" and kind in ("goal", "description", "definition"):
            try:
                text = json.loads(text)
            except ValueError:
                text = ""
            if not isinstance(text, str) or not text:
                raise Bad(f"a quoted {kind} wants one JSON string", first + 1)
        around = [self.lines[first - 1].strip(" \t"), *content, mark]
        if self.section == "contract" and self.contract is not None:
            if "definition" in self.contract.values:
                raise Bad("a contract has one definition", first, "a longer fence takes in what has fences itself")
            self.set("contracts", self.contract, "definition", text, first)
        elif owner is not None and kind == "description":
            owner.exact = text
        elif owner is not None:
            owner.text += around
        elif self.section == "goal" and kind == "goal":
            self.goal_exact = text
        elif self.section == "goal" and self.goal is not None:
            self.goal += around
        else:
            self.document.left_out += range(first, self.at + 1)

    # -- headings ---------------------------------------------------------------------------------
    def heading(self, level: int, text: str) -> None:
        self.items.clear()
        name, ident = _marked(text)
        first = level == 1 and self.goal is None and not self.document.phases and not self.document.tasks
        if first and not ident:
            self.section, self.goal = "goal", [name]
            self.places["goal", -1, ""] = self.at
        elif level <= 2 and name.lower() == "contracts" and not ident:
            self.end_contract()
            self.section = "contracts"
        elif level <= 2:
            self.end_contract()
            row = Row(len(self.document.rows("phases")), {"name": name} | ({"id": ident} if ident else {}))
            self.document.rows("phases")
            (self.document.phases or []).append(row) if self.document.phases else self._first_phase(row)
            self.places["phases", row.index, ""] = self.at
            self.section, self.phase, self.begun = "phase", ident or name, False
        elif self.section in ("contracts", "contract"):
            self.end_contract()
            self.contract = Row(len(self.document.rows("contracts")), {"name": ident or name})
            self.places["contracts", self.contract.index, ""] = self.at
            self.section = "contract"
        else:
            self.document.left_out.append(self.at)
