"""Processes that go on when a hook has answered. Standard library only."""

from __future__ import annotations

import os
import sys
import time

from git_peer import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from git_peer.agents.site import Site

# Good for one git command only; they would lead the commands of a process of its own astray.
_PASSING = ("GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")


def start(env: Mapping[str, str], top: str, *args: str) -> None:
    """Start `git peer ARGS` in the folder `top`, and do not wait. Its output goes nowhere."""
    kept = {key: value for key, value in env.items() if key not in _PASSING}
    argv = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', top, sys.executable, "-P", "-m", "git_peer", *args]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    os.posix_spawn(argv[0], argv, kept, file_actions=nowhere, setpgroup=0)


def ensure_sender(site: Site, env: Mapping[str, str]) -> None:
    """Have somebody send what is tentative here: starts a sender, unless one is at work.

    A sender holds a lock for as long as it lives. It is taken here and handed on, so nobody starts a second one.
    """
    import fcntl

    try:
        handle = os.open(f"{site.folder}/{layout.F_SENDER}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return  # a disk that takes no writes; `git peer sync` says so
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(handle, True)
        start(env, site.top, "hook", "send", str(handle))
    except OSError:
        return  # one is at work
    finally:
        os.close(handle)


def refresh_if_stale(site: Site, env: Mapping[str, str]) -> None:
    """Where the copy of the log is old, have one process fetch it; the new time keeps others from starting more."""
    path = f"{site.folder}/{layout.F_STALE}"
    now = int(time.time())
    try:
        with open(path, "r+", encoding="ascii") as file:
            if int(file.read()) > now:
                return
            file.seek(0)
            file.write(f"{now + 30}\n")
            file.truncate()
    except (OSError, ValueError):
        return  # in local mode there is none
    start(env, site.top, "hook", "refresh")
