"""Sessions that hold a lock and do nothing, for a day of a simulated clock: what their renewals come to.

Repositories, remote, pushes and the code are real; only the clock of this process is not. It stands still but for
what the simulation adds, so a day takes as long as its renewals.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import msgspec

from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Wish
from git_peer.core.target import target as targets
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from git_peer.publish import inbox

TTL = 1800  # seconds; an agent's


class Clock:
    """Epoch and monotonic seconds, which pass by tick() alone."""

    def __init__(self) -> None:
        self.now = time.time()
        self._mono = time.monotonic() - self.now

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def _time(self) -> float:
        return self.now

    def _time_ns(self) -> int:
        return int(self.now * 1e9)

    def _monotonic(self) -> float:
        return self.now + self._mono

    @contextlib.contextmanager
    def ruling(self) -> Iterator[None]:
        """In this process, and for the files whose age counts."""
        real = inbox.leave

        def leave(folder: Path, sid: str, command: bytes) -> None:
            real(folder, sid, command)
            for path in folder.glob(f"{sid}*"):
                os.utime(path, (self.now, self.now))

        with (
            mock.patch("time.time", self._time),
            mock.patch("time.time_ns", self._time_ns),
            mock.patch("time.monotonic", self._monotonic),
            mock.patch.object(inbox, "leave", leave),
        ):
            yield


@dataclass(frozen=True)
class Idle:
    """What came of it. `lapsed`: locks whose lease had run out, or that were gone, at any minute or at the end."""

    pushes: int
    fetches: int
    lapsed: int


def simulate(clones: Sequence[Path], sessions: int, minutes: int, apart: int) -> Idle:
    """Agents in `clones`, which follow one log, take a lock each, the next `apart` seconds later; then they are idle.

    Each one's keep_alive() is called every minute. Counted is from the last lock on.
    """
    clock = Clock()
    with clock.ruling():
        peers = []
        for number in range(sessions):
            peers.append(_agent(clones[number % len(clones)], f"idle-{number}"))
            peers[-1].take(Wish(targets=(targets.of_path("file", f"idle/{number}.py"),), ttl=TTL))
            clock.tick(apart)
            if clock.now // 60 != (clock.now - apart) // 60:
                _alive(peers)
        before = [_traffic(peers, what) for what in ("pushes", "fetches")]
        lapsed = 0
        for _ in range(minutes):
            clock.tick(60)
            _alive(peers)
            lapsed += sum(not _holds(peer, clock.now) for peer in peers)
        pushes, fetches = (_traffic(peers, what) for what in ("pushes", "fetches"))
        return Idle(pushes - before[0], fetches - before[1], lapsed)


def _agent(where: Path, name: str) -> Peer:
    with contextlib.chdir(where):
        peer = Parts(name, writing=True).peer(writing=True)
    peer.me = msgspec.structs.replace(peer.me, agent="simulated")
    return peer


def _alive(peers: Sequence[Peer]) -> None:
    for peer in peers:
        peer.keep_alive()


def _traffic(peers: Sequence[Peer], what: str) -> int:
    return sum(peer.traffic[what] for peer in peers)


def _holds(peer: Peer, now: float) -> bool:
    """Whether the session has its lock, and the lease runs."""
    session = peer.session()
    return session is not None and len(list(locks.held_by(peer.state, session.name))) == 1 and now <= session.at + TTL
