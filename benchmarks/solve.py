"""`python -m benchmarks solve --model M`: what a model solves of thirty small tasks, by the runner's own prompts.

Each task is asked `--samples` times, with nothing told of earlier answers: the first time at temperature 0, then warmer
with a seed each. Hidden tests judge. pass@1 is the share that the first answer solves, pass@3 the share that any does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pygit2

from benchmarks.solving import PUZZLES
from benchmarks.solving.puzzle import Puzzle
from git_peer.core.errors import PeerError
from git_peer.core.target import target as targets
from git_peer.ops.models import open_model
from git_peer.ops.sandboxes import KINDS, open_sandbox
from git_peer.ports import Job, Model, Sandbox
from git_peer.runner import answers, paths, prompts, results, syntax
from git_peer.runner.prompts import Asked, Brief
from git_peer.runner.shown import Source
from git_peer.store.settings import Settings

WARMTH = 0.7  # of all answers but the first
_HIDDEN = "test_hidden_of_the_benchmark.py"


@dataclass
class Score:
    """What became of one task: of each answer whether it passed, and why not; seconds of all of them."""

    name: str
    passed: list[bool] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    seconds: float = 0.0


def judge(sandbox: Sandbox, puzzle: Puzzle, files: dict[str, str], seconds: int) -> str:
    """Why files do not solve a task, by its hidden tests; "" where they do."""
    with tempfile.TemporaryDirectory(prefix="git-peer-solve-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # whoever runs it in a container is another user
        for path, text in {**puzzle.given, **files, _HIDDEN: puzzle.tests}.items():
            where = folder / path
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(text, "utf-8", newline="")
        ran = sandbox.run(Job(folder, f"python3 -m pytest -q -p no:cacheprovider {_HIDDEN}", seconds, puzzle.name))
    tests = results.parse(ran.report)
    if ran.status == 0 and tests.ok:
        return ""
    return ran.ended or (f"{tests.failed + tests.errors} of {tests.total} tests" if tests.total else "no test was run")


def brief_of(puzzle: Puzzle) -> Brief:
    """What the model is told."""
    task = Asked(puzzle.name, f"Write {puzzle.path}", puzzle.asks, (puzzle.path,))
    files = tuple(Source(path, text) for path, text in sorted(puzzle.given.items()))
    return Brief("A library of small functions.", task, files=files, only=puzzle.path, test=f"tests/test_{puzzle.path}")


def once(model: Model, puzzle: Puzzle, settings: Settings, seed: int) -> tuple[dict[str, str], str]:
    """(the files of one answer, why they cannot be tried)."""
    most = settings.get("runnerAnswer")
    room = min(settings.get("runnerContext"), model.context) - most
    fitted = prompts.fit(prompts.write(brief_of(puzzle)), model.count, room)
    said = model.say(
        fitted.messages, most, settings.get("runnerTimeout"), _unheard, seed=seed, temperature=WARMTH if seed else 0.0
    )
    allowed = paths.of_task([targets.of_path("file", puzzle.path)])
    test = f"tests/test_{puzzle.path}"
    changes = answers.files(said.text, puzzle.given.get, allowed, only=puzzle.path, test=test, cut=said.end == "cut")
    wrong = [] if changes else list(changes.problems)
    return changes.files, "; ".join(wrong or syntax.check(changes.files))


def _unheard(_: str, __: int) -> None:
    """What it says is looked at when it is whole."""


def run(model: Model, sandbox: Sandbox, settings: Settings, chosen: Sequence[Puzzle], samples: int) -> Iterator[Score]:
    """One task after the other. PeerError where the model can say nothing more."""
    for puzzle in chosen:
        score = Score(puzzle.name)
        for seed in range(samples):
            began = time.monotonic()
            try:
                files, why = once(model, puzzle, settings, seed)
            except PeerError as wrong:
                if wrong.code != "failed":
                    raise
                files, why = {}, wrong.message
            why = why or judge(sandbox, puzzle, files, settings.get("sandboxTimeout"))
            score.seconds += time.monotonic() - began
            score.passed.append(not why)
            score.why.append(why)
        yield score


def check(sandbox: Sandbox, settings: Settings, chosen: Sequence[Puzzle]) -> list[str]:
    """What is wrong with the tasks themselves: each solution passes, and what is there without it does not."""
    wrong = []
    for puzzle in chosen:
        seconds = settings.get("sandboxTimeout")
        if why := judge(sandbox, puzzle, {puzzle.path: puzzle.answer}, seconds):
            wrong.append(f"{puzzle.name}: its solution fails: {why}")
        if not judge(sandbox, puzzle, {puzzle.path: puzzle.given.get(puzzle.path, "")}, seconds):
            wrong.append(f"{puzzle.name}: its tests pass without a solution")
    return wrong


def table(name: str, scores: Sequence[Score]) -> str:
    """The figures of a model as a Markdown table."""
    first = sum(one.passed[0] for one in scores)
    any_of = sum(any(one.passed) for one in scores)
    samples = max((len(one.passed) for one in scores), default=0)
    seconds = sum(one.seconds for one in scores)
    asked = sum(len(one.passed) for one in scores)
    count = len(scores)
    cells = [name, str(count), f"{first / count:.0%} ({first})", f"{any_of / count:.0%} ({any_of})"]
    cells += [f"{seconds / max(1, asked):.1f}", f"{seconds:,.0f}"]
    head = ["model", "tasks", "pass@1", f"pass@{samples}", "seconds an answer", "seconds in all"]
    rows = [head, ["---"] * len(head), cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(argv: Sequence[str]) -> int:
    """Print the figures of one model, or with --check whether the tasks are sound; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks solve", description="What a model solves.")
    parser.add_argument("--model", default="", help="as `git peer run --model` names it (default: the one that is set)")
    parser.add_argument("--sandbox", choices=KINDS, default="docker", help="where answers are run (default: docker)")
    parser.add_argument("--samples", type=int, default=3, metavar="N", help="answers to each task (default: 3)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this task; may be given again")
    parser.add_argument("--check", action="store_true", help="judge the solutions of the tasks, and ask no model")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every answer's fate")
    asked = parser.parse_args(argv)
    chosen = [one for one in PUZZLES if not asked.only or one.name in asked.only]
    if asked.samples < 1 or not chosen or len(chosen) < len(set(asked.only)):
        parser.error(f"--samples wants at least 1, --only some of: {', '.join(one.name for one in PUZZLES)}")
    with tempfile.TemporaryDirectory(prefix="git-peer-solve-") as folder:
        settings = Settings(pygit2.init_repository(folder, bare=True), None)
        try:
            sandbox = open_sandbox(asked.sandbox, settings, lambda said: print(said, file=sys.stderr))
            try:
                if asked.check:
                    wrong = check(sandbox, settings, chosen)
                    print("\n".join(wrong) if wrong else f"{len(chosen)} tasks: each is solved by its solution only")
                    return 1 if wrong else 0
                return _measure(asked, sandbox, settings, chosen)
            finally:
                sandbox.close()
        except PeerError as why:
            print(f"{why.message}" + (f" ({why.hint})" if why.hint else ""), file=sys.stderr)
            return why.status


def _measure(asked: argparse.Namespace, sandbox: Sandbox, settings: Settings, chosen: Sequence[Puzzle]) -> int:
    model = open_model(asked.model, settings)
    scores: list[Score] = []
    try:
        for score in run(model, sandbox, settings, chosen, asked.samples):
            scores.append(score)
            fate = "".join("+" if one else "-" for one in score.passed)
            why = next((one for one in score.why if one), "")
            print(f"{score.name:<16} {fate}  {score.seconds:6.1f} s  {why[:90]}", file=sys.stderr)
    finally:
        model.close()
    if asked.json:
        rows = [{"task": one.name, "passed": one.passed, "why": one.why, "seconds": one.seconds} for one in scores]
        print(json.dumps({"model": model.name, "tasks": rows}, ensure_ascii=False, indent=1))
    else:
        print(table(model.name, scores))
    return 0
