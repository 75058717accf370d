"""`lock --wait` through real processes: fair across clones, and whoever ends in whatever way leaves the queue."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.world import Clone, Result, Running, World

pytestmark = pytest.mark.faults


@pytest.fixture
def team(world: World, forks: Forks) -> Iterator[tuple[Clone, Clone]]:
    """Two clones that follow one log; the session `holder` of the first holds a.py."""
    first, second = world.clone("a"), world.clone("b")
    for clone in (first, second):
        forks.peer(clone, "init", "--remote", "origin", "--no-hooks")
    forks.peer(first, "lock", "a.py", as_="holder")
    yield first, second
    sound(forks, first, second)


def kinds(forks: Forks, clone: Clone, kind: str) -> list[str]:
    """Who wrote events of that kind, in order, by the log as the remote has it."""
    forks.peer(clone, "sync")
    return [row["by"] for row in forks.peer(clone, "log", "--kind", kind, "--json").objects()][::-1]


def until_asked(forks: Forks, clone: Clone, *names: str) -> None:
    """Wait until these sessions, in that order, stand in the queue."""
    end = time.monotonic() + 30
    while kinds(forks, clone, "lock.wait") != list(names):
        assert time.monotonic() < end, kinds(forks, clone, "lock.wait")
        time.sleep(0.2)


def wait(clone: Clone, name: str, *words: str, patience: str = "60s") -> Running:
    """A process that waits for a.py (or for `words`)."""
    return clone.start_peer("lock", *(words or ("a.py",)), "--wait", patience, "--json", as_=name)


def holder(forks: Forks, clone: Clone) -> list[str]:
    """Who holds a.py, by the remote."""
    forks.peer(clone, "sync")
    return [lock["session"] for lock in forks.peer(clone, "locks", "a.py", "--json").json()["locks"]]


def test_fair_across_clones(forks: Forks, team: tuple[Clone, Clone]) -> None:
    """First asked, first served, on whichever machine; who does not wait does not get past them."""
    first, second = team
    line = [wait(second, "w0")]
    until_asked(forks, first, "w0")
    line.append(wait(first, "w1"))
    until_asked(forks, first, "w0", "w1")
    line.append(wait(second, "w2"))
    until_asked(forks, first, "w0", "w1", "w2")
    forks.peer(first, "unlock", "a.py", as_="holder")
    for number, one in enumerate(line):
        assert one.finish(0).json()["acquired"] is True
        assert holder(forks, first) == [f"w{number}"]
        late = forks.peer(first, "lock", "a.py", "--json", as_="late", status=1)
        assert code(late) == "locked"
        forks.peer((second, first, second)[number], "unlock", "a.py", as_=f"w{number}")
    assert kinds(forks, first, "lock.take") == ["holder", "w0", "w1", "w2"]
    assert sorted(kinds(forks, first, "lock.unwait")) == ["w0", "w1", "w2"]


def gone_from_the_queue(forks: Forks, first: Clone) -> None:
    """Nobody stands before the next one."""
    forks.peer(first, "unlock", "a.py", as_="holder")
    forks.peer(first, "lock", "a.py", as_="next")


def test_time_out(forks: Forks, team: tuple[Clone, Clone]) -> None:
    first, second = team
    begin = time.monotonic()
    answer = wait(second, "waiter", patience="2s").finish(1)
    assert 2 <= time.monotonic() - begin < 20
    said = answer.json()
    assert (code(answer), said["acquired"], said["conflicts"][0]["lock"]["session"]) == ("locked", False, "holder")
    assert kinds(forks, first, "lock.unwait") == ["waiter"]
    gone_from_the_queue(forks, first)


def test_interrupted(forks: Forks, team: tuple[Clone, Clone]) -> None:
    first, second = team
    waiter = wait(second, "waiter")
    until_asked(forks, first, "waiter")
    waiter.process.send_signal(signal.SIGINT)
    answer = waiter.finish(130)
    assert code(answer) == "interrupted"
    assert "Traceback" not in answer.err
    assert kinds(forks, first, "lock.unwait") == ["waiter"]
    gone_from_the_queue(forks, first)


def test_killed_waiter(forks: Forks, team: tuple[Clone, Clone]) -> None:
    """kill -9: it stands in the queue until its own time is up (and the skew of clocks), not for ever."""
    first, second = team
    for clone in team:
        clone.git("config", "peer.clockSkew", "1s")
    waiter = wait(second, "waiter", patience="8s")
    until_asked(forks, first, "waiter")
    asked = time.monotonic()
    assert waiter.kill().status == -signal.SIGKILL
    forks.peer(first, "unlock", "a.py", as_="holder")
    early: Result = forks.peer(first, "lock", "a.py", "--json", as_="next", status=None)
    assert early.status == 0 or early.json()["conflicts"][0]["waiter"] == "waiter"
    if early.status:
        forks.peer(first, "lock", "a.py", "--wait", "30s", as_="next")
    assert time.monotonic() - asked < 25
    assert holder(forks, first) == ["next"]


def test_cycle(forks: Forks, team: tuple[Clone, Clone]) -> None:
    """The one who would close the circle is refused at once, with the names around it."""
    first, second = team
    forks.peer(second, "lock", "b.py", as_="other")
    waiter = wait(first, "holder", "b.py")
    until_asked(forks, second, "holder")
    answer = wait(second, "other", "a.py").finish(1)
    assert code(answer) == "cycle"
    assert set(answer.json()["cycle"]) == {"holder", "other"}
    forks.peer(second, "unlock", "b.py", as_="other")
    waiter.finish(0)


def test_preempt_tells_the_loser(forks: Forks, team: tuple[Clone, Clone]) -> None:
    first, second = team
    answer = forks.peer(second, "lock", "a.py", "--preempt", "--priority", "8", "--json", as_="urgent", status=1)
    assert code(answer) == "locked", "not strictly higher"
    forks.peer(second, "lock", "a.py", "--preempt", "--priority", "9", as_="urgent")
    answer = forks.peer(first, "lock", "a.py", "--json", as_="holder", status=1)
    (notice,) = answer.json()["notices"]
    assert (notice["code"], notice["target"], notice["holder"]) == ("lost", "a.py", "urgent")
    assert holder(forks, first) == ["urgent"]


def test_preempted_waiter_goes_on(forks: Forks, team: tuple[Clone, Clone]) -> None:
    """One who preempts goes before a waiter of lower weight, who keeps its place and is served next."""
    first, second = team
    waiter = wait(second, "waiter")
    until_asked(forks, first, "waiter")
    forks.peer(first, "lock", "a.py", "--preempt", "--priority", "10", as_="urgent")
    assert holder(forks, first) == ["urgent"]
    forks.peer(first, "unlock", "a.py", as_="urgent")
    waiter.finish(0)
    assert holder(forks, first) == ["waiter"]
