"""The fold: what events do, and which ones honest software would not have written."""

from __future__ import annotations

from typing import Any

import pytest

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.lock import events as locking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.log import record as log
from git_peer.core.log.command import Me
from git_peer.core.log.state import Event, encode
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from tests.core.bench import A, B, Bench, agent, example, person, refused


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_exclusive_means_exclusive(bench: Bench) -> None:
    bench.lock(A, "f")
    for path in ("f", "f/", "*", "**", "f/below", ":/"):
        with refused("locked"):
            bench.lock(B, path)
    bench.lock(B, "g")


def test_shared_with_shared_only(bench: Bench) -> None:
    bench.lock(A, "f", mode="shared")
    bench.lock(B, "f", mode="shared")
    with refused("locked"):
        bench.lock(A, "f", mode="exclusive")
    bench.unlock(B, "f")
    assert bench.lock(A, "f", mode="exclusive")[0]["mode"] == "exclusive"


def test_all_or_nothing(bench: Bench) -> None:
    bench.lock(A, "b")
    before = dict(bench.blobs)
    with refused("locked"):
        bench.lock(B, "a", "b", "c")
    assert bench.blobs == before


def test_own_lock_is_renewed_and_keeps_id_and_token(bench: Bench) -> None:
    first = bench.lock(A, "f", ttl=100)[0]
    bench.now += 500
    assert not locks.is_live(bench.state, locks.by_id(bench.state, first["id"]), bench.scene)
    again = bench.lock(A, "f", ttl=100)[0]
    assert (again["id"], again["token"]) == (first["id"], first["token"])
    assert again["live"]
    assert again["expires_at"] > first["expires_at"]


