"""The history: verifying a whole log, and joining one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks import logs
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER

_RATE = 500.0  # commits that fsck verifies a second, at least


def measure(bench: Bench) -> Iterator[Figure]:
    """`fsck` and `init` on a log of 2,000 commits."""
    scratch = bench.scratch
    commits = bench.size(2000)
    first = scratch.repo("history")
    scratch.peer(first, "init")
    logs.lengthen(first, commits)
    scratch.git(first, "gc", "-q")
    bare = scratch.bare("history.git", first)
    scratch.peer(first, "init", "--remote", "origin")
    pristine = scratch.folder / "joining"
    scratch.git(scratch.folder, "clone", "-q", "--single-branch", "--branch", "main", str(bare), str(pristine))
    fetch, init, fsck = medians(bench.rounds, [_fetch(bench, pristine), _init(bench, pristine), _fsck(bench, first)])
    rate = commits / fsck * 1000
    yield Figure(
        f"`git peer fsck`, log of {commits:,} commits",
        f"{ms(fsck)}, {rate:,.0f} commits/s",
        "",
        f"at least {_RATE:.0f} commits/s",
        rate >= _RATE,
    )
    yield Figure(f"`git peer init` that joins a log of {commits:,} commits", ms(init), f"its `git fetch` {ms(fetch)}")


def _fetch(bench: Bench, pristine: Path) -> Job:
    def job(number: int) -> float:
        repo = bench.scratch.copy(pristine, "joined")
        args = ["git", "fetch", "-q", "origin", "refs/heads/peer/coordination:refs/peer/floor"]
        return bench.scratch.time(args, repo)

    return job


def _init(bench: Bench, pristine: Path) -> Job:
    def job(number: int) -> float:
        return bench.scratch.time((*GIT_PEER, "init"), bench.scratch.copy(pristine, "joined"))

    return job


def _fsck(bench: Bench, repo: Path) -> Job:
    return lambda number: bench.scratch.time((*GIT_PEER, "fsck"), repo)
