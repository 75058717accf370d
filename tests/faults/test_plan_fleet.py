"""A fleet works a plan off: every task once, never too early, never two on one path, whoever dies in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from git_peer.core.plan.edits import AddTask, EditPlan
from git_peer.core.plan.task.record import Spec
from git_peer.core.target import target as targets
from git_peer.ops.wiring import Parts
from tests.faults import fleet
from tests.faults.forks import Forks
from tests.faults.history import sound
from tests.world import Clone, World, merged

pytestmark = pytest.mark.faults

FILES = [f"src/m{folder}/f{number}.py" for folder in range(40) for number in range(10)]
TTL, SKEW = 8, 1  # seconds: of a lease, and how far clocks may be apart
WITHIN = 900  # seconds that no fleet may take, on any machine


@dataclass
class Planned:
    """A task of the plan, and what the history says became of it."""

    after: list[str]
    paths: list[str]
    worker: str = ""
    claims: list[str] = field(default_factory=list)
    done: int = 0


def covers(path: str) -> set[str]:
    """The files that a target of the plan stands for."""
    if path.endswith("/"):
        return {file for file in FILES if file.startswith(path)}
    return {file for file in FILES if fnmatchcase(file, path)}


def drawn(count: int, rng: random.Random) -> dict[str, Planned]:
    """A plan at random: each task waits for up to three of those before it, and changes up to three paths."""
    found: dict[str, Planned] = {}
    for number in range(1, count + 1):
        near = [f"t{one}" for one in range(max(1, number - 100), number)]
        paths = rng.sample(FILES, rng.randrange(1, 3))
        if rng.random() < 0.05:
            paths.append(rng.choice([f"src/m{rng.randrange(40)}/", f"src/m*/f{rng.randrange(10)}.py"]))
        found[f"t{number}"] = Planned(
            rng.sample(near, min(len(near), rng.choice((0, 0, 1, 1, 2, 3)))), sorted(set(paths))
        )
    return found


def planned(clone: Clone, plan: dict[str, Planned], rng: random.Random) -> None:
    """Put the plan into the log, in one transaction."""
    edits = []
    for ident, one in plan.items():
        paths = tuple(targets.parse(path, "", lambda _: "") for path in one.paths)
        spec = Spec(title=f"task {ident}", depends_on=tuple(one.after), paths=paths, priority=rng.randrange(1, 10))
        edits.append(AddTask(id=ident, spec=spec))
    with contextlib.chdir(clone.path):
        peer = Parts("planner", writing=True).peer(writing=True)
        peer.run(EditPlan(me=peer.me, edits=tuple(edits)))


def run(world: World, clones: list[Clone], forks: Forks, workers: int, victims: int) -> list[dict[str, Any]]:
    """Let the fleet go, until the whole plan is done; what each worker says of itself."""
    until, queue = world.folder / "until", world.folder / "taken" / "queue"
    queue.mkdir(parents=True)
    asks = []
    for number in range(workers):
        ask = {"cwd": str(clones[number % len(clones)].path), "name": f"w{number}"}
        if number < victims:
            ask["dies"] = (fleet.AT_WORK, fleet.IN_COMMAND)[number % 2]
        asks.append(ask)
    top = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.faults.fleet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=merged({"PYTHONPATH": os.pathsep.join(filter(None, (str(top), os.environ.get("PYTHONPATH"))))}),
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"workers": asks, "until": str(until), "queue": str(queue)}).encode() + b"\n")
    process.stdin.flush()
    end = time.monotonic() + WITHIN
    try:
        while not _over(forks, clones[0], queue):
            assert time.monotonic() < end, forks.peer(clones[0], "task", "list").out
            assert process.poll() is None, "the fleet has ended too early"
            time.sleep(0.5)
    finally:
        until.touch()
        out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


def _over(forks: Forks, clone: Clone, queue: Path) -> bool:
    """Whether every task is done; what was handed in by one that died right then is put into the queue."""
    tasks = forks.peer(clone, "task", "list", "--json").json()["tasks"]
    for task in tasks:
        if task["status"] in ("review", "merge_point"):
            (queue / f"{task['id']} {task['assignee']}").touch()
    return all(task["status"] == "done" for task in tasks)


def replayed(forks: Forks, clone: Clone, plan: dict[str, Planned]) -> Iterator[str]:
    """What the history says that should not be, event by event; `plan` is told what became of its tasks."""
    forks.peer(clone, "sync")
    rows = forks.peer(clone, "log", "--json").objects()[::-1]
    at_work: dict[str, str] = {}
    heard: dict[str, int] = {}
    for row in rows:
        kind, by = row["kind"], row["by"]
        now = heard[by] = int(datetime.fromisoformat(row["at"]).timestamp())
        task = plan.get(row.get("task", ""))
        if task is None or not kind.startswith("task."):
            continue
        ident = row["task"]
        if kind == "task.claim":
            early = [one for one in task.after if not plan[one].done]
            if early:
                yield f"{by} began {ident} before {early}"
            if ident in at_work or task.done:
                yield f"{by} began {ident}, which {task.worker} has"
            mine = set().union(*(covers(path) for path in task.paths))
            for other, who in at_work.items():
                live = now <= heard[who] + TTL  # what a lapsed session has is there for others, path by path
                if live and who != by and mine & set().union(*(covers(path) for path in plan[other].paths)):
                    yield f"{by} began {ident} on a path of {other}, which {who} works on"
            at_work[ident] = task.worker = by
            task.claims.append(by)
        elif kind in ("task.lapse", "task.release"):
            at_work.pop(ident)
        elif kind == "task.move" and row["status"] == "review":
            if at_work.pop(ident, by) != by:
                yield f"{by} handed in {ident}, which is {task.worker}'s"
        elif kind == "task.move" and row["status"] == "merge_point" and by in task.claims:
            yield f"{by} accepted its own {ident}"
        elif kind == "task.move" and row["status"] == "done":
            task.done += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "clones", "count"),
    [
        (12, 3, 40),
        pytest.param(50, 5, 200, marks=pytest.mark.soak),  # minutes of two processors, for every worker asks anew
    ],
)
def test_fleet(
    world: World, forks: Forks, workers: int, clones: int, count: int, record_property: Any, capsys: Any
) -> None:
    rng = random.Random()
    seed = rng.randrange(1 << 32)
    rng.seed(seed)
    team = [world.clone(f"c{number}") for number in range(clones)]
    for clone in team:
        forks.peer(clone, "init", "--remote", "origin", "--no-hooks")
        clone.git("config", "peer.clockSkew", f"{SKEW}s")
        clone.git("config", "peer.ttl", f"{TTL}s")
    plan = drawn(count, rng)
    planned(team[0], plan, rng)
    victims = workers // 6
    began = time.monotonic()
    told = run(world, team, forks, workers, victims)
    took = time.monotonic() - began
    found = list(replayed(forks, team[0], plan))
    odd = [one["odd"] for one in told if one.get("odd")]
    assert (found, odd) == ([], []), f"seed {seed}"
    assert {ident: task.done for ident, task in plan.items()} == dict.fromkeys(plan, 1), f"seed {seed}"
    dead = [one["name"] for one in told if one["status"] == -9]
    assert {one["status"] for one in told} == {0, -9}, told
    assert len(dead) >= victims // 2
    left = {ident for ident, task in plan.items() if task.claims[0] in dead and task.worker != task.claims[0]}
    assert left, "nothing that a killed worker left was done by another"
    pushes = sum(one.get("pushes", 0) for one in told)
    record_property("pushes_per_task", pushes / count)
    with capsys.disabled():
        print(f"\n{workers} processes, {count} tasks: {took:.0f} s, {pushes / count:.2f} pushes a task")
    sound(forks, *team)
