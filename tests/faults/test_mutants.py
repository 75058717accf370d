"""The race's checker can fail: with a protection switched off it sees that more than one was granted."""

from __future__ import annotations

import pytest

from tests.faults.forks import Ask, Forks
from tests.faults.history import code, sound, takes, violations, winners
from tests.faults.test_one_of_many import joined
from tests.world import Clone, Result, World

TRIES = 3  # rounds within which a broken engine must have been caught; the first does, as a rule


def worktrees(world: World, forks: Forks) -> list[Clone]:
    """Five work trees of one clone in local mode."""
    main = world.clone("c")
    forks.peer(main, "init", "--local", "--no-hooks")
    return [main, *(main.worktree(f"w{index}") for index in range(4))]


def contest(forks: Forks, contenders: list[Clone], path: str, weak: tuple[str, ...]) -> list[Result]:
    """Everybody asks for one path with these protections off, and has decided before the first publishes."""
    folder = contenders[0].world.folder / path.replace("/", "-")
    folder.mkdir()
    env = {"MEET": f"{len(contenders)}:{folder}"}
    asks = [
        Ask(where, ("lock", path, "--json"), f"s{index}", weak=(*weak, "meet"), env=env)
        for index, where in enumerate(contenders)
    ]
    return forks.together(asks)


def caught(forks: Forks, contenders: list[Clone], weak: tuple[str, ...]) -> bool:
    """Whether the checker sees a double grant within some rounds."""
    for number in range(TRIES):
        path = f"round/{number}.py"
        answers = contest(forks, contenders, path, weak)
        if any(f"{path}: granted to {many}" in violations(path, answers) for many in range(2, len(contenders) + 1)):
            return True
    return False


def test_no_compare_in_local_mode(world: World, forks: Forks) -> None:
    assert caught(forks, worktrees(world, forks), ("kernel lock", "compare"))


def test_no_lease_on_the_push(world: World, forks: Forks) -> None:
    clones = joined(world, forks, 4)
    assert caught(forks, [clones[index % 4] for index in range(6)], ("kernel lock", "lease"))


def test_no_lease_among_processes_that_take_turns(world: World, forks: Forks) -> None:
    """The kernel lock excludes nobody in another clone."""
    assert caught(forks, joined(world, forks, 4), ("lease",))


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_the_kernel_lock_is_only_for_speed(world: World, forks: Forks, mode: str) -> None:
    """Without it nobody is told a lie either: some may have to try again, but never two have the lock."""
    clones = worktrees(world, forks) if mode == "local" else joined(world, forks, 2)
    contenders = [clones[index % len(clones)] for index in range(6)]
    granted: dict[str, list[str]] = {}
    for number in range(4):
        path = f"round/{number}.py"
        answers = contest(forks, contenders, path, ("kernel lock",))
        odd = [one for one in answers if one.status and code(one) not in ("locked", "busy", "unreachable")]
        assert odd == [], odd[0]
        granted[path] = winners(answers)
        assert len(granted[path]) <= 1
    assert any(granted.values())
    for clone in dict.fromkeys(clones):
        forks.peer(clone, "sync")
    told = {path: ids for path, ids in granted.items() if ids}
    assert {path: ids for path, ids in takes(forks, clones[0]).items() if path in told} == told
    sound(forks, *dict.fromkeys(clones))
