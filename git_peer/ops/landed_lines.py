"""Which locks on lines a change of their files leaves alone: what lands ends those whose lines or section it meets."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.target import lines as ranges
from git_peer.core.target.target import Target
from git_peer.ops import lines
from git_peer.ops.peer import Peer
from git_peer.store.git import changes, work
from git_peer.store.git.lines import Lines


def apart(peer: Peer, landed: Collection[str], old: str, new: str) -> set[str]:
    """The ids of locks on lines that the step from commit `old` to `new` leaves alone; `landed` are its paths."""
    blobs, git = Lines(peer.repo.handle), peer.repo.handle
    found = set()
    for lock in _of_lines(peer, landed):
        path = lock.target.real
        before, after = (blobs.read(work.blob_at(git, commit, path)) if commit else None for commit in (old, new))
        if _left_alone(peer, lock.target, blobs.read(lock.target.blob), before, after):
            found.add(lock.id)
    return found


def clean(peer: Peer, dirty: Collection[str]) -> set[str]:
    """The ids of locks on lines that uncommitted work leaves alone; `dirty` are its paths."""
    blobs, git = Lines(peer.repo.handle), peer.repo.handle
    found = set()
    for lock in _of_lines(peer, dirty):
        path = lock.target.real
        try:
            after = lines.content(peer, path, path)
        except PeerError:
            continue
        before = blobs.read(work.blob_at(git, peer.repo.head, path)) if peer.repo.head else None
        if before is not None and _left_alone(peer, lock.target, blobs.read(lock.target.blob), before, after):
            found.add(lock.id)
    return found


def _of_lines(peer: Peer, paths: Collection[str]) -> Iterator[locks.Lock]:
    if paths and peer.state.log.format >= locks.OF_LINES:
        yield from (lock for lock in locks.all_of(peer.state) if lock.target.blob and lock.target.real in paths)


def _left_alone(peer: Peer, target: Target, taken_on: bytes | None, before: bytes | None, after: bytes | None) -> bool:
    """Whether no line of a lock was changed, and none put in among or beside them; False where that cannot be told.

    What a file or a class has outside its sections is also where a new one is put, wherever that stands.
    """
    if taken_on is None or after is None or ranges.is_binary(after):
        return False
    taken_on, after = lines.eol(taken_on), lines.eol(after)
    before = taken_on if before is None else lines.eol(before)
    here = ranges.image(taken_on, before, target.region)
    if not here:
        return False
    hunks = changes.hunks(before, after)
    changed = [(one.first + 1, one.end) for one in hunks]
    if any(min(a, b) <= last and first <= max(a, b) for a, b in changed for first, last in here):
        return False
    if target.kind != "section" or (target.section and not target.section.endswith(".")):
        return True
    from git_peer.ops import sections  # late, as are parsers

    known = sections.of(peer.repo, target.real, before)
    return not any(target.section in known.at(*span) for span in changed)
