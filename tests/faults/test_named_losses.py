"""A loss is named until somebody has been told of it, whoever finds it out and however that ends."""

from __future__ import annotations

import pytest

from tests.faults.forks import Forks
from tests.faults.history import sound
from tests.faults.test_offline import held, offline, team
from tests.world import Clone, World

pytestmark = pytest.mark.faults


def lost(forks: Forks, clone: Clone) -> list[tuple[str, str]]:
    """(command, session) that the next `sync` names."""
    answer = forks.peer(clone, "sync", "--json", status=None)
    named = answer.json()["lost"]
    assert answer.status == (1 if named else 0), answer
    return [(one["command"], one["session"]) for one in named]


def notices(forks: Forks, clone: Clone, name: str) -> list[tuple[str, str]]:
    """(path, holder) of the losses that a session is told of."""
    found = forks.peer(clone, "locks", "--json", as_=name).json()["notices"]
    return [(n["target"], n["holder"]) for n in found if n["code"] == "lost"]


def test_whoever_arbitrates_the_loser_is_told(world: World, forks: Forks) -> None:
    """By a push, which names no losses; also of what a fetch had shown to be lost, and was passed over since."""
    first, second = team(world, forks, "a", "b")
    offline(forks, second, "lost.py", "two")
    forks.peer(first, "lock", "lost.py", as_="one")
    forks.peer(second, "lock", "fetches.py", as_="three")
    offline(forks, second, "x.py", "two")
    assert held(forks, second)["x.py"] == ("two", "tentative")
    second.git("checkout", "-q", "-b", "work")
    second.git("commit", "-q", "--allow-empty", "-m", "work")
    forks.peer(second, "push", "origin", "work", as_="three")
    assert {path: who for path, (who, _) in held(forks, second).items()} == {
        "lost.py": "one", "x.py": "two", "fetches.py": "three",
    }  # fmt: skip
    assert notices(forks, second, "two") == [("lost.py", "one")]
    assert notices(forks, second, "three") == []
    assert lost(forks, second) == [], "its notices tell it"


def test_what_no_notice_tells_stays_for_sync(world: World, forks: Forks) -> None:
    """A push arbitrates what was told of a task that has gone meanwhile: the next `sync` names that, once."""
    (clone,) = team(world, forks, "a")
    forks.peer(clone, "phase", "add", "P", as_="two")
    forks.peer(clone, "task", "add", "T", "--accept", "true", as_="two")
    forks.peer(clone, "task", "claim", "t1", as_="two")
    forks.peer(clone, "task", "progress", "t1", "5", "--offline", as_="two")
    forks.peer(clone, "task", "release", "t1", as_="two")
    clone.git("commit", "-q", "--allow-empty", "-m", "work")
    forks.peer(clone, "push", "origin", "HEAD:work", as_="three")
    assert lost(forks, clone) == [("task progress t1 5", "two")]
    assert lost(forks, clone) == []


def test_clock_before_1970(world: World, forks: Forks) -> None:
    """A machine that believes it is 1966 writes no event that others would refuse, tentative or not."""
    first, second = team(world, forks, "a", "b")
    ahead = -60 * 365 * 86400.0
    forks.peer(first, "lock", "--offline", "x.py", as_="one", ahead=ahead)
    forks.peer(first, "sync", as_="one", ahead=ahead)
    forks.peer(first, "lock", "y.py", as_="one", ahead=ahead)
    forks.peer(second, "sync")
    assert held(forks, second) == {"x.py": ("one", "remote"), "y.py": ("one", "remote")}
    sound(forks, first, second)
