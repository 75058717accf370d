"""What a clone tells time by: a clock that nobody sets, and when the log was last fetched. Standard library only."""

from __future__ import annotations

import os
import time

from git_peer import layout
from git_peer.core.session.clock import LAST_SECOND


def now() -> int:
    """The wall clock's second as an event can name it: a clock that is off that far must not make the log malformed."""
    return min(max(0, int(time.time())), LAST_SECOND)


def when(at: int | str) -> str:
    """An epoch second, or RFC 3339, as the reader takes it: "in 25 min (11:06)", "3 days ago (27 Nov 11:06)"."""
    if isinstance(at, str):
        from datetime import datetime

        at = int(datetime.fromisoformat(at).timestamp())
    wait = at - int(time.time())
    away = f"in {span(wait)}" if wait > 0 else f"{span(-wait)} ago" if wait < 0 else "now"
    return f"{away} ({_clock(at)})"


def lapse(at: int | str, live: bool) -> str:
    """When a lease runs out, or that it has: "lapses in 25 min (11:06)", "lapsed 5 min ago (10:36)"."""
    told = when(at)
    if live:
        return f"lapses {told}"
    return "lapsed, for its session is gone" if told.startswith("in ") else f"lapsed {told}"


def span(seconds: int) -> str:
    """So many seconds in one unit: "40 s", "25 min", "8 h", "3 days"."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 36 * 3600 else f"{round(seconds / 86400):,} days"


def _clock(at: int) -> str:
    """What the reader's clock shows then, with the date unless it is today's."""
    try:
        then, today = time.localtime(at), time.localtime(time.time())
    except (OverflowError, OSError, ValueError):  # no clock shows it
        return "out of reach"
    clock = f"{then.tm_hour:02}:{then.tm_min:02}"
    if then[:3] == today[:3]:
        return clock
    year = "" if then.tm_year == today.tm_year else f" {then.tm_year}"
    return f"{then.tm_mday} {_MONTHS[then.tm_mon - 1]}{year} {clock}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def steady() -> int:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps; of one boot()."""
    return int(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


def boot() -> str:
    """Tells this boot of the machine from others: a steady clock means nothing across them."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}/{_KIND}"
    except OSError:
        return f"{int(time.time() - steady()) // 600}/{_KIND}"


_KIND = "boottime" if hasattr(time, "CLOCK_BOOTTIME") else "monotonic"  # their seconds are not those of one another


def fetched_at(folder: str | os.PathLike[str]) -> float:
    """When the newest fetch of the log began whose end this clone has seen, epoch seconds; 0 where none is known.

    `folder` is the clone's. A time that is still to come is none: the clock was set.
    """
    try:
        with open(os.path.join(folder, layout.F_FETCHED), encoding="ascii") as file:
            at = float(file.read())
    except (OSError, ValueError):
        return 0.0
    return at if at <= time.time() else 0.0


def age(folder: str | os.PathLike[str]) -> int | None:
    """Seconds since then; None where that is not known."""
    at = fetched_at(folder)
    return int(time.time() - at) if at else None
