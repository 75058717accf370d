"""Where the program starts: an agent's hook is answered before click is imported, everything else by cli.main."""

from __future__ import annotations

import sys

from git_peer.agents import quick


def main(args: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    argv = sys.argv[1:] if args is None else args
    if len(argv) > 1 and argv[0] == "hook" and argv[1] in quick.AGENTS:
        return quick.main(argv[1], argv[2:])
    from git_peer.cli.main import main as program

    return program(argv)
