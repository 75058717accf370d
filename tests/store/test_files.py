"""Files that are made durable several at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_peer.store import files


@pytest.mark.parametrize("count", [0, 1, 3, 30])
def test_each_is_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    paths = [tmp_path / str(number) for number in range(count)]
    for path in paths:
        path.write_text("x")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    files.sync_all(paths)
    assert sorted(synced) == sorted(path.stat().st_ino for path in paths)


@pytest.mark.parametrize("bad", [0, 7, 29])
def test_what_cannot_be_synced_is_an_error(tmp_path: Path, bad: int) -> None:
    paths = [tmp_path / str(number) for number in range(30)]
    for path in paths:
        path.write_text("x")
    paths[bad].unlink()
    with pytest.raises(FileNotFoundError):
        files.sync_all(paths)
