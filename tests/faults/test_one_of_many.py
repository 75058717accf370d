"""Exclusive means exclusive: of many processes that ask for one path at once, exactly one gets it."""

from __future__ import annotations

import pytest

from tests.faults.forks import Ask, Forks
from tests.faults.history import sound, takes, violations, winners
from tests.world import Clone, World

ROUNDS = 50


def race(forks: Forks, contenders: list[Clone], rounds: int) -> None:
    """Let all contenders ask for one path after the other, and check every answer and the history."""
    granted: dict[str, list[str]] = {}
    for number in range(rounds):
        path = f"round/{number}.py"
        asks = [Ask(where, ("lock", path, "--json"), f"s{index}") for index, where in enumerate(contenders)]
        answers = forks.together(asks)
        assert violations(path, answers) == []
        granted[path] = winners(answers)
    clones = list({id(where): where for where in contenders}.values())
    for clone in clones:
        forks.peer(clone, "sync")
    sound(forks, *clones)
    assert [takes(forks, clone) for clone in clones] == [granted] * len(clones)


def joined(world: World, forks: Forks, count: int) -> list[Clone]:
    """Clones that follow one log on the world's remote."""
    clones = [world.clone(f"c{index}") for index in range(count)]
    forks.peer(clones[0], "init", "--remote", "origin", "--no-hooks")
    for clone in clones[1:]:
        forks.peer(clone, "init", "--no-hooks")
    return clones


@pytest.mark.slow
def test_one_of_32_processes_over_4_clones(world: World, forks: Forks) -> None:
    clones = joined(world, forks, 4)
    race(forks, [clones[index % 4] for index in range(32)], ROUNDS)
    assert "refs/heads/peer/coordination" in world.refs()


@pytest.mark.slow
def test_one_of_5_worktrees_in_local_mode(world: World, forks: Forks) -> None:
    main = world.clone("c")
    forks.peer(main, "init", "--local", "--no-hooks")
    race(forks, [main, *(main.worktree(f"w{index}") for index in range(4))], ROUNDS)


def test_one_of_32_programs(world: World, forks: Forks) -> None:
    """The same once with the whole program, from its start."""
    clones = joined(world, forks, 4)
    running = [clones[index % 4].start_peer("lock", "src/api.py", "--json", as_=f"s{index}") for index in range(32)]
    answers = [one.finish() for one in running]
    assert violations("src/api.py", answers) == []
    forks.peer(clones[0], "sync")
    assert takes(forks, clones[0]) == {"src/api.py": winners(answers)}
    sound(forks, clones[0])
