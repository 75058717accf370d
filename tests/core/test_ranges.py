"""Locks on lines, in memory: what is granted beside what, by versions of a file, and what the log will not take."""

from __future__ import annotations

from typing import Any

import pytest

from git_peer.core.errors import Malformed
from git_peer.core.lock import decide as taking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Wish
from git_peer.core.lock.events import LockTake
from git_peer.core.log.command import Me
from git_peer.core.log.record import LogFormat
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from tests.core.bench import A, B, Bench, agent, person, refused

C = agent("c", "c3")
OLD, NEW, GONE = "a" * 40, "b" * 40, "c" * 40


def file(count: int, new: str = "", at: int = 0) -> bytes:
    """Lines 1 to `count`, with new ones behind line `at`."""
    lines = [f"line {number}\n" for number in range(1, count + 1)]
    return "".join([*lines[:at], new, *lines[at:]]).encode()


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.files = {OLD: file(50), NEW: file(50, "x\ny\nz\n", at=20)}
    return made


def lines(first: int, last: int, blob: str = OLD, path: str = "f") -> Target:
    return targets.of_path("lines", path, lines=(first, last), blob=blob)


def section(name: str, *spans: tuple[int, int], blob: str = OLD) -> Target:
    return targets.of_path("section", "f", section=name, spans=spans, blob=blob)


def take(bench: Bench, me: Me, *wanted: Target, **wish: Any) -> dict[str, Any]:
    return bench.do(taking.Take(me=me, wish=Wish(targets=wanted, **wish)))


