"""The inbox of a clone's writers: whoever waits leaves its command, whoever has the kernel lock takes what is there.

A request is a file that its requester holds a flock on, and its name tells how far it has come: `.ask` waits,
`.taken` is being decided, `.answer` beside it is what came of it. Taking and withdrawing are one rename, so
exactly one of them happens. The requester drops its `.taken` just before it tells: one whose flock is free
and whose file is still there was never told.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from git_peer.core.errors import PeerError
from git_peer.store import files

OWN = "own"  # stands for the combiner's own command in a batch
_ASK, _TAKEN, _ANSWER, _LEFT = ".ask", ".taken", ".answer", ".renew"


class Request:
    """A command of this process that waits for somebody with the kernel lock. `ident` orders requests by time."""

    def __init__(self, folder: Path, ident: str, handle: int) -> None:
        self.folder = folder
        self.ident = ident
        self.handle = handle

    def withdraw(self) -> bool:
        """Take it back; False where somebody has taken it already."""
        try:
            os.unlink(self.folder / (self.ident + _ASK))
        except FileNotFoundError:
            return False
        return True

    def answer(self) -> dict[str, Any] | None:
        """What came of it; None as long as nothing is known."""
        return _answer(self.folder, self.ident) or None

    def close(self) -> None:
        """It ends here, told or never decided: durable before anything is printed."""
        for suffix in (_ASK, _TAKEN, _ANSWER):
            (self.folder / (self.ident + suffix)).unlink(missing_ok=True)
        files.sync(self.folder)
        self.leave()

    def leave(self) -> None:
        """It waits no longer. One that was taken stays on record as not told, so that what it got is given back."""
        self.withdraw()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def post(folder: Path, command: bytes) -> Request:
    """Leave a command for whoever has the kernel lock."""
    ident = f"{time.time_ns():020d}-{os.urandom(4).hex()}"
    temporary = folder / f".{ident}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, command)
        os.rename(temporary, folder / (ident + _ASK))
    except OSError as why:
        raise PeerError("failed", f"cannot write {folder}: {why.strerror}", "is the disk full, or read-only?") from None
    return Request(folder, ident, handle)


def is_alive(folder: Path, ident: str) -> bool:
    """Whether the requester of a taken request still waits for its answer."""
    return not _free(folder / (ident + _TAKEN))


def is_known(folder: Path, ident: str) -> bool:
    """Whether a taken request is still there: it was not told yet."""
    return (folder / (ident + _TAKEN)).exists()


def _free(path: Path) -> bool:
    """Whether nobody holds the flock of a file, or the file has gone."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _named(folder: Path, suffix: str) -> list[str]:
    try:
        return sorted(name[: -len(suffix)] for name in os.listdir(folder) if name.endswith(suffix))
    except OSError:
        return []


def leave(folder: Path, sid: str, command: bytes) -> None:
    """Leave a renewal that nobody waits for: it goes along with whoever writes next."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{sid}.{os.getpid()}"
    temporary.write_bytes(command)
    os.replace(temporary, folder / (sid + _LEFT))


def left(folder: Path, oldest: float) -> Iterator[tuple[str, bytes]]:
    """(sid, command) of renewals that were left, taken out; those from before epoch second `oldest` are dropped."""
    for sid in _named(folder, _LEFT):
        path = folder / (sid + _LEFT)
        with contextlib.suppress(FileNotFoundError):
            young, raw = path.stat().st_mtime >= oldest, path.read_bytes()
            path.unlink()
            if young:
                yield sid, raw


def take(folder: Path, most: int) -> list[tuple[str, bytes]]:
    """(ident, command) of the requests that wait, oldest first; those of dead requesters are dropped."""
    found: list[tuple[str, bytes]] = []
    for ident in _named(folder, _ASK):
        if len(found) >= most:
            break
        asked, taken = folder / (ident + _ASK), folder / (ident + _TAKEN)
        if _free(asked):
            asked.unlink(missing_ok=True)
            continue
        with contextlib.suppress(FileNotFoundError):  # withdrawn just now
            os.rename(asked, taken)
            found.append((ident, taken.read_bytes()))
    return found


def give_answers(folder: Path, answers: Mapping[str, dict[str, Any]]) -> None:
    """Leave requesters their answers (ident → answer), durably: in one file, synced once, under all their names."""
    if not answers:
        return
    shared = folder / f".answers.{os.getpid()}"
    lines = {ident: f"{ident} {json.dumps(answer)}\n" for ident, answer in answers.items()}
    files.write(shared, "".join(lines.values()))
    try:
        for ident in answers:
            (folder / (ident + _ANSWER)).unlink(missing_ok=True)
            os.link(shared, folder / (ident + _ANSWER))
        files.sync(folder)
    except OSError:  # there are file systems without links
        for ident, line in lines.items():
            files.write(folder / (ident + _ANSWER), line)
    finally:
        shared.unlink(missing_ok=True)


def _answer(folder: Path, ident: str) -> dict[str, Any]:
    """What a requester was left; {} where there is nothing yet."""
    try:
        with open(folder / (ident + _ANSWER), encoding="utf-8") as file:
            mine = next((line for line in file if line.startswith(ident)), f"{ident} {{}}")
        found: dict[str, Any] = json.loads(mine.removeprefix(ident))
    except (OSError, ValueError):
        return {}
    return found


def untold(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(ident, answer or {}) of taken requests whose requester died before it was told."""
    for ident in _named(folder, _ANSWER):
        if not is_known(folder, ident):  # told; its requester was killed before it had cleared up
            (folder / (ident + _ANSWER)).unlink(missing_ok=True)
    for ident in _named(folder, _TAKEN):
        if _free(folder / (ident + _TAKEN)):
            yield ident, _answer(folder, ident)


def drop(folder: Path, ident: str) -> None:
    """Forget a request for good."""
    for suffix in (_TAKEN, _ANSWER):
        (folder / (ident + suffix)).unlink(missing_ok=True)
