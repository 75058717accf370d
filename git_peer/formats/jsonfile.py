"""A plan as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from git_peer.core import text
from git_peer.formats import plain
from git_peer.formats.document import Bad, Document

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|\n', re.DOTALL)


class _Twice(Exception):
    """A key that an object has twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found


def _no_number(text: str) -> float:
    raise Bad(f"{text} is no JSON")


def read(text: str) -> Document:
    """The document in a JSON text; Bad with the line of what is wrong."""
    try:
        raw = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as why:
        raise Bad(f"no JSON: {why.msg} (column {why.colno})", why.lineno) from None
    except _Twice as why:
        raise Bad(f"an object has the key {str(why)[:80]!r} twice", _twice(text, str(why))) from None
    except RecursionError:
        raise Bad("no plan: too many brackets inside each other", 1) from None
    except ValueError as why:
        raise Bad(f"no JSON: {why}") from None
    return plain.read(raw, lambda section, index, name: _line(text, section, index, name))


def _twice(text: str, key: str) -> int:
    """The line of the second of two like keys, where no other object has that key; else 0."""
    found = [match.start() for match in re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)]
    return text.count("\n", 0, found[1]) + 1 if len(found) == 2 else 0


def _line(text: str, section: str, index: int, name: str) -> int:
    """The line of a field of a row, or of what is next to it, in a JSON text that is sound."""
    line, best = 1, 0
    path: list[Any] = []  # of every open bracket: the key, or the index, that is being read
    key = True
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "\n":
            line += 1
        elif mark in "[{":
            if mark == "{" and path == [section, index]:
                best = line
            path.append(0 if mark == "[" else None)
            key = mark == "{"
        elif mark in "]}":
            path.pop()
            if path == [section, index] and best:
                return best
        elif mark == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                key = True
        elif mark == ":":
            key = False
        else:
            if key and not isinstance(path[-1], int):
                path[-1] = json.loads(mark, strict=False)
                if path == [section]:
                    best = line
                elif path == [section, index, name]:
                    return line
            elif path == [section, index]:
                return line
            line += mark.count("\n")
    return best


def write(document: Document) -> str:
    """The document as JSON, indented, what has its default left out."""
    found: dict[str, Any] = {"log": plain.head(document)} if document.log else {}
    found["goal"] = document.goal or ""
    for section in ("phases", "tasks", "contracts"):
        found[section] = list(plain.written(document, section))
    return text.escaped(json.dumps(found, ensure_ascii=False, indent=2)) + "\n"
