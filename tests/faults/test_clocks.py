"""Wrong clocks: hours or years off, ahead or behind, neither steals a live lock nor holds one for ever."""

from __future__ import annotations

import sys
import time

import pytest

from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.world import Clone, Result, World, start

HOUR = 3600
YEAR = 365 * 24 * HOUR
OFF = [2 * HOUR, 20 * YEAR, -2 * HOUR, -20 * YEAR]  # seconds that the clock goes ahead
TTL = 3  # seconds
PATIENCE = 5  # seconds of a waiter

# The program in a process whose wall clock is wrong; its monotonic clock is not.
SKEWED = """
import sys, time
real, off = time.time, float(sys.argv[1])
time.time = lambda: real() + off
from git_peer.cli.main import main
sys.exit(main(sys.argv[2:]))
"""

pytestmark = pytest.mark.faults


def skewed(clone: Clone, off: int, *args: str, as_: str = "wrong", status: int | None = 0) -> Result:
    """Run git-peer with a clock that goes `off` seconds ahead."""
    words = (sys.executable, "-P", "-c", SKEWED, str(off), "--as", as_, *args)
    return start(words, clone.path).finish(status)


def team(world: World, forks: Forks, off: int) -> tuple[Clone, Clone]:
    """A clone whose clock is right, and one whose clock is wrong from its first day."""
    right, wrong = world.clone("right"), world.clone("wrong")
    forks.peer(right, "init", "--remote", "origin", "--no-hooks")
    skewed(wrong, off, "init", "--no-hooks")
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
        answer = skewed(wrong, off, "lock", "a.py", "--json", status=1)
        assert code(answer) == "locked", answer
        forks.peer(right, "session", "renew", as_="right")
    skewed(wrong, off, "lock", "b.py")  # what is free is free for it too
    assert holders(forks, right, "a.py") == ["right"]
    assert code(skewed(wrong, off, "lock", "a.py", "--json", status=1)) == "locked"
    forks.peer(right, "lock", "a.py", as_="right")
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_does_not_steal_on_its_first_look(world: World, forks: Forks, off: int) -> None:
    """It joins when the lock is there already: it has seen nobody write, so its clock proves nothing."""
    right, wrong = world.clone("right"), world.clone("wrong")
    forks.peer(right, "init", "--remote", "origin", "--no-hooks")
    forks.peer(right, "lock", "a.py", "--ttl", "30m", as_="right")
    skewed(wrong, off, "init", "--no-hooks")
    assert code(skewed(wrong, off, "lock", "a.py", "--json", status=1)) == "locked"
    skewed(wrong, off, "lock", "b.py")  # its own event, which nobody's clock bears out
    assert code(skewed(wrong, off, "lock", "a.py", "--json", status=1)) == "locked"
    assert holders(forks, right, "a.py") == ["right"]


@pytest.mark.parametrize("off", OFF)
def test_does_not_hold_for_ever(world: World, forks: Forks, off: int) -> None:
    """Its dead session's lock can be had by a right clock when a TTL has passed, and not before."""
    right, wrong = team(world, forks, off)
    right.git("config", "peer.clockSkew", "1s")
    forks.peer(right, "lock", "b.py", as_="right")
    skewed(wrong, off, "lock", "a.py", "--ttl", f"{TTL}s")
    begin = time.monotonic()
    forks.peer(right, "sync")
    early = forks.peer(right, "lock", "a.py", "--json", as_="right", status=None)
    assert early.status == 1 or time.monotonic() - begin > TTL or off < 0, early
    while early.status:
        assert time.monotonic() - begin < 30
        time.sleep(1)
        early = forks.peer(right, "lock", "a.py", "--json", as_="right", status=None)
    assert holders(forks, right, "a.py") == ["right"]
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_watches_a_dead_holder(world: World, forks: Forks, off: int) -> None:
    """A clock that proves nothing may take what it saw nothing new of for a whole TTL, by its monotonic one."""
    right, wrong = team(world, forks, off)
    skewed(wrong, off, "sync")
    forks.peer(right, "lock", "a.py", "--ttl", f"{TTL}s", as_="dead")
    skewed(wrong, off, "sync")
    answer = skewed(wrong, off, "lock", "a.py", "--json", status=None)
    assert answer.status == 1, answer
    time.sleep(TTL + 2)
    skewed(wrong, off, "lock", "a.py")
    rows = forks.peer(wrong, "log", "--kind", "lock.expire", "--json").objects()
    assert [row["evidence"]["how"] for row in rows] == ["watch"]
    assert rows[0]["evidence"]["watched"] > TTL
    assert holders(forks, right, "a.py") == ["wrong"]
    sound(forks, right, wrong)


@pytest.mark.parametrize("off", OFF)
def test_doctor_tells(world: World, forks: Forks, off: int) -> None:
    right, wrong = team(world, forks, off)
    skewed(wrong, off, "sync")
    forks.peer(right, "lock", "a.py", as_="right")
    skewed(wrong, off, "sync")
    checks = skewed(wrong, off, "doctor", "--json", status=None).json()["checks"]
    assert [check["status"] for check in checks if check["name"] == "clock"] == ["warn"], checks
    checks = forks.peer(right, "doctor", "--json", status=None).json()["checks"]
    assert [check["status"] for check in checks if check["name"] == "clock"] == ["ok"], checks


@pytest.mark.parametrize("off", OFF)
def test_does_not_overtake(world: World, forks: Forks, off: int) -> None:
    """Who waits stands before it, whatever its clock says of when their time is over; watching proves that it is."""
    right, wrong = team(world, forks, off)
    right.git("config", "peer.clockSkew", "1s")
    forks.peer(right, "lock", "a.py", as_="holder")
    skewed(wrong, off, "sync")
    waiter = right.start_peer("lock", "a.py", "--wait", f"{PATIENCE}s", as_="waiter")
    end = time.monotonic() + 20
    while not forks.peer(right, "log", "--kind", "lock.wait", "--json").objects():
        assert time.monotonic() < end
        time.sleep(0.1)
    asked = time.monotonic()
    waiter.kill()  # it keeps its place, and takes nothing
    forks.peer(right, "unlock", "a.py", as_="holder")
    answer = skewed(wrong, off, "lock", "a.py", "--json", status=None)
    assert time.monotonic() - asked > PATIENCE or (answer.status, code(answer)) == (1, "locked"), answer
    assert answer.status == 0 or answer.json()["conflicts"][0]["waiter"] == "waiter", answer
    if off < 0:
        return  # the rest takes its time
    time.sleep(PATIENCE + 2)
    skewed(wrong, off, "lock", "a.py")
    assert holders(forks, right, "a.py") == ["wrong"]
    sound(forks, right, wrong)


def test_jumps_while_it_holds(world: World, forks: Forks) -> None:
    """A clock that is set back and forth under a session loses it nothing that it renews."""
    right, wrong = team(world, forks, 0)
    forks.peer(right, "lock", "else.py", as_="right")
    skewed(wrong, 0, "lock", "a.py")
    for off in (2 * HOUR, -2 * HOUR, 0, YEAR, 0):
        skewed(wrong, off, "session", "renew")
        forks.peer(right, "sync")
        assert code(forks.peer(right, "lock", "a.py", "--json", as_="right", status=1)) == "locked"
    assert skewed(wrong, 0, "locks", "--mine", "--json").json()["notices"] == []
    skewed(wrong, 0, "unlock", "a.py")
    sound(forks, right, wrong)
