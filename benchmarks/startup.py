"""Start-up: from start to exit of commands that do next to nothing."""

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


def _job(bench: Bench, args: Sequence[str], where: Path) -> Job:
    return lambda number: bench.scratch.time(args, where)