def test_any_event_of_a_session_renews_its_leases(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += 90
    bench.lock(A, "other", ttl=100)
    bench.now += 90
    with refused("locked"):
        bench.lock(B, "f")


def test_a_lapsed_lock_is_taken_with_evidence(bench: Bench) -> None:
    old = bench.lock(A, "f", ttl=100)[0]
    bench.now += 161
    new = bench.lock(B, "f")[0]
    assert new["token"] > old["token"]
    fence = bench.state.get(fences.place(old["id"], targets.of_path("file", "f")), fences.Fence)
    assert fence is not None
    assert fence.holder is not None
    assert fence.holder.session == "b"


def test_within_the_skew_a_lapsed_lock_is_not_taken(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += 160
    with refused("locked"):
        bench.lock(B, "f")


def test_a_distrusted_clock_takes_nothing_by_the_wall(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += 10**6
    bench.trusted = False
    with refused("locked"):
        bench.lock(B, "f")


def test_a_session_whose_clock_ran_backwards_lapses_only_by_watching(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now -= 1000
    bench.do(commands.Renew(me=A))
    bench.now += 5000
    with refused("locked"):
        bench.lock(B, "f")


def test_force_is_a_persons_right(bench: Bench) -> None:
    bench.lock(A, "f")
    with refused("not_yours"):
        bench.unlock(B, "f")
    with refused("not_allowed"):
        bench.unlock(B, "f", force="because")
    bench.unlock(person("c2"), "f", force="because")
    assert not list(locks.all_of(bench.state))


def test_a_person_owns_what_the_agent_holds_in_the_same_work_tree_only(bench: Bench) -> None:
    held = bench.lock(A, "f")[0]
    assert bench.lock(person(), "f")[0]["id"] == held["id"]
    with refused("locked"):
        bench.lock(person(gitdir="worktrees/x"), "f")
    with refused("locked"):
        bench.lock(agent("c"), "f")
    bench.unlock(person(), "f")
    assert not list(locks.all_of(bench.state))


def test_two_runs_of_one_name(bench: Bench) -> None:
    held = bench.lock(A, "f")[0]
    elsewhere = agent("a", "c9")
    with refused("exists"):
        bench.lock(elsewhere, "g")
    taken = Me(name="a", agent="claude", clone="c9", host="h", worktree="w", takeover=True)
    bench.do(commands.Start(me=taken))
    assert not list(locks.all_of(bench.state))
    assert bench.state.get(fences.place(held["id"], targets.of_path("file", "f")), fences.Fence) is not None
    with refused("exists"):
        bench.lock(A, "f")


def test_a_name_whose_run_lapsed_may_be_used_again(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += 10_000
    bench.lock(agent("a", "c9"), "f")
    assert [lock.sid for lock in locks.all_of(bench.state)] == [sessions.get(bench.state, "a").sid]  # type: ignore[union-attr]


def test_the_end_of_a_session_gives_back_its_locks(bench: Bench) -> None:
    bench.lock(A, "f", "g/", "@deploy")
    bench.do(commands.End(me=A))
    assert not list(locks.all_of(bench.state))
    assert sessions.get(bench.state, "a") is None


def test_sessions_silent_for_a_week_are_swept_by_who_begins(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += 8 * 86400
    bench.lock(B, "g")
    assert [s.name for s in sessions.all_of(bench.state)] == ["b"]
    assert [lock.session for lock in locks.all_of(bench.state)] == ["b"]


def test_names_stand_outside_the_gate(bench: Bench) -> None:
    bench.lock(A, "@deploy", "@issue/42")
    assert not any(path.startswith("gate/") for path in bench.blobs)
    with refused("locked"):
        bench.lock(B, "@deploy")
    bench.lock(B, "@issue")


def _lock_event(bench: Bench, by: str, sid: str, path: str, **more: Any) -> locking.LockTake:
    fields = {"mode": "exclusive", "ttl": 60, "priority": 5, **more}
    target = targets.of_path("file", path)
    return locking.LockTake(id=bench.ident(), at=bench.now, by=by, sid=sid, target=target, **fields)


def test_dishonest_events_are_malformed(bench: Bench) -> None:
    held = bench.lock(A, "f")[0]
    bench.lock(B, "g")
    b = sessions.get(bench.state, "b")
    assert b is not None
    envelope: dict[str, Any] = {"id": "x", "at": bench.now, "by": "b", "sid": b.sid}
    wall = expiry.Evidence(how="wall", height=bench.height - 1, at=bench.now)
    forged: list[Event] = [
        _lock_event(bench, "b", b.sid, "f"),  # held by another
        _lock_event(bench, "b", "nobody", "h"),  # not that run
        _lock_event(bench, "b", b.sid, "h", mode="mine"),
        _lock_event(bench, "b", b.sid, "h", ttl=0),
        _lock_event(bench, "b", b.sid, "../h"),
        _lock_event(bench, "b", b.sid, ".git/config"),
        locking.LockRelease(**envelope, lock=held["id"]),  # another's
        locking.LockRenew(**envelope, lock=held["id"]),
        locking.LockExpire(**envelope, lock=held["id"], holder="a", evidence=wall),  # it has not run out
        locking.LockExpire(**envelope, lock=held["id"], holder="a", evidence=expiry.Evidence(how="gone")),
        sessions.SessionEnd(**envelope, name="a", ended=sessions.get(bench.state, "a").sid),  # type: ignore[union-attr]
        sessions.SessionEnd(**envelope, name="b", ended=b.sid),  # it still holds g
        log.LogCreate(id="x", at=0, by="b", log="M", format=1, mode="local"),  # not at the root
        log.LogMode(id="x", at=0, by="b", mode="remote"),  # not announced
    ]
    for event in forged:
        with pytest.raises(Malformed):
            fold.apply(bench.state, [event], bench.height + 1)
    with pytest.raises(Malformed):
        fold.apply(bench.state, [], bench.height + 1)


def test_evidence_older_than_a_renewal_is_refused(bench: Bench) -> None:
    held = bench.lock(A, "f", ttl=100)[0]
    stale = sessions.get(bench.state, "a")
    assert stale is not None
    proof = expiry.Evidence(how="wall", height=stale.height, at=stale.at)
    bench.now += 1000
    bench.do(commands.Start(me=B))
    b = sessions.get(bench.state, "b")
    assert b is not None
    theft = locking.LockExpire(id="x", at=bench.now, by="b", sid=b.sid, lock=held["id"], holder="a", evidence=proof)
    fold.apply(bench.state, [theft], bench.height + 1)  # fits as long as nothing came from the holder
    bench.do(commands.Renew(me=A))
    with pytest.raises(Malformed):
        fold.apply(bench.state, [theft], bench.height + 1)


def test_tokens_are_unique_and_grow(bench: Bench) -> None:
    seen: list[int] = []
    for turn in range(5):
        found = bench.lock(A, *(f"f{n}" for n in range(4)))
        if turn % 2:
            for view in found:
                bench.unlock(A, view["target"])
        seen.extend(view["token"] for view in found)
    fresh = list(dict.fromkeys(seen))
    assert fresh == sorted(fresh)
    assert len(fresh) > 4


@pytest.mark.parametrize("kind", sorted(fold.KINDS))
def test_every_kind_is_read_back_from_its_canonical_line(kind: str) -> None:
    event = example(fold.KINDS[kind])
    line = encode(event)
    assert fold.parse(line) == event
    for bad in (b" " + line, line.replace(b'"at":1', b'"at":1.0'), line[:-1] + b',"zz":1}', line[:-1], b"[]", b"\xff"):
        with pytest.raises(Malformed):
            fold.parse(bad)


def test_a_lock_event_leaves_the_rest_of_the_tree_alone(bench: Bench) -> None:
    bench.lock(A, "f")
    before = dict(bench.blobs)
    bench.lock(B, "g")
    changed = {path for path in bench.blobs if bench.blobs[path] != before.get(path)}
    assert {path.split("/")[0] for path in changed} == {"gate", "held", "log.json", "sessions"}
    assert layout.session("a") not in changed
