"""Start-up: from start to exit of commands that do next to nothing, and the processor time of hot ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER


def measure(bench: Bench) -> Iterator[Figure]:
    """`version` and `whoami`, beside Python with and without the libraries."""
    repo = bench.scratch.repo("startup")
    bench.scratch.peer(repo, "init")
    commands: list[Sequence[str]] = [
        (sys.executable, "-c", "pass"),
        (sys.executable, "-c", "import click, pygit2"),
        (*GIT_PEER, "version"),
        (*GIT_PEER, "whoami"),
    ]
    python, libraries, version, whoami = medians(bench.rounds, [_job(bench, args, repo) for args in commands])
    floor = f'`python -c pass` {ms(python)}, `-c "import click, pygit2"` {ms(libraries)}'
    yield Figure("`git peer version`", ms(version), floor)
    yield Figure("`git peer whoami`", ms(whoami), floor)
    yield from _processor(bench)


def _job(bench: Bench, args: Sequence[str], where: Path) -> Job:
    return lambda number: bench.scratch.time(args, where)


def _processor(bench: Bench) -> Iterator[Figure]:
    """Processor time, which a busy machine changes least: hot commands beside Python and the libraries."""
    repo = bench.scratch.repo("processor")
    bench.scratch.peer(repo, "init", "--local")
    bench.scratch.peer(repo, "--as", "bench", "lock", "README.md")
    fixed = [("version",), ("whoami",), ("locks",), ("check", "README.md"), ("status",)]
    jobs = [
        *(_used(bench, (sys.executable, "-c", code), repo) for code in ("pass", "import click, pygit2")),
        *(
            _used(bench, (*GIT_PEER, "--as", "bench", *args) if args != ("version",) else (*GIT_PEER, *args), repo)
            for args in fixed
        ),
        lambda number: bench.scratch.cpu((*GIT_PEER, "--as", "bench", "lock", f"src/{number}.py"), repo),
        lambda number: bench.scratch.cpu((*GIT_PEER, "--as", "bench", "unlock", f"src/{number}.py"), repo),
    ]
    python, libraries, *used = medians(bench.rounds, jobs)
    floor = f'`python -c pass` {ms(python)}, `-c "import click, pygit2"` {ms(libraries)}'
    names = [*(args[0] for args in fixed), "lock", "unlock"]
    for name, took in zip(names, used, strict=True):
        shown = f"{ms(took)} ({took / libraries:.2f} times the libraries, {took / python:.1f} times Python)"
        if name == "version":
            yield Figure("`git peer version`, processor time", shown, floor, "40 ms beyond Python", took - python <= 40)
        elif name == "lock":
            target = "no more than the libraries"
            yield Figure("`git peer lock`, local mode, processor time", shown, floor, target, took <= libraries)
        else:
            yield Figure(f"`git peer {name}`, processor time", shown, floor)


def _used(bench: Bench, args: Sequence[str], where: Path) -> Job:
    return lambda number: bench.scratch.cpu(args, where)
