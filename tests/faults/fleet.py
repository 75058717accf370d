"""A fleet: processes that work a plan off, each with a session of its own, some of which die in the middle.

Run as a script it reads one line of JSON, {"workers": [{"cwd", "name", "dies"?}], "until", "queue"}, forks a
process for each worker, and answers with what they did, a line each. A worker takes tasks with `task next --lock`,
hands them in, and accepts what others have handed in, until the file `until` is there. `queue` is a folder with a file
for each task that is to be accepted, `TASK WORKER`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import IO, Any

from git_peer.cli.main import main
from tests.faults import worker
from tests.forkserver import preload

AT_WORK = "at work"  # a worker that dies with a task of which it was told
IN_COMMAND = "in a command"  # and one that dies at some step of a command
_STEPS = 60  # of a command, about


class Worker:
    """One process of the fleet; `told` is what it did."""

    def __init__(self, ask: dict[str, Any], until: Path, queue: Path, out: IO[bytes]) -> None:
        self.name = str(ask["name"])
        self.dies = str(ask.get("dies", ""))
        self.until = until
        self.queue = queue
        self.out = out
        self.told: dict[str, Any] = {"name": self.name, "claims": [], "pushes": 0, "odd": []}

    def peer(self, *argv: str) -> dict[str, Any]:
        """One command: its answer in JSON; said again, as its hint says, where it was to be tried again later."""
        answer: dict[str, Any] = {"error": {"code": "busy"}}
        while not answer.get("ok") and answer["error"]["code"] in ("busy", "unknown", "unreachable"):
            answer = self.once(argv)
        return answer

    def once(self, argv: tuple[str, ...]) -> dict[str, Any]:
        """One run of it."""
        before = os.lseek(1, 0, os.SEEK_END)
        main(["--as", self.name, "--json", "-q", *argv])
        sys.stdout.flush()
        answer: dict[str, Any] = json.loads(os.pread(1, 1 << 22, before))
        self.told["pushes"] += answer.get("traffic", {}).get("pushes", 0)
        return answer

    def work(self) -> None:
        """Until there is nothing left to do."""
        idle = 0
        while not self.until.exists():
            idle = 0 if self.accept() or self.take() else idle + 1
            if idle:
                time.sleep(min(0.2 * 2**idle, 3.0) * (0.5 + random.random()))

    def take(self) -> bool:
        """A task from being ready to being handed in; whether there was one."""
        if self.dies == IN_COMMAND and self.told["claims"]:
            worker.arm(random.randrange(_STEPS))
        answer = self.peer("task", "next", "--lock")
        if not answer["ok"]:
            self.expected(answer, "not_found")
            return False
        ident = answer["task"]["id"]
        self.told["claims"].append(ident)
        self.tell()
        if self.dies == AT_WORK:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self.peer("task", "review", ident)
        if answer["ok"]:
            (self.queue / f"{ident} {self.name}").touch()
        else:
            self.expected(answer, "not_yours", "invalid")  # on a slow machine a lease may have run out
        return True

    def accept(self) -> bool:
        """Accept what another has handed in; whether there was something."""
        waiting = [path for path in self.queue.iterdir() if path.name.partition(" ")[2] != self.name]
        for path in random.sample(waiting, len(waiting)):
            try:
                path.rename(self.queue.parent / path.name)  # one gets it
            except FileNotFoundError:
                continue
            ident = path.name.partition(" ")[0]
            for verb in ("merge-point", "done"):
                answer = self.peer("task", verb, ident)
                if not answer["ok"]:
                    self.expected(answer, "invalid", "not_allowed")  # in the queue twice, or once had by this one
            return True
        return False

    def expected(self, answer: dict[str, Any], *codes: str) -> None:
        """Note a refusal that should not have been."""
        if answer["error"]["code"] not in codes:
            self.told["odd"].append(answer["error"])

    def tell(self) -> None:
        """Leave word of what was done so far; the last word counts."""
        self.out.write(json.dumps(self.told).encode() + b"\n")
        self.out.flush()


def _child(ask: dict[str, Any], until: Path, queue: Path, out: IO[bytes]) -> None:
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.chdir(ask["cwd"])
        random.seed()  # else every fork would draw the same jitter
        one = Worker(ask, until, queue, out)
        if one.dies:
            one.take()
            one.take()
        one.work()
        one.tell()


def serve() -> None:
    """Run one fleet to its end."""
    preload()
    worker.unsynced()
    asked = json.loads(sys.stdin.readline())
    running = []
    for ask in asked["workers"]:
        out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is read
        pid = os.fork()
        if pid == 0:
            status = 0
            try:
                _child(ask, Path(asked["until"]), Path(asked["queue"]), out)
            except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
                status = worker.CRASHED
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(status)
        running.append((pid, out, ask["name"]))
    for pid, out, name in running:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        words = out.read().splitlines() or [b"{}"]
        out.close()
        print(json.dumps({"name": name, **json.loads(words[-1]), "status": status}), flush=True)


if __name__ == "__main__":
    serve()
