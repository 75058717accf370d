"""What was refused in this clone lately, for whoever watches it; never in the log. Standard library only."""

from __future__ import annotations

import json
import os

from git_peer import layout
from git_peer.store.clone import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

KIND = "conflict.detected"
MOST = 1 << 20  # bytes of the file, from which it begins anew
PATHS = 100  # paths that one refusal names


def note(folder: str | os.PathLike[str], by: str, what: str, code: str, against: Iterable[tuple[str, str]]) -> None:
    """Note that `by` was refused a `what` (lock, commit, push, edit): `against` has paths with who holds them.

    Where it cannot be noted nothing is: a refusal stands without it.
    """
    found = list(against)
    row = {
        "id": os.urandom(8).hex(),
        "kind": KIND,
        "v": 1,
        "at": times.now(),
        "by": by,
        "what": what,
        "code": code,
        "paths": list(dict.fromkeys(path for path, _ in found))[:PATHS],
        "holders": list(dict.fromkeys(holder for _, holder in found if holder))[:PATHS],
    }
    place = os.path.join(folder, layout.F_REFUSALS)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if os.path.exists(place) and os.path.getsize(place) > MOST:
            flags |= os.O_TRUNC
        file = os.open(place, flags, 0o666)
        try:
            os.write(file, json.dumps(row).encode() + b"\n")  # in one piece: others append too
        finally:
            os.close(file)
    except OSError:
        pass


class Watch:
    """The refusals that come after it was made."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._place = os.path.join(folder, layout.F_REFUSALS)
        self._at = self._size()

    def _size(self) -> int:
        try:
            return os.path.getsize(self._place)
        except OSError:
            return 0

    def news(self) -> list[dict[str, Any]]:
        """Those since the last look, oldest first."""
        size = self._size()
        if size < self._at:
            self._at = 0  # begun anew
        if size == self._at:
            return []
        try:
            with open(self._place, "rb") as file:
                file.seek(self._at)
                raw = file.read(MOST * 2)
        except OSError:
            return []
        whole = raw[: raw.rfind(b"\n") + 1]
        self._at += len(whole)
        found = []
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and row.get("kind") == KIND:
                found.append(row)
        return found
