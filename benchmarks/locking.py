"""An uncontended `git peer lock`: in one clone, through a remote by path, and through one that is far away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks import far
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER


def measure(bench: Bench) -> Iterator[Figure]:
    """Local mode; then remote mode beside a bare leased push of one small commit to the same remote."""
    repo = bench.scratch.repo("lock")
    bench.scratch.peer(repo, "init")
    (local,) = medians(bench.rounds, [_lock(bench, repo)])
    yield Figure("`git peer lock`, local mode", ms(local))
    yield from _remote(bench, "near", "", "by path")
    with far.served(bench.scratch.folder) as url:
        yield from _remote(bench, "far", url, f"{far.ROUND_TRIP * 1000:.0f} ms round trip")


def _remote(bench: Bench, name: str, url: str, how: str) -> Iterator[Figure]:
    scratch = bench.scratch
    repo = scratch.repo(name)
    bare = scratch.bare(f"{name}.git", repo)
    where = f"{url}/{bare.name}" if url else str(bare)
    scratch.git(repo, "remote", "set-url", "origin", where)
    scratch.peer(repo, "init", "--remote", "origin")
    push, lock = medians(bench.rounds, [_push(bench, scratch.copy(repo, f"{name}-pusher"), where), _lock(bench, repo)])
    traffic = json.loads(scratch.peer(repo, "--as", "bench", "lock", "counted.py", "--json"))["traffic"]
    yield Figure(
        f"`git peer lock`, remote {how}",
        f"{ms(lock)} ({lock / push:.1f} times the push)",
        f"bare leased push {ms(push)}",
        "one push, no fetch",
        traffic == {"pushes": 1, "fetches": 0},
    )
    if url:
        yield Figure(
            f"the same, {how}, as times the push", f"{lock / push:.2f}", f"bare leased push {ms(push)}", "1.25",
            lock <= 1.25 * push,
        )  # fmt: skip


def _lock(bench: Bench, repo: Path) -> Job:
    return lambda number: bench.scratch.time((*GIT_PEER, "--as", "bench", "lock", f"src/file{number}.py"), repo)


def _push(bench: Bench, repo: Path, url: str) -> Job:
    """Times a push of one commit, leased and atomic as git-peer's."""
    git = bench.scratch.git
    ref = "refs/heads/floor"
    state = {"at": ""}

    def job(number: int) -> float:
        parents = ["-p", state["at"]] if state["at"] else []
        commit = git(repo, "commit-tree", *parents, "-m", f"round {number}", "HEAD^{tree}")
        options = ["--porcelain", "--atomic", "--no-verify", f"--force-with-lease={ref}:{state['at']}"]
        took = bench.scratch.time(["git", "push", *options, url, f"{commit}:{ref}"], repo)
        state["at"] = commit
        return took

    return job
