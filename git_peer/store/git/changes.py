"""What two texts made of a third, line by line: where they collide, by git's own rule, and the diffs of parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pygit2


class Hunk(NamedTuple):
    """A change of lines `first` to `first + lines` (from 0, the end not among them) of the old text into `text`."""

    first: int
    lines: int
    text: bytes

    @property
    def end(self) -> int:
        """Where it ends in the old text."""
        return self.first + self.lines


def hunks(old: bytes, new: bytes) -> list[Hunk]:
    """The changes from one text to another, in order."""
    if old == new:
        return []
    found = []
    patch = pygit2.Patch.create_from(old, new, context_lines=0)
    for hunk in patch.hunks:
        text = b"".join(line.raw_content for line in hunk.lines if line.origin == "+")
        found.append(Hunk(hunk.old_start - (hunk.old_lines > 0), hunk.old_lines, text))
    return found


def clashes(base: bytes, ours: Sequence[Hunk], theirs: Sequence[Hunk]) -> list[tuple[int, int]]:
    """The stretches (first, end) of the old text of which the two make different things, or that touch: git conflicts.

    An insertion has the stretch (at, at).
    """
    rows = [row + b"\n" for row in base.split(b"\n")]
    marked = sorted(
        [(one, 0) for one in ours] + [(one, 1) for one in theirs], key=lambda row: (row[0].first, row[0].end)
    )
    found: list[tuple[int, int]] = []
    group: list[tuple[Hunk, int]] = []
    end = -1
    for one, side in [*marked, (Hunk(len(rows) + 2, 0, b""), 0)]:
        if group and one.first > end:
            first = group[0][0].first
            sides = [[hunk for hunk, of in group if of == which] for which in (0, 1)]
            if all(sides) and _made(rows, first, end, sides[0]) != _made(rows, first, end, sides[1]):
                found.append((first, end))
            group, end = [], -1
        group.append((one, side))
        end = max(end, one.end)
    return found


def _made(rows: Sequence[bytes], first: int, end: int, changes: Iterable[Hunk]) -> bytes:
    """What changes make of a stretch of a text."""
    parts = []
    for one in changes:
        parts += [*rows[first : one.first], one.text]
        first = one.end
    return b"".join([*parts, *rows[first:end]])


def diff(old: bytes, new: bytes, path: str, spans: Sequence[tuple[int, int]] | None = None) -> str:
    """A unified diff; with `spans` (lines of the old text, from 1) only the hunks that touch one of them."""
    patch = pygit2.Patch.create_from(old, new, path, path, context_lines=3)
    out = [f"--- a/{path}", f"+++ b/{path}"]
    for hunk in patch.hunks:
        start, last = hunk.old_start, hunk.old_start + max(hunk.old_lines, 1) - 1
        if spans is not None and not any(first <= last and start <= end for first, end in spans):
            continue
        out.append(hunk.header.rstrip("\n"))
        for line in hunk.lines:
            if line.origin in "+- ":
                out.append(line.origin + line.raw_content.decode("utf-8", "replace").rstrip("\n"))
            else:
                out.append("\\ No newline at end of file")
    return "\n".join(out)
