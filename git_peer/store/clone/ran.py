"""What commands said of trees, kept in the clone: whatever was run once on a tree is not run again."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.ports import Ran
from git_peer.store import files

MOST = 1_000  # runs that are kept: the oldest go first
_CANNOT = (126, 127)  # what sh says where there is no such command: the next sandbox may have it


class Kept:
    """A trials.Known on disk. `where` names the sandbox: what another one would say is not known.

    `fresh`: nothing is taken from it that this process did not write.
    """

    def __init__(self, common: Path, where: str, fresh: bool = False) -> None:
        self._folder = common / layout.FOLDER / layout.D_RAN
        self._where = where
        self._fresh = fresh
        self._mine: dict[tuple[str, str], Ran] = {}
        self.taken = 0  # how many were answered from it

    def get(self, key: tuple[str, str]) -> Ran | None:
        """How a command (tree, command) ended."""
        found = self._mine.get(key)
        if found is None and not self._fresh:
            found = _read(self._path(key))
        self.taken += found is not None
        return found

    def __setitem__(self, key: tuple[str, str], ran: Ran) -> None:
        """Keep it; on disk only what came to an end by itself. A disk that takes no writes costs a run."""
        self._mine[key] = ran
        if ran.ended or ran.status in _CANNOT:
            return
        row = {"status": ran.status, "output": ran.output, "seconds": ran.seconds}
        row["report"] = base64.b64encode(ran.report).decode()
        with contextlib.suppress(PeerError):
            files.write_json(self._path(key), row, durable=False)
            self._bound()

    def _path(self, key: tuple[str, str]) -> Path:
        name = hashlib.sha256("\0".join((*key, self._where)).encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"{name}.json"

    def _bound(self) -> None:
        with contextlib.suppress(OSError):
            rows = [entry for entry in os.scandir(self._folder) if entry.name.endswith(".json")]
            if len(rows) > MOST:
                for entry in sorted(rows, key=lambda one: one.stat().st_mtime)[: len(rows) - MOST]:
                    os.unlink(entry.path)


def _read(path: Path) -> Ran | None:
    row = files.read_json(path)
    try:
        report = base64.b64decode(row["report"], validate=True)
        return Ran(int(row["status"]), str(row["output"]), report, float(row["seconds"]))
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
