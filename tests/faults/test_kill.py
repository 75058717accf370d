"""kill -9 at the steps of a command: the next command works, nothing granted is lost, nothing is granted twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from git_peer import layout
from tests.faults.forks import KILLED, STEPS, Forks, attempts
from tests.faults.history import code, sound
from tests.world import Clone, World

pytestmark = pytest.mark.faults


def held(forks: Forks, clone: Clone) -> dict[str, str]:
    """Path → its holder, by the local copy."""
    return {lock["path"]: lock["session"] for lock in forks.peer(clone, "locks", "--json").json()["locks"]}


def kept(forks: Forks, clone: Clone, why: str) -> None:
    """What was granted and told before any kill is held still, and nobody is told of a loss."""
    answer = forks.peer(clone, "locks", "--json", as_="keeper").json()
    assert "keep.py" in {lock["path"] for lock in answer["locks"]}, why
    assert [notice for notice in answer["notices"] if notice["code"] == "lost"] == [], why


def prepare(world: World, forks: Forks, mode: str) -> Clone:
    """A clone in that mode, in which the session `keeper` holds keep.py."""
    clone = world.clone("a")
    forks.peer(clone, "init", *(("--local",) if mode == "local" else ("--remote", "origin")), "--no-hooks")
    forks.peer(clone, "lock", "keep.py", as_="keeper")
    return clone


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_lock(world: World, forks: Forks, mode: str, every: int) -> None:
    clone = prepare(world, forks, mode)
    for step in range(0, STEPS, every):
        path = f"at{step}.py"
        killed = forks.peer(clone, "lock", path, as_="victim", kill=step, status=None)
        if killed.status == 0:
            break
        assert killed.status == KILLED, killed
        untold = attempts(clone)
        forks.peer(clone, "lock", f"next{step}.py", as_="next")
        assert attempts(clone) == set(), killed.err
        holder = held(forks, clone).get(path)
        if untold:
            assert holder is None, f"held for nobody after {killed.err}"
        other = forks.peer(clone, "lock", path, "--json", as_="other", status=None)
        assert (other.status, code(other)) == ((1, "locked") if holder else (0, "")), f"{killed.err}\n{other}"
        forks.peer(clone, "unlock", path, as_=holder or "other")
        kept(forks, clone, killed.err)
    assert 4 < step < STEPS - 1
    sound(forks, clone)


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_unlock(world: World, forks: Forks, mode: str, every: int) -> None:
    clone = prepare(world, forks, mode)
    for step in range(0, STEPS, every):
        path = f"at{step}.py"
        forks.peer(clone, "lock", path, as_="victim")
        killed = forks.peer(clone, "unlock", path, as_="victim", kill=step, status=None)
        if killed.status == 0:
            break
        assert killed.status == KILLED, killed
        again = forks.peer(clone, "unlock", path, "--json", as_="victim", status=None)
        assert (again.status, code(again)) in ((0, ""), (1, "not_found")), f"{killed.err}\n{again}"
        assert path not in held(forks, clone), killed.err
        told = forks.peer(clone, "locks", "--mine", "--json", as_="victim").json()
        assert told["notices"] == [], killed.err
        kept(forks, clone, killed.err)
    assert 4 < step < STEPS - 1
    sound(forks, clone)


def test_push(world: World, forks: Forks, every: int) -> None:
    clone = prepare(world, forks, "remote")
    for step in range(0, STEPS, every):
        path = f"at{step}.py"
        forks.peer(clone, "lock", path, as_="victim")
        clone.write(path, "x\n")
        clone.commit("work", path)
        killed = forks.peer(clone, "push", as_="victim", kill=step, status=None)
        if killed.status == 0:
            break
        assert killed.status == KILLED, killed
        landed = world.refs()["refs/heads/main"] == clone.head()
        forks.peer(clone, "sync")
        assert (path not in held(forks, clone)) == landed, f"code and log did not land together: {killed.err}"
        forks.peer(clone, "push", as_="victim")
        assert world.refs()["refs/heads/main"] == clone.head(), killed.err
        assert path not in held(forks, clone), killed.err
        kept(forks, clone, killed.err)
    assert 4 < step < STEPS - 1
    sound(forks, clone)


def sweep(
    folder: Path,
    forks: Forks,
    argv: tuple[str, ...],
    before: Callable[[World], Clone],
    after: Callable[[World, Clone, str], None],
    every: int,
) -> None:
    """Kill `argv` at steps so far apart, each time in a world of its own."""
    for step in range(0, STEPS, every):
        world = World(folder / str(step))
        clone = before(world)
        killed = forks.peer(clone, *argv, kill=step, status=None)
        if killed.status == 0:
            break
        assert killed.status == KILLED, killed
        after(world, clone, killed.err)
    assert 4 < step < STEPS - 1


def test_init_local(tmp_path: Path, forks: Forks, every: int) -> None:
    def after(world: World, clone: Clone, why: str) -> None:
        forks.peer(clone, "init", "--local")
        forks.peer(clone, "lock", "a.py", as_="a")
        assert code(forks.peer(clone, "lock", "a.py", "--json", as_="b", status=1)) == "locked", why
        sound(forks, clone)
        assert not clone.git("status", "--porcelain").out, why

    sweep(tmp_path, forks, ("init", "--local"), lambda world: world.clone("a"), after, every)


def test_init_join(tmp_path: Path, forks: Forks, every: int) -> None:
    def before(world: World) -> Clone:
        first, second = world.clone("b"), world.clone("a")
        forks.peer(first, "init", "--remote", "origin", "--no-hooks")
        forks.peer(first, "lock", "keep.py", as_="keeper")
        return second

    def after(world: World, clone: Clone, why: str) -> None:
        assert forks.peer(clone, "init", "--no-hooks", "--json").json()["mode"] == "remote"
        assert code(forks.peer(clone, "lock", "keep.py", "--json", as_="b", status=1)) == "locked", why
        forks.peer(clone, "lock", "a.py", as_="a")
        sound(forks, clone)
        assert not [ref for ref in world.refs() if ref.startswith(layout.STAGE)], why

    sweep(tmp_path, forks, ("init", "--no-hooks"), before, after, every)


@pytest.mark.parametrize("there", ["nothing", pytest.param("a log", marks=pytest.mark.slow)])
def test_publish(tmp_path: Path, forks: Forks, there: str, every: int) -> None:
    """A local log moves to the remote, be there another log or none."""

    def before(world: World) -> Clone:
        clone = world.clone("a")
        forks.peer(clone, "init", "--local", "--no-hooks")
        forks.peer(clone, "lock", "keep.py", as_="keeper")
        if there == "a log":
            forks.peer(world.clone("b"), "init", "--remote", "origin", "--no-hooks")
        return clone

    def after(world: World, clone: Clone, why: str) -> None:
        forks.peer(clone, "lock", "next.py", as_="next")  # whatever the mode is now, it works
        forks.peer(clone, "init", "--remote", "origin", "--no-hooks")
        other = world.clone("c")
        forks.peer(other, "init", "--no-hooks")
        assert {"keep.py", "next.py"} <= set(held(forks, other)), why
        kept(forks, clone, why)
        sound(forks, clone, other)

    sweep(tmp_path, forks, ("init", "--remote", "origin", "--no-hooks"), before, after, every)
