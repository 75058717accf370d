"""Where the program starts: what needs no command line's parser is answered before click is imported."""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_AGENTS = ("claude-code", "codex", "gemini")
_FLAGS = frozenset({"--json", "-q", "--quiet"})


# Commands after which nothing is left to be taken apart: no thread, no library that wants to hear of the end.
_HOT = frozenset({"lock", "unlock", "locks", "check", "whoami", "peers", "status", "task", "version"})


def run() -> NoReturn:
    """The program as it is installed. A hot command does not take apart what it imported: a lock takes no longer."""
    status = main()
    if _command(sys.argv[1:]) in _HOT:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        except (AttributeError, OSError):  # closed, or full: Python says so at its own end
            pass
    sys.exit(status)


def _command(argv: Sequence[str]) -> str:
    """The command's name; "" where there is none."""
    words = iter(argv)
    for word in words:
        if word == "--as":
            next(words, "")
        elif not word.startswith("-"):
            return word
    return ""


def main(args: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    _settle(as_program=args is None)
    argv = sys.argv[1:] if args is None else args
    if len(argv) > 1 and argv[0] == "hook" and argv[1] in _AGENTS:
        from git_peer.agents import quick

        return quick.main(argv[1], argv[2:])
    if [word for word in argv if word not in _FLAGS] == ["version"]:
        return _version(argv)
    from git_peer import lean

    lean.msgspec()
    gc.disable()  # what is imported stays, and would only be looked through again and again; `entry` enables it
    from git_peer.cli.main import main as program

    return program(argv)


def _version(flags: Sequence[str]) -> int:
    """`git peer version`, as the command itself says it."""
    from git_peer.cli._output import Call, version

    quiet = "-q" in flags or "--quiet" in flags
    return Call(json="--json" in flags, quiet=quiet).emit(version())


def _settle(as_program: bool) -> None:
    """Whatever the environment says: git-peer's libraries are its own, and names of files are UTF-8, as git's are."""
    if as_program and sys.getfilesystemencoding() != "utf-8":  # a Latin-1 locale: every path would be another one
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - ourselves again
    given = os.environ.get("PYTHONPATH")
    if given and not sys.flags.ignore_environment:
        # Behind our own, not out: where somebody keeps our libraries there, they are still found.
        theirs = {os.path.abspath(entry) for entry in given.split(os.pathsep)}
        sys.path.sort(key=lambda entry: os.path.abspath(entry) in theirs)
