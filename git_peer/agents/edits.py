"""Which lines of a file an agent's edit changes. Standard library only: every edit waits for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MOST = 200  # places of one text that are looked at


def stretches(before: bytes, edits: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]] | None:
    """(first, last) of the lines, from 1, that (text, what comes in its place) change in a file; None: it is not told.

    Of lines that are only put in between two, `last` is the upper one and `first` the lower. A text that stands at
    several places counts at all of them.
    """
    found: list[tuple[int, int]] = []
    for old, new in edits:
        at = before.find(old) if old else -1
        if at < 0:  # it is of what an edit before it makes
            return None
        while at >= 0:
            found.append(_changed(before, at, at + len(old), new))
            if len(found) > MOST:
                return None
            at = before.find(old, at + len(old))
    return list(dict.fromkeys(found))


def state(text: bytes, spans: Sequence[Sequence[int]]) -> list[Any]:
    """What is remembered of a text and of lines of it: enough to know both again."""
    from zlib import crc32

    return [crc32(text), len(text), [list(span) for span in spans]]


def followed(
    before: bytes, edits: Sequence[tuple[bytes, bytes]], spans: Sequence[Sequence[int]]
) -> tuple[bytes, list[list[int]]] | None:
    """(the text that one edit at one place makes, where the lines of `spans` are in it); None for any other edits.

    A change at the border of a span belongs to it.
    """
    found = stretches(before, edits)
    if not found or len(found) > 1 or len(edits) > 1 or before.count(edits[0][0]) > 1:
        return None
    first, last = found[0]
    after = before.replace(*edits[0])
    more = len(_rows(after)) - len(_rows(before))
    moved = []
    for a, b in spans:
        inside = a <= max(first, last) and min(first, last) <= b
        moved.append([a, b + more] if inside else [a + more, b + more] if a > last else [a, b])
    return after, moved


def within(changed: Sequence[tuple[int, int]], spans: Sequence[Sequence[int]]) -> bool:
    """Whether every changed line, or place between two, is in one of the spans."""
    return all(any(a <= min(one) and max(one) <= b for a, b in spans) for one in changed)


def _changed(before: bytes, start: int, end: int, new: bytes) -> tuple[int, int]:
    """The lines that differ where before[start:end] becomes `new`."""
    top = before.rfind(b"\n", 0, start) + 1
    made = before[top:start] + new
    whole = before[end - 1 : end] == b"\n" and (not made or made.endswith(b"\n"))  # it ends where a line does
    below = end if whole else before.find(b"\n", end) + 1 or len(before)
    old_rows, new_rows = _rows(before[top:below]), _rows(made + before[end:below])
    head, most = 0, min(len(old_rows), len(new_rows))
    while head < most and old_rows[head] == new_rows[head]:
        head += 1
    tail, most = 0, most - head
    while tail < most and old_rows[-1 - tail] == new_rows[-1 - tail]:
        tail += 1
    first = before.count(b"\n", 0, top) + 1 + head
    return first, first + len(old_rows) - head - tail - 1


def _rows(text: bytes) -> list[bytes]:
    *whole, rest = text.split(b"\n")
    return [*(row + b"\n" for row in whole), *([rest] if rest else [])]
