"""A plan in Markdown, read line by line: headings are phases, items with a box are tasks. Linear in time.

What stands two columns or more behind an item's mark is in the item. A line that belongs to nothing is left out, and
said so; a block that does not end is an error, for it would swallow the rest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from git_peer.core.plan.task.record import FIELDS, Item
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
RULE = re.compile(r"={2,}|-{3,}|\*{3,}|_{3,}")
_UNDER = re.compile(r"={2,}|-{3,}")  # below a line: that one is a heading
_BULLET = re.compile(r"[-*+][ \t]+(?!\[[ xX~-]\])(.*)")
_PATH = re.compile(r"@[\w./-]+|[^\s()<>{}\"'`=$|;]*(?:/[^\s()<>{}\"'`=$|;]*|[\w-]\.[A-Za-z][A-Za-z0-9]{0,5})")
_LONGEST_PATH = 500  # characters; a code span that is longer is none
_BOXES = {" ": "", "x": "done", "X": "done", "-": "dropped", "~": "dropped"}
_NUMBER = re.compile(r"-?[0-9]{1,12}")


@dataclass
class _Open:
    """An item that is being read: the column of its mark, what box it has, the lines of its description."""

    row: Row
    column: int
    box: str
    text: list[str] = field(default_factory=list)
    exact: str | None = None
    has_items: bool = False  # that are not dropped: they say how far it is


def read(text: str) -> Document:
    """The document in a Markdown text; Bad with the line of what is wrong."""
    return _Reader(text).read()


class _Reader:
    """One reading: the line that comes next, the section, the items that are open."""

    def __init__(self, text: str) -> None:
        self.lines = text.replace("\r\n", "\n").split("\n")
        self.at = 0  # lines read; so the number of the one that is being read
        self.log: tuple[str, str] | None = None
        self.phases: list[Row] = []
        self.tasks: list[_Open] = []
        self.contracts: list[Row] = []
        self.left_out: list[int] = []
        self.places: dict[tuple[str, int, str], int] = {}
        self.items: list[_Open] = []  # those that are open, the innermost last
        self.goal: list[str] | None = None
        self.goal_exact: str | None = None
        self.section = ""  # goal, phase, contracts, contract; "" before any heading
        self.phase = ""
        self.outlines: list[tuple[int, str]] = []  # of a contract, what stands in no fence, by line
        self.lazy = False  # whether the line before may go on in this one
        self.prose = False  # whether it was one that an underline makes a heading of
        self.pending: tuple[Row, str, int] | None = None  # a list whose entries stand below it, and its column

    def read(self) -> Document:
        """All lines, then what is known only at the end."""
        if self.lines[0].rstrip() == "---":  # front matter
            self.at = next((at + 1 for at, line in enumerate(self.lines) if at and line.rstrip() in ("---", "...")), 0)
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            self._line(line)
        self._end_contract()
        for item in self.tasks:
            self._end_item(item)
        goal = None if self.goal is None else "\n".join(self.goal).rstrip("\n")
        return Document(
            goal=goal if self.goal_exact is None else self.goal_exact,
            phases=self.phases,
            tasks=[item.row for item in self.tasks],
            contracts=self.contracts,
            log=self.log,
            shown={
                "phases": frozenset({"name"}),
                "tasks": frozenset(FIELDS),
                "contracts": frozenset({"type", "definition"}),
            },
            locate=lambda section, index, name: (
                self.places.get((section, index, name)) or self.places.get((section, index, ""), 0)
            ),
            left_out=self.left_out,
        )

    # -- lines ------------------------------------------------------------------------------------
    def _line(self, line: str) -> None:
        rest = line.lstrip(" \t")
        column = len(line[: len(line) - len(rest)].expandtabs(4))
        if not rest:
            self._blank()
            return
        closed: list[_Open] = []
        while self.items and self.items[-1].column + 2 > column:
            closed.append(self.items.pop())
        owner = self.items[-1] if self.items else None
        lazy, prose, self.lazy, self.prose = self.lazy, self.prose, False, False
        bare = rest.rstrip(" \t")
        below = _BULLET.fullmatch(bare) if self.pending is not None and column >= self.pending[2] else None
        pending, self.pending = (None if ATTRIBUTE.fullmatch(bare) or not below else self.pending), None
        heading = _heading(bare) if column < 4 and owner is None else None
        item = ITEM.fullmatch(bare)
        if fence := FENCE.fullmatch(bare):
            self._fence(fence, column, owner)
        elif rest.startswith("<!--"):
            self._comment(bare)
        elif heading:
            self._heading(*heading)
        elif self.section in ("contracts", "contract"):
            self._in_contract(line.rstrip(" \t"), bare)
        elif item and item[1] == "+" and owner is not None:
            done = item[2] in "xX"
            found = (*owner.row.values.get("checklist", ()), Item(text=whole(item[3] or ""), done=done))
            owner.row.values["checklist"] = found
        elif item:
            self._item(item, column, owner)
        elif pending and below:
            pending[0].values[pending[1]] += tuple(words(below[1]))
            self.pending = pending
        elif owner is not None:
            self._in_item(owner, _cut(line, owner.column + 2).rstrip(" \t"), bare, column)
        elif lazy and closed:
            self.items += reversed(closed)
            self._in_item(closed[0], bare, bare, column)
        elif prose and column < 4 and _UNDER.fullmatch(bare):
            self._underlined(1 if bare[0] == "=" else 2)
        else:
            self._outside(line.rstrip(" \t"), bare)

    def _blank(self) -> None:
        self.lazy = self.prose = False
        if self.items:
            self.items[-1].text.append("")
        elif self.section == "goal" and self.goal is not None:
            self.goal.append("")
        elif self.section == "contract":
            self.outlines.append((self.at, ""))

    def _outside(self, line: str, bare: str) -> None:
        """Text that is in no item."""
        found = PHASE_ATTRIBUTE.fullmatch(bare) if self.section == "phase" else None
        if found:
            self._put("phases", self.phases[-1], _OF_PHASE[found[1].lower()], found[2])
        elif RULE.fullmatch(bare):
            return
        elif self.section == "goal" and self.goal is not None and not self.tasks:
            self.goal.append(line)
            self.prose = True
        else:
            self.left_out.append(self.at)
            self.prose = True

    def _underlined(self, level: int) -> None:
        """The line before was a heading."""
        if self.left_out and self.left_out[-1] == self.at - 1:
            self.left_out.pop()
        elif self.goal is not None:
            self.goal.pop()
        self._heading(level, self.lines[self.at - 2].strip(" \t"))

    def _comment(self, bare: str) -> None:
        """Passed over, but for the head of an export."""
        first = self.at
        found = HEAD.fullmatch(bare)
        if found:
            self.log = log_of((found[1], found[2]), first)
            return
        closed = "-->" in bare
        while not closed:
            if self.at == len(self.lines):
                raise Bad("a comment that does not end", first, "`-->` ends it")
            closed = "-->" in self.lines[self.at]
            self.at += 1

    def _fence(self, fence: re.Match[str], column: int, owner: _Open | None) -> None:
        """A code block: a description, the goal or a definition as it is, or a part of the text around it."""
        first, mark, info = self.at, fence[1] or fence[3], (fence[2] or fence[4] or "").strip()
        content: list[str] = []
        while True:
            if self.at == len(self.lines):
                raise Bad("a code block that does not end", first, f"a line of {mark[:9]} ends it")
            line = self.lines[self.at]
            self.at += 1
            bare = line.strip(" \t")
            if len(bare) >= len(mark) and bare == mark[0] * len(bare):
                break
            content.append(_cut(line, column))
        kind, _, how = info.partition(" ")
        text = "\n".join(content)
        if how == "quoted" and kind in ("goal", "description", "definition"):
            text = _unquoted(text, kind, first + 1)
        around = [self.lines[first - 1].strip(" \t"), *content, mark]
        if self.section == "contract":
            self._set("contracts", self.contracts[-1], "definition", text, first)
        elif owner is not None and kind == "description":
            owner.exact = text
        elif owner is not None:
            owner.text += around
        elif self.section == "goal" and kind == "goal":
            self.goal_exact = text
        elif self.section == "goal" and self.goal is not None and not self.tasks:
            self.goal += around
        else:
            self.left_out += range(first, self.at + 1)

    # -- headings ---------------------------------------------------------------------------------
    def _heading(self, level: int, text: str) -> None:
        self.items.clear()
        name, ident = _marked(text)
        if level <= 2 or self.section not in ("contracts", "contract"):
            self._end_contract()
        if level == 1 and self.goal is None and not (ident or self.phases or self.tasks or self.contracts):
            self.section, self.goal = "goal", [name]
            self.places["goal", -1, ""] = self.at
        elif level <= 2 and name.lower() == "contracts" and not ident:
            self.section = "contracts"
        elif level <= 2:
            self.phases.append(self._row("phases", len(self.phases), {"name": name} | ({"id": ident} if ident else {})))
            self.section, self.phase = "phase", ident or name
        elif self.section in ("contracts", "contract"):
            self._end_contract()
            self.contracts.append(self._row("contracts", len(self.contracts), {"name": ident or name}))
            self.section = "contract"
        else:
            self.left_out.append(self.at)

    def _row(self, section: str, index: int, values: dict[str, Any]) -> Row:
        self.places[section, index, ""] = self.at
        return Row(index, values)

    # -- items ------------------------------------------------------------------------------------
    def _item(self, item: re.Match[str], column: int, owner: _Open | None) -> None:
        title, ident = _marked(item[3] or "")
        row = self._row("tasks", len(self.tasks), {"id": ident} if ident else {})
        after = [word for found in INLINE.finditer(title) for word in words(found[1])]
        if after:
            row.values["depends_on"] = tuple(after)
            title = " ".join(INLINE.sub(" ", title).split())
        row.values["title"] = title
        if self.phase:
            row.values["phase"] = self.phase
        if owner is not None:
            row.values["parent"] = owner.row.key
            owner.has_items = owner.has_items or item[2] not in "-~"
        opened = _Open(row, column, item[2])
        self.tasks.append(opened)
        self.items.append(opened)
        self.lazy = True

    def _in_item(self, owner: _Open, text: str, bare: str, column: int) -> None:
        """A line of a task: what it says of it, or a line of its description."""
        found = ATTRIBUTE.fullmatch(bare)
        if found is None:
            owner.text.append(text)
            self.lazy = True
            return
        key, value = KEYS[found[1].lower()], (found[2] or "").strip(" \t")
        self._put("tasks", owner.row, key, value)
        if key in LISTS and not value:
            self.pending = (owner.row, key, column)

    def _end_item(self, item: _Open) -> None:
        """What is known of a task once all of it is read."""
        values, line = item.row.values, self.places["tasks", item.row.index, ""]
        if not values["title"]:
            raise Bad("a task without a title", line)
        text = "\n".join(item.text).strip("\n")
        if item.exact is not None:
            text = f"{item.exact}\n\n{text}" if text else item.exact
        if text:
            values["description"] = text
        if "paths" not in values:
            named = [one for one in spans(f"{values['title']} {text}") if len(one) <= _LONGEST_PATH]
            if found := tuple(dict.fromkeys(one for one in named if "://" not in one and _PATH.fullmatch(one))):
                values["paths"] = found
        box = _BOXES[item.box]
        if box:
            values["status"] = box
        elif self.log and "status" not in values and not item.has_items:
            values["status"] = "todo"

    # -- what a line says -------------------------------------------------------------------------
    def _put(self, section: str, row: Row, key: str, raw: str | None) -> None:
        value = (raw or "").strip(" \t")
        if key in LISTS:
            row.values[key] = (*row.values.get(key, ()), *words(value))
            self.places.setdefault((section, row.index, key), self.at)
        elif key in ("priority", "progress", "version"):
            number = value.removesuffix("%").strip()
            if not _NUMBER.fullmatch(number):
                raise Bad(f"{key} wants a number, not {value[:40]!r}", self.at)
            self._set(section, row, key, int(number), self.at)
        elif key == "estimate":
            try:
                self._set(section, row, key, seconds(value), self.at)
            except ValueError:
                raise Bad(f"estimate wants a time such as 30m, 4h, 2d, not {value[:40]!r}", self.at) from None
        elif key == "status":
            self._set(section, row, key, value.lower().replace(" ", "_").replace("-", "_"), self.at)
        elif key in ("title", "name"):
            row.values[key] = whole(value)
        else:
            self._set(section, row, key, whole(value), self.at)

    def _set(self, section: str, row: Row, key: str, value: object, line: int) -> None:
        if key in row.values:
            raise Bad(f"{key} of a {section[:-1]} for the second time", line)
        row.values[key] = value
        self.places[section, row.index, key] = line

    # -- contracts --------------------------------------------------------------------------------
    def _in_contract(self, line: str, bare: str) -> None:
        found = _CONTRACT_ATTRIBUTE.fullmatch(bare) if self.section == "contract" else None
        if found:
            self._put("contracts", self.contracts[-1], _OF_CONTRACT[found[1].lower()], found[2])
        elif self.section == "contract":
            self.outlines.append((self.at, line))
        else:
            self.left_out.append(self.at)

    def _end_contract(self) -> None:
        """A contract without a code block is defined by its text."""
        if self.section == "contract" and self.outlines:
            text = "\n".join(line for _, line in self.outlines).strip("\n")
            if text and "definition" not in self.contracts[-1].values:
                self._set("contracts", self.contracts[-1], "definition", text, self.outlines[0][0])
            else:
                self.left_out += [at for at, line in self.outlines if line]
        self.outlines = []


# -- pieces of lines ------------------------------------------------------------------------------
def _cut(line: str, columns: int) -> str:
    """A line without the first columns of its indentation."""
    at = width = 0
    while width < columns and at < len(line) and line[at] in " \t":
        width += 4 - width % 4 if line[at] == "\t" else 1
        at += 1
    return line[at:]


def _heading(bare: str) -> tuple[int, str] | None:
    """(level, text) of a heading of CommonMark's ATX kind."""
    text = bare.lstrip("#")
    level = len(bare) - len(text)
    if not 1 <= level <= 6 or (text and text[0] not in " \t"):
        return None
    text = text.strip(" \t")
    opened = text.rstrip("#")
    if opened != text and (not opened or opened[-1] in " \t"):
        text = opened.rstrip(" \t")
    return level, text


def _marked(text: str) -> tuple[str, str]:
    """(text, id) of a text that ends with `{#id}`."""
    text = text.strip(" \t")
    start = text.rfind("{#") if text.endswith("}") else -1
    ident = text[start + 2 : -1] if start >= 0 else ""
    if not ident or any(char.isspace() or char in "{}" for char in ident):
        return text, ""
    return text[:start].rstrip(" \t"), ident


def _unquoted(text: str, what: str, line: int) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, str) or not found:
        raise Bad(f"a quoted {what} wants one JSON string", line)
    return found
