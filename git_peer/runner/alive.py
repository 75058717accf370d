"""A sign of life while a model thinks or a test runs: a runner's lease is its liveness."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from git_peer.core.errors import PeerError
from git_peer.ops.peer import Peer


@contextmanager
def renewed(peer_of: Callable[[], Peer], every: float) -> Iterator[None]:
    """Renew the session's leases in the background where that is due, looked at every so many seconds.

    `peer_of` makes a Peer for the thread alone. A renewal that fails is tried at the next look: while the remote is
    away nobody else can have the lease taken either.
    """
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            with suppress(PeerError):
                peer_of().keep_alive()

    thread = threading.Thread(target=run, name="renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)
