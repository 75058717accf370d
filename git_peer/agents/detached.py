"""Processes that go on when a hook has answered. Standard library only."""

from __future__ import annotations

import os
import time

from git_peer import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from git_peer.agents.site import Site


def start(env: Mapping[str, str], top: str, *args: str) -> None:
    """Start `git peer ARGS` in the folder `top`, and do not wait. Its output goes nowhere."""
    from git_peer.hooks import background  # most hooks start none

    background.start(env, top, *args)


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
