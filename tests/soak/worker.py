"""The processes of a soak, forked from one that has everything imported: `python -P -m tests.soak.worker`.

A line of JSON on stdin is one of: {"start": spec} begins a session's process; {"kill": name} ends it with SIGKILL;
{"wait": seconds} waits for all to end by themselves. The answer is a line: {"ended": {name: status}}, of those that
have ended since the last answer; {"stuck": [name]} after a wait names who did not.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2

from git_peer import layout
from git_peer.cli.main import main
from tests.faults import worker as forked
from tests.forkserver import preload
from tests.soak.journal import Writer
from tests.soak.mutants import WEAK, await_file

PATHS = (
    "a.py", "b.py", "c.py", "d.py", "docs/a.md", "docs/b.md", "src/api.py", "src/auth.py", "src/deep/x.py",
    "src/", "src/*.py", "src/api.py:1", "src/api.py:2", "src/auth.py:1-2", "@deploy", "@leader",
)  # fmt: skip

# A spec: {"name", "clone", "cwd", "journal", "script": [argv, …] or "seed" and "stop", "weak"?, "offset"?}.
Spec = dict[str, Any]


class Worker:
    """One session's process: runs git-peer command by command and writes down what it asked and was told."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.clone: str = spec["clone"]
        self.offset = float(spec.get("offset", 0))
        self.journal = Writer(spec["journal"])
        self.clock = time.time
        self.rng = random.Random(spec.get("seed"))
        self.count = 0

    def run(self) -> None:
        """The script, or at random until the file `stop` is there."""
        os.chdir(self.spec["cwd"])
        real, offset = self.clock, self.offset
        if offset:
            time.time = lambda: real() + offset
        for name in self.spec.get("weak", ()):
            WEAK[name]()
        random.seed(self.spec.get("seed"))  # git-peer's own jitter
        for argv in self.spec["script"] if "script" in self.spec else self._random():
            if argv[0] == "await":
                await_file(Path(argv[1]))
            elif argv[0] == "signal":
                Path(argv[1]).touch()
            elif argv[0] == "commit":
                self._commit()
            else:
                self.ask(argv)

    def ask(self, argv: list[str]) -> dict[str, Any]:
        """Run one command of git-peer; its answer."""
        self.count += 1
        ident = f"{self.name}/{os.getpid()}/{self.count}"
        argv = [*argv, "--reason", ident] if argv[0] == "lock" else argv
        git = pygit2.Repository(".")
        head = "" if git.head_is_unborn else str(git.head.target)
        self.journal.write(
            ident=ident, session=self.name, clone=self.clone, argv=argv, begin=self.clock(),
            offset=self.offset, head=head,
        )  # fmt: skip
        said = io.BytesIO()
        sys.stdout = io.TextIOWrapper(said, "utf-8", write_through=True)
        status = main(["--as", self.name, "--json", "--quiet", *argv])
        raw = said.getvalue()
        end = self.clock()
        answer: dict[str, Any] = json.loads(raw) if raw else {}
        self.journal.write(
            ident=ident, end=end, status=status, answer=answer,
            tip=_read(git, layout.TIP), tentative=[_read(git, ref) for ref in git.references if _is_tentative(ref)],
        )  # fmt: skip
        if "cannot write refs" in str(answer.get("error")):  # the `.lock` file of a ref whose writer was killed
            main(["--quiet", "doctor", "--fix"])
        if status == 3 and "seed" in self.spec:
            time.sleep(self.rng.random())  # else a network that is gone has everybody do nothing, quickly
        return answer

    # -- what it does at random -------------------------------------------------------------------
    def _random(self) -> Iterator[list[str]]:
        stop, rng = Path(self.spec["stop"]), self.rng
        deeds = (self._lock, self._unlock, self._offline, self._wait, self._preempt, self._push, self._live)
        while not stop.exists():
            yield from rng.choices(deeds, (8, 6, 2, 2, 2, 2, 3))[0]()
            time.sleep(rng.expovariate(1 / 0.15))

    def _targets(self, most: int = 2) -> list[str]:
        return self.rng.sample(PATHS, self.rng.randint(1, most))

    def _lock(self) -> Iterator[list[str]]:
        rng = self.rng
        mode = ["--shared"] if rng.random() < 0.3 else []
        yield ["lock", *self._targets(), *mode, "--ttl", rng.choice(("2s", "5s", "10m"))]

    def _unlock(self) -> Iterator[list[str]]:
        yield ["unlock", "--all"]

    def _offline(self) -> Iterator[list[str]]:
        yield ["lock", "--offline", *self._targets(1), "--ttl", "10m"]
        if self.rng.random() < 0.7:
            yield ["sync"]

    def _wait(self) -> Iterator[list[str]]:
        yield ["lock", "--wait", f"{self.rng.randint(1, 4)}s", *self._targets(), "--ttl", "10s"]

    def _preempt(self) -> Iterator[list[str]]:
        yield ["lock", "--preempt", "--priority", str(self.rng.randint(0, 10)), *self._targets(), "--ttl", "10s"]

    def _live(self) -> Iterator[list[str]]:
        yield self.rng.choice((["sync"], ["session", "renew"], ["locks", "--mine"], ["session", "end"]))

    def _push(self) -> Iterator[list[str]]:
        yield ["commit"]
        yield ["push", "origin", "HEAD:refs/heads/main"]

    def _commit(self) -> None:
        """A commit on top of what the remote has, without git-peer."""
        _git("fetch", "-q", "origin", "main")
        _git("reset", "-q", "--hard", "refs/remotes/origin/main")
        path = Path("work", f"{self.name}.txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{os.getpid()} {self.count}\n")
        _git("add", "--", str(path))
        _git("commit", "-q", "-m", f"{self.name} {os.getpid()} {self.count}")


