"""Plans: what reading and taking cost with thousands of tasks, beside Python's own start."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import logs
from benchmarks.bench import FOLDERS, Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.target import target as targets

_TASKS = 5000
_PHASES = 10
_BATCH = 400  # task.add events in a commit
_SECOND = 1000.0


def measure(bench: Bench) -> Iterator[Figure]:
    """`task ready`, `task next --lock`, `plan show --depth 1`, `plan check`."""
    count = bench.size(_TASKS)
    repo = bench.scratch.repo("plan")
    bench.scratch.peer(repo, "init", "--local", "--no-hooks")
    fill(repo, count)
    bench.scratch.git(repo, "gc", "-q")
    commands = (("task", "ready"), ("plan", "show", "--depth", "1"), ("plan", "check"))
    jobs = [_run(bench, (sys.executable, "-c", "pass"), repo), _next(bench, repo)]
    floor, taken, *read = medians(bench.rounds, jobs + [_run(bench, (*GIT_PEER, *argv), repo) for argv in commands])
    named = [("task next --lock", taken), *((" ".join(argv), took) for argv, took in zip(commands, read, strict=True))]
    for name, took in named:
        most = 10 * _SECOND if name == "plan check" else _SECOND
        yield Figure(
            f"`git peer {name}` with {count:,} tasks",
            ms(took),
            f"start of Python {ms(floor)}",
            f"under {most / _SECOND:.0f} s",
            took < most,
        )


def fill(repo: Path, count: int) -> None:
    """A plan at random: each task waits for up to three of the 200 before it, and changes up to three files."""
    rng = random.Random(5)
    writer = logs.Writer(repo)
    by = writer.envelope("holder-0")
    phases = [plan.PhaseAdd(**{**by, "id": f"p{n}"}, phase=f"p{n}", name=f"Phase {n}") for n in range(_PHASES)]
    writer.append(phases)
    added = []
    for number in range(1, count + 1):
        near = range(max(1, number - 200), number)
        after = tuple(f"t{one}" for one in rng.sample(near, min(len(near), rng.randrange(4))))
        files = {f"src/d{rng.randrange(FOLDERS):02}/f{rng.randrange(1000):03}.py" for _ in range(rng.randrange(1, 4))}
        spec = tasks.Spec(
            title=f"task {number}",
            description="What is to be done. " * 15,
            phase=f"p{(number - 1) * _PHASES // count}",
            depends_on=after,
            paths=tuple(targets.of_path("file", path) for path in sorted(files)),
            accept="make test",
            priority=rng.randrange(1, 10),
            estimate=rng.randrange(600, 7200),
        )
        added.append(tasking.TaskAdd(**writer.envelope("holder-0"), task=f"t{number}", spec=spec))
    for first in range(0, count, _BATCH):
        writer.append(added[first : first + _BATCH])
    writer.publish()


def _run(bench: Bench, argv: Sequence[str], repo: Path) -> Job:
    return lambda number: bench.scratch.time(argv, repo)


def _next(bench: Bench, repo: Path) -> Job:
    """Times the next task of a session of its own."""
    return lambda number: bench.scratch.time((*GIT_PEER, "--as", f"bench-{number}", "task", "next", "--lock"), repo)
