"""Where locked lines of one version of a file stand in another: pure, and standard library only, for the gate asks too.

One way of comparing everywhere: a shortest edit script on lines (Myers), a line being its bytes with its line feed.
Lines that repeat make several scripts equally short: the one counts that leaves the locked lines alone, if there is
one. docs/decisions/0034-line-ranges.md has the reasons.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Spans = tuple[tuple[int, int], ...]
    """First and last line of each part, from 1, in order, with at least a line between two parts."""

MOST = 1000  # edits of lines that both versions have, up to which they are compared: beyond, nothing is known
BINARY = 8000  # bytes in which a NUL makes a file binary, as for git


def split(raw: bytes) -> list[bytes]:
    """The lines of a file, each with its line feed; the last may have none."""
    *whole, rest = raw.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return [*lines, rest] if rest else lines


def count(raw: bytes) -> int:
    """How many lines a file has."""
    return raw.count(b"\n") + (raw[-1:] not in (b"", b"\n"))


def is_binary(raw: bytes) -> bool:
    """Whether git takes such content for binary."""
    return b"\0" in raw[:BINARY]


def touch(one: Spans, other: Spans) -> bool:
    """Whether lines of one version overlap, or stand next to each other: git cannot merge changes of neighbours."""
    return _meet(one, other, 1)


def overlap(one: Spans, other: Spans) -> bool:
    """Whether they have a line in common."""
    return _meet(one, other, 0)


def _meet(one: Spans, other: Spans, near: int) -> bool:
    left, right = iter(one), iter(other)
    a, b = next(left, None), next(right, None)
    while a is not None and b is not None:
        if a[1] + near < b[0]:
            a = next(left, None)
        elif b[1] + near < a[0]:
            b = next(right, None)
        else:
            return True
    return False


def joined(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same lines in order, parts that touch made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def kept(old: bytes, new: bytes, ranges: Sequence[Spans]) -> list[Spans | None]:
    """Where each range of `old` stands in `new`; None where it was violated.

    That is where a line of it was changed or deleted, or one was inserted between two of its lines. All are judged
    by one edit script, so that no line can stand for two.
    """
    if old == new:
        return list(ranges)
    spans = sorted({span for one in ranges for span in one})
    there = dict(zip(spans, _compared(old, new).kept(spans), strict=True))
    found: list[Spans | None] = []
    for one in ranges:
        parts = [part for span in one if (part := there[span]) is not None]
        found.append(joined(parts) if len(parts) == len(one) else None)
    return found


def image(old: bytes, new: bytes, spans: Spans) -> Spans | None:
    """What has come in `new` of lines of `old`, whatever was done to them; None where that cannot be told.

    Where a change goes over their border, all of it belongs to them. () is for lines that are gone.
    """
    if old == new:
        return spans
    return _compared(old, new).image(spans)


def enclosing(old: bytes, new: bytes, spans: Spans) -> Spans | None:
    """The image; of lines that have none in `new` the two between which they would stand. None: it has no lines."""
    if old == new:
        return spans
    return _compared(old, new).image(spans, neighbours=True) or None


def meets(spans: Spans, start: int, end: int) -> bool:
    """Whether a change of the lines from `start` (from 0) to before `end` is in these lines, or right beside them."""
    return any(start <= last and end >= first - 1 for first, last in spans)


def untouched(
    ranges: Sequence[Spans], taken_on: Sequence[bytes | None], before: Sequence[bytes | None], after: bytes | None
) -> list[bool]:
    """Which lines a change of one file leaves alone: from what its parents have, `before`, to what it makes, `after`.

    `taken_on`: what each range counts in; there None means that it is not to be had, which makes the whole file the
    range, and in `before` and `after` that there is no such file. A merge has to be like one parent only. Lines that a
    parent does not have cannot be changed there.
    """
    found = [False] * len(ranges)
    if after is None:
        return found
    for parent in before:
        known = [at for at, raw in enumerate(taken_on) if raw is not None and not found[at]]
        here: dict[int, Spans] = {}
        for at in known:
            raw = taken_on[at]
            assert raw is not None
            there = image(raw, raw if parent is None else parent, ranges[at])
            if there is not None:
                here[at] = there
        if parent is not None:
            for at, still in zip(here, kept(parent, after, list(here.values())), strict=True):
                found[at] = still is not None
            continue
        for at, spans in here.items():
            raw = taken_on[at]
            assert raw is not None
            found[at] = kept(raw, after, [spans])[0] is not None
    return found


def carried(old: bytes | None, new: bytes | None, spans: Spans) -> Spans | None:
    """enclosing() of contents that may not be had (None), or are no text: of those nothing is known."""
    if old is None or new is None or is_binary(old) or is_binary(new):
        return None
    return enclosing(old, new, spans)


@lru_cache(maxsize=64)
def _compared(old: bytes, new: bytes) -> _Script:
    return _Script(split(old), split(new))


class _Script:
    """A shortest edit script from one list of lines to another.

    A line that only one of them has plays no part in it, so it is left out at first. Positions count from 0.
    """

    def __init__(self, old: list[bytes], new: list[bytes]) -> None:
        self.size = len(new)
        both = set(old).intersection(new)
        # What stands where in the shortened lists, and what that is.
        self._old_at = [at for at, line in enumerate(old) if line in both]
        self._new_at = [at for at, line in enumerate(new) if line in both]
        self._a = [line for line in old if line in both]
        self._b = [line for line in new if line in both]
        self._match: list[int] = [-1] * len(old)  # where a line of the old stands in the new
        self.known = self._align()

    def _align(self) -> bool:
        """Fill in which lines stand for which; False where they differ too much: then only those at both ends."""
        a, b = self._a, self._b
        head = _common(a, b)
        tail = _common(a[head:][::-1], b[head:][::-1])
        rows = _Rows(a[head : len(a) - tail], b[head : len(b) - tail], MOST)
        old_at, new_at, match = self._old_at, self._new_at, self._match
        ends = zip(old_at[:head] + old_at[len(a) - tail :], new_at[:head] + new_at[len(b) - tail :], strict=True)
        for old, new in ends:
            match[old] = new
        for x, y in rows.pairs():
            match[old_at[head + x]] = new_at[head + y]
        return rows.whole

    def _shortened(self, at: int) -> int | None:
        """Where line `at` of the old stands in the shortened list."""
        place = bisect_left(self._old_at, at)
        return place if place < len(self._old_at) and self._old_at[place] == at else None

    # -- lines that nobody touched --------------------------------------------------------------------
    def kept(self, spans: list[tuple[int, int]]) -> list[tuple[int, int] | None]:
        """Where each span stands, untouched; `spans` are in order."""
        found = [self._straight(first - 1, last) for first, last in spans]
        if None not in found or not self.known:
            return found
        if not any(place is None and self._places(*span) for span, place in zip(spans, found, strict=True)):
            return found
        return self._kindly(spans)

    def _straight(self, start: int, end: int) -> tuple[int, int] | None:
        """By the script as it is."""
        at = self._match[start] if end <= len(self._match) else -1
        if at < 0 or self._match[start:end] != list(range(at, at + end - start)):
            return None
        return at + 1, at + end - start

    def _places(self, first: int, last: int) -> list[int]:
        """Where in the shortened new list these very lines stand together."""
        start, size = self._shortened(first - 1), last - first + 1
        if start is None or self._shortened(last - 1) != start + size - 1:
            return []
        found: list[int] = []
        block, at = self._a[start : start + size], -1
        while True:
            try:
                at = self._b.index(block[0], at + 1)
            except ValueError:
                return found
            whole = self._b[at : at + size] == block
            if whole and self._new_at[at + size - 1] - self._new_at[at] == size - 1:
                found.append(at)

    def _kindly(self, spans: list[tuple[int, int]]) -> list[tuple[int, int] | None]:
        """By that one of the shortest scripts which leaves alone what can be left alone, from above."""
        a, b = self._a, self._b
        behind = _Rows(a[::-1], b[::-1], MOST)
        found: list[tuple[int, int] | None] = []
        x, y = 0, 0  # what stands above has been decided
        for first, last in spans:
            size, start = last - first + 1, self._shortened(first - 1) or 0
            at = self._fit(behind, x, y, self._places(first, last), start, size)
            if at is None:
                found.append(None)
                continue
            found.append((self._new_at[at] + 1, self._new_at[at] + size))
            if start + size > x:
                x, y = start + size, at + size
        return found

    def _fit(self, behind: _Rows, x: int, y: int, places: list[int], start: int, size: int) -> int | None:
        """The first of `places` by which the rest from (x, y) on is as short as it can be."""
        a, b = self._a, self._b

        def left(at_old: int, at_new: int) -> int | None:
            return behind.distance(len(a) - at_old, len(b) - at_new)

        whole = left(x, y)
        if whole is None:
            return None
        if start < x:  # it shares lines with one that is decided
            at = y - (x - start)
            end = start + size
            fits = at in places and (end <= x or left(end, at + size) == whole)
            return at if fits else None
        wanted = []
        for at in places:
            after = left(start + size, at + size) if at >= y else None
            if after is not None and abs((start - x) - (at - y)) <= whole - after:
                wanted.append((at, whole - after))
        if not wanted:
            return None
        before = _Rows(a[x:start], b[y : wanted[-1][0]], max(most for _, most in wanted), reach=True)
        return next((at for at, most in wanted if before.distance(start - x, at - y) == most), None)

    # -- what has come of lines -----------------------------------------------------------------------
    def image(self, spans: Spans, neighbours: bool = False) -> Spans | None:
        """See image() and enclosing()."""
        if not self.known:
            place = [self._straight(first - 1, last) for first, last in spans]
            return None if None in place else joined(one for one in place if one is not None)
        found = []
        for first, last in spans:
            start, end = self._edge(first - 1), self._edge(last, upwards=False)
            if start < end:
                found.append((start + 1, end))
            elif neighbours and self.size:
                found.append((max(start, 1), min(start + 1, self.size)))
        return joined(found)

    def _edge(self, at: int, upwards: bool = True) -> int:
        """Where the border before line `at` of the old stands in the new; a change across it is taken in."""
        match = self._match
        at = min(at, len(match))
        if upwards:
            if at < len(match) and match[at] >= 0:
                return match[at]
            return next((match[above] + 1 for above in range(at - 1, -1, -1) if match[above] >= 0), 0)
        if at and match[at - 1] >= 0:
            return match[at - 1] + 1
        return next((match[below] for below in range(at, len(match)) if match[below] >= 0), self.size)


def _common(a: Sequence[bytes], b: Sequence[bytes]) -> int:
    """How many elements at the beginning of both are the same."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class _Rows:
    """How far one comes with 0, 1, 2… edits on each diagonal (Myers); `whole`: all the way, in at most `most`.

    With `reach` every point is wanted that so many edits can reach, and not only the end. What is reached past an end,
    as if lines went on there that are equal to none, tells no lie of what lies before it.
    """

    def __init__(self, a: list[bytes], b: list[bytes], most: int, reach: bool = False) -> None:
        self._size = len(a), len(b)
        self._rows: list[list[int]] = []  # d → by diagonal (x - y = -d, 2 - d… d), the greatest x
        self.whole = self._run(a, b, most, reach)

    def _run(self, a: list[bytes], b: list[bytes], most: int, reach: bool) -> bool:
        n, m = self._size
        above: list[int] = []
        for d in range(min(most, n + m) + 1):
            row: list[int] = []
            for step in range(d + 1):
                x = self._entered(above, step, d)
                y = x - 2 * step + d
                while x < n and y < m and a[x] == b[y]:
                    x += 1
                    y += 1
                row.append(x)
            self._rows.append(row)
            above = row
            if not reach and abs(n - m) <= d and (n - m + d) % 2 == 0 and row[(n - m + d) // 2] >= n:
                return True
        return reach

    @staticmethod
    def _entered(above: list[int], step: int, d: int) -> int:
        """The x at which row `d` comes to its diagonal: by inserting a line, or by deleting one if that is further."""
        if d == 0:
            return 0
        if step == 0 or (step < d and above[step - 1] < above[step]):
            return above[step]
        return above[step - 1] + 1

    def distance(self, x: int, y: int) -> int | None:
        """The least number of edits from the start to (x, y); None where it takes too many."""
        k = x - y
        low, high = abs(k), len(self._rows) - 1
        high -= (high - low) % 2
        if low > high or self._rows[high][(k + high) // 2] < x:
            return None
        while low < high:
            middle = low + (high - low) // 4 * 2
            if self._rows[middle][(k + middle) // 2] >= x:
                high = middle
            else:
                low = middle + 2
        return low

    def pairs(self) -> list[tuple[int, int]]:
        """The lines that stand for each other, of one shortest script; none where that takes too many edits."""
        found: list[tuple[int, int]] = []
        x, y = self._size
        for d in range(len(self._rows) - 1, -1, -1) if self.whole else ():
            step = (x - y + d) // 2
            above = self._rows[d - 1] if d else []
            start = self._entered(above, step, d)
            while x > start:
                x, y = x - 1, y - 1
                found.append((x, y))
            if d and step < d and start == above[step]:
                y -= 1
            else:
                x -= 1
        return found
