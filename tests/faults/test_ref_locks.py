"""Stale `.lock` files of refs: a command says so and hints at `doctor`, which takes away only what is ours."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import filelock
import pytest

from git_peer import layout
from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.world import Clone, World

OLD = 3600  # seconds
QUICK = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "2s"}

pytestmark = pytest.mark.faults


def stale(clone: Clone, name: str, age: int = OLD) -> Path:
    """A lock file that a killed git left behind so many seconds ago."""
    path = clone.path / ".git" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def told(forks: Forks, clone: Clone, *args: str) -> list[dict[str, Any]]:
    """What doctor says of ref locks."""
    checks = forks.peer(clone, "doctor", *args, "--json", status=None).json()["checks"]
    return [check for check in checks if check["name"] == "ref locks"]


def ready(world: World, forks: Forks, mode: str) -> Clone:
    """A clone in that mode."""
    clone = world.clone("a")
    forks.peer(clone, "init", *(("--local",) if mode == "local" else ("--remote", "origin")))
    return clone


@pytest.mark.parametrize("mode", ["local", "remote"])
@pytest.mark.parametrize("name", [layout.TIP, layout.INCOMING])
@pytest.mark.parametrize("age", [OLD, 0])
def test_ours(world: World, forks: Forks, mode: str, name: str, age: int) -> None:
    clone = ready(world, forks, mode)
    if name == layout.INCOMING and mode == "remote":  # what stands where it did git does not write
        other = world.clone("b")
        forks.peer(other, "init", "--no-hooks")
        forks.peer(other, "lock", "b.py", as_="b")
    path = stale(clone, name, age)
    blocked = name == layout.TIP or mode == "remote"
    command = ("lock", "a.py") if name == layout.TIP else ("sync",)
    answer = forks.peer(clone, *command, "--json", as_="a", status=None, env=QUICK)
    if blocked:
        # A lock that reached the remote, and that this clone cannot note, is not known to be ours yet.
        assert (answer.status, code(answer)) in ((3, "busy"), (3, "unknown")), answer
        assert "doctor" in answer.json()["error"]["hint"], answer
    else:
        assert answer.status == 0, answer
    (check,) = told(forks, clone)
    assert path.name in check["detail"], check
    assert check["status"] == ("fail" if age else "warn"), check
    assert path.exists(), "a doctor that was not asked to mend anything"
    told(forks, clone, "--fix")
    assert path.exists() == (not age), "a young one may be a living git's"
    path.unlink(missing_ok=True)
    forks.peer(clone, "lock", "a.py", as_="a")
    assert [check["status"] for check in told(forks, clone)] == ["ok"]
    sound(forks, clone)


@pytest.mark.parametrize("name", ["refs/heads/main", "packed-refs", "refs/notes/peer-not", "HEAD"])
def test_others(world: World, forks: Forks, name: str) -> None:
    """What is not ours is named and left alone, and does not stop git-peer."""
    clone = ready(world, forks, "remote")
    path = stale(clone, name)
    for args in ((), ("--fix",)):
        (check,) = told(forks, clone, *args)
        assert path.name in check["detail"], check
        assert (check["status"], str(path) in check["hint"]) == ("warn", True), check
        assert path.exists()
    forks.peer(clone, "lock", "a.py", as_="a")
    forks.peer(clone, "unlock", "a.py", as_="a")


def test_not_while_another_writes(world: World, forks: Forks) -> None:
    """Under the kernel lock somebody may be moving that very ref: doctor waits, then says busy and removes nothing."""
    clone = ready(world, forks, "local")
    path = stale(clone, layout.TIP)
    with filelock.FileLock(clone.path / ".git" / layout.FOLDER / layout.F_LOCK):
        answer = forks.peer(clone, "doctor", "--fix", "--json", status=3)
        assert code(answer) == "busy"
        assert path.exists()
    told(forks, clone, "--fix")
    assert not path.exists()


def test_nothing_granted_behind_it(world: World, forks: Forks) -> None:
    """The remote took the push, the clone cannot note it: told as unknown, and given back by whoever writes next."""
    clone = ready(world, forks, "remote")
    path = stale(clone, layout.TIP)
    answer = forks.peer(clone, "lock", "a.py", "--json", as_="a", status=3, env=QUICK)
    told(forks, clone, "--fix")
    assert not path.exists()
    forks.peer(clone, "lock", "next.py", as_="next")
    held = {lock["path"] for lock in forks.peer(clone, "locks", "--json").json()["locks"]}
    assert held == {"next.py"}, answer
    sound(forks, clone)