@pytest.mark.parametrize(
    ("other", "free"),
    [
        (lines(22, 30), True), (lines(1, 8), True), (lines(21, 30), False), (lines(1, 9), False),
        (lines(1, 10), False), (lines(20, 20), False), (lines(15, 16), False), (lines(1, 50), False),
        (lines(15, 16, path="g"), True),
        # On the other blob the lines from 21 on stand three further down, and what is new stands at the border.
        (lines(25, 30, NEW), True), (lines(21, 22, NEW), False),
        (lines(18, 18, NEW), False),
        (lines(40, 41, GONE), False),  # a blob that is not to be had: the whole file
        (section("S", (1, 3), (30, 40)), True), (section("S", (1, 3), (12, 12)), False),
        (section("S", (1, 8), (22, 40)), True), (section("S", (1, 8), (21, 40)), False),
        (Target("file", "f"), False), (Target("dir", ""), False), (Target("glob", "*"), False),
        (Target("file", "g"), True), (Target("name", "f"), True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", ["lines", "other"])
def test_what_is_granted_beside_lines_10_to_20(bench: Bench, other: Target, free: bool, first: str) -> None:
    one, two = (lines(10, 20), other) if first == "lines" else (other, lines(10, 20))
    take(bench, A, one)
    if free:
        assert take(bench, B, two)["acquired"]
    else:
        with refused("locked"):
            take(bench, B, two)
        take(bench, A, two)  # one's own never stand in the way


def test_a_log_of_the_first_format_has_no_lines_until_somebody_moves_it(bench: Bench) -> None:
    old = Bench(format=1)
    old.files = bench.files
    old.lock(A, "g")
    with refused("unsupported"):
        take(old, A, lines(1, 2))
    assert [lock.target.path for lock in locks.all_of(old.state)] == ["g"]
    old.fold([LogFormat(id=old.ident(), at=old.now, by="git-peer", format=2)])
    assert take(old, A, lines(1, 2))["acquired"]


def test_the_same_lines_of_a_later_version_are_the_same_lock(bench: Bench) -> None:
    (one,) = take(bench, A, lines(30, 40))["locks"]
    (two,) = take(bench, A, lines(33, 43, NEW), reason="again")["locks"]
    assert (two["id"], two["lines"], two["reason"]) == (one["id"], (30, 40), "again")
    (wider,) = take(bench, A, lines(33, 44, NEW))["locks"]
    assert wider["id"] != one["id"]


def test_a_person_is_answered_with_the_lock_of_its_agent(bench: Bench) -> None:
    (one,) = take(bench, agent("a"), lines(30, 40))["locks"]
    (two,) = take(bench, person(), lines(34, 35, NEW))["locks"]
    assert two["id"] == one["id"]
    with refused("locked"):
        take(bench, person("c9"), lines(34, 35, NEW))


def test_shared_lines_may_be_made_exclusive_only_alone(bench: Bench) -> None:
    take(bench, A, lines(10, 20), mode="shared")
    take(bench, B, lines(18, 30, NEW), mode="shared")
    take(bench, C, lines(40, 41, NEW), mode="shared")
    for me, mine in ((A, lines(10, 20)), (B, lines(18, 30, NEW))):
        with refused("locked"):
            take(bench, me, mine)
    take(bench, C, lines(40, 41, NEW))  # nobody else has those


def test_an_event_makes_exclusive_by_what_the_grants_recorded(bench: Bench) -> None:
    """The log's own check: it has no blobs."""
    bench.files = {}
    test_bench = Bench()
    test_bench.files = {OLD: file(50), NEW: file(50, "x\ny\nz\n", at=20)}
    take(test_bench, A, lines(10, 20), mode="shared")
    take(test_bench, B, lines(18, 30, NEW), mode="shared")
    ids = {lock.session: lock.id for lock in locks.all_of(test_bench.state)}
    for me in (A, B):
        event = {"kind": "lock.renew", "lock": ids[str(me.name)], "mode": "exclusive"}
        with pytest.raises(Malformed, match="held by"):
            _fold(test_bench, me, event)


def _fold(bench: Bench, me: Me, event: dict[str, Any]) -> None:
    from git_peer.core.rules import fold
    from git_peer.core.session import record as sessions
    from tests.core.test_replay import _line

    session = sessions.get(bench.state, str(me.name))
    assert session is not None
    bench.fold([fold.parse(_line({"id": bench.ident(), "at": bench.now, "by": me.name, "sid": session.sid, **event}))])


GRANT: dict[str, Any] = {"kind": "lock.take", "v": 2, "mode": "exclusive", "ttl": 60, "priority": 3}


def _target(first: int, last: int, blob: str = OLD) -> dict[str, Any]:
    return {"kind": "lines", "path": "f", "lines": [first, last], "blob": blob}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"target": _target(15, 16)}, "held by a"),
        ({"target": _target(21, 22)}, "held by a"),  # it touches
        ({"target": _target(40, 41, NEW)}, "held by a"),  # and does not say what has come of lines 10 to 20
        ({"target": _target(40, 41, NEW), "maps": {"HELD": [[39, 39]]}}, "held by a"),
        ({"target": _target(40, 41, NEW), "maps": {"HELD": []}}, "no range"),
        ({"target": _target(40, 41, NEW), "maps": {"HELD": [[9, 8]]}}, "no range"),
        ({"target": _target(40, 41, NEW), "maps": {"HELD": [[1, 2], [3, 4]]}}, "no range"),
        ({"target": _target(40, 41, NEW), "maps": {"nobody": [[1, 2]]}}, "on no lines"),
        ({"target": _target(40, 41, NEW), "maps": {"../x": [[1, 2]]}}, "cannot have"),
        ({"target": {"kind": "file", "path": "g"}, "maps": {"HELD": [[1, 2]]}}, "for lines"),
        ({"target": {"kind": "lines", "path": "g", "lines": [1, 2]}}, "for lines"),
        ({"target": {"kind": "section", "path": "g", "section": "x"}}, "for lines"),
        ({"target": {"kind": "section", "path": "g", "spans": [[1, 2]]}}, "no version"),
        ({"target": {"kind": "section", "path": "g", "spans": [[4, 5], [1, 2]], "blob": OLD}}, "not in order"),
        ({"target": {"kind": "section", "path": "g", "spans": [[1, 2], [3, 5]], "blob": OLD}}, "not in order"),
        ({"target": {"kind": "lines", "path": "g", "lines": [1, 2], "spans": [[1, 2]], "blob": OLD}}, "another kind"),
        ({"v": None, "target": {"kind": "section", "path": "g", "section": "x", "spans": [[1, 2]], "blob": OLD}}, "sp"),
        ({"v": None, "target": {"kind": "file", "path": "g"}, "maps": {"HELD": [[1, 2]]}}, "version 1"),
        ({"v": 3, "target": _target(40, 41)}, "version 3"),
    ],
)  # fmt: skip
def test_the_log_takes_no_grant_of_lines_that_does_not_add_up(bench: Bench, event: dict[str, Any], why: str) -> None:
    (held,) = take(bench, A, lines(10, 20))["locks"]
    bench.lock(B, "other")
    if event.get("maps"):
        event = {**event, "maps": {key.replace("HELD", held["id"]): one for key, one in event["maps"].items()}}
    made = {key: one for key, one in {**GRANT, **event}.items() if one is not None}  # version 1 is not written
    with pytest.raises(Malformed, match=why):
        _fold(bench, B, made)


