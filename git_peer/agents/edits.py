"""Which lines of a file an agent's edit changes. Standard library only: every edit waits for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
