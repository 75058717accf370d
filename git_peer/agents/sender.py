"""The sender: one process a clone that has what is tentative arbitrated, all together, at most once in ten seconds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.ops import sync as tentative
from git_peer.ops.peer import Peer

EVERY = 10.0  # seconds from the start of one push to that of the next
GATHER = 0.7  # seconds that the first of a burst waits for the others
FOR = 600.0  # seconds for which it tries where the remote does not answer; the next hook starts another
LONGEST = 60.0  # seconds between two tries of that kind


def main(peer: Peer, handle: int = -1) -> int:
    """Send until nothing is tentative here; 0. Where another sender lives, nothing is done.

    `handle`: the sender's lock, held already and handed on by who started this.
    """
    with contextlib.suppress(PeerError, OSError):
        if handle >= 0:
            os.set_inheritable(handle, False)  # else git's children would hold it, too
        while peer.remote is not None and peer.clone.tentative():
            if handle < 0:
                handle = _alone(peer)
            if handle < 0 or not _send(peer, handle):
                break
            os.close(handle)  # and look again: what came just before was left to this one
            handle = -1
    return 0


def _alone(peer: Peer) -> int:
    """The sender's lock, where it is to be had; else -1."""
    handle = os.open(peer.clone.folder / layout.F_SENDER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return -1
    return handle


def _send(peer: Peer, handle: int) -> bool:
    end, wait = time.monotonic() + FOR, EVERY
    time.sleep(GATHER)
    while peer.clone.tentative():
        time.sleep(_left(handle, wait))
        os.pwrite(handle, f"{time.time():020.3f}\n".encode(), 0)
        try:
            tentative.settle(peer)
            end, wait = time.monotonic() + FOR, EVERY
        except PeerError as why:
            if why.status != 3 or time.monotonic() > end:
                return False  # nothing that time mends; whoever has to know is told by a command
            wait = min(wait * 2, LONGEST)
    return True


def _left(handle: int, wait: float) -> float:
    """Seconds until the next push may begin."""
    try:
        last = float(os.pread(handle, 64, 0) or 0)
    except ValueError:
        last = 0.0
    return max(0.0, min(wait, last + wait - time.time()))
