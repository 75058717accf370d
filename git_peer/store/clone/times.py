"""What a clone tells time by: a clock that nobody sets, and when the log was last fetched. Standard library only."""

from __future__ import annotations

import os
import time

from git_peer import layout
from git_peer.core.session.clock import LAST_SECOND


def now() -> int:
    """The wall clock's second as an event can name it: a clock that is off that far must not make the log malformed."""
    return min(max(0, int(time.time())), LAST_SECOND)


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
