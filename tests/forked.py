"""git-peer as a fork of this process's fork server (forkserver.py), used as any Popen is."""

from __future__ import annotations

import atexit
import inspect
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.forkserver import SIZE

PROGRAM = (sys.executable, "-P", "-m", "git_peer")
# What the interpreter, the loader and the C library read when they start: a fork has what its server had.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "GLIBC_", "MALLOC_", "SSL_CERT_")
_HAND_OVER = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


class Server:
    """The process that forks. It ends with this one, for then its socket closes."""

    def __init__(self, kind: str) -> None:
        """`kind` is "light", "whole" or "planner"."""
        self.at_start = _at_start(os.environ)
        self._asking = threading.Lock()  # tests start commands in threads; an ask is two messages
        self.control, theirs = socket.socketpair()
        # Nobody's home: what is imported there must not depend on the test that happened to come first.
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "TZ": "UTC", **self.at_start}
        script = Path(__file__).with_name("forkserver.py")
        with theirs:
            argv = (sys.executable, "-P", str(script), kind)
            self.process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=env, cwd="/")
        with self.control.makefile("rb", buffering=0) as said:
            self.light = frozenset(json.loads(said.readline()))
        atexit.register(self.close)

    def close(self) -> None:
        """End it; what it forked lives on, as any child would."""
        self.control.close()
        self.process.wait()

    def ask(self, argv: tuple[str, ...], env: Mapping[str, str], fds: list[int]) -> None:
        """Have one more process forked; see forkserver.py for the descriptors."""
        with self._asking:
            data = json.dumps({"argv": argv, "env": dict(env), "umask": _umask()}).encode()
            socket.send_fds(self.control, [len(data).to_bytes(SIZE, "big")], fds)
            self.control.sendall(data)


_servers: dict[str, Server] = {}
_starting = threading.Lock()


def server(kind: str) -> Server:
    """The one of this process and kind."""
    with _starting:
        if kind not in _servers:
            _servers[kind] = Server(kind)
        return _servers[kind]


def server_for(argv: Sequence[str]) -> Server:
    """The server whose forks have imported of pygit2 what the command would import when it starts."""
    words = iter(argv)
    command = ""
    for word in words:
        if word == "--as":
            next(words, None)
        elif not word.startswith("-"):
            command = word
            break
    if command == "plan" and next(words, "") in ("new", "replan") and find_spec("anthropic"):
        return server("planner")
    return server("light" if not command or command in server("light").light else "whole")


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in env.items() if key.startswith(_AT_START)}


def _umask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def can(args: tuple[str, ...], env: Mapping[str, str]) -> bool:
    """Whether a fork would be the very process that these arguments start."""
    ours = args[: len(PROGRAM)] == PROGRAM and hasattr(os, "pidfd_open")  # Linux
    return ours and _at_start(env) == server("light").at_start


class Forked(subprocess.Popen[bytes]):
    """A Popen whose process another one forks and reaps."""

    def _execute_child(self, *given: Any) -> None:
        words = _HAND_OVER.bind(self, *given).arguments
        argv = tuple(os.fsdecode(word) for word in words["args"][len(PROGRAM) :])
        if any("\0" in word for word in (*argv, *words["env"], *words["env"].values())):
            raise ValueError("embedded null byte")
        folder = os.open(words["cwd"], os.O_PATH | os.O_DIRECTORY)
        self._report, report = os.pipe()
        try:
            fds = [folder, words["p2cread"], words["c2pwrite"], words["errwrite"], report]
            server_for(argv).ask(argv, words["env"], fds)
        finally:
            os.close(folder)
            os.close(report)
            ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(words[end] for end in ends))  # type: ignore[attr-defined]
        self.pid = int(self._line())
        self._child_created = True

    def _line(self) -> bytes:
        """The next line of the report: the process id, later the exit status."""
        line = b""
        while not line.endswith(b"\n"):
            read = os.read(self._report, 1)
            assert read, "the fork server has ended"
            line += read
        return line

    def _wait(self, timeout: float | None) -> int:
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._line())
            os.close(self._report)
        return self.returncode

    def _internal_poll(self, **_: Any) -> int | None:
        try:
            return self._wait(0)
        except subprocess.TimeoutExpired:
            return None
