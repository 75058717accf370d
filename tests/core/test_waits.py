"""Waiting and preemption, in memory: the queue is fair, the dead do not block, circles are named."""

from __future__ import annotations

import itertools

import pytest

from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock import queue as waits
from git_peer.core.lock.decide import Wish
from git_peer.core.log.command import Me
from git_peer.core.target import target as targets
from tests.core.bench import Bench, agent, person, refused

A, B, C, D = (agent(name, f"c-{name}") for name in "abcd")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def wait(bench: Bench, me: Me, *paths: str, seconds: int = 300, mode: str = "exclusive", preempt: bool = False) -> bool:
    """Ask with --wait: whether it was granted."""
    wanted = tuple(targets.of_path("file", path) for path in paths)
    answer = bench.do(taking.Take(me=me, wish=Wish(targets=wanted, wait=seconds, mode=mode, preempt=preempt)))
    return bool(answer["acquired"])


def test_first_asked_first_served(bench: Bench) -> None:
    bench.lock(A, "f")
    assert not wait(bench, B, "f")
    assert not wait(bench, C, "f")
    bench.unlock(A, "f")
    assert not wait(bench, C, "f")
    with refused("locked"):
        bench.lock(D, "f")
    assert wait(bench, B, "f")
    assert not wait(bench, C, "f")
    bench.unlock(B, "f")
    assert wait(bench, C, "f")
    assert not waits.all_of(bench.state)


def test_asking_again_keeps_the_place_and_writes_nothing(bench: Bench) -> None:
    bench.lock(A, "f")
    wait(bench, B, "f")
    before = bench.height
    assert not wait(bench, B, "f")
    assert bench.height == before


def test_who_holds_it_may_renew_while_others_wait(bench: Bench) -> None:
    bench.lock(A, "f")
    wait(bench, B, "f")
    assert bench.lock(A, "f")[0]["session"] == "a"


def test_a_waiter_whose_time_is_over_does_not_block(bench: Bench) -> None:
    bench.lock(A, "f")
    wait(bench, B, "f", seconds=10)
    bench.unlock(A, "f")
    bench.now += 10 + 61
    bench.lock(C, "f")


def test_a_dead_waiter_does_not_block(bench: Bench) -> None:
    bench.lock(A, "f")
    wait(bench, B, "f", seconds=10**6)
    bench.unlock(A, "f")
    bench.now += 2000  # B's session has lapsed
    bench.lock(C, "f")


def test_shared_waiters_do_not_stand_against_each_other(bench: Bench) -> None:
    bench.lock(A, "f")
    assert not wait(bench, B, "f", mode="shared")
    assert not wait(bench, C, "f", mode="shared")
    bench.unlock(A, "f")
    assert wait(bench, C, "f", mode="shared")
    assert wait(bench, B, "f", mode="shared")


def test_giving_up_leaves_the_queue(bench: Bench) -> None:
    bench.lock(A, "f")
    wait(bench, B, "f")
    bench.do(taking.Unwait(me=B, targets=(targets.of_path("file", "f"),), mode="exclusive"))
    bench.unlock(A, "f")
    bench.lock(C, "f")


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_circle_of_waiters_is_refused_and_named(bench: Bench, length: int) -> None:
    ring = [A, B, C, D][:length]
    for me in ring:
        bench.lock(me, f"of-{me.name}")
    for me, other in itertools.pairwise(ring):
        assert not wait(bench, me, f"of-{other.name}")
    with pytest.raises(PeerError) as why:
        wait(bench, ring[-1], f"of-{ring[0].name}")
    assert why.value.code == "cycle"
    named = why.value.extra["cycle"]
    assert named[0] == named[-1]
    assert set(named) == {me.name for me in ring}


def test_a_chain_is_no_circle(bench: Bench) -> None:
    bench.lock(A, "f")
    bench.lock(B, "g")
    assert not wait(bench, B, "f")
    assert not wait(bench, C, "g")


def test_preemption_wants_strictly_higher_priority(bench: Bench) -> None:
    bench.lock(A, "f", priority=3)
    with refused("locked"):
        bench.lock(B, "f", priority=3, preempt=True)
    with refused("locked"):
        bench.lock(B, "f", priority=4)
    assert bench.lock(B, "f", priority=4, preempt=True)[0]["session"] == "b"
    with refused("not_allowed"):
        bench.lock(A, "f", priority=6, preempt=True)
    assert bench.lock(person("c-p"), "f", preempt=True)[0]["priority"] > 5


def test_preemption_breaks_all_that_stand_there_or_none(bench: Bench) -> None:
    bench.lock(A, "f", priority=1)
    bench.lock(B, "g", priority=5)
    before = dict(bench.blobs)
    wanted = tuple(targets.of_path("file", path) for path in "fg")
    with refused("locked"):
        bench.do(taking.Take(me=C, wish=Wish(targets=wanted, priority=5, preempt=True)))
    assert bench.blobs == before


def test_preemption_does_not_starve_who_waits(bench: Bench) -> None:
    bench.lock(A, "f", priority=1)
    wanted = (targets.of_path("file", "f"),)
    bench.do(taking.Take(me=B, wish=Wish(targets=wanted, priority=1, wait=3600)))
    bench.now += waits.AGING * 5
    with refused("locked"):
        bench.lock(C, "f", priority=5, preempt=True)
    bench.unlock(A, "f")
    assert bench.do(taking.Take(me=B, wish=Wish(targets=wanted, priority=1, wait=3600)))["acquired"]
