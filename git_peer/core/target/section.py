"""Sections of a file: its functions, classes, headings and keys, by name and by line. Pure.

A name stands for all sections that bear it; `name#2` is the second of them from the top. `name.` is what a section has
outside the sections in it, and the empty name what the file has outside all of them: its imports, for one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Span = tuple[int, int]
"""First and last line, from 1."""

LONGEST = 200  # characters of a name
MOST = 20_000  # sections that a wrong name is compared with
_NTH = re.compile(r"(.+)#([1-9][0-9]{0,5})\Z", re.DOTALL)
_PARTS = re.compile(r"::|[.#]")


class Section(NamedTuple):
    """A part of a file with a name: `Class.method`, its kind, its lines, and the index of the section around it or -1.

    What belongs to it is part of it: decorators, and comments directly above.
    """

    name: str
    kind: str
    first: int
    last: int
    within: int = -1


class Sections:
    """The sections of one text in their order, each behind the one it is in.

    `tool` tells what found them: tree-sitter, git (its function names), or "" where nothing can.
    """

    def __init__(self, found: Sequence[Section], source: bytes, tool: str) -> None:
        self.found = tuple(found)
        self.tool = tool
        rows = source.split(b"\n")
        self.lines = len(rows) - (not rows[-1])
        self.blank = {number for number, row in enumerate(rows, 1) if not row.strip()}
        count = Counter(section.name for section in found)
        met: Counter[str] = Counter()
        self.labels: list[str] = []  # the one name of each that no other has
        for section in found:
            met[section.name] += 1
            self.labels.append(section.name if count[section.name] == 1 else f"{section.name}#{met[section.name]}")
        self._inner: dict[int, list[int]] = {}
        for index, section in enumerate(found):
            self._inner.setdefault(section.within, []).append(index)

    def spans(self, name: str) -> tuple[Span, ...]:
        """The lines of what a name stands for, sorted, apart from each other; none where there is no such section."""
        return self.named(name)[1]

    def named(self, name: str) -> tuple[str, tuple[Span, ...]]:
        """(the name with dots between its parts, its lines as spans() has them)."""
        if not name:
            return "", self._level(-1)
        for wanted in dict.fromkeys((name, name.replace("::", "."))):
            chosen = [(section.first, section.last) for section in self.found if section.name == wanted]
            if chosen:
                return wanted, joined(chosen)
            nth = _NTH.match(wanted)
            if nth is not None:
                same = [section for section in self.found if section.name == nth[1]]
                if int(nth[2]) <= len(same):
                    one = same[int(nth[2]) - 1]
                    return wanted, ((one.first, one.last),)
            if wanted.endswith("."):
                of = [i for i, label in enumerate(self.labels) if wanted[:-1] in {label, self.found[i].name}]
                if of:
                    return wanted, joined([span for index in of for span in self._level(index)])
        return name, ()

    def _level(self, index: int) -> tuple[Span, ...]:
        """The lines of a section (-1: of the file) outside the sections in it, without blank ones at the borders."""
        first, last = (1, self.lines) if index < 0 else self.found[index][2:4]
        between = []
        for inner in self._inner.get(index, ()):
            one = self.found[inner]
            between.append((first, one.first - 1))
            first = max(first, one.last + 1)
        spans = (self._trimmed(*span) for span in [*between, (first, last)])
        return tuple(span for span in spans if span[0] <= span[1])

    def _trimmed(self, first: int, last: int) -> Span:
        while first <= last and first in self.blank:
            first += 1
        while first <= last and last in self.blank:
            last -= 1
        return first, last

    def at(self, first: int, last: int) -> list[str]:
        """The names of the smallest parts that have all these lines between them.

        `last` one less than `first` is the place between the two, where lines are to be put in.
        """
        return list(dict.fromkeys(self._at(-1, first, last)))

    def around(self, name: str) -> str:
        """The name of what a section stands in, outside the sections there: `A.` for A.f, "" at the top."""
        label = name if name in self.labels else name.removesuffix(".")
        within = self.found[self.labels.index(label)].within if label in self.labels else -1
        return "" if within < 0 else self.labels[within] + "."

    def _at(self, index: int, first: int, last: int) -> Iterator[str]:
        if index >= 0 and first <= self.found[index].first and self.found[index].last <= last:
            yield self.labels[index]  # all of it
            return
        left = first
        touched = []
        for inner in self._inner.get(index, ()):
            one = self.found[inner]
            if last < first:
                if one.first <= last and first <= one.last:
                    yield from self._at(inner, first, last)
                    return
            elif one.first <= last and first <= one.last:
                touched.append((left, one.first - 1))
                yield from self._at(inner, max(first, one.first), min(last, one.last))
                left = max(left, one.last + 1)
        if last < first or left <= last or any(a <= b for a, b in touched):
            inside = self._inner.get(index)
            yield "" if index < 0 else self.labels[index] + "." if inside else self.labels[index]

    def beside(self, changed: Iterable[Span], spans: Sequence[Span]) -> tuple[Span, ...]:
        """The lines outside `spans` that a change of `changed`, as at() takes it, changes or is put in beside.

        A blank line beside which something is put in is nobody's.
        """
        found: list[Span] = []
        for first, last in changed:
            if first <= last:
                rows = list(range(first, last + 1))
            elif any(a <= last and first <= b for a, b in spans):
                continue
            else:
                rows = [row for row in (last, first) if 1 <= row <= self.lines and row not in self.blank]
            found += [(row, row) for row in rows if not any(a <= row <= b for a, b in spans)]
        return joined(found)

    def near(self, name: str, most: int = 3) -> list[str]:
        """Names that somebody may have meant, the nearest first."""
        from difflib import get_close_matches  # only where a name was wrong

        def last(called: str) -> str:
            return _PARTS.split(called.lower().strip(".#:"))[-1]

        ends: dict[str, list[str]] = {}
        for label, one in zip(self.labels[:MOST], self.found, strict=False):
            ends.setdefault(last(one.name), []).append(label)
        close = get_close_matches(last(name), ends, most, 0.6)
        whole = get_close_matches(name, self.labels[:MOST], most, 0.6)
        return list(dict.fromkeys([*(label for end in close for label in ends[end]), *whole]))[:most]


def joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans sorted, those that touch or overlap made one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)
