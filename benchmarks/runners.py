"""Runners: tasks a minute by the coordination alone, with a model that answers at once and tests that take no time."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.scratch import Scratch
from git_peer.ports import Job, Message, Ran, Said, Usage

COUNTS = (1, 3, 6, 12)
TASKS = 8  # a runner
_ANSWER = 'FILE: {}\n```python\n"""A file."""\n```\n'


class Instant:
    """A ports.Model that knows at once what a task's file is to be."""

    name = "instant"
    context = 32_000

    def __init__(self) -> None:
        self.usage = Usage()

    def count(self, messages: Sequence[Message]) -> int:
        """A word is a token."""
        return sum(len(one.content.split()) for one in messages)

    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Callable[[str, int], None],
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> Said:
        """Yes, it can; and here it is."""
        last = messages[-1].content.rsplit("\n", 1)[-1]
        ident = last.split("Task: ")[1].split(".")[0]
        return Said("yes" if "decide" in last else _ANSWER.format(f"src/{ident}.py"), "done", 1, 1)

    def close(self) -> None:
        """Nothing is held."""


class Nothing:
    """A ports.Sandbox in which everything has passed."""

    kind = "nothing"

    def run(self, job: Job) -> Ran:
        """It has passed."""
        return Ran(0, "", b"", 0.0)

    def close(self) -> None:
        """Nothing is held."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Tasks a minute for 1, 3, 6 and 12 runners, each in a clone of its own, on one bare remote."""
    alone = 0.0
    for count in COUNTS[:2] if bench.quick else COUNTS:
        rate, median = _rate(bench.scratch, count)
        alone = alone or rate
        yield Figure(
            f"tasks a minute, {count} runner{'s' * (count > 1)} on one remote; a task",
            f"{rate:.0f}; {median * 1000:,.0f} ms",
            f"{rate / alone:.1f} times one runner's",
            "in proportion, as far as the cores go" if count > 1 else "",
        )


def _rate(scratch: Scratch, count: int) -> tuple[float, float]:
    """(tasks a minute, median seconds of a task)."""
    seed = scratch.repo(f"runners-{count}")
    remote = scratch.bare(f"runners-{count}.git", seed)
    clones = [scratch.folder / f"runners-{count}-{number}" for number in range(count)]
    for clone in clones:
        scratch.git(scratch.folder, "clone", "-q", str(remote), str(clone))
        scratch.peer(clone, "init", "--remote", "origin", "--no-hooks")
    plan = [
        {"id": f"t{n}", "title": f"Task {n}", "paths": [f"src/t{n}.py"], "accept": "true"} for n in range(TASKS * count)
    ]
    (scratch.folder / "plan.json").write_text(json.dumps({"goal": "Files", "tasks": plan}))
    scratch.peer(clones[0], "plan", "import", str(scratch.folder / "plan.json"))
    children = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.runners", f"r{number}"],
            cwd=clone, env=scratch.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number, clone in enumerate(clones)
    ]  # fmt: skip
    for child in children:  # each says when everything is loaded
        assert child.stdout is not None
        child.stdout.readline()
    began = time.monotonic()
    told = [child.communicate("\n")[0] for child in children]
    seconds = [float(line) for out in told for line in out.split()]
    assert len(seconds) == TASKS * count, told
    return 60 * len(seconds) / (time.monotonic() - began), statistics.median(seconds)


def main(name: str) -> None:
    """Be a runner: waits for a line, prints the seconds that each of its tasks took, ends where none is ready."""
    from git_peer.cli import run  # the program's own way to a runner's Peer
    from git_peer.core.errors import PeerError
    from git_peer.runner.solve import ModelSolver
    from git_peer.runner.worker import Options, Worker

    print(flush=True)
    sys.stdin.readline()
    solver = ModelSolver(Instant(), 32_000, 2_048, 600)
    while True:
        worker = Worker(lambda: run.peer_of(name, ()), solver, Nothing(), Options(), lambda _: None)
        try:
            for outcome in worker.run():
                assert outcome.outcome == "done", outcome
                print(f"{outcome.seconds:.4f}", flush=True)
        except PeerError as why:
            if why.code != "not_found":
                raise
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
