"""What a command line names, read: a bounded text from a file, a pipe or stdin; nothing that never ends."""

from __future__ import annotations

import os
import select
import stat
import sys
import time

from git_peer.core.errors import PeerError

MOST = 1 << 20  # bytes: far more than any text may have
PATIENCE = 30.0  # seconds in which a pipe must come to its end


def file(name: str, most: int = MOST) -> bytes:
    """The bytes of a file, or of a pipe (`@<(command)`); PeerError for what is neither, is too much, or never ends."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as why:
        raise _cannot(name, getattr(why, "strerror", None) or str(why)) from None
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise _cannot(name, "it is a folder")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise _cannot(name, "it is no file")
        return _all(handle, name, most)
    finally:
        os.close(handle)


def stdin(most: int = MOST) -> bytes:
    """The bytes of stdin; a terminal is read until its end, however long that takes."""
    if sys.stdin is None:
        raise _cannot("stdin", "it is closed")
    found = sys.stdin.buffer.read(most + 1)
    if len(found) > most:
        raise _too_much("stdin", most)
    return found


def _all(handle: int, name: str, most: int) -> bytes:
    parts: list[bytes] = []
    left, end = most + 1, time.monotonic() + PATIENCE
    while left > 0:
        if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            raise _cannot(name, f"it did not end within {PATIENCE:.0f} s")
        try:
            part = os.read(handle, min(left, 1 << 16))
        except BlockingIOError:
            continue
        except OSError as why:
            raise _cannot(name, why.strerror or str(why)) from None
        if not part:
            return b"".join(parts)
        parts.append(part)
        left -= len(part)
    raise _too_much(name, most)


def _cannot(name: str, why: str) -> PeerError:
    return PeerError("usage", f"cannot read {name}: {why}", "@FILE is a file of text, `-` is stdin")


def _too_much(name: str, most: int) -> PeerError:
    return PeerError(
        "invalid",
        f"{name}: over {most >> 20} MiB",
        "say it in short; what is long belongs into files of its own",
    )
