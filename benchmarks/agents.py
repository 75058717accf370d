"""Hooks of agents: what an edit waits for, and how often ten agents push."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER, Failed

_AGENTS, _EVERY, _MINUTE = 10, 10.0, 60.0
_PUSH = 1.0  # seconds that the far remote takes for a push, at least


def measure(bench: Bench) -> Iterator[Figure]:
    """Before an edit, locked already and not yet; then a team on a slow remote."""
    repo = bench.scratch.repo("agents")
    bench.scratch.peer(repo, "init", "--local")
    python = _Timed(lambda number: bench.scratch.time((sys.executable, "-P", "-c", "pass"), repo))
    again = _Timed(lambda number: _edit(bench, repo, "one", "README.md")[0])
    first = _Timed(lambda number: _edit(bench, repo, "one", f"new/{number}.py")[0])
    _edit(bench, repo, "one", "README.md")
    medians(bench.rounds, [python, again, first])
    floor, locked, new = python.best, again.best, first.best
    yield Figure(
        "a hook before an edit, the file locked by this session", again.said(python), python.said(),
        "60 ms beyond Python's start, at best", locked - floor < 60,
    )  # fmt: skip
    yield Figure(
        "a hook before an edit that takes the lock, local mode", first.said(python), python.said(),
        "8 times Python's start, at best", new <= 8 * floor,
    )  # fmt: skip
    yield _team(bench)


class _Timed:
    """A job that keeps its times. The best one is what it costs; the median tells who else was at work, too."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._times: list[float] = []

    def __call__(self, number: int) -> float:
        self._times.append(self._job(number))
        return self._times[-1]

    @property
    def best(self) -> float:
        """The least milliseconds of a round that counts."""
        return min(self._times[1:])

    def said(self, floor: _Timed | None = None) -> str:
        """Median and best, and how often the floor goes into the best."""
        times = f", {self.best / floor.best:.1f} times Python's start" if floor else ""
        name = "" if floor else "`python -c pass` "
        return f"{name}{ms(statistics.median(self._times[1:]))}, at best {ms(self.best)}{times}"


def _edit(bench: Bench, repo: Path, session: str, path: str) -> tuple[float, str]:
    """(milliseconds of the hook before an edit, what it said); nothing was to be said."""
    payload = {"session_id": session, "cwd": str(repo), "tool_name": "Write", "tool_input": {"file_path": path}}
    began = time.perf_counter()
    ran = subprocess.run(
        (*GIT_PEER, "hook", "claude-code", "pre-edit"),
        cwd=repo, env=bench.scratch.env, input=json.dumps(payload), capture_output=True, text=True, check=True,
    )  # fmt: skip
    took = (time.perf_counter() - began) * 1000
    if ran.stdout:
        raise Failed(f"the hook before an edit of {path} said: {ran.stdout}")
    return took, ran.stdout


def _team(bench: Bench) -> Figure:
    """Ten agents of one clone, each with a new file every ten seconds, on a remote that takes a second a push."""
    repo = bench.scratch.repo("agents-far")
    bare = bench.scratch.bare("agents-far.git", repo)
    bench.scratch.peer(repo, "init", "--remote", "origin", "--no-hooks")
    hooks = bare / "hooks"
    hooks.mkdir(exist_ok=True)
    for name, line in (("pre-receive", f"cat >/dev/null; sleep {_PUSH}"), ("post-receive", f"echo >>{bare}/pushes")):
        (hooks / name).write_text(f"#!/bin/sh\n{line}\n")
        (hooks / name).chmod(0o755)
    minutes = 0.5 if bench.quick else 1.0
    took: list[float] = []
    end = time.monotonic() + minutes * _MINUTE

    def work(number: int) -> None:
        time.sleep(number * _EVERY / _AGENTS)
        turn = 0
        while time.monotonic() < end:
            began = time.monotonic()
            took.append(_edit(bench, repo, f"agent-{number}", f"src/{number}/{turn}.py")[0])
            turn += 1
            time.sleep(max(0.0, _EVERY - (time.monotonic() - began)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(_AGENTS)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(0.1)
    pushes = len((bare / "pushes").read_text().splitlines()) / minutes  # in the time itself, not behind it
    for thread in threads:
        thread.join()
    bench.scratch.peer(repo, "sync")
    granted = sum(
        lock["guarantee"] == "remote" for lock in json.loads(bench.scratch.peer(repo, "locks", "--json"))["locks"]
    )
    if granted != len(took):
        raise Failed(f"{len(took)} files were edited, and {granted} locks granted")
    took.sort()
    return Figure(
        f"{_AGENTS} agents, a new file each every {_EVERY:.0f} s, a remote of {_PUSH:.0f} s a push",
        f"{pushes:.0f} pushes a minute; an edit waits {ms(took[len(took) // 2])}, at most {ms(took[-1])}",
        "",
        "at most 6 pushes a minute, none waits for one",
        pushes <= 6 and took[-1] < _PUSH * 1000,
    )
