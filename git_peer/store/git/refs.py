"""The only writer of refs. Every write is a compare-and-swap that is read again afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from git_peer.core.errors import PeerError
from git_peer.store import files
from git_peer.store.git.libgit2 import AlreadyExistsError, Commit, GitError, Oid, Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pygit2._pygit2 import Reference

_LIVING = 1.0  # seconds; whoever lives has long moved its ref, also one that the kernel lock does not exclude


class Lost(Exception):
    """Somebody else moved the ref first."""


def find(git: Repository, name: str) -> Reference | None:
    """A ref; None where there is no such ref."""
    try:
        return git.lookup_reference(name)
    except (KeyError, ValueError):
        return None


def read(git: Repository, name: str) -> str | None:
    """The id that a ref holds; None where there is no such ref. PeerError("untrusted") where its file is damaged."""
    try:
        ref = find(git, name)
    except GitError as why:
        raise PeerError("untrusted", f"cannot read {name}: {why}", "`git peer doctor --fix` mends it") from None
    return None if ref is None else str(ref.target)


def commit(git: Repository, name: str) -> str | None:
    """The commit that a ref holds; None where there is no such ref. PeerError("untrusted") where it holds no commit."""
    found = read(git, name)
    if found is not None and not isinstance(git.git_object_lookup_prefix(found), Commit):
        raise PeerError("untrusted", f"{name} is on no commit", "`git peer doctor --fix` mends it")
    return found


def mend(common: Path, git: Repository, names: Iterable[str]) -> list[str]:
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


def swap(git: Repository, name: str, new: str, old: str | None) -> None:
    """Move `name` from `old` (None: it must not exist) to `new`; Lost where it stood elsewhere.

    Raises PeerError("busy") where a `.lock` file or the file system stands in the way.
    """
    try:
        if old is None:
            git.create_reference_direct(name, Oid(hex=new), False)
        else:
            ref = find(git, name)
            if ref is None or str(ref.target) != old:
                raise Lost(name)
            ref.set_target(new)  # libgit2 compares with the value it loaded
    except (AlreadyExistsError, ValueError):
        raise Lost(name) from None
    except GitError as why:
        if "old reference value does not match" in str(why):
            raise Lost(name) from None
        raise _blocked(name, why) from None
    except OSError as why:
        raise _blocked(name, why) from None
    if read(git, name) != new:
        raise Lost(name)


def put(git: Repository, name: str, new: str) -> None:
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


def delete(git: Repository, name: str) -> None:
    """Take a ref away, if it is there."""
    try:
        ref = find(git, name)
        if ref is not None:
            ref.delete()
    except (GitError, OSError) as why:
        raise _blocked(name, why) from None


def _blocked(name: str, why: Exception) -> PeerError:
    disk = files.refused_by_disk(why)
    if disk:
        return PeerError("failed", f"cannot write {name}: {disk}", "is the disk full, or read-only?")
    return PeerError("busy", f"cannot write {name}: {why}", "try again; if it stays, `git peer doctor` names the cause")
