"""Runs git-peer many times at once, in processes forked from one that has everything imported, with faults on request.

A line of JSON on stdin is a list of asks: {"cwd", "argv", "env", "clock", "kill"?, "weak"?}. All their processes are
forked first and let go together; the answer is a line with as many {"status", "out", "err"} (bytes as latin-1 text).
`clock`: seconds that the wall clock is wrong, and seconds that all clocks have gone on without anybody's waiting.
`kill`: SIGKILL before that step, counted from 0 (see arm). `weak`: what to switch off (see _WEAK).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2

from git_peer.cli.main import main
from git_peer.core.log.command import Command
from git_peer.publish import attempts, combine, inbox
from git_peer.publish.engine import Engine
from git_peer.store.clone import clone
from git_peer.store.git import libgit2, refs, remote
from git_peer.store.git.libgit2 import Repository
from tests.forkserver import preload, take_up

Ask = dict[str, Any]
CRASHED = 99  # exit status of a worker that failed by itself

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def unsynced() -> None:
    """A kill loses nothing that was written: syncing, which is for power cuts, would take most of the tests' time."""
    os.fsync = lambda fd: None
    libgit2._sync_refs = lambda: None


def arm(at: int) -> None:
    """Have this process killed before lasting step `at`; the step is the last line on its stderr.

    Steps are what leaves something behind: a file of the repository opened for writing, renamed or removed, a push
    or a fetch, a ref moved. Two kills between the same two steps would find the same world; so would one before
    the draft of a file that is renamed later.
    """
    steps = iter(range(1 << 30))

    def step(what: str) -> None:
        if next(steps) == at:
            sys.stderr.write(f"killed before {what}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            verbs = {"push", "fetch"}.intersection(args[1])
            if verbs and "--dry-run" not in args[1]:
                step(f"git {verbs.pop()}")
        elif event in ("os.rename", "os.remove", "os.rmdir", "os.link") or (event == "open" and args[2] & _WRITING):
            given = args[1] if event == "os.link" else args[0]
            folder = args[1] if event in ("os.remove", "os.rmdir") else -1
            inside = os.fsdecode(_path(given, folder)).partition("/.git/")[2]
            draft = event == "open" and os.path.basename(inside).startswith((".", "lock"))
            if inside and not draft:
                step(f"{event} {inside}")

    real = refs.swap

    def swap(git: Repository, name: str, new: str, old: str | None) -> None:
        step(f"moving {name}")
        real(git, name, new, old)

    refs.swap = swap
    sys.addaudithook(audit)


def _path(given: Any, folder: int) -> str | bytes:
    """The path in an audit event, as seen from the descriptor `folder` (-1: none); "" where a descriptor is opened."""
    if folder >= 0:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(given))
    return given if isinstance(given, (str, bytes)) else os.fspath(given) if isinstance(given, os.PathLike) else ""


def _no_kernel_lock() -> None:
    @contextlib.contextmanager
    def try_writing(self: clone.Clone, timeout: float = 0, name: str = "") -> Iterator[bool]:
        yield True

    clone.Clone.try_writing = try_writing  # type: ignore[method-assign]


def _no_compare() -> None:
    def swap(git: Repository, name: str, new: str, old: str | None) -> None:
        git.create_reference_direct(name, pygit2.Oid(hex=new), True)

    refs.swap = swap


def _no_lease() -> None:
    def push(self: remote.Remote, candidate: str, base: str | None, timeout: float, **_: Any) -> remote.Pushed:
        ran = self._run(["push", "--porcelain", "--no-verify", self.url, f"+{candidate}:{self.ref}"], timeout)
        return remote.Pushed("ok" if ran.status == 0 else "unknown", ran.err)

    remote.Remote.push = push  # type: ignore[method-assign, assignment]


def _slow() -> None:
    """No protection is off: a little time passes between a decision and its publication, as on a slow disk."""
    real = attempts.start

    def start(folder: Path, candidate: str, base: str | None, answer: dict[str, Any]) -> attempts.Attempt:
        attempt = real(folder, candidate, base, answer)
        time.sleep(random.random() / 50)
        return attempt

    attempts.start = start


