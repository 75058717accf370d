"""An attempt keeps its look at the log, not its hour: what runs out while the remote is asked has run out."""

from __future__ import annotations

import time
from typing import Any

import pytest

from git_peer.core.lock.decide import Wish
from git_peer.core.target.target import of_path
from git_peer.ops.wiring import Parts
from git_peer.store.git.remote import Remote
from tests.cli.asking import ask
from tests.world import Clone

TTL = 60  # seconds

pytestmark = pytest.mark.faults


def test_a_slow_fetch(pair: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses by the local copy, asks a remote that is slow and has no news, and the lease has run out by then."""
    one, two = pair
    ask(two, "lock", "README.md", "--ttl", f"{TTL}s", as_="two")
    ask(one, "sync", as_="one")
    monkeypatch.chdir(one.path)
    peer = Parts("one", writing=True).peer(writing=True, steady=True)
    passed, real = 0, Remote.fetch
    wall, clock = time.time, time.clock_gettime
    monkeypatch.setattr(time, "time", lambda: wall() + passed)
    monkeypatch.setattr(time, "clock_gettime", lambda which: clock(which) + passed)

    def fetch(self: Remote, *given: Any) -> str | None:
        nonlocal passed
        passed += TTL + 5
        return real(self, *given)

    monkeypatch.setattr(Remote, "fetch", fetch)
    answer = peer.take(Wish(targets=(of_path("file", "README.md"),)))
    assert answer["acquired"]
    assert passed == TTL + 5, "one fetch"
