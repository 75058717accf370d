"""Commands as the locks grow in number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER

_SECOND = 1000.0
_FLAT = 1.5  # as many times as long with the most locks as with the fewest


def measure(bench: Bench) -> Iterator[Figure]:
    """`lock` with 10 to 10,000 locks of others, then what lists them."""
    counts = [10, 100, bench.size(1000), bench.size(10_000)]
    counts = list(dict.fromkeys(counts))
    repos = [bench.locked(count, spread) for spread in (True, False) for count in counts]
    times = medians(bench.rounds, [_lock(bench, repo) for repo in repos])
    for spread, taken in ((True, times[: len(counts)]), (False, times[len(counts) :])):
        yield Figure(
            f"`git peer lock` with {', '.join(f'{count:,}' for count in counts)} locks, "
            f"{'over 100 folders' if spread else 'all in its folder'}",
            " · ".join(ms(value) for value in taken),
            "",
            "flat" if spread else "",
            taken[-1] < _FLAT * taken[0] if spread else None,
        )
    most = bench.locked(counts[-1])
    commands = ["locks", "status"]
    taken = medians(bench.rounds, [_run(bench, [name], most) for name in commands])
    for name, value in zip(commands, taken, strict=True):
        yield Figure(f"`git peer {name}` with {counts[-1]:,} locks", ms(value), "", "under 1 s", value < _SECOND)


def _run(bench: Bench, args: Sequence[str], repo: Path) -> Job:
    return lambda number: bench.scratch.time((*GIT_PEER, *args), repo)


def _lock(bench: Bench, repo: Path) -> Job:
    """Times a lock in a folder where others have theirs."""
    return lambda number: bench.scratch.time((*GIT_PEER, "--as", "bench", "lock", f"src/d00/new{number}.py"), repo)