def _meet() -> None:
    """No protection is off: everybody has decided before the first publishes, then they publish one after the other.

    MEET in the environment is COUNT:FOLDER, how many come and an empty folder of this meeting.
    """
    real = attempts.start
    count, _, place = os.environ["MEET"].partition(":")

    def start(folder: Path, candidate: str, base: str | None, answer: dict[str, Any]) -> attempts.Attempt:
        attempt = real(folder, candidate, base, answer)
        rank = len(os.listdir(place))
        if rank < int(count):
            Path(place, str(os.getpid())).touch()
            end = time.monotonic() + 5
            while len(os.listdir(place)) < int(count) and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(rank / 10)  # a push that begins while another is under way is refused without any lease
        return attempt

    attempts.start = start


def _combines() -> None:
    """No protection is off: once it has the kernel lock it waits for others' requests, that it takes along.

    GATHER in the environment is COUNT:FILE, how many, and the file which tells that it has the lock.
    """
    real = combine._serve
    count, _, file = os.environ["GATHER"].partition(":")

    def serve(engine: Engine, own: Command) -> dict[str, Any]:
        if not os.path.exists(file):
            Path(file).touch()
            end = time.monotonic() + 2
            while len(inbox._named(engine.clone.folder / "inbox", ".ask")) < int(count) and time.monotonic() < end:
                time.sleep(0.002)
        return real(engine, own)

    combine._serve = serve


def _follows() -> None:
    """No protection is off: it asks once another has the kernel lock, and is taken along (see _combines)."""
    real = combine.submit
    file = os.environ["GATHER"].partition(":")[2]

    def submit(engine: Engine, command: Command) -> dict[str, Any]:
        end = time.monotonic() + 5
        while not os.path.exists(file) and time.monotonic() < end:
            time.sleep(0.002)
        return real(engine, command)

    combine.submit = submit


def _set_clocks(wrong: float, passed: float) -> None:
    wall, monotonic, clock = time.time, time.monotonic, time.clock_gettime
    if wrong or passed:
        time.time = lambda: wall() + wrong + passed
        time.monotonic = lambda: monotonic() + passed
        time.clock_gettime = lambda which: clock(which) + passed + (wrong if which == time.CLOCK_REALTIME else 0)


_WEAK = {
    "combines": _combines,
    "follows": _follows,
    "kernel lock": _no_kernel_lock,
    "compare": _no_compare,
    "lease": _no_lease,
    "haste": _slow,
    "meet": _meet,
}


def _child(ask: Ask, go: int, out: int, err: int) -> int:
    """The forked process: wait for the start, then be git-peer. Its exit status."""
    for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(number, target)
    os.chdir(ask["cwd"])
    take_up(ask["env"])
    _set_clocks(*ask["clock"])
    random.seed()  # else every fork would draw the same jitter
    for name in ask.get("weak") or ():
        _WEAK[name]()
    if ask.get("kill") is not None:
        arm(ask["kill"])
    os.read(go, 1)  # the end of the pipe: everybody is ready
    status = main(ask["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _together(asks: list[Ask]) -> list[dict[str, Any]]:
    """Run all asks at once; what came of each."""
    wait, go = os.pipe()
    running = []
    for ask in asks:
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed when they are read
        pid = os.fork()
        if pid == 0:
            status = CRASHED
            try:
                os.close(go)
                status = _child(ask, wait, out.fileno(), err.fileno())
            except BaseException:  # noqa: BLE001 - a fork must end here, whatever happens
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(status)
        running.append((pid, out, err))
    os.close(go)
    os.close(wait)
    answers = []
    for pid, out, err in running:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("latin-1"))
            file.close()
        answers.append({"status": status, "out": said[0], "err": said[1]})
    return answers


def serve() -> None:
    """Answer asks until stdin ends."""
    preload()
    unsynced()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_together(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
