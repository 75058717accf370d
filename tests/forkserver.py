"""Runs `python -P -m git_peer` as forks of a process that has everything imported: a twentieth of a start's price.

Started with a Unix socket as its stdin and "whole" or "light", with or without pygit2, or "planner", with pygit2 and
the planner's SDK. forked.py is the other side: it first gets a line, the JSON list of the commands that can do with
"light". An ask is a length of eight bytes, sent with five descriptors (folder, stdin, stdout, stderr, report), and that
much JSON: {"argv", "env", "umask"}. On `report` the fork writes a line with its process id as soon as it can take
signals, and the server one with its exit status.

A fork is a process as a fresh interpreter would be: of this server, which runs no command itself, it keeps nothing but
modules; it begins as `-m` does, at runpy, and ends as the interpreter does: threads, atexit, buffers.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from typing import Any, NoReturn

import git_peer
from git_peer.cli.main import COMMANDS
from git_peer.store.git import libgit2

SIZE = 8
# What reads the environment, or much else, when it is imported; a fork imports it itself, as a process does.
_COLD = ("git_peer.__main__", "git_peer.adapters.", "git_peer.cli.demo", "git_peer.cli.man", "git_peer.mcp.",
         "git_peer.runner.inside")  # fmt: skip
_LEVELS = (2, 3, 4)  # GIT_CONFIG_LEVEL_SYSTEM, _XDG, _GLOBAL
_WARM = ("click._textwrap", "encodings.ascii", "encodings.idna", "encodings.latin_1", "filelock", "tomli", "tomli_w")


class _Barred(MetaPathFinder):
    """Keeps pygit2's package out, and with it those of our modules that import it."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:  # noqa: ARG002 - as it is called
        if name == "pygit2":
            raise ImportError(name)


def preload(whole: bool = True) -> None:
    """Import what a command would import by itself; unless `whole`, without pygit2's package.

    Not every command imports that, and where it is there its C part answers otherwise (git_peer/store/git/libgit2.py).
    """
    barred = [] if whole else [_Barred()]
    sys.meta_path[:0] = barred
    for module in pkgutil.walk_packages(git_peer.__path__, "git_peer."):
        if not module.name.startswith(_COLD):
            with contextlib.suppress(ImportError):  # it, or an extra that is not installed
                importlib.import_module(module.name)
    for name in _WARM:
        importlib.import_module(name)
    del sys.meta_path[: len(barred)]
    assert ("pygit2" in sys.modules) is whole


def light() -> list[str]:
    """The commands whose file is imported without pygit2's package."""
    return [name for name, (file, _) in COMMANDS.items() if f"git_peer.cli.{file}" in sys.modules]


class Ask:
    """One command to run."""

    def __init__(self, control: socket.socket) -> None:
        """Takes it from the socket; EOFError when no more come."""
        head, self.fds, _, _ = socket.recv_fds(control, SIZE, 5)
        if not head:
            raise EOFError
        assert len(head) == SIZE
        with control.makefile("rb", buffering=0) as stream:
            data = b""
            while len(data) < int.from_bytes(head, "big"):
                data += stream.read(int.from_bytes(head, "big") - len(data)) or b""
        self.words: dict[str, Any] = json.loads(data)

    @property
    def report(self) -> int:
        """Where the process id and the exit status are written."""
        return self.fds[4]

    def become(self) -> NoReturn:
        """In the fork: be that process. Ends by SystemExit, or as an uncaught exception ends the interpreter."""
        folder, stdin, stdout, stderr, report = self.fds
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
            os.dup2(number, target)
        os.fchdir(folder)
        os.write(report, b"%d\n" % os.getpid())
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.umask(self.words["umask"])
        take_up(self.words["env"])
        _streams()
        sys.orig_argv = [sys.executable, "-P", "-m", "git_peer", *self.words["argv"]]
        sys.argv = ["-m", *self.words["argv"]]
        try:
            runpy._run_module_as_main("git_peer")  # type: ignore[attr-defined] # what `-m` calls
        except SystemExit as end:
            _end(end.code)
            raise
        _end(0)
        raise SystemExit


def take_up(env: Mapping[str, str]) -> None:
    """Live in this environment, and so do the libraries that have read another one."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    found: Any = libgit2._alone("_libgit2")
    for level in _LEVELS:  # libgit2 took HOME when it was loaded; nothing for a path has it look again
        found.lib.git_libgit2_opts(found.lib.GIT_OPT_SET_SEARCH_PATH, found.ffi.cast("int", level), found.ffi.NULL)


def _streams() -> None:
    """New stdin, stdout and stderr as the interpreter makes them; the old ones were made for other files."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        old = getattr(sys, f"__{name}__")
        raw = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 - it stays
        lined = number == 2 or raw.isatty()
        new = io.TextIOWrapper(raw, old.encoding, old.errors, newline="\n", line_buffering=lined)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _end(code: object) -> None:
    """End as the interpreter does, but leave its memory to the system: to take that apart is most of a fork's price.

    Returns where the interpreter has something to say about the end; it then takes its own way.
    """
    if not (code is None or isinstance(code, int)):
        return
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads, no room, or it was closed
            return
    os._exit((code or 0) & 0xFF)


def serve(control: socket.socket) -> Ask | None:
    """Fork for each ask and report each end. Returns an ask in its fork, and None when no more come."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}  # pidfd → process id, report
    while True:
        for fd, _ in poll.poll():
            if fd == control.fileno():
                try:
                    ask = Ask(control)
                except (EOFError, ConnectionError):
                    return None
                pid = os.fork()
                if pid == 0:
                    return ask
                for given in ask.fds[:4]:
                    os.close(given)
                pidfd = os.pidfd_open(pid)
                running[pidfd] = (pid, ask.report)
                poll.register(pidfd, select.POLLIN)
            else:
                pid, report = running.pop(fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(BrokenPipeError):  # nobody wants to know any more
                    os.write(report, b"%d\n" % status)
                os.close(report)
                poll.unregister(fd)
                os.close(fd)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C ends whoever asks, and then this
    preload(sys.argv[1] != "light")
    if sys.argv[1] == "planner":
        importlib.import_module("anthropic")  # a second, which each of its commands would take
    gc.collect()
    gc.freeze()  # a fork that looks for garbage would copy all of this
    given = socket.socket(fileno=os.dup(0))
    given.sendall(json.dumps(light()).encode() + b"\n")
    taken = serve(given)
    if taken is not None:
        taken.become()
