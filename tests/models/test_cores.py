"""Models on one machine share its cores, and take fewer threads where the machine has no time for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_peer.adapters import cores
from git_peer.adapters.cores import Pace, Place


def test_places_are_counted_while_they_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "models" / ".running"
    one = Place(folder)
    assert one.taken() == 1
    two, three = Place(folder), Place(folder)
    assert [place.taken() for place in (one, two, three)] == [3, 3, 3]
    two.close()
    assert one.taken() == 2
    again = Place(folder)
    assert again.taken() == 3
    assert len(list(folder.iterdir())) == 3, "a place that is left is taken again"


def test_the_dead_are_not_counted(tmp_path: Path) -> None:
    """Who is killed leaves its place."""
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        kept = Place(tmp_path / "places")
        os.write(begun, b"%d" % kept.taken())
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert os.read(ready, 9) == b"1"
    assert [one.name for one in (tmp_path / "places").iterdir()] == ["0"]
    assert Place(tmp_path / "places").taken() == 1


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = Place(tmp_path / "file" / "folder")
    assert place.taken() == 1
    place.close()


def test_physical_cores_and_a_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5}, raising=False)
    quota = tmp_path / "cpu.max"
    assert cores.usable(tmp_path, quota) == 6
    for cpu in range(6):
        (tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(f"{cpu % 3},{cpu % 3 + 3}\n")
    assert cores.usable(tmp_path, quota) == 3
    for said, found in (("max 100000", 3), ("250000 100000", 2), ("50000 100000", 1), ("x", 3), ("900000 100000", 3)):
        quota.write_text(f"{said}\n")
        assert cores.usable(tmp_path, quota) == found


def test_starved_threads_become_fewer() -> None:
    pace = Pace(2)
    pace.took(1.9, 1.0)
    assert pace.now == 2
    pace.took(1.0, 1.0)
    assert pace.now == 1
    pace.took(0.2, 1.0)
    assert pace.now == 1
    pace = Pace(8)
    pace.took(1.5, 0.4)
    assert pace.now == 8, "too short to tell"
    pace.took(2.1, 0.8)
    assert pace.now == 3


def test_they_come_back_and_less_and_less_often_where_that_is_too_much() -> None:
    pace = Pace(2)
    waited = []
    for _ in range(3):
        pace.took(1.0, 1.0)
        assert pace.now == 1
        calm = 0
        while pace.now == 1:
            pace.took(1.0, 1.0)
            calm += 1
        waited.append(calm)
    assert waited == [2 * cores.CALM, 4 * cores.CALM, 8 * cores.CALM]


def test_others_that_come_and_go() -> None:
    pace = Pace(4)
    pace.allow(2)
    assert pace.now == 2
    pace.allow(4)
    pace.took(1.0, 1.0)
    pace.allow(4)
    assert pace.now == 1, "who was starved does not begin anew with every answer"
