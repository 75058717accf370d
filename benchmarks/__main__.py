"""`python -m benchmarks [NAME…]`: measures, prints a Markdown table, and with --readme puts it into README.md."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    agents,
    committing,
    conflicts,
    duplicate_work,
    history,
    landing,
    locking,
    model,
    planning,
    runners,
    sandbox,
    scale,
    solve,
    startup,
    writers,
)
from benchmarks.bench import Bench
from benchmarks.figures import Figure, table
from benchmarks.scratch import Scratch

TOPICS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "startup": startup.measure,
    "commit": committing.measure,
    "lock": locking.measure,
    "scale": scale.measure,
    "history": history.measure,
    "landing": landing.measure,
    "plan": planning.measure,
    "writers": writers.measure,
    "agents": agents.measure,
    "sandbox": sandbox.measure,
    "runners": runners.measure,
    "model": model.measure,
}
README = Path(__file__).resolve().parent.parent / "README.md"
_BEGIN, _END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def machine(rounds: int, load: float) -> str:
    """How and on what was measured, in a sentence. `load`: what else ran, as the load average before the start."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return (
        f"Medians of {rounds} runs on {os.cpu_count()} cores (load average before: {load:.1f}), {platform.system()}, "
        f"git {git}, Python {platform.python_version()}; floors and figures took turns in one run."
    )


def into_readme(text: str) -> None:
    """Replace what stands between the two marks in README.md, or behind the first where the second is missing.

    SystemExit where the first does not stand there exactly once.
    """
    old = README.read_text("utf-8") if README.exists() else ""
    if old.count(_BEGIN) != 1:
        raise SystemExit(f"{README.name} does not have {_BEGIN} once")
    head, _, tail = old.partition(_BEGIN)
    README.write_text(f"{head}{_BEGIN}\n{text}{_END}{tail.rpartition(_END)[2]}", "utf-8")


def main() -> int:
    """Measure what was asked for; 1 where a target was missed."""
    if sys.argv[1:2] == ["duplicate_work"]:  # of another kind: simulated time, a table and options of its own
        return duplicate_work.main(sys.argv[2:])
    if sys.argv[1:2] == ["conflicts"]:  # goes through a repository's merges
        return conflicts.main(sys.argv[2:])
    if sys.argv[1:2] == ["solve"]:  # measures a model, which has to be there
        return solve.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What git-peer costs, beside floors.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TOPICS)}; all where none is given")
    parser.add_argument("--runs", type=int, default=9, metavar="N", help="runs behind each median (default: 9)")
    parser.add_argument("--quick", action="store_true", help="three runs, logs a tenth as big: a look, not a figure")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md, too")
    asked = parser.parse_args()
    names = asked.names or list(TOPICS)
    if unknown := [name for name in names if name not in TOPICS]:
        parser.error(f"no topic {unknown[0]}: {', '.join(TOPICS)}")
    if asked.runs < 1:
        parser.error("--runs wants at least 1")
    if asked.readme and (asked.quick or asked.names):
        parser.error("--readme wants a full run")
    load = os.getloadavg()[0]
    rounds = 3 if asked.quick else asked.runs
    figures: list[Figure] = []
    bench = Bench(Scratch(Path(tempfile.mkdtemp(prefix="git-peer-bench-"))), rounds, asked.quick)
    try:
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            figures.extend(TOPICS[name](bench))
    finally:
        bench.end()
    if asked.json:
        rows = [dataclasses.asdict(figure) for figure in figures]
        print(json.dumps({"machine": machine(rounds, load), "figures": rows}, ensure_ascii=False, indent=1))
    else:
        print(f"{machine(rounds, load)}\n\n{table(figures)}", end="")
    if asked.readme:
        into_readme(f"{machine(rounds, load)} `make bench` repeats it.\n\n{table(figures)}")
    return 1 if any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
