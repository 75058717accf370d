"""Letters: which commits are read for them."""

from __future__ import annotations

from git_peer.core.rules import fold
from git_peer.store.clone import told

TELLING = {
    "delta.ack", "lock.break", "lock.expire", "lock.preempt", "lock.release", "session.end", "task.lapse", "task.move",
    "task.release",
}  # fmt: skip


def test_marks() -> None:
    """The bytes by which a commit is known to concern others are those of these kinds, as the log writes them."""
    raw = {kind: b'{"at":1,"id":"x","kind":"' + kind.encode() + b'"}' for kind in fold.KINDS}
    assert {kind for kind, line in raw.items() if told.TELLING.search(line)} == TELLING
    locks = {kind for kind in TELLING if kind.startswith("lock.")}
    assert {kind for kind, line in raw.items() if told.WRITING.search(line)} == TELLING - locks
    started = b'{"kind":"session.start","sid":"b","takeover":"a","ttl":1}'
    assert told.TELLING.search(started)
    assert told.WRITING.search(started)