def test_what_adds_up_is_taken_and_goes_on_record(bench: Bench) -> None:
    (held,) = take(bench, A, lines(10, 20))["locks"]
    bench.lock(B, "other")
    _fold(bench, B, {**GRANT, "target": _target(40, 41, NEW), "maps": {held["id"]: [[10, 20]]}})
    taken = next(lock for lock in locks.all_of(bench.state) if lock.session == "b" and lock.target.region)
    assert taken.maps == {held["id"]: ((10, 20),)}


def test_version_2_wants_the_format() -> None:
    bench = Bench(format=1)
    bench.lock(B, "other")
    with pytest.raises(Malformed, match="format 1"):
        _fold(bench, B, {**GRANT, "target": _target(1, 2)})
    bench.fold([LogFormat(id=bench.ident(), at=bench.now, by="git-peer", format=2)])
    _fold(bench, B, {**GRANT, "target": _target(1, 2)})


def test_version_1_means_what_it_meant(bench: Bench) -> None:
    """Lines next to each other did not conflict, and lines of other blobs did by their path."""
    bench.lock(A, "other-a")
    bench.lock(B, "other-b")
    old = {**GRANT, "v": 1}
    del old["v"]
    _fold(bench, A, {**old, "target": _target(10, 20)})
    _fold(bench, B, {**old, "target": _target(21, 22)})
    with pytest.raises(Malformed, match="held by"):
        _fold(bench, B, {**old, "target": _target(40, 41, NEW)})


def test_a_waiter_for_lines_stands_before_others_for_those_lines_only(bench: Bench) -> None:
    take(bench, A, lines(10, 20))
    assert not take(bench, B, lines(20, 30), wait=300)["acquired"]
    assert take(bench, C, lines(40, 50, NEW))["acquired"]  # lines 37 to 47 of the old
    take(bench, C, lines(1, 2))
    with refused("locked"):
        take(bench, C, lines(33, 34, NEW))  # lines 30 and 31
    bench.do(taking.Release(me=A, targets=(lines(10, 20),)))
    assert take(bench, B, lines(20, 30), wait=300)["acquired"]


def test_whoever_lost_lines_is_fenced_by_a_grant_of_those_lines_only(bench: Bench) -> None:
    (lost,) = take(bench, A, lines(10, 20))["locks"]
    bench.do(taking.Release(me=person("c9"), ids=(lost["id"],), force="r"))
    take(bench, B, lines(40, 41, NEW))
    (fence,) = fences.all_of(bench.state)
    assert fence.holder is None
    take(bench, B, lines(18, 18, NEW))
    (fence,) = fences.all_of(bench.state)
    assert fence.holder is not None
    bench.do(taking.Release(me=B, all=True))
    take(bench, A, lines(8, 24, NEW))  # it has them again
    assert not list(fences.all_of(bench.state))


def test_grants_are_events_of_version_2(bench: Bench) -> None:
    from git_peer.core.rules import decide as commands

    outcome = commands.decide(bench.state, taking.Take(me=A, wish=Wish(targets=(lines(1, 2),))), bench.scene)
    assert [event.v for event in outcome.events if isinstance(event, LockTake)] == [2]
