"""`python -m benchmarks duplicate_work`: the same workers with three lists of git-peer commands, beside each other.

What it is and what it does not show: docs/duplicate-work.md. Time is simulated: the machine's load changes no figure.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.duplicate.simulate import ARMS, Ran, Run, simulate
from benchmarks.duplicate.work import Size
from benchmarks.duplicate.worker import Policy

_SHOWN: tuple[tuple[str, Callable[[Ran], float], str], ...] = (
    ("duplicate work", lambda ran: ran.outcome.duplicate, ".2f"),
    ("executions", lambda ran: ran.outcome.executions, "g"),
    ("conflicts at merge", lambda ran: ran.conflicts, "g"),
    ("lost edits", lambda ran: ran.outcome.lost, "g"),
    ("stale edits", lambda ran: ran.outcome.stale, "g"),
    ("items whole", lambda ran: ran.outcome.whole, "g"),
    ("hours", lambda ran: ran.outcome.hours, ".1f"),
    ("goodput", lambda ran: ran.outcome.goodput, ".1f"),
)


def table(rows: Sequence[tuple[int, str, Sequence[Ran]]]) -> str:
    """A Markdown table: medians over the seeds, with the least and the most where they differ."""
    lines = [("workers", "may use", *(name for name, _, _ in _SHOWN)), ("---",) * (2 + len(_SHOWN))]
    for workers, arm, ran in rows:
        lines.append((str(workers), arm, *(_cell([value(one) for one in ran], how) for _, value, how in _SHOWN)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(values: Sequence[float], how: str) -> str:
    middle, least, most = (format(f(values), how) for f in (statistics.median, min, max))
    return middle if least == most else f"{middle} ({least} to {most})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all that was asked for, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks duplicate_work", description=__doc__)
    parser.add_argument("--workers", default="1,4,16,32", metavar="N,…", help="how many (default: 1,4,16,32)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 1 to N (default: 3)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at a time (default: 2)")
    parser.add_argument("--json", action="store_true", help="every run, a JSON object a line, instead of the table")
    knobs = parser.add_argument_group("the policy of all workers, and the work")
    knobs.add_argument("--pick", choices=("any", "first"), default="any", help="of the open items (default: any)")
    knobs.add_argument(
        "--look-again", action="store_true", help="pull once more before the edit, and see if it is done"
    )
    knobs.add_argument(
        "--modules", type=int, default=Size().modules, metavar="N", help="over which the items are spread"
    )
    knobs.add_argument(
        "--times", type=int, default=1, metavar="N", help="a list N times as long, over N times the files"
    )
    asked = parser.parse_args(argv)
    numbers = asked.workers.split(",")
    if (
        not all(map(str.isdecimal, numbers))
        or min(*map(int, numbers), asked.seeds, asked.jobs, asked.modules, asked.times) < 1
    ):
        parser.error("numbers are positive")
    counts = [int(one) for one in numbers]
    policy, size = (
        Policy(pick=asked.pick, look_again=asked.look_again),
        replace(Size(), modules=asked.modules).times(asked.times),
    )
    cases = [(count, arm) for count in counts for arm in ARMS]
    runs = [Run(count, ARMS[arm], seed, policy, size) for count, arm in cases for seed in range(1, asked.seeds + 1)]
    ran = []
    # A process for each: the program is run inside of it, with an environment of its own.
    with multiprocessing.get_context("spawn").Pool(asked.jobs, maxtasksperchild=1) as pool:
        for one in pool.imap(simulate, runs, chunksize=1):
            ran.append(one)
            print(f"{len(ran)} of {len(runs)} runs", end="\r" if len(ran) < len(runs) else "\n", file=sys.stderr)
    if asked.json:
        for run, one in zip(runs, ran, strict=True):
            told = {**dataclasses.asdict(run), "allowed": sorted(run.allowed), **dataclasses.asdict(one)}
            print(json.dumps(told, ensure_ascii=False))
        return 0
    each = [ran[at : at + asked.seeds] for at in range(0, len(ran), asked.seeds)]
    print(table([(count, arm, some) for (count, arm), some in zip(cases, each, strict=True)]), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
