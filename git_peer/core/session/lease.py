"""Leases: until when a session's word holds. Standard library only, for the gate reads them too."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def expires(session: Mapping[str, Any], ttl: int, seen: Mapping[str, Mapping[str, int]]) -> int:
    """Epoch second at which a lock of `ttl` seconds lapses, after its session's last event.

    `session` has `sid`, `at` (its clock) and `height` of that event; `seen` maps a sid to the height and the
    time of the newest event this clone saw. The earlier of both clocks counts: one in 2099 holds nothing for ever.
    """
    start: int = session["at"]
    first = seen.get(session["sid"])
    if first is not None and first["height"] == session["height"]:
        start = min(start, first["at"])
    return start + ttl
