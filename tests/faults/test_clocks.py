"""Wrong clocks: hours or years off, ahead or behind, neither steals a live lock nor holds one for ever."""

from __future__ import annotations

import time

import pytest

from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.world import Clone, World

HOUR = 3600
YEAR = 365 * 24 * HOUR
OFF = [2 * HOUR, 20 * YEAR, -2 * HOUR, -20 * YEAR]  # seconds that the clock goes ahead
TTL = 3  # seconds
PATIENCE = 5  # seconds of a waiter

pytestmark = pytest.mark.faults


def team(world: World, forks: Forks, off: int) -> tuple[Clone, Clone]:
    """A clone whose clock is right, and one whose clock is wrong from its first day."""
    right, wrong = world.clone("right"), world.clone("wrong")
    forks.peer(right, "init", "--remote", "origin", "--no-hooks")
    forks.peer(wrong, "init", "--no-hooks", as_="wrong", ahead=off)
    return right, wrong


def holders(forks: Forks, clone: Clone, path: str) -> list[str]:
    """Who holds a path, by the remote."""
    forks.peer(clone, "sync")
    return [lock["session"] for lock in forks.peer(clone, "locks", path, "--json").json()["locks"]]


@pytest.mark.parametrize("off", OFF)
def test_does_not_steal(world: World, forks: Forks, off: int) -> None:
    """A live lock is safe from a wrong clock that has seen the others write."""
    right, wrong = team(world, forks, off)
    forks.peer(right, "lock", "a.py", "--ttl", "30m", as_="right")
    for _ in range(2):
        answer = forks.peer(wrong, "lock", "a.py", "--json", status=1, as_="wrong", ahead=off)
        assert code(answer) == "locked", answer
        forks.peer(right, "session", "renew", as_="right")
    forks.peer(wrong, "lock", "b.py", as_="wrong", ahead=off)  # what is free is free for it too
    assert holders(forks, right, "a.py") == ["right"]
    assert code(forks.peer(wrong, "lock", "a.py", "--json", status=1, as_="wrong", ahead=off)) == "locked"
    forks.peer(right, "lock", "a.py", as_="right")
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_does_not_steal_on_its_first_look(world: World, forks: Forks, off: int) -> None:
    """It joins when the lock is there already: it has seen nobody write, so its clock proves nothing."""
    right, wrong = world.clone("right"), world.clone("wrong")
    forks.peer(right, "init", "--remote", "origin", "--no-hooks")
    forks.peer(right, "lock", "a.py", "--ttl", "30m", as_="right")
    forks.peer(wrong, "init", "--no-hooks", as_="wrong", ahead=off)
    assert code(forks.peer(wrong, "lock", "a.py", "--json", status=1, as_="wrong", ahead=off)) == "locked"
    forks.peer(wrong, "lock", "b.py", as_="wrong", ahead=off)  # its own event, which nobody's clock bears out
    assert code(forks.peer(wrong, "lock", "a.py", "--json", status=1, as_="wrong", ahead=off)) == "locked"
    assert holders(forks, right, "a.py") == ["right"]


