"""Attempts: publishes on record before they are tried, so that a lost answer or a dead process can be settled."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from git_peer.core.errors import PeerError
from git_peer.store import files


class Attempt:
    """One try: `candidate` on `base`. While its maker lives, `handle` holds a flock on the file."""

    def __init__(self, path: Path, candidate: str, base: str | None, answer: dict[str, Any], handle: int = -1) -> None:
        self.path = path
        self.candidate = candidate
        self.base = base
        self.answer = answer
        self.handle = handle

    def keep(self) -> None:
        """Make the record last: from now on something may happen elsewhere that outlives this machine's memory."""
        if self.handle >= 0:
            try:
                os.fsync(self.handle)
                files.sync(self.path.parent)
            except OSError as why:
                raise _cannot_write(self.path, why) from None

    def close(self) -> None:
        """It has ended and its requester will be told: nobody needs to settle it."""
        self.path.unlink(missing_ok=True)
        files.sync(self.path.parent)
        self.leave()

    def nobody_told(self) -> None:
        """None of its requesters learns how it ends: what it may have granted is to be given back."""
        record: dict[str, Any] = {"candidate": self.candidate, "base": self.base, "answer": {}}
        raw = json.dumps(record).encode()
        if self.handle >= 0:  # in place: the flock stays
            os.pwrite(self.handle, raw.ljust(os.fstat(self.handle).st_size), 0)
            os.fsync(self.handle)

    def leave(self) -> None:
        """Let go of the file: whoever writes next settles it."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def start(folder: Path, candidate: str, base: str | None, answer: dict[str, Any]) -> Attempt:
    """Record an attempt, under a flock. A kill does not take it away; for a power cut there is keep()."""
    record = {"candidate": candidate, "base": base, "answer": answer}
    return Attempt(folder / candidate, candidate, base, answer, _write(folder / candidate, record))


def _write(path: Path, record: dict[str, Any]) -> int:
    """Put a record in place; the handle that holds its flock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = _locked(draft)
        try:
            os.write(handle, json.dumps(record).encode())
            os.rename(draft, path)  # the flock goes with the file
        except BaseException:
            draft.unlink(missing_ok=True)
            os.close(handle)
            raise
    except OSError as why:
        raise _cannot_write(path, why) from None
    return handle


def _locked(draft: Path) -> int:
    """A handle with the flock of a new file. Until that is locked orphans() may take it away: then it is made again."""
    while True:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), os.stat(draft)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


@contextlib.contextmanager
def announced(folder: Path) -> Iterator[str]:
    """A name by which our own pre-push hook knows a push that git-peer makes and checks, before there is a candidate.

    Where its maker dies, whoever settles attempts finds that nothing was tried.
    """
    name = os.urandom(20).hex()
    handle = _write(folder / name, {})
    try:
        yield name
    finally:
        (folder / name).unlink(missing_ok=True)
        os.close(handle)


def _cannot_write(path: Path, why: OSError) -> PeerError:
    return PeerError("failed", f"cannot write {path}: {why.strerror}", "is the disk full, or read-only?")


def is_recorded(folder: Path, candidate: str) -> bool:
    """Whether git-peer itself is publishing that commit; "" is none."""
    return candidate.isalnum() and (folder / candidate).exists()


def orphans(folder: Path) -> Iterator[Attempt]:
    """Attempts whose maker is gone: its flock is free. They come locked by this process."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = folder / name
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(handle), os.stat(path))
        except OSError:  # its maker lives, or has just ended it
            same = False
        if not same:
            os.close(handle)
            continue
        record = files.read_json(path)
        if name.startswith(".") or "candidate" not in record:  # its maker died while writing: nothing was tried
            path.unlink(missing_ok=True)
            os.close(handle)
            continue
        yield Attempt(path, record["candidate"], record["base"], record.get("answer", {}), handle)
