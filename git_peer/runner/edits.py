"""SEARCH/REPLACE: what a model wants changed in a file that is there. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 200  # edits of one file
_START = re.compile(r"<{5,9} ?(?:SEARCH|ORIGINAL)\b.*")
_MIDDLE = re.compile(r"={5,9}[ \t]*")
_END = re.compile(r">{5,9} ?(?:REPLACE|UPDATED)\b.*")


@dataclass(frozen=True)
class Edit:
    """One SEARCH/REPLACE: the lines between its marks, and where among them it may be divided."""

    lines: tuple[str, ...]
    middles: tuple[int, ...]


def there_are(lines: Sequence[str]) -> bool:
    """Whether the lines have the marks of an edit."""
    return any(_START.fullmatch(line) or _END.fullmatch(line) for line in lines)


def read(lines: Sequence[str]) -> tuple[list[Edit], str]:
    """The edits in some lines, and what is wrong with them ("" where nothing is)."""
    found: list[Edit] = []
    start = -1
    for at, line in enumerate(lines):
        if start < 0:
            if _START.fullmatch(line):
                start = at + 1
            elif _END.fullmatch(line):
                return found, "a REPLACE mark without its SEARCH"
        elif _START.fullmatch(line):
            return found, "a SEARCH that begins inside another"
        elif _END.fullmatch(line):
            inside = tuple(lines[start:at])
            middles = tuple(number for number, one in enumerate(inside) if _MIDDLE.fullmatch(one))
            if not middles:
                return found, "a SEARCH/REPLACE without the ======= between"
            if len(found) >= MOST:
                return found, f"more than {MOST} edits of one file"
            found.append(Edit(inside, middles))
            start = -1
    return found, "a SEARCH/REPLACE that does not end: >>>>>>> REPLACE is missing" if start >= 0 else ""


def apply(old: str | None, edits: Sequence[Edit]) -> tuple[str, str]:
    """(the new text of a file, "") or ("", what is wrong). `old` is None where there is no file yet."""
    crlf = old is not None and old.count("\r\n") * 2 > old.count("\n")
    text = (old or "").replace("\r\n", "\n")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix("\ufeff")
    for number, edit in enumerate(edits, 1):
        new, why = _one(text, edit)
        if new is None:
            return "", f"edit {number}: {why}" if len(edits) > 1 else why
        text = new
    text = mark + text
    return text.replace("\n", "\r\n") if crlf else text, ""


def _one(text: str, edit: Edit) -> tuple[str | None, str]:
    """The text after one edit, or why not. A line of `=` may be of the file: the longest SEARCH that fits is taken."""
    why = ""
    for middle in reversed(edit.middles[:20]):
        search, replace = edit.lines[:middle], edit.lines[middle + 1 :]
        if not any(line.strip() for line in search):
            if text.strip():
                why = why or "its SEARCH is empty, but the file is not; name the lines that it replaces"
                continue
            return "\n".join(replace) + "\n" if replace else "", ""
        new, reason = _exactly(text, search, replace)
        if new is None and reason == _ABSENT:
            new, reason = _nearly(text, search, replace)
        if new is not None:
            return new, ""
        why = why or reason
    return None, why


_ABSENT = "its SEARCH is not in the file; copy the lines as they stand there"


def _many(count: int) -> str:
    return f"its SEARCH stands in {count} places of the file; take more lines around it"


def _put(lines: list[str], at: int, count: int, replace: Sequence[str], ends: bool) -> str:
    new = [*lines[:at], *replace, *lines[at + count :]]
    return "\n".join(new) + ("\n" if ends and new else "")


def _split(text: str) -> tuple[list[str], bool]:
    """(lines, whether the last one ends in a newline)."""
    ends = text.endswith("\n")
    return (text[:-1] if ends else text).split("\n"), ends or not text


def _places(lines: Sequence[str], search: Sequence[str]) -> list[int]:
    """The lines at which `search` begins, at most a hundred; by the search of strings, which is linear."""
    hay, needle = "\n" + "\n".join(lines) + "\n", "\n" + "\n".join(search) + "\n"
    found: list[int] = []
    at, before, line = 0, 0, 0
    while len(found) < 100 and (at := hay.find(needle, at)) >= 0:
        line += hay.count("\n", before, at)
        before = at
        found.append(line)
        at += 1
    return found


def _exactly(text: str, search: Sequence[str], replace: Sequence[str]) -> tuple[str | None, str]:
    lines, ends = _split(text)
    places = _places(lines, search)
    if len(places) == 1:
        return _put(lines, places[0], len(search), replace, ends), ""
    return None, _many(len(places)) if places else _ABSENT


def _nearly(text: str, search: Sequence[str], replace: Sequence[str]) -> tuple[str | None, str]:
    """With white space at the ends of lines left out of account: one place, and all lines indented by as much more."""
    search, replace = _trimmed(search), list(replace)
    lines, ends = _split(text)
    bare = [line.strip() for line in lines]
    shifts: list[tuple[int, str, str]] = []
    for at in _places(bare, [line.strip() for line in search]):
        shift = _shift(lines[at : at + len(search)], search)
        if shift is not None:
            shifts.append((at, *shift))
    if len(shifts) != 1:
        return None, _many(len(shifts)) if shifts else _ABSENT
    at, less, more = shifts[0]
    moved = [more + line.removeprefix(less) if line.strip() else "" for line in _trimmed(replace)]
    return _put(lines, at, len(search), moved, ends), ""


def _trimmed(lines: Sequence[str]) -> list[str]:
    found = list(lines)
    while found and not found[0].strip():
        del found[0]
    while found and not found[-1].strip():
        del found[-1]
    return found


def _shift(there: Sequence[str], said: Sequence[str]) -> tuple[str, str] | None:
    """(indent to take away, indent to add) that makes the lines of `said` those that are there; None for none."""
    found: tuple[str, str] | None = None
    for one, other in zip(there, said, strict=True):
        if not one.strip():
            continue
        left, right = one[: len(one) - len(one.lstrip())], other[: len(other) - len(other.lstrip())]
        if left.endswith(right):
            pair = ("", left[: len(left) - len(right)])
        elif right.endswith(left):
            pair = (right[: len(right) - len(left)], "")
        else:
            return None
        if found is not None and pair != found:
            return None
        found = pair
    return found
