"""The only writer of refs. Every write is a compare-and-swap that is read again afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pygit2

from git_peer.core.errors import PeerError
from git_peer.store import files

_LIVING = 1.0  # seconds; whoever lives has long moved its ref, also one that the kernel lock does not exclude


class Lost(Exception):
    """Somebody else moved the ref first."""


def read(git: pygit2.Repository, name: str) -> str | None:
    """The id that a ref holds; None where there is no such ref. PeerError("untrusted") where its file is damaged."""
    try:
        ref = git.references.get(name)
    except pygit2.GitError as why:
        raise PeerError("untrusted", f"cannot read {name}: {why}", "`git peer doctor --fix` mends it") from None
    return None if ref is None else str(ref.target)


def commit(git: pygit2.Repository, name: str) -> str | None:
    """The commit that a ref holds; None where there is no such ref. PeerError("untrusted") where it holds no commit."""
    found = read(git, name)
    if found is not None and not isinstance(git.get(found), pygit2.Commit):
        raise PeerError("untrusted", f"{name} is on no commit", "`git peer doctor --fix` mends it")
    return found


def mend(common: Path, git: pygit2.Repository, names: Iterable[str]) -> list[str]:
    """Take away those of the refs that hold no commit, or whose file is damaged: the names that went."""
    gone = []
    for name in names:
        try:
            commit(git, name)
        except PeerError:
            gone.append(name)
            try:
                delete(git, name)
            except PeerError:
                (common / name).unlink(missing_ok=True)
    return gone


def swap(git: pygit2.Repository, name: str, new: str, old: str | None) -> None:
    """Move `name` from `old` (None: it must not exist) to `new`; Lost where it stood elsewhere.

    Raises PeerError("busy") where a `.lock` file or the file system stands in the way.
    """
    try:
        if old is None:
            git.references.create(name, new)
        else:
            ref = git.references.get(name)
            if ref is None or str(ref.target) != old:
                raise Lost(name)
            ref.set_target(new)  # libgit2 compares with the value it loaded
    except (pygit2.AlreadyExistsError, ValueError):
        raise Lost(name) from None
    except pygit2.GitError as why:
        if "old reference value does not match" in str(why):
            raise Lost(name) from None
        raise _blocked(name, why) from None
    except OSError as why:
        raise _blocked(name, why) from None
    if read(git, name) != new:
        raise Lost(name)


def put(git: pygit2.Repository, name: str, new: str) -> None:
    """Have `name`, which no other process writes, stand on `new`."""
    if read(git, name) != new:
        swap(git, name, new, read(git, name))


def unlock(common: Path, name: str, noted: str) -> None:
    """Remove a `.lock` file of `name` that holds exactly `noted`: a process was killed while it moved the ref there.

    Only for who holds the kernel lock and has the note of whoever held it before; any other lock file stays.
    """
    path = common / f"{name}.lock"
    try:
        made = path.stat()
        if not noted or path.read_text() != f"{noted}\n":
            return
        time.sleep(min(max(0.0, made.st_mtime + _LIVING - time.time()), _LIVING))
        if path.stat().st_ino == made.st_ino:
            path.unlink()
    except (OSError, UnicodeDecodeError):
        return  # there is none, or it is not to be read


def delete(git: pygit2.Repository, name: str) -> None:
    """Take a ref away, if it is there."""
    try:
        if git.references.get(name) is not None:
            git.references.delete(name)
    except (pygit2.GitError, OSError) as why:
        raise _blocked(name, why) from None


def _blocked(name: str, why: Exception) -> PeerError:
    disk = files.refused_by_disk(why)
    if disk:
        return PeerError("failed", f"cannot write {name}: {disk}", "is the disk full, or read-only?")
    disk = files.refused_by_disk(why)
    if disk:
        return PeerError("failed", f"cannot write {name}: {disk}", "is the disk full, or read-only?")
    return PeerError("busy", f"cannot write {name}: {why}", "try again; if it stays, `git peer doctor` names the cause")
