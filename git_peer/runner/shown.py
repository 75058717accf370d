"""How files are shown to a model: whole, or the regions that a task is about. Pure, and linear in what is shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from git_peer.core import text as texts

_NAMED = 10  # files that are named where some were left out
_AROUND = 6  # lines around one that matters
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{3,59}")
_SPOT = re.compile(r"([\w./-]{1,200}\.\w{1,5}):(\d{1,6})")
_OPENS = re.compile(
    r"[ \t]*(?:async def|def|class|func|fn|function|interface|struct|enum|type|impl|module|from|import|export|@\w)\b"
)
_TEMPLATE = re.compile(r"<\|([A-Za-z_]\w{0,40})\|>|<(/?(?:s|INST|SYS|tool_call|tool_response|think))>|\[(/?INST)\]")
_CLOSING = re.compile(r"<[ \t]*/(?=[ \t]*data)", re.IGNORECASE)
_PLAIN = re.compile(r"[\w./@+-]+")
_COMMON = frozenset(
    "this that with from have been must each into when then than they them their there which where what will should "
    "would could task tests test file files path paths code write writes return returns python none true false".split()
)


@dataclass(frozen=True)
class Source:
    """A file: its path, its text, and how far it is from the task (0 is the task's own)."""

    path: str
    text: str
    relevance: int = 0


def harmless(said: str) -> str:
    """A text without the marks by which a model's template tells who speaks."""
    return _TEMPLATE.sub(lambda found: f"{found[0][0]} {found[0][1:]}", said)


def untagged(said: str) -> str:
    """A text that does not close the tag which marks it as data."""
    return _CLOSING.sub("< /", said)


def name(path: str, most: int) -> str:
    """A path among our own words, in quotes unless it is plain."""
    said = untagged(harmless(texts.line(path, most)))
    return said if _PLAIN.fullmatch(said) else texts.quoted(said, most)


def words(*said: str) -> frozenset[str]:
    """The words of a task by which lines of a file are found to matter."""
    found: set[str] = set()
    for one in said:
        found.update(_WORD.findall(one[:20_000]))
    return frozenset(sorted(word for word in found if word.lower() not in _COMMON)[:2_000])


def spots(said: str) -> Mapping[str, frozenset[int]]:
    """File name → the lines that an output points to."""
    found: dict[str, set[int]] = {}
    for path, number in _SPOT.findall(said[:50_000]):
        found.setdefault(path.rpartition("/")[2], set()).add(int(number))
    return {name: frozenset(lines) for name, lines in found.items()}


def shares(sizes: Sequence[int], most: int) -> list[int]:
    """How many of `most` characters each file gets: short ones all that they have, the others alike."""
    given = [0] * len(sizes)
    left, open_ones = most, sorted(range(len(sizes)), key=lambda at: sizes[at])
    for place, at in enumerate(open_ones):
        given[at] = min(sizes[at], left // (len(open_ones) - place))
        left -= given[at]
    return given


def regions(source: Source, most: int, wanted: frozenset[str], at: Mapping[str, frozenset[int]]) -> tuple[str, bool]:
    """(at most about `most` characters of a file, whether that is all of it): what matters first, "" for nothing."""
    text = source.text
    if len(text) <= most:
        return text, True
    if most < 80:
        return "", False
    lines = text.split("\n")
    hot = at.get(source.path.rpartition("/")[2], frozenset())
    near: dict[int, int] = {}
    for number, line in enumerate(lines):
        rank = 4
        if number + 1 in hot:
            rank = 0
        elif _OPENS.match(line) is not None or number < 3:
            rank = 2
        if rank and not wanted.isdisjoint(_WORD.findall(line[:500])):
            rank = 1
        if rank < 2:
            for other in range(max(0, number - _AROUND), min(len(lines), number + _AROUND + 1)):
                near[other] = min(near.get(other, 9), rank * 2 + (other != number))
        elif rank == 2:
            near[number] = min(near.get(number, 9), 4)
    order = sorted(range(len(lines)), key=lambda number: (near.get(number, 9), number))
    taken: set[int] = set()
    left = most - 40
    for number in order:
        cost = len(lines[number]) + 1 + (0 if number - 1 in taken or number + 1 in taken else 34)
        if cost > left:
            continue
        left -= cost
        taken.add(number)
        if left < 8:
            break
    return _joined(lines, taken), False


def _joined(lines: Sequence[str], taken: set[int]) -> str:
    """The lines that were taken, and where others are missing."""
    out: list[str] = []
    gap = 0
    for number, line in enumerate(lines):
        if number in taken:
            if gap:
                out.append(f"(… {gap} lines left out …)")
                gap = 0
            out.append(line)
        else:
            gap += 1
    if gap:
        out.append(f"(… {gap} lines left out …)")
    return "\n".join(out) if taken else ""


def file(path: str, text: str, *, made: bool, whole: bool) -> str:
    """A file as a prompt shows it: between fences that are longer than any in it."""
    body = harmless(text.removesuffix("\n"))
    fence = "`" * max(3, max((len(run) for run in re.findall("`{3,}", body)), default=0) + 1)
    what = "as you wrote it in your last attempt" if made else "as it is"
    part = "" if whole else ", in part"
    return f"{name(path, 300)} {what}{part}:\n{fence}\n{body}\n{fence}"


def listed(one: str, several: str, names: Collection[str]) -> list[str]:
    """What was left out, in words: [] for nothing."""
    if not names:
        return []
    first = [name(path, 100) for path in islice(names, _NAMED)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return [f"{one if len(names) == 1 else several} {', '.join(first)}{more}"]
