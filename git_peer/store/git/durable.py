"""Objects of one transaction, written fast and made durable once, before anything points to them.

libgit2 would sync each loose object and its folder as it is written: five times slower.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType, Option

from git_peer.core.errors import PeerError
from git_peer.store import files
from git_peer.store.git.repo import common_of

PACK_FROM = 200  # objects from which one pack is better than as many files


def objects_folder(git: pygit2.Repository) -> Path:
    """Where the repository keeps its objects; work trees share it."""
    given = os.environ.get("GIT_OBJECT_DIRECTORY")
    if given:
        return Path(given)
    return common_of(Path(git.path)) / "objects"


@contextlib.contextmanager
def unsynced() -> Iterator[None]:
    """Let libgit2 write without syncing; the caller syncs what was written."""
    pygit2.option(Option.ENABLE_FSYNC_GITDIR, False)
    try:
        yield
    finally:
        pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)


def settle(git: pygit2.Repository, idents: Sequence[str]) -> None:
    """Make objects that were just written as files survive a loss of power."""
    folder = objects_folder(git)
    loose = [path for ident in dict.fromkeys(idents) if (path := folder / ident[:2] / ident[2:]).exists()]
    try:
        files.sync_all(loose)  # first what they hold, then their names: a crash leaves no empty object
        files.sync_all({folder, *(path.parent for path in loose)})
    except OSError as why:
        raise PeerError("failed", f"cannot write {folder}: {why.strerror}", "is the disk full, or read-only?") from None


def pack(git: pygit2.Repository, objects: Mapping[str, tuple[ObjectType, bytes]]) -> None:
    """Write objects (id → kind, content) as one pack, durably: a file for each takes twenty times as long."""
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    for kind, body in objects.values():
        parts += (_head(kind, len(body)), zlib.compress(body, 1))
    raw = b"".join(parts)
    raw += hashlib.sha1(raw, usedforsecurity=False).digest()
    args = ["git", f"--git-dir={git.path}", "-c", "core.fsync=all", "index-pack", "--stdin"]
    ran = subprocess.run(args, input=raw, capture_output=True, check=False)
    if ran.returncode:
        text = ran.stderr.decode("utf-8", "replace").strip()
        raise PeerError("failed", f"cannot pack {len(objects)} objects: {text}", "is the disk full, or read-only?")
    try:
        files.sync(objects_folder(git) / "pack")
    except OSError as why:
        raise PeerError("failed", f"cannot write the pack: {why.strerror}", "is the disk full, or read-only?") from None


def _head(kind: ObjectType, size: int) -> bytes:
    """What stands before an object in a pack: its kind and size, seven bits a byte but for the first."""
    head = [kind << 4 | size & 15]
    size >>= 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head)
