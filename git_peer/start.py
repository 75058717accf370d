"""Where the program starts: what needs no command line's parser is answered before click is imported."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_AGENTS = ("claude-code", "codex", "gemini")
_FLAGS = frozenset({"--json", "-q", "--quiet"})


def main(args: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    argv = sys.argv[1:] if args is None else args
    if len(argv) > 1 and argv[0] == "hook" and argv[1] in _AGENTS:
        from git_peer.agents import quick

        return quick.main(argv[1], argv[2:])
    if [word for word in argv if word not in _FLAGS] == ["version"]:
        return _version(argv)
    gc.disable()  # what is imported stays, and would only be looked through again and again; `entry` enables it
    from git_peer.cli.main import main as program

    return program(argv)


def _version(flags: Sequence[str]) -> int:
    """`git peer version`, as the command itself says it."""
    from git_peer.cli._output import Call, version

    quiet = "-q" in flags or "--quiet" in flags
    return Call(json="--json" in flags, quiet=quiet).emit(version())
