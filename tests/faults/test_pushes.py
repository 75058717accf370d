"""How many pushes many writers come to: a host takes few of them a minute. Counts only; benchmarks/ has the times."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import idle
from tests.cli.test_traffic import Trace, network
from tests.faults.forks import Ask, Forks
from tests.faults.history import sound, takes
from tests.world import Clone, World

WRITERS = 20
_SLOW = "#!/bin/sh\nsleep 2\n"  # as a host far away: all have asked before the first push has its answer


def slow_down(world: World) -> None:
    """Have the remote take its time."""
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text(_SLOW)
    hook.chmod(0o755)


def test_sessions_of_one_clone_share_pushes(world: World, forks: Forks, tmp_path: Path) -> None:
    """Twenty that ask for twenty locks at once, from its work trees too: all granted, by at most four pushes."""
    one = world.clone("c")
    forks.peer(one, "init", "--remote", "origin", "--no-hooks")
    places = [one, one.worktree("w")]
    slow_down(world)
    trace = Trace(tmp_path)
    answers = forks.together(
        [Ask(places[n % 2], ("lock", f"f{n}.py", "--json"), f"s{n}", env=trace.env) for n in range(WRITERS)]
    )
    told = [answer.json() for answer in answers]
    assert [answer.status for answer in answers] == [0] * WRITERS
    assert all(one["acquired"] for one in told)
    pushes = network(trace.verbs()).count("push")
    assert pushes == sum(one["traffic"]["pushes"] for one in told)
    assert pushes <= 4
    assert takes(forks, one) == {f"f{n}.py": [told[n]["locks"][0]["id"]] for n in range(WRITERS)}
    sound(forks, one)


@pytest.fixture
def team(world: World) -> list[Clone]:
    """Five clones that follow one log."""
    clones = [world.clone(f"c{number}") for number in range(5)]
    clones[0].peer("init", "--remote", "origin", "--no-hooks")
    for clone in clones[1:]:
        clone.peer("init", "--no-hooks")
    return clones


@pytest.mark.parametrize("apart", [45, 90], ids=["quarter", "half"])  # of half a TTL, between the two of a clone
def test_idle_sessions_renew_together(team: list[Clone], apart: int) -> None:
    """Each clone renews all of its sessions in one push every half TTL, whenever they began; no push is lost."""
    minutes, half = 60, idle.TTL // 2 // 60
    came = idle.simulate([clone.path for clone in team], 2 * len(team), minutes, apart)
    assert came.lapsed == 0
    assert came.pushes < minutes
    assert len(team) * (minutes // (half + 1)) <= came.pushes <= len(team) * (minutes // half + 1)
