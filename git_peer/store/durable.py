"""Objects of one transaction, written fast and made durable once, before anything points to them.

libgit2 would sync each loose object and its folder as it is written: five times slower.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import Option

from git_peer.core.errors import PeerError
from git_peer.store import files
from git_peer.store.repo import common_of

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
    """Make objects that were just written survive a loss of power; many of them as one pack."""
    folder = objects_folder(git)
    loose = [path for ident in dict.fromkeys(idents) if (path := folder / ident[:2] / ident[2:]).exists()]
    if len(loose) >= PACK_FROM:
        _pack(git, folder, loose)
        return
    try:
        for path in loose:
            files.sync(path)
        for parent in {path.parent for path in loose}:
            files.sync(parent)
        files.sync(folder)
    except OSError as why:
        raise PeerError("failed", f"cannot write {folder}: {why.strerror}", "is the disk full, or read-only?") from None


def _pack(git: pygit2.Repository, folder: Path, loose: Sequence[Path]) -> None:
    names = "".join(f"{path.parent.name}{path.name}\n" for path in loose)
    args = [
        "git",
        f"--git-dir={git.path}",
        "-c",
        "core.fsync=all",
        "pack-objects",
        "--quiet",
        str(folder / "pack" / "pack"),
    ]
    ran = subprocess.run(args, input=names.encode(), capture_output=True, check=False)
    if ran.returncode:
        text = ran.stderr.decode("utf-8", "replace").strip()
        raise PeerError("failed", f"cannot pack {len(loose)} objects: {text}", "is the disk full, or read-only?")
    for path in loose:
        path.unlink(missing_ok=True)
