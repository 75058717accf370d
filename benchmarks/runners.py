"""Runners: what the coordination takes, with tests that take no time and a model that answers at once, or is paced."""

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
PACED = "-paced"
FIRST, RATE = 0.75, 20.9  # seconds to the first token, tokens a second: the model of 1.5B by `benchmarks model`
SHORT, LONG = 2, 200  # tokens of a yes, and of a small file with its test
_ANSWER = 'FILE: {}\n```python\n"""A file."""\n```\n'


class Knowing:
    """A ports.Model that knows what a task's file is to be: at once, or `paced` as a model of 1.5B would tell it."""

    name = "knowing"
    context = 32_000

    def __init__(self, paced: bool) -> None:
        self.usage = Usage()
        self.paced = paced
        self.spoke = 0.0  # seconds

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
        began = time.monotonic()
        if self.paced:
            time.sleep(FIRST + (SHORT if "decide" in last else LONG) / RATE)
        self.spoke += time.monotonic() - began
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
    """Tasks a minute of 1, 3, 6 and 12 runners, a clone each, on one bare remote; then what a task is spent on."""
    alone = 0.0
    for count in COUNTS[:2] if bench.quick else COUNTS:
        rate, took = _rate(bench.scratch, count)
        median = statistics.median(whole for whole, _ in took)
        alone = alone or rate
        yield Figure(
            f"tasks a minute, {count} runner{'s' * (count > 1)} on one remote; a task",
            f"{rate:.0f}; {median * 1000:,.0f} ms",
            f"{rate / alone:.1f} times one runner's",
            "in proportion, as far as the cores go" if count > 1 else "",
        )
    count = 1 if bench.quick else 2
    _, took = _rate(bench.scratch, count, PACED)
    whole, rest = statistics.median(one for one, _ in took), statistics.median(one - model for one, model in took)
    yield Figure(
        f"share of a task that is neither model nor tests; model paced as of 1.5B, {count} runner{'s' * (count > 1)}",
        f"{rest / whole:.1%}",
        f"{rest:.2f} s of {whole:.1f} s",
        "5 %",
    )


def _rate(scratch: Scratch, count: int, paced: str = "") -> tuple[float, list[tuple[float, float]]]:
    """(tasks a minute, (seconds, those of its model) of each task)."""
    seed = scratch.repo(f"runners{paced}-{count}")
    remote = scratch.bare(f"runners{paced}-{count}.git", seed)
    clones = [scratch.folder / f"runners{paced}-{count}-{number}" for number in range(count)]
    each = 3 if paced else TASKS
    for clone in clones:
        scratch.git(scratch.folder, "clone", "-q", str(remote), str(clone))
        scratch.peer(clone, "init", "--remote", "origin", "--no-hooks")
    plan = [
        {"id": f"t{n}", "title": f"Task {n}", "paths": [f"src/t{n}.py"], "accept": "true"} for n in range(each * count)
    ]
    (scratch.folder / "plan.json").write_text(json.dumps({"goal": "Files", "tasks": plan}))
    scratch.peer(clones[0], "plan", "import", str(scratch.folder / "plan.json"))
    children = [
        subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.runners", f"r{number}", paced],
            cwd=clone, env=scratch.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number, clone in enumerate(clones)
    ]  # fmt: skip
    for child in children:  # each says when everything is loaded
        assert child.stdout is not None
        child.stdout.readline()
    began = time.monotonic()
    told = [child.communicate("\n")[0] for child in children]
    took = [(float(whole), float(model)) for out in told for whole, model in map(str.split, out.splitlines())]
    assert len(took) == each * count, told
    return 60 * len(took) / (time.monotonic() - began), took


def main(name: str, paced: str) -> None:
    """Be a runner: wait for a line, print the seconds of each task and of its model, end where none is ready."""
    from git_peer.cli import run  # the program's own way to a runner's Peer
    from git_peer.core.errors import PeerError
    from git_peer.runner.solve import ModelSolver
    from git_peer.runner.worker import Options, Worker

    print(flush=True)
    sys.stdin.readline()
    model = Knowing(paced == PACED)
    solver = ModelSolver(model, 32_000, 2_048, 600)
    while True:
        worker = Worker(lambda: run.peer_of(name, ()), solver, Nothing(), Options(), lambda _: None)
        try:
            for outcome in worker.run():
                assert outcome.outcome == "done", outcome
                print(f"{outcome.seconds:.4f} {model.spoke:.4f}", flush=True)
                model.spoke = 0.0
        except PeerError as why:
            if why.code != "not_found":
                raise
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
