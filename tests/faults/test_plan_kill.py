"""kill -9 and lost answers while tasks are claimed: nobody has a task without knowing it, and no task is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.forks import KILLED, STEPS, Forks, attempts
from tests.faults.history import code, sound
from tests.world import Clone, World

pytestmark = pytest.mark.faults


def prepare(world: World, forks: Forks, mode: str) -> Clone:
    """A clone in that mode."""
    clone = world.clone("a")
    forks.peer(clone, "init", *(("--local",) if mode == "local" else ("--remote", "origin")), "--no-hooks")
    return clone


def add(forks: Forks, clone: Clone, path: str) -> str:
    """A task that changes that path; its id."""
    made = forks.peer(clone, "task", "add", "x", "--path", path, "--json", as_="planner").json()
    return str(made["task"]["id"])


@pytest.mark.parametrize("mode", ["local", "remote"])
@pytest.mark.parametrize("verb", ["claim", "next"])
def test_killed_while_claiming(world: World, forks: Forks, mode: str, verb: str, every: int) -> None:
    """A claim that nobody was told of is given back with its locks by the next writer; one that was told stands."""
    clone = prepare(world, forks, mode)
    for step in range(0, STEPS, every):
        ident = add(forks, clone, f"at{step}.py")
        argv = ("task", "claim", ident, "--lock") if verb == "claim" else ("task", "next", "--lock")
        killed = forks.peer(clone, *argv, as_="victim", kill=step, status=None)
        if killed.status == 0:
            break
        assert killed.status == KILLED, killed
        untold = attempts(clone)
        forks.peer(clone, "session", "renew", as_="planner")
        assert attempts(clone) == set(), killed.err
        task = forks.peer(clone, "task", "show", ident, "--json").json()["task"]
        held = forks.peer(clone, "locks", "--json").json()["locks"]
        if untold:
            assert (task["status"], held) == ("todo", []), f"held for nobody after {killed.err}"
        else:
            assert (task["assignee"] == "victim") == bool(held), killed.err
        who = task["assignee"] or "other"
        other = forks.peer(clone, "task", "claim", ident, "--lock", "--json", as_="other", status=None)
        assert (other.status, code(other)) == ((0, "") if who == "other" else (1, "held")), f"{killed.err}\n{other}"
        forks.peer(clone, "task", "drop", ident, as_=who)
        assert forks.peer(clone, "locks", "--json").json()["locks"] == [], killed.err
    assert 4 < step < STEPS - 1
    sound(forks, clone)


def test_a_lost_answer(world: World, forks: Forks, tmp_path: Path) -> None:
    """The push landed and its answer did not: the claim is found in the log, and told."""
    clone = prepare(world, forks, "remote")
    ident = add(forks, clone, "a.py")
    flag = tmp_path / "cut"
    hook = world.remote / "hooks" / "post-receive"
    hook.write_text(f'#!/bin/sh\nif [ -e "{flag}" ]; then rm "{flag}"; kill -9 $PPID; fi\n')
    hook.chmod(0o755)
    flag.touch()
    told = forks.peer(clone, "task", "claim", ident, "--lock", "--json", as_="zoe").json()
    assert not flag.exists()
    assert (told["task"]["assignee"], len(told["locks"])) == ("zoe", 1)
    claims = forks.peer(clone, "log", "--kind", "task.claim", "--json").objects()
    assert [row["by"] for row in claims] == ["zoe"]
    sound(forks, clone)
