"""Many commands let go at one moment, each in a process of its own that has everything imported already.

What is measured is git-peer under many writers, not how many Pythons the machine starts at once. The processes are
forked from `python -m benchmarks.crowd`, which reads a line of JSON, a list of {"cwd", "argv"}, and answers with one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scratch import Failed, Scratch

PLAIN = "plain-retry"  # in place of a command of git-peer's: plain() with the rest as its arguments
_TRIES = 1000


@dataclass(frozen=True)
class Ran:
    """One command: milliseconds from the start signal to its end, its JSON answer."""

    took: float
    answer: dict[str, Any]

    @property
    def pushes(self) -> int:
        """Pushes that its process made."""
        return int(self.answer["traffic"]["pushes"])


class Crowd:
    """The process that forks."""

    def __init__(self, scratch: Scratch) -> None:
        args = [sys.executable, "-P", "-m", "benchmarks.crowd"]
        self._process = subprocess.Popen(
            args, env=scratch.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=scratch.folder
        )

    def together(self, asks: Sequence[tuple[Path, Sequence[str]]]) -> list[Ran]:
        """Run (folder, arguments) all at once; Failed where one does not end with 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([{"cwd": str(cwd), "argv": list(argv)} for cwd, argv in asks]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the crowd's process has ended")
        found = json.loads(line)
        for (_, argv), one in zip(asks, found, strict=True):
            if one["status"]:
                raise Failed(f"{' '.join(argv)}: exit status {one['status']}\n{one['err']}{one['out']}")
        return [Ran(one["took"], json.loads(one["out"])) for one in found]

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def gathered(scratch: Scratch) -> Iterator[Crowd]:
    """A crowd; ends it."""
    crowd = Crowd(scratch)
    try:
        yield crowd
    finally:
        crowd.end()


def plain(url: str, ref: str) -> dict[str, Any]:
    """What a script without git-peer does to append to a branch: fetch, commit on top, push with a lease, try again."""

    def git(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *args], capture_output=True, text=True, check=False)

    mine = f"refs/plain/{os.getpid()}"
    for tries in range(1, _TRIES):
        git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", url, f"+{ref}:{mine}")
        base = git("rev-parse", mine).stdout.strip()
        commit = git("commit-tree", "-p", base, "-m", f"by {os.getpid()}", f"{base}^{{tree}}").stdout.strip()
        lease = f"--force-with-lease={ref}:{base}"
        if not git("push", "--quiet", "--atomic", "--no-verify", lease, url, f"{commit}:{ref}").returncode:
            return {"traffic": {"pushes": tries, "fetches": tries}}
    raise Failed(f"{_TRIES} tries in vain")


# -- in the process that forks --------------------------------------------------------------------
def _child(ask: dict[str, Any], main: Callable[[list[str]], int], go: int, out: int, err: int, took: int) -> int:
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(number, target)
    os.chdir(ask["cwd"])
    random.seed()  # else every fork would draw the same jitter
    os.read(go, 1)  # the end of the pipe: everybody is ready
    began = time.perf_counter()
    status = 0
    if ask["argv"][0] == PLAIN:
        sys.stdout.write(json.dumps(plain(*ask["argv"][1:])))
    else:
        status = main(ask["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(took, repr((time.perf_counter() - began) * 1000).encode())
    return status


def _together(asks: Sequence[dict[str, Any]], main: Callable[[list[str]], int]) -> list[dict[str, Any]]:
    wait, go = os.pipe()
    running = []
    for ask in asks:
        files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 - closed when they are read
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                os.close(go)
                status = _child(ask, main, wait, *(file.fileno() for file in files))
            except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(status)
        running.append((pid, files))
    os.close(wait)
    time.sleep(0.2)  # for all to be at the start
    os.close(go)
    answers = []
    for pid, files in running:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = []
        for file in files:
            file.seek(0)
            said.append(file.read().decode("utf-8", "replace"))
            file.close()
        answers.append({"status": status, "out": said[0], "err": said[1], "took": float(said[2] or 0)})
    return answers


def serve() -> None:
    """Answer asks until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from git_peer.cli.main import main

    for module in ("git_peer.cli.lock", "git_peer.ops.peer", "git_peer.ops.wiring", "filelock"):
        importlib.import_module(module)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_together(json.loads(line), main)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
