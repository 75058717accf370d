"""Versions of events: a field that came later makes the event newer, and stands only in logs of that format."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.lock import landing
from git_peer.core.lock.events import LockBreak, LockRelease
from git_peer.core.log import record as log
from git_peer.core.log.state import Event, State
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.core.session import record as sessions
from git_peer.core.target.target import Target
from tests.core.bench import A, B, Bench, person, refused


@pytest.fixture
def bench() -> Bench:
    return Bench()


def watched(bench: Bench) -> list[Any]:
    """The events that are folded from here on."""
    seen: list[Any] = []
    real = bench.fold

    def fold_them(events: list[Event]) -> None:
        seen.extend(events)
        real(events)

    bench.fold = fold_them  # type: ignore[method-assign]
    return seen


def tried(bench: Bench, event: Any) -> None:
    """Fold an event into a state that is thrown away."""
    fold.apply(State(bench.state), [event], bench.height + 1)


def envelope(bench: Bench) -> dict[str, Any]:
    mine = sessions.get(bench.state, "a")
    assert mine is not None
    return {"id": "x", "at": bench.now, "by": "a", "sid": mine.sid}


def test_every_version_is_one_that_this_release_writes() -> None:
    for kind in fold.KINDS.values():
        assert set(kind.since) <= set(kind.__struct_fields__)
        assert all(1 < version <= layout.FORMAT for version in kind.since.values())
        assert 1 <= kind.came <= layout.FORMAT


def test_what_is_given_makes_the_version(bench: Bench) -> None:
    lock = bench.lock(A, "f")[0]["id"]
    target = Target("file", "f")
    tried(bench, LockRelease(**envelope(bench), lock=lock))
    tried(bench, LockRelease(**envelope(bench), lock=lock, paths=(target,), v=2))
    for wrong in (
        LockRelease(**envelope(bench), lock=lock, paths=(target,)),  # a field of the second version in one of the first
        LockRelease(**envelope(bench), lock=lock, paths=(target,), v=3),
        LockRelease(**envelope(bench), lock=lock, paths=(Target("file", "g"),), v=2),  # another's path
        LockRelease(**envelope(bench), lock=lock, paths=(target, target), v=2),
        LockBreak(**envelope(bench), lock=lock, holder="a", reason="r", paths=(Target("dir", "f"),), v=2),
    ):
        with pytest.raises(Malformed):
            tried(bench, wrong)


def test_an_older_log_has_nothing_of_it() -> None:
    """What only helps readers is left out; what was asked for is refused; after the move both are there."""
    bench = Bench(format=1)
    lock = bench.lock(A, "f")[0]["id"]
    with pytest.raises(Malformed, match="version 2 in a log of format 1"):
        tried(bench, LockRelease(**envelope(bench), lock=lock, paths=(Target("file", "f"),), v=2))
    seen = watched(bench)
    bench.unlock(A, "f")
    assert [(event.v, event.paths) for event in seen] == [(1, ())]
    with refused("unsupported"):
        bench.do(commands.Start(me=A, capabilities=("sql",)))
    bench.do(commands.Start(me=A, doing="x"))  # that could be said always
    bench.fold([log.LogFormat(id="f", at=bench.now, by="git-peer", format=2)])
    bench.do(commands.Start(me=A, capabilities=("sql",)))
    bench.lock(A, "f")
    bench.unlock(A, "f")
    assert [(event.v, event.paths) for event in seen if isinstance(event, LockRelease)][1:] == [
        (2, (Target("file", "f"),))
    ]


def test_very_many_locks_end_in_one_commit_as_before(bench: Bench) -> None:
    """Their events name no paths then: what could be taken can be given back."""
    bench.lock(A, *(f"{number}/{'d' * 180}/{'x' * 180}" for number in range(350)))
    seen = watched(bench)
    bench.do(commands.Release(me=A, all=True))
    assert len(seen) == 350
    assert {(event.v, event.paths) for event in seen} == {(1, ())}


def test_the_paths_of_a_landing() -> None:
    assert landing.summary(["b", "a/c", "b"]) == (Target("file", "a/c"), Target("file", "b"))
    many = [f"d{n % 3}/{'x' * 30}/{n}" for n in range(900)]
    assert landing.summary(many) == tuple(Target("dir", f"d{n}/{'x' * 30}") for n in range(3))
    deep = [f"{n}/{'y' * 60}" for n in range(900)]
    assert landing.summary(deep) == (Target("dir", ""),)  # not even their folders fit
    assert landing.summary(["n\udcff"]) == (Target("file", "n%FF", "percent"),)
    assert sum(len(target.path) for target in landing.summary(many)) <= landing.SUMMARY


def test_a_landing_has_files_and_folders(bench: Bench) -> None:
    bench.lock(A, "f")
    land = landing.PushLand(
        **envelope(bench),
        refs=(landing.RefUpdate(ref="refs/heads/main", new="1" * 40),),
        paths=(Target("dir", ""),),
        v=2,
    )
    tried(bench, land)
    for target in (Target("name", "x"), Target("glob", "*"), Target("file", "../x")):
        with pytest.raises(Malformed):
            tried(bench, msgspec.structs.replace(land, paths=(target,)))


def test_the_branch_follows_whoever_goes_on(bench: Bench) -> None:
    """At its next event, before that; a record of another's session stays."""
    bench.lock(A, "f")
    bench.lock(B, "g")
    moved = msgspec.structs.replace(A, branch="topic")
    bench.lock(moved, "h")
    records = {name: sessions.get(bench.state, name) for name in "ab"}
    assert [record.branch for record in records.values() if record is not None] == ["topic", ""]
    height = bench.height
    bench.do(commands.Release(me=moved, targets=()))  # nothing to do: nothing is said
    assert bench.height == height
    bench.do(commands.End(me=person("c1"), name="a"))
    assert sessions.get(bench.state, "a") is None