def _git(*args: str) -> None:
    """Git, for at most some seconds; a failure is the weather's."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["git", *args], check=False, timeout=5, capture_output=True)


def _read(git: pygit2.Repository, ref: str) -> str:
    found = git.references.get(ref)
    return "" if found is None else str(found.target)


def _is_tentative(ref: str) -> bool:
    return ref.startswith(layout.TENTATIVE)


class Nursery:
    """Starts, kills and reaps them; one thread, so that forking is safe."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.ended: dict[str, int] = {}

    def start(self, spec: Spec) -> None:
        """Fork a session's process."""
        pid = os.fork()
        if pid:
            self.running[spec["name"]] = pid
            return
        status = forked.CRASHED
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the driver's lines are not the child's
            Worker(spec).run()
            status = 0
        except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)

    def kill(self, name: str) -> None:
        """SIGKILL, and reaped; its git children are left to themselves."""
        self.reap()
        pid = self.running.pop(name, None)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.ended[name] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def reap(self) -> None:
        """Note who has ended."""
        for name, pid in list(self.running.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self.ended[name] = os.waitstatus_to_exitcode(status)
                del self.running[name]

    def wait(self, seconds: float) -> list[str]:
        """Wait until all have ended; the names of those that had to be killed."""
        end = time.monotonic() + seconds
        while self.running and time.monotonic() < end:
            self.reap()
            time.sleep(0.01)
        stuck = sorted(self.running)
        for name in stuck:
            self.kill(name)
        return stuck


def serve() -> None:
    """Answer lines until stdin ends."""
    preload()
    nursery = Nursery()
    for line in sys.stdin.buffer:
        order = json.loads(line)
        stuck: list[str] = []
        if "start" in order:
            nursery.start(order["start"])
        elif "kill" in order:
            nursery.kill(order["kill"])
        elif "wait" in order:
            stuck = nursery.wait(order["wait"])
        nursery.reap()
        answer = {"ended": nursery.ended, "stuck": stuck}
        nursery.ended = {}
        os.write(1, json.dumps(answer).encode() + b"\n")
    for name in list(nursery.running):
        nursery.kill(name)


if __name__ == "__main__":
    serve()
