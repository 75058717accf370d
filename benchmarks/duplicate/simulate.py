"""A run: workers whose steps are done for real, one after the other, in the order of a simulated clock.

Machine time is nobody's: a step takes none but what its worker yields. So figures do not depend on the machine's load,
and workers overlap as thirty-two at once would.
"""

from __future__ import annotations

import heapq
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.duplicate import oracle, work
from benchmarks.duplicate.oracle import Outcome
from benchmarks.duplicate.work import Size
from benchmarks.duplicate.worker import Policy, Steps, Worker, lead
from benchmarks.duplicate.world import BRANCH, EPOCH, World

ARMS: Mapping[str, frozenset[str]] = {
    "none": frozenset(),
    "locks": frozenset({"lock", "unlock", "push"}),
    "locks, plan and deltas": frozenset({"lock", "unlock", "push", "task", "push-delta", "deltas", "ack"}),
}
HORIZON = 100 * 60.0  # minutes after which a run is over, whatever is left
APART = 2.0  # minutes within which all workers start


@dataclass(frozen=True)
class Run:
    """What is run: how many workers, with which commands, on the work list of which seed."""

    workers: int
    allowed: frozenset[str]
    seed: int
    policy: Policy = field(default_factory=Policy)
    size: Size = field(default_factory=Size)


@dataclass(frozen=True)
class Ran:
    """What came of it: the oracle's count, merges that conflicted, commands by name, simulated hours until the
    last worker had ended, and how many had not.
    """

    outcome: Outcome
    conflicts: int
    commands: dict[str, int]
    ended: float
    unfinished: int


def simulate(run: Run) -> Ran:
    """Do it in a scratch folder, and count."""
    folder = Path(tempfile.mkdtemp(prefix="git-peer-duplicate-"))
    try:
        names = [f"w{number:02}" for number in range(run.workers)]
        world = World(folder, work.listed(run.seed, run.size), names, run.allowed)
        ended, unfinished = _play(world, run)
        trees = world.trees.values()
        outcome = oracle.judge(world.todo, world.clone, trees, world.remote, BRANCH, EPOCH)
        return Ran(outcome, world.conflicts, world.commands, ended / 60, unfinished)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _play(world: World, run: Run) -> tuple[float, int]:
    """(minutes until the last worker ended, how many had not at the horizon)."""
    rng = random.Random(f"starts-{run.seed}")
    workers = [Worker(world, name, run.seed, run.policy).run() for name in world.trees]
    turns: list[tuple[float, int, Steps]] = [(rng.uniform(0, APART), at, one) for at, one in enumerate(workers)]
    turns.append((0.0, len(workers), lead(world)))
    heapq.heapify(turns)
    left = len(workers)
    while left and turns[0][0] < HORIZON:
        world.clock, at, steps = turns[0]
        pause = next(steps, None)
        if pause is None:
            heapq.heappop(turns)
            left -= 1
        else:
            heapq.heapreplace(turns, (world.clock + pause, at, steps))
    return world.clock, left