@pytest.mark.parametrize("off", OFF)
def test_does_not_hold_for_ever(world: World, forks: Forks, off: int) -> None:
    """Its dead session's lock can be had by a right clock when a TTL has passed, and not before."""
    right, wrong = team(world, forks, off)
    right.git("config", "peer.clockSkew", "1s")
    forks.peer(right, "lock", "b.py", as_="right")
    forks.peer(wrong, "lock", "a.py", "--ttl", f"{TTL}s", as_="wrong", ahead=off)
    begin = time.monotonic()
    forks.peer(right, "sync")
    early = forks.peer(right, "lock", "a.py", "--json", as_="right", status=None)
    assert early.status == 1 or time.monotonic() - begin > TTL or off < 0, early
    while early.status:
        assert forks.passed < 30
        forks.passed += 1
        early = forks.peer(right, "lock", "a.py", "--json", as_="right", status=None)
    assert holders(forks, right, "a.py") == ["right"]
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_watches_a_dead_holder(world: World, forks: Forks, off: int) -> None:
    """A clock that proves nothing may take what it saw nothing new of for a whole TTL, by its monotonic one."""
    right, wrong = team(world, forks, off)
    forks.peer(wrong, "sync", as_="wrong", ahead=off)
    forks.peer(right, "lock", "a.py", "--ttl", f"{TTL}s", as_="dead")
    forks.peer(wrong, "sync", as_="wrong", ahead=off)
    answer = forks.peer(wrong, "lock", "a.py", "--json", status=None, as_="wrong", ahead=off)
    assert answer.status == 1, answer
    forks.passed += TTL + 2
    forks.peer(wrong, "lock", "a.py", as_="wrong", ahead=off)
    rows = forks.peer(wrong, "log", "--kind", "lock.expire", "--json").objects()
    assert [row["evidence"]["how"] for row in rows] == ["watch"]
    assert rows[0]["evidence"]["watched"] > TTL
    assert holders(forks, right, "a.py") == ["wrong"]
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_doctor_tells(world: World, forks: Forks, off: int) -> None:
    right, wrong = team(world, forks, off)
    forks.peer(wrong, "sync", as_="wrong", ahead=off)
    forks.peer(right, "lock", "a.py", as_="right")
    forks.peer(wrong, "sync", as_="wrong", ahead=off)
    checks = forks.peer(wrong, "doctor", "--json", status=None, as_="wrong", ahead=off).json()["checks"]
    assert [check["status"] for check in checks if check["name"] == "clock"] == ["warn"], checks
    checks = forks.peer(right, "doctor", "--json", status=None).json()["checks"]
    assert [check["status"] for check in checks if check["name"] == "clock"] == ["ok"], checks


@pytest.mark.parametrize("off", OFF)
def test_does_not_overtake(world: World, forks: Forks, off: int) -> None:
    """Who waits stands before it, whatever its clock says of when their time is over; watching proves that it is."""
    right, wrong = team(world, forks, off)
    right.git("config", "peer.clockSkew", "1s")
    forks.peer(right, "lock", "a.py", as_="holder")
    forks.peer(wrong, "sync", as_="wrong", ahead=off)
    waiter = right.start_peer("lock", "a.py", "--wait", f"{PATIENCE}s", as_="waiter")
    end = time.monotonic() + 20
    while not forks.peer(right, "log", "--kind", "lock.wait", "--json").objects():
        assert time.monotonic() < end
        time.sleep(0.1)
    asked = time.monotonic()
    waiter.kill()  # it keeps its place, and takes nothing
    forks.peer(right, "unlock", "a.py", as_="holder")
    answer = forks.peer(wrong, "lock", "a.py", "--json", status=None, as_="wrong", ahead=off)
    assert time.monotonic() - asked > PATIENCE or (answer.status, code(answer)) == (1, "locked"), answer
    assert answer.status == 0 or answer.json()["conflicts"][0]["waiter"] == "waiter", answer
    if off < 0:
        return  # the rest takes its time
    forks.passed += PATIENCE + 2
    forks.peer(wrong, "lock", "a.py", as_="wrong", ahead=off)
    assert holders(forks, right, "a.py") == ["wrong"]
    sound(forks, right, wrong)


def test_jumps_while_it_holds(world: World, forks: Forks) -> None:
    """A clock that is set back and forth under a session loses it nothing that it renews."""
    right, wrong = team(world, forks, 0)
    forks.peer(right, "lock", "else.py", as_="right")
    forks.peer(wrong, "lock", "a.py", as_="wrong", ahead=0)
    for off in (2 * HOUR, -2 * HOUR, 0, YEAR, 0):
        forks.peer(wrong, "session", "renew", as_="wrong", ahead=off)
        forks.peer(right, "sync")
        assert code(forks.peer(right, "lock", "a.py", "--json", as_="right", status=1)) == "locked"
    assert forks.peer(wrong, "locks", "--mine", "--json", as_="wrong", ahead=0).json()["notices"] == []
    forks.peer(wrong, "unlock", "a.py", as_="wrong", ahead=0)
    sound(forks, right, wrong)
