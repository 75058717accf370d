"""Processes of git-peer that go on behind a hook. Standard library only."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Good for one git command only; they would lead the commands of a process of its own astray.
_PASSING = frozenset(
    {
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_QUARANTINE_PATH",
    }
)


def start(env: Mapping[str, str], top: str, *args: str) -> int:
    """Start `git peer ARGS` in the folder `top`, apart from the terminal, its output going nowhere; its process id."""
    kept = {key: value for key, value in env.items() if key not in _PASSING}
    argv = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', top, sys.executable, "-P", "-m", "git_peer", *args]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    try:
        return os.posix_spawn(argv[0], argv, kept, file_actions=nowhere, setsid=True)
    except NotImplementedError:
        return os.posix_spawn(argv[0], argv, kept, file_actions=nowhere, setpgroup=0)


def refreshed(env: Mapping[str, str], patience: float) -> bool:
    """Have the log fetched and verified, and wait at most so many seconds; whether that was done.

    What takes longer goes on, for the next who looks.
    """
    end = time.monotonic() + patience
    try:
        child = start({**env, "GIT_TERMINAL_PROMPT": "0"}, ".", "hook", "refresh")
    except OSError:
        return False  # an interpreter that has gone since
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
