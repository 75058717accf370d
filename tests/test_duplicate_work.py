"""The benchmark of duplicate work: its arms differ in commands alone, and its oracle counts what it should."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import random
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import duplicate_work
from benchmarks.duplicate import oracle, work, worker
from benchmarks.duplicate.oracle import Outcome
from benchmarks.duplicate.simulate import ARMS, Run, simulate
from benchmarks.duplicate.work import Item, Size
from benchmarks.duplicate.world import BRANCH, EPOCH, NotAllowed, World

SMALL = Size(modules=2, shared=1, constants=1, writes=4, changes=1, register_every=1)
SEED = 4  # of which the one change is of i00


@pytest.fixture
def stage(tmp_path: Path) -> World:
    """Two workers who have begun nothing."""
    return World(tmp_path, work.listed(SEED, SMALL), ["w00", "w01"], frozenset())


def item(world: World, ident: str) -> Item:
    """An item of the list."""
    return next(one for one in world.todo.items if one.id == ident)


def update(world: World, name: str) -> None:
    """A work tree becomes what the remote has."""
    world.fetch(name)
    assert world.git(name, "reset", "-q", "--hard", f"origin/{BRANCH}")


def make(world: World, name: str, ident: str, execution: str) -> None:
    """Edit and commit, on what the work tree has."""
    work.edit(item(world, ident), world.trees[name], execution, random.Random(execution))
    world.commit(name, f"{ident} by {execution}")


def land(world: World, name: str) -> None:
    """Rebase, without a conflict, and push."""
    world.fetch(name)
    assert world.rebase(name)
    assert world.git(name, "push", "-q", "origin", f"HEAD:{BRANCH}")


def judged(world: World) -> Outcome:
    """What the oracle says."""
    return oracle.judge(world.todo, world.clone, world.trees.values(), world.remote, BRANCH, EPOCH)


def test_the_oracle_counts_a_duplicate_that_never_landed(stage: World) -> None:
    """Both write i00; the second finds it done when it merges, and drops its own."""
    make(stage, "w00", "i00", "a")
    make(stage, "w01", "i00", "b")
    land(stage, "w00")
    stage.fetch("w01")
    assert not stage.rebase("w01")
    update(stage, "w01")
    found = judged(stage)
    assert (found.executions, found.attempted, found.duplicate, found.lost, found.whole) == (2, 1, 0.5, 0, 1)
    assert stage.conflicts == 1


def test_the_oracle_counts_a_lost_edit(stage: World) -> None:
    """Both add a line at one place, and the second takes its own side: of the first item a line is gone."""
    make(stage, "w00", "i01", "a")
    make(stage, "w01", "i02", "b")
    land(stage, "w00")
    stage.fetch("w01")
    assert not stage.rebase("w01")
    assert stage.git("w01", "rebase", "-q", "-X", "theirs", f"origin/{BRANCH}")
    land(stage, "w01")
    found = judged(stage)
    assert (found.executions, found.attempted, found.lost, found.whole, stage.conflicts) == (2, 2, 1, 1, 1)


def test_the_oracle_knows_what_supersedes(stage: World) -> None:
    """A change rewrites what i00 wrote: that is no loss, and both items stand."""
    assert item(stage, "c00").after == ("i00",)
    make(stage, "w00", "i00", "a")
    make(stage, "w00", "c00", "b")
    land(stage, "w00")
    found = judged(stage)
    assert (found.executions, found.attempted, found.lost, found.whole) == (2, 2, 0, 2)


def test_the_oracle_counts_a_stale_edit(stage: World) -> None:
    """A function is written by a name that was renamed meanwhile: it merges, and does not work."""
    make(stage, "w00", "r00", "a")
    make(stage, "w01", "i03", "b")
    land(stage, "w00")
    land(stage, "w01")
    found = judged(stage)
    assert (found.stale, found.dangling, found.lost, found.whole, stage.conflicts) == (1, 1, 0, 1, 0)


def test_the_simulated_clock_is_that_of_the_last_landing(stage: World) -> None:
    """Hours go by the dates of commits on the remote's branch."""
    stage.clock = 90
    make(stage, "w00", "i00", "a")
    land(stage, "w00")
    stage.clock = 600
    make(stage, "w01", "i01", "b")  # never lands
    assert judged(stage).hours == 1.5


@pytest.mark.parametrize("arm", ARMS)
def test_one_worker_does_everything_once(arm: str) -> None:
    """In each arm, and by no command but those of the arm; where it has some it uses them."""
    ran = simulate(Run(1, ARMS[arm], SEED, size=SMALL))
    count = len(work.listed(SEED, SMALL).items)
    assert (ran.outcome.executions, ran.outcome.attempted, ran.outcome.whole) == (count, count, count)
    assert (ran.outcome.lost, ran.outcome.stale, ran.conflicts, ran.unfinished) == (0, 0, 0, 0)
    assert set(ran.commands) <= ARMS[arm]
    assert bool(ran.commands) == bool(ARMS[arm])


def test_arms_differ_in_nothing_but_commands(stage: World) -> None:
    """Each has those of the one before; the program is not told which it is in, and cannot use what it may not."""
    assert list(ARMS.values()) == sorted(ARMS.values(), key=len)
    none, locks, everything = ARMS.values()
    assert none < locks < everything
    assert {field.name for field in dataclasses.fields(Run)} == {"workers", "allowed", "seed", "policy", "size"}
    told = {node.value for node in ast.walk(ast.parse(inspect.getsource(worker))) if isinstance(node, ast.Constant)}
    assert not told & set(ARMS)
    with pytest.raises(NotAllowed):
        stage.peer("w00", "lock", "app/m00.py")


def test_a_run_is_the_same_again() -> None:
    """Whatever the machine does meanwhile; another seed is another run."""
    run = Run(2, ARMS["none"], SEED, size=SMALL)
    ran = simulate(run)
    assert simulate(run) == ran
    assert simulate(replace(run, seed=SEED + 1)) != ran


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Medians, with the least and the most where they differ."""
    ran = simulate(Run(1, ARMS["none"], SEED, size=SMALL))
    other = replace(ran, conflicts=4)
    row = duplicate_work.table([(1, "none", [ran, other, other])]).splitlines()[-1]
    assert "| 4 (0 to 4) |" in row
    with pytest.raises(SystemExit):
        duplicate_work.main(["--workers", "0"])
    assert "positive" in capsys.readouterr().err
