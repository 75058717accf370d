"""The test's side of worker.py: git-peer in fresh processes, many at once and quickly, with faults on request."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from git_peer import layout
from tests.world import Clone, Result, merged

STEPS = 400  # more than any command has; each loop ends when the command survives
KILLED = -9


def attempts(clone: Clone) -> set[str]:
    """The publishes that nobody has settled."""
    folder = clone.path / ".git" / layout.FOLDER / layout.D_ATTEMPTS
    return {path.name for path in folder.glob("[!.]*")} if folder.is_dir() else set()


@dataclass(frozen=True)
class Ask:
    """One run of git-peer. `kill`: SIGKILL at that step; `weak`: protections to switch off.

    `ahead`: seconds that its wall clock is wrong.
    """

    where: Clone
    argv: tuple[str, ...]
    as_: str = ""
    kill: int | None = None
    weak: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ahead: float = 0

    @property
    def args(self) -> tuple[str, ...]:
        """The arguments, with the session's name."""
        return (*(("--as", self.as_) if self.as_ else ()), *self.argv)


class Forks:
    """A worker process: one for all tests, for what a run changes stays in its own fork."""

    def __init__(self) -> None:
        top = str(Path(__file__).parents[2])
        argv = (sys.executable, "-P", "-m", "tests.faults.worker")
        env = merged({"HOME": "/nonexistent", "PYTHONPATH": top})
        self.passed = 0.0  # seconds that have gone by without anybody's waiting for them, on both clocks
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd="/")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def together(self, asks: Sequence[Ask]) -> list[Result]:
        """Run all of them at once, let go together; their results in order. A kill is status -9."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        lines = [
            {
                "cwd": str(a.where.path), "argv": a.args, "kill": a.kill, "weak": list(a.weak), "env": merged(a.env),
                "clock": [a.ahead, self.passed],
            }
            for a in asks
        ]  # fmt: skip
        self._process.stdin.write(json.dumps(lines).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the worker has ended"
        return [
            Result(ask.args, one["status"], one["out"].encode("latin-1"), one["err"].encode("latin-1"))
            for ask, one in zip(asks, json.loads(answer), strict=True)
        ]

    def peer(
        self, where: Clone, *argv: str, as_: str = "", kill: int | None = None, status: int | None = 0,
        env: Mapping[str, str] | None = None, ahead: float = 0,
    ) -> Result:  # fmt: skip
        """One run; asserts the exit status (None: whatever it is)."""
        result = self.together([Ask(where, argv, as_, kill, env=env or {}, ahead=ahead)])[0]
        assert status is None or result.status == status, f"expected exit status {status}\n{result}"
        return result


@functools.cache
def forks() -> Forks:
    """The one of this process."""
    made = Forks()
    atexit.register(made.close)
    return made
