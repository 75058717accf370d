"""No sandbox: jobs are run by this user on this machine. Only where somebody asks for it by name."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from git_peer.adapters.capture import FLOOD, REPORT, Heard, copy, environment
from git_peer.ports import Job, Ran

_MARK = "GIT_PEER_JOB"  # by which what a job has started is known, whatever group it has moved to
_ROOM = 4  # addresses per byte of memory that a job may use: a limit of addresses is all that a user can set
_LIMITED = '{ ulimit -c 0; ulimit -t "$2"; ulimit -f "$3"; ulimit -v "$4"; } 2>/dev/null; exec sh -c "$1"'
_PATIENCE = 5.0  # seconds for what was killed to be gone


class Unboxed:
    """A ports.Sandbox that protects from nothing: a copy of the files, a time-out, and limits that a program can leave.

    `memory` is MiB.
    """

    kind = "none"

    def __init__(self, memory: int) -> None:
        self._memory = memory

    def run(self, job: Job) -> Ran:
        """See ports.Sandbox."""
        folder = Path(tempfile.mkdtemp(prefix="git-peer-"))
        try:
            copy(job.code, folder / "code")
            (folder / "home").mkdir()
            return self._ran(job, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _ran(self, job: Job, folder: Path) -> Ran:
        mark = secrets.token_hex(8)
        report = folder / "report.xml"
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL", "TZ")}  # no keys
        blocks = 2 * FLOOD // 512
        process = subprocess.Popen(
            ["sh", "-c", _LIMITED, "sh", job.command, str(job.seconds + 5), str(blocks), str(self._addresses)],
            cwd=folder / "code",
            env=kept | environment(str(folder / "home"), str(report)) | {_MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        began = time.monotonic()
        heard = Heard(_pieces(process.stdout), lambda: None)
        ended: Literal["", "time", "memory", "output"] = ""
        threading.Thread(target=_when_ended, args=(process, heard.enough), daemon=True).start()
        try:
            if not heard.enough.wait(job.seconds):
                ended = "time"
            elif heard.flooded:
                ended = "output"
            elif process.poll() is None and not _ends(process, began + job.seconds):
                ended = "time"  # it has closed its output, and goes on
        finally:
            _kill(process, mark)
        heard.over.wait(_PATIENCE)
        status = process.wait()
        return Ran(
            status=None if ended else status if status >= 0 else 128 - status,
            output=heard.output.text(),
            report=b"" if ended else _report(report),
            seconds=time.monotonic() - began,
            ended=ended,
        )

    @property
    def _addresses(self) -> int:
        """KiB of addresses that a process may have."""
        return self._memory * 1024 * _ROOM

    def close(self) -> None:
        """See ports.Sandbox: there is nothing."""


def _pieces(stream: IO[bytes]) -> Iterator[tuple[bytes, None]]:
    with stream:
        while piece := os.read(stream.fileno(), 65536):
            yield piece, None


def _when_ended(process: subprocess.Popen[bytes], event: threading.Event) -> None:
    process.wait()
    event.set()


def _ends(process: subprocess.Popen[bytes], until: float) -> bool:
    """Whether a process ends by then."""
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes], mark: str) -> None:
    """End a process, its group, and where /proc tells, all else that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until = time.monotonic() + _PATIENCE
    while (found := list(_marked(f"{_MARK}={mark}".encode()))) and time.monotonic() < until:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: bytes) -> Iterator[int]:
    """Processes of this user that have a variable of their environment from the start."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def _report(path: Path) -> bytes:
    """A report, where it is a file of a sane size: the job may have put anything in its place."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(file)
        return os.read(file, REPORT) if stat.S_ISREG(found.st_mode) and found.st_size <= REPORT else b""
    finally:
        os.close(file)
