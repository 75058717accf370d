"""The program in a process whose wall clock is wrong; its monotonic clock is not."""

from __future__ import annotations

import sys

from tests.world import Clone, Result, start

_PROGRAM = """
import sys, time
real, off = time.time, float(sys.argv[1])
time.time = lambda: real() + off
from git_peer.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def skewed(clone: Clone, off: int, *args: str, as_: str = "wrong", status: int | None = 0) -> Result:
    """Run git-peer with a clock that goes `off` seconds ahead."""
    words = (sys.executable, "-P", "-c", _PROGRAM, str(off), "--as", as_, *args)
    return start(words, clone.path).finish(status)
