"""Attempts on record: whoever sweeps up after the dead takes nothing away from the living."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from git_peer.core.errors import PeerError
from git_peer.publish import attempts

CANDIDATE = "a" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where attempts are recorded."""
    return tmp_path / "attempts"


def test_swept_before_it_is_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a draft's making and its flock it looks like a dead writer's: it is made again."""
    real, swept = fcntl.flock, list[list[str]]()

    def flock(handle: int, how: int) -> None:
        if not swept:
            swept.append([])
            assert list(attempts.orphans(folder)) == []
            swept.append(os.listdir(folder))
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    attempt = attempts.start(folder, CANDIDATE, None, {"told": 1})
    assert swept == [[], []], "the draft was swept away"
    assert os.listdir(folder) == [CANDIDATE]
    assert list(attempts.orphans(folder)) == [], "its maker lives"
    attempt.leave()
    (orphan,) = attempts.orphans(folder)
    assert (orphan.candidate, orphan.base, orphan.answer) == (CANDIDATE, None, {"told": 1})
    orphan.close()
    assert os.listdir(folder) == []


def test_ended_before_it_is_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its maker ended while a sweep was opening it is no orphan, nor is the one that has come in its place."""
    attempt = attempts.start(folder, CANDIDATE, None, {})
    real, made = fcntl.flock, list[attempts.Attempt]()

    def flock(handle: int, how: int) -> None:
        if not made:
            made.append(attempt)
            attempt.close()
            made.append(attempts.start(folder, CANDIDATE, None, {}))
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert list(attempts.orphans(folder)) == []
    assert os.listdir(folder) == [CANDIDATE]
    made[1].close()


def test_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that cannot be written leaves no draft."""

    def write(handle: int, data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(PeerError, match="cannot write"):
        attempts.start(folder, CANDIDATE, None, {})
    assert os.listdir(folder) == []
