"""Letters: which commits are read for them."""

from __future__ import annotations

from pathlib import Path

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


def test_letters(tmp_path: Path) -> None:
    """Each once, oldest first, the newest KEPT; reading some takes nothing of what comes at the same time."""
    many = [{"id": f"{number:04}", "at": number, "gitdir": ""} for number in range(told.KEPT + 5)]
    told.deliver(tmp_path, {"ana": many[:3]})
    told.deliver(tmp_path, {"ana": many[:3]})
    assert told.waiting(tmp_path, "ana") == many[:3]
    told.deliver(tmp_path, {"ana": [many[3]], "bob": [many[4]]})  # while ana's command shows her the first three
    told.read(tmp_path, "ana", {"0000", "0001", "0002"})
    assert told.waiting(tmp_path, "ana") == [many[3]]
    assert told.waiting(tmp_path, "bob") == [many[4]]
    told.deliver(tmp_path, {"ana": many})
    assert told.waiting(tmp_path, "ana") == many[-told.KEPT :]
