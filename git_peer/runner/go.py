"""The whole chain: a plan for a goal, runners that work on it side by side, and what they made brought together.

Each step is a command of git-peer's in a process of its own: a chain that was cut off goes on when it is started again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from git_peer.core import text as texts
from git_peer.core.errors import EXIT, PeerError
from git_peer.runner.work import Tell

GRACE = 20.0  # seconds that a runner has to hand back what it has begun
EVERY = 2.0  # seconds between two looks


class Chain:
    """Commands of git-peer in the folder `where`, as the session `name`, until a point on the monotonic clock."""

    def __init__(self, where: Path, name: str, until: float | None, tell: Tell) -> None:
        self._where = where
        self._name = name
        self._until = until
        self._tell = tell

    @property
    def left(self) -> float:
        """Seconds that there are."""
        return float("inf") if self._until is None else max(0.0, self._until - time.monotonic())

    def ask(self, *args: str, may_fail: bool = False, bounded: bool = False) -> dict[str, Any]:
        """The JSON answer of a command; its PeerError where it failed, unless its failure is an answer.

        PeerError("failed") where it is `bounded` by the time that there is, and was not done.
        """
        child = self._start(self._name, *args)
        try:
            out, _ = child.communicate(timeout=self.left if bounded and self._until is not None else None)
        except subprocess.TimeoutExpired:
            _end([child])
            hint = "run it again with a longer --timeout, or with a faster model"
            raise PeerError(
                "failed", f"the time was up, and git peer {' '.join(args[:1])} was not done", hint
            ) from None
        except BaseException:
            _end([child])
            raise
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise PeerError("failed", f"git peer {args[0]} gave no answer (exit {child.returncode})", "") from None
        error = answer.get("error")
        if not answer.get("ok") and error and not may_fail:
            code = error["code"] if error.get("code") in EXIT else "failed"
            raise PeerError(code, error.get("message", ""), error.get("hint", ""))
        return answer

    def _start(self, name: str, *args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "git_peer", "--json", "--literal", "--as", name, *args],
            cwd=self._where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a ^C reaches this process, which ends them in order
            env=os.environ | {"GIT_PEER_SESSION": name},
        )

    @contextmanager
    def runners(self, found: Runners, count: int, options: Sequence[str]) -> Iterator[None]:
        """So many `git peer run --loop`; they have ended, and what they had begun is given back, when this is left."""
        try:
            for number in range(1, count + 1):
                limit = [] if self._until is None else [f"--max-time={max(1, int(self.left))}s"]
                found.add(self._start(f"{self._name}-{number}", "run", "--loop", *limit, *options), self._tell)
            yield
        finally:
            found.end()


class Runners:
    """Runners as processes. `outcomes` is what they have told so far, `errors` what ended them."""

    def __init__(self) -> None:
        self.outcomes: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []

    def add(self, child: subprocess.Popen[bytes], tell: Tell) -> None:
        """One more."""

        def read() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                with suppress(ValueError):
                    found = json.loads(line)
                    if "outcome" in found:
                        self.outcomes.append(found)
                        tell(f"{found['task']}: {found['outcome']}")
                    elif found.get("error"):
                        self.errors.append(found["error"])

        self._children.append(child)
        self._readers.append(threading.Thread(target=read, daemon=True))
        self._readers[-1].start()

    @property
    def solved(self) -> int:
        """How many tasks they have handed in."""
        return sum(one["outcome"] == "done" for one in self.outcomes)

    @property
    def running(self) -> int:
        """How many have not ended."""
        return sum(child.poll() is None for child in self._children)

    def end(self) -> None:
        """Ask those that run to end, and see that they do."""
        _end(self._children)
        for reader in self._readers:
            reader.join(5)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """See that they end: what they have begun they give back, unless they take too long, or somebody is impatient."""
    try:
        _signal(children, signal.SIGTERM, GRACE)  # a ^C may be ignored, as by what a script started with `&`
    finally:
        _signal(children, signal.SIGKILL, 10.0)


def _signal(children: Sequence[subprocess.Popen[bytes]], number: int, seconds: float) -> None:
    for child in children:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, number)
    end = time.monotonic() + seconds
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, end - time.monotonic()))


def go(
    chain: Chain, goal: str, count: int, plan: Sequence[str], run: Sequence[str], integrate: Sequence[str], tell: Tell
) -> dict[str, Any]:
    """Plan where there is no plan for that goal yet, work, integrate: {plan, runs, errors, ...} and integrate's answer.

    `plan`, `run` and `integrate` are options of these commands. What is there already is gone on with.
    """
    there = chain.ask("plan", "show")
    if there.get("goal") == goal and there.get("tasks"):
        tell("going on with the plan that is there")
    elif there.get("tasks") and any(one["status"] not in ("done", "dropped") for one in there["tasks"]):
        raise PeerError(
            "exists",
            "there is a plan for another goal, and it is not finished",
            "`git peer run --loop` works on it; `git peer plan replan` changes it",
        )
    else:
        tell("planning")
        there = chain.ask("plan", "new", goal, "--yes", *plan, bounded=True)
        for line in there.get("warnings", ()):
            tell(f"the plan: {line}")
    found = Runners()
    while True:
        tell(f"{texts.count(count, 'runner')} {'begins' if count == 1 else 'begin'}")
        with chain.runners(found, count, run):
            merged = _watched(chain, found, integrate, tell)
        done = chain.ask("integrate", *integrate, may_fail=True)
        merged |= bool(done.get("merged"))
        if chain.left <= 0 or found.errors or not (merged and chain.ask("task", "ready")["tasks"]):
            break  # else what was waited for is there now
    error = done.get("error")
    if error and "summary" not in done:  # it did not come to an answer
        code = error["code"] if error.get("code") in EXIT else "failed"
        raise PeerError(code, f"not integrated: {error.get('message', '')}", error.get("hint", ""), runs=found.outcomes)
    left = [one for one in chain.ask("plan", "show")["tasks"] if one["status"] not in ("done", "dropped")]
    return {
        **{key: value for key, value in done.items() if key not in ("ok", "error", "session", "notices")},
        "goal": goal,
        "runs": found.outcomes,
        "errors": found.errors,
        "open": [{"task": one["id"], "status": one["status"], "note": one.get("note", "")} for one in left],
        "partial": bool(left),
    }


def _watched(chain: Chain, found: Runners, integrate: Sequence[str], tell: Tell) -> bool:
    """Integrate what they hand in as they do, for others wait for it; until they have ended, or the time is up.

    Whether anything was merged: a runner may have ended just before, for it saw nothing that it could wait for.
    """
    seen, merged = found.solved, False
    while found.running:
        if chain.left <= 0:
            tell("the time is up")
            break
        if found.solved > seen:
            seen = found.solved
            merged |= bool(chain.ask("integrate", *integrate, may_fail=True).get("merged"))
        time.sleep(min(EVERY, chain.left))
    return merged
