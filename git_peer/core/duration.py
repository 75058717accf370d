"""Durations as people write them: `90s`, `30m`, `4h`, `14d`, or a bare number of seconds."""

from __future__ import annotations

import re

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(r"([0-9]{1,12})([dhms]?)")


def seconds(text: str, most: int = 10**9) -> int:
    """The seconds of a duration; ValueError for anything else, and for more than `most`."""
    found = _FORM.fullmatch(text)
    number = int(found[1]) * _UNITS[found[2] or "s"] if found else most + 1
    if number > most:
        raise ValueError(f"not a time: {text!r} (90s, 30m, 4h)")
    return number


def shown(found: int) -> str:
    """The same the other way, in the largest unit that comes out even."""
    unit = next(unit for unit, size in _UNITS.items() if found % size == 0)
    return f"{found // _UNITS[unit]}{unit}"
