"""Where the program starts: an agent's hook is answered before click is imported, everything else by cli.main."""

from __future__ import annotations

import os
import sys


def main(args: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    _settle(as_program=args is None)
    from git_peer.agents import quick

    argv = sys.argv[1:] if args is None else args
    if len(argv) > 1 and argv[0] == "hook" and argv[1] in quick.AGENTS:
        return quick.main(argv[1], argv[2:])
    from git_peer.cli.main import main as program

    return program(argv)


def _settle(as_program: bool) -> None:
    """Whatever the environment says: git-peer's libraries are its own, and names of files are UTF-8, as git's are."""
    if as_program and sys.getfilesystemencoding() != "utf-8":  # a Latin-1 locale: every path would be another one
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - ourselves again
    given = os.environ.get("PYTHONPATH")
    if given and not sys.flags.ignore_environment:
        # Behind our own, not out: where somebody keeps our libraries there, they are still found.
        theirs = {os.path.abspath(entry) for entry in given.split(os.pathsep)}
        sys.path.sort(key=lambda entry: os.path.abspath(entry) in theirs)
