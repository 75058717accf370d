"""Small files beside the log: written whole and durably, or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

from git_peer.core.errors import PeerError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)


def refused_by_disk(why: Exception, ours: bool = True) -> str:
    """What the file system said, where an error of the system's or of libgit2's is that it takes no writes; else "".

    `ours` False: the text is git's, and a "Permission denied" in it may be the remote's word.
    """
    if isinstance(why, OSError) and why.errno is not None:  # libgit2's have none
        return os.strerror(why.errno) if why.errno in (*_NO_ROOM, *_NOT_ALLOWED) else ""
    known = (*_NO_ROOM, *_NOT_ALLOWED) if ours else _NO_ROOM
    return next((text for text in map(os.strerror, known) if text in str(why)), "")


def write(path: Path, text: str, durable: bool = True) -> None:
    """Replace `path` by `text`: a reader sees the old file or the new one. `durable` has it fsynced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            sync(path.parent)
    except OSError as why:
        with contextlib.suppress(OSError):  # a disk that takes no writes takes no removal either
            temporary.unlink(missing_ok=True)
        raise PeerError("failed", f"cannot write {path}: {why.strerror}", "is the disk full, or read-only?") from None


def sync(path: Path | str) -> None:
    """Make a file's content, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, durable: bool = True) -> None:
    """Replace `path` by JSON, in one line: an indented one is made in Python instead of C, ten times as slowly."""
    write(path, json.dumps(value, sort_keys=True) + "\n", durable)


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; an empty one where there is no such file, or it is torn."""
    try:
        value = json.loads(path.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
