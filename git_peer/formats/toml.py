"""A plan as TOML."""

from __future__ import annotations

import re
from typing import Any

import tomli
import tomli_w

from git_peer.core import duration
from git_peer.core.text import HIDDEN
from git_peer.formats import plain
from git_peer.formats.document import Bad, Document

# Strings and comments are tokens so that what looks like a table inside of them is none.
_TOKEN = re.compile(
    r"""(?P<head>^[ \t]*\[\[?[ \t]*(?P<name>[A-Za-z0-9_.-]+)[ \t]*\]\]?[ \t]*(?=[#\n]|\Z))"""
    r"""|(?P<key>^[ \t]*(?P<bare>[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*=)"""
    r'''|"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'''
    r"""|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"""
    r"""|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+'|\#[^\n]*+|\n""",
    re.DOTALL | re.MULTILINE,
)
_PLACE = re.compile(r" \(at line ([0-9]+), column ([0-9]+)\)\Z")


def read(text: str) -> Document:
    """The document in a TOML text; Bad with the line of what is wrong."""
    try:
        raw = tomli.loads(text)
    except tomli.TOMLDecodeError as why:
        said = str(why)
        place = _PLACE.search(said)
        line = int(place[1]) if place else text.count("\n") + 1
        column = f" (column {place[2]})" if place else ""
        raise Bad(f"no TOML: {said[: place.start()] if place else said}{column}", line) from None
    except RecursionError:
        raise Bad("no plan: too many brackets inside each other", 1) from None
    except ValueError as why:  # a number of thousands of digits
        raise Bad(f"no TOML: {why}") from None
    return plain.read(raw, lambda section, index, name: _line(text, section, index, name))


def _line(text: str, section: str, index: int, name: str) -> int:
    """The line of a field of a row, or of what is next to it, in a TOML text that is sound."""
    line, best, at, within = 1, 0, -1, ""
    for token in _TOKEN.finditer(text):
        if token["head"]:
            if within == section and at == index and token["name"] != f"{section}.{name}" and best:
                return best
            within = token["name"]
            at += within == section and "[[" in token["head"]
            if within == section and (at == index or index < 0):
                best = line
            elif at == index and within == f"{section}.{name}":
                return line
        elif token["key"]:
            bare = token["bare"].strip("\"'")
            if not within and bare == section:
                best = line
            elif within == section and at == index and bare == name:
                return line
        line += token[0].count("\n")
    return best


def write(document: Document) -> str:
    """The document as TOML, a table for each phase, task and contract; what has its default is left out."""
    parts = [_table({"goal": document.goal})] if document.goal else []
    if document.log:
        parts.append("[log]\n" + _table(plain.head(document)))
    for section in ("phases", "tasks", "contracts"):
        for row in plain.written(document, section):
            result = row.pop("result", None)
            parts.append(f"[[{section}]]\n" + _table(_shaped(row)))
            if result is not None:
                parts.append(f"[{section}.result]\n" + _table(result))
    return "\n".join(parts)


def _shaped(row: dict[str, Any]) -> dict[str, Any]:
    """Values as one likes to write them by hand."""
    if "estimate" in row:
        row["estimate"] = duration.shown(row["estimate"])
    if "checklist" in row:
        row["checklist"] = [f"[{'x' if item['done'] else ' '}] {item['text']}" for item in row["checklist"]]
    return row


def _table(row: dict[str, Any]) -> str:
    """Keys and values. A multi-line string of TOML cannot keep a CR LF: a row that has one goes without."""
    has_return = any("\r" in one for value in row.values() for one in (value if isinstance(value, list) else [value])
                     if isinstance(one, str))  # fmt: skip
    # Every string that it writes is a basic one, in which an escape says the same.
    return HIDDEN.sub(_escape, tomli_w.dumps(row, multiline_strings=not has_return))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}" if ord(found[0]) < 0x10000 else f"\\U{ord(found[0]):08x}"
