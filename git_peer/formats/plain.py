"""The shape that TOML and JSON share: a table of tables. Checks keys and types, names the line of what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from git_peer.core.lock.record import rfc3339
from git_peer.core.plan.task.record import Item, Result
from git_peer.formats.document import FIELDS, Bad, Document, Locate, Row, seconds

_TOP = ("log", "goal", "phases", "tasks", "contracts")
_LOG = re.compile(r"[0-9A-Za-z._-]{1,128}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MARK = re.compile(r"\[([ xX])\] ?")
_RESULT: dict[str, type] = {"commit": str, "passed": bool, "by": str, "at": str, "command": str, "output": str}
_LARGE = 2**53  # whole numbers beyond it are not the same to every reader of JSON


class _Wrong(Exception):
    """A value that its field cannot have."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong("wants a text")
    return check_text(value)


def check_text(value: str) -> str:
    """A text that the log can keep."""
    if "\0" in value:
        raise _Wrong("has a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise _Wrong("has half a character (a lone surrogate)")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Wrong("wants a list of texts")
    return tuple(map(_text, value))


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Wrong("wants a whole number")
    if not -_LARGE < value < _LARGE:
        raise _Wrong("is too large a number")
    return value


def _duration(value: object) -> int:
    if isinstance(value, str):
        try:
            return _int(seconds(value))
        except ValueError:
            raise _Wrong("wants seconds, or a time such as 90s, 30m, 4h, 2d") from None
    return _int(value)


def _checklist(value: object) -> tuple[Item, ...]:
    if not isinstance(value, list):
        raise _Wrong("wants a list of items")
    return tuple(map(_item, value))


def _item(value: object) -> Item:
    if isinstance(value, str):
        mark = _MARK.match(value)
        return Item(text=_text(value[mark.end() :] if mark else value), done=mark is not None and mark[1] != " ")
    if not isinstance(value, dict) or not value.keys() <= {"text", "done"} or "text" not in value:
        raise _Wrong("wants items such as '[x] text', or {text, done}")
    done = value.get("done", False)
    if not isinstance(done, bool):
        raise _Wrong("wants true or false for done")
    return Item(text=_text(value["text"]), done=done)


def _result(value: object) -> Result:
    if not isinstance(value, dict):
        raise _Wrong("wants a table")
    for key, given in value.items():
        if key not in _RESULT or not isinstance(given, _RESULT[key]):
            raise _Wrong(f"has {key!r}, or a type of it, that is not known")
        if isinstance(given, str):
            check_text(given)
    if missing := {"commit", "passed", "by", "at"} - value.keys():
        raise _Wrong(f"lacks {', '.join(sorted(missing))}")
    try:
        at = int(datetime.fromisoformat(value["at"]).timestamp())
    except (ValueError, OverflowError):
        raise _Wrong("wants a time such as 2030-01-31T12:00:00Z for at") from None
    return Result(**{**value, "at": at})


_READ: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("depends_on", "paths", "inputs", "outputs", "provides", "uses", "skills", "approved_by"), _texts),
    **dict.fromkeys(("priority", "progress", "version"), _int),
    "estimate": _duration,
    "checklist": _checklist,
    "result": _result,
}  # any other is a text


# -- reading --------------------------------------------------------------------------------------
def read(raw: object, locate: Locate) -> Document:
    """The document in what a parser made of a text; Bad for unknown keys and wrong types."""
    if not isinstance(raw, dict):
        raise Bad("a plan is a table with goal, phases, tasks, contracts", 1)
    for key in raw:
        if key not in _TOP:
            raise Bad(f"unknown key {_shown(key)}", locate(str(key), -1, ""), _near(key, _TOP))
    document = Document(locate=locate, log=_log(raw.get("log"), locate))
    if raw.get("goal") is not None:
        document.goal = _value("goal", raw["goal"], "the plan", lambda: locate("goal", -1, ""))
    document.phases = _rows(raw, "phases", locate)
    document.tasks = _rows(raw, "tasks", locate)
    document.contracts = _rows(raw, "contracts", locate)
    return document


def _log(raw: object, locate: Locate) -> tuple[str, str] | None:
    if raw is None:
        return None
    found = (raw.get("id"), raw.get("commit")) if isinstance(raw, dict) else (None, None)
    return log_of(found, locate("log", -1, ""))


def log_of(found: tuple[object, object], line: int) -> tuple[str, str]:
    """(log id, commit) as the head of an export has them; Bad for anything else."""
    ident, commit = found
    if isinstance(ident, str) and isinstance(commit, str) and _LOG.fullmatch(ident) and _COMMIT.fullmatch(commit):
        return ident, commit
    raise Bad("the head of an export names a log's id and one of its commits", line, "take it out, or export anew")


def _rows(raw: dict[str, Any], section: str, locate: Locate) -> list[Row] | None:
    given = raw.get(section)
    if given is None:
        return None
    if not isinstance(given, list):
        raise Bad(f"{section} wants a list of tables", locate(section, -1, ""))
    return [_row(one, section, at, locate) for at, one in enumerate(given)]


def _row(raw: object, section: str, index: int, locate: Locate) -> Row:
    one, known = section[:-1], FIELDS[section]
    if isinstance(raw, str) and section == "phases":
        raw = {"name": raw}
    if not isinstance(raw, dict):
        raise Bad(f"{section} wants tables, and entry {index + 1} is none", locate(section, index, ""))
    row = Row(index)
    for key, value in raw.items():
        if key not in known:
            line = locate(section, index, str(key))
            raise Bad(f"unknown key {_shown(key)} in a {one}", line, _near(key, known))
        if value is not None:
            row.values[key] = _value(key, value, f"a {one}", lambda key=key: locate(section, index, key))  # type: ignore[misc]
    return row


def _value(key: str, value: object, of: str, line: Callable[[], int]) -> Any:
    try:
        return _READ.get(key, _text)(value)
    except _Wrong as why:
        raise Bad(f"{key} of {of} {why}", line()) from None


def _shown(key: object) -> str:
    return repr(str(key)[:80])


def _near(key: object, known: Any) -> str:
    near = difflib.get_close_matches(str(key)[:80], list(known), 1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


# -- writing --------------------------------------------------------------------------------------
def head(document: Document) -> dict[str, str]:
    """What an export says of where it was made."""
    return {"id": document.log[0], "commit": document.log[1]} if document.log else {}


def written(document: Document, section: str) -> Iterator[dict[str, Any]]:
    """The rows of a section as plain values; what has its default is left out."""
    for row in document.rows(section):
        yield {
            name: _plain(row.values[name])
            for name, default in FIELDS[section].items()
            if name in row.values and (row.values[name] != default or name == "status")
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Result):
        found = {name: getattr(value, name) for name in _RESULT} | {"at": rfc3339(value.at)}
        return {name: one for name, one in found.items() if one != "" or name in ("commit", "by")}
    if isinstance(value, tuple):
        return [{"text": one.text, "done": one.done} if isinstance(one, Item) else one for one in value]
    return value
