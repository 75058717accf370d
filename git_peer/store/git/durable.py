"""Objects of one transaction, written as one pack and made durable before anything points to them.

A file for each object would take two or three syncs each; a pack takes three in all, however much it holds. Packs
are folded together when some have gathered (`fold.py`).
"""

from __future__ import annotations

import contextlib
import os
import zlib

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from hashlib import sha1

    from git_peer.store.git.libgit2 import Repository

if not TYPE_CHECKING:
    try:
        from _sha1 import sha1  # to import hashlib loads OpenSSL
    except ImportError:
        from hashlib import sha1

COMMIT, TREE, BLOB = 1, 2, 3  # kinds of objects, as packs number them
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
FOLD_FROM = 20  # packs of ours; git itself begins to tidy up at 50
_LARGEST = 1 << 31  # bytes from which an index needs longer offsets

Written = dict[str, tuple[int, bytes]]
"""Objects that are to be written: id → kind, content."""


def ident_of(kind: int, body: bytes) -> str:
    """The id that an object has."""
    return sha1(b"%s %d\0" % (_NAMES[kind], len(body)) + body, usedforsecurity=False).hexdigest()


def commit(who: tuple[str, str], at: int, tree: str, parents: Iterable[str], message: bytes) -> bytes:
    """The content of a commit by `who` (name, address) at epoch second `at`, as libgit2 writes it."""
    person = f"{who[0]} <{who[1]}> {at} +0000"
    head = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {person}", f"committer {person}"]
    return "\n".join([*head, "", ""]).encode() + message


def common_of(git: Repository) -> str:
    """The common git directory of a repository that may be a work tree's."""
    gitdir = git.path or ""
    try:
        with open(os.path.join(gitdir, "commondir")) as pointer:
            return os.path.realpath(os.path.join(gitdir, pointer.read().rstrip("\n")))
    except FileNotFoundError:
        return os.path.realpath(gitdir)


def objects_folder(git: Repository) -> str:
    """Where the repository keeps its objects; work trees share it."""
    return os.environ.get("GIT_OBJECT_DIRECTORY") or os.path.join(common_of(git), "objects")


def pack(git: Repository, objects: Mapping[str, tuple[int, bytes]]) -> None:
    """Write objects, if there are any, as one pack, durably. PeerError("failed") where the disk takes none of it."""
    if not objects:
        return
    folder = os.path.join(objects_folder(git), "pack")
    raw, index = _packed(objects)
    name = f"pack-{raw[-20:].hex()}"
    drafts = [os.path.join(folder, f"tmp_{end}_{os.getpid()}") for end in ("pack", "idx")]
    try:
        os.makedirs(folder, exist_ok=True)
        for draft, content in zip(drafts, (raw, index), strict=True):
            _write(draft, content)
        os.rename(drafts[0], os.path.join(folder, f"{name}.pack"))
        os.rename(drafts[1], os.path.join(folder, f"{name}.idx"))  # from now on git sees it
        files.sync(folder)
    except OSError as why:
        for draft in drafts:
            with contextlib.suppress(OSError):
                os.unlink(draft)
        raise PeerError("failed", f"cannot write {folder}: {why.strerror}", "is the disk full, or read-only?") from None
    _note(git, name)


def _write(path: str, content: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a process that was killed, and had our number
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _packed(objects: Mapping[str, tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """(a pack of version 2, its index of version 2)."""
    parts = [b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")]
    places: list[tuple[bytes, bytes, bytes]] = []
    at = len(parts[0])
    for ident, (kind, body) in objects.items():
        entry = _head(kind, len(body)) + zlib.compress(body, 1)
        places.append((bytes.fromhex(ident), zlib.crc32(entry).to_bytes(4, "big"), at.to_bytes(4, "big")))
        parts.append(entry)
        at += len(entry)
    if at >= _LARGEST:
        raise PeerError("invalid", "too much at once: over 2 GiB", "split it into several commands")
    raw = b"".join(parts)
    raw += sha1(raw, usedforsecurity=False).digest()
    places.sort()
    counts = [0] * 256
    for raw_id, _, _ in places:
        counts[raw_id[0]] += 1
    total, fanout = 0, []
    for count in counts:
        total += count
        fanout.append(total.to_bytes(4, "big"))
    index = b"\xfftOc" + (2).to_bytes(4, "big") + b"".join(fanout)
    index += b"".join(b"".join(column) for column in zip(*places, strict=True))
    index += raw[-20:]
    return raw, index + sha1(index, usedforsecurity=False).digest()


def _head(kind: int, size: int) -> bytes:
    """What stands before an object in a pack: its kind and size, seven bits a byte but for the first."""
    head = [kind << 4 | size & 15]
    size >>= 4
    while size:
        head[-1] |= 128
        head.append(size & 127)
        size >>= 7
    return bytes(head)


# -- folding ------------------------------------------------------------------------------------------
def _note(git: Repository, name: str) -> None:
    """Note a pack as ours, to be folded with others. What is not noted stays until git itself tidies up."""
    folder = os.path.join(common_of(git), layout.FOLDER)
    with contextlib.suppress(OSError), open(os.path.join(folder, layout.F_PACKS), "a") as file:
        file.write(f"{name}\n")


def tidy(git: Repository) -> None:
    """Where some packs of ours have gathered have them folded into one, in the background."""
    common = common_of(git)
    try:
        with open(os.path.join(common, layout.FOLDER, layout.F_PACKS)) as file:
            gathered = file.read().count("\n")
    except OSError:
        return
    if gathered and gathered % FOLD_FROM == 0:  # while one is at work the others need not start more
        import sys

        from git_peer.store.git import fold

        argv = [sys.executable, "-I", "-S", fold.__file__, common, objects_folder(git), layout.FOLDER, layout.F_PACKS]
        nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        _folding[:] = [pid for pid in _folding if not _has_ended(pid)]
        _folding.append(os.posix_spawn(argv[0], argv, os.environ, file_actions=nowhere, setpgroup=0))


_folding: list[int] = []  # what this process has started; in one that lives for long, what has ended is not left about


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
