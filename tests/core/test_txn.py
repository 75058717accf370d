"""The transaction: who starts, what is counted, what a refusal leaves; and decisions that ended in an error before."""

from __future__ import annotations

import gc
from itertools import count

import pytest

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Release, Take, Wish
from git_peer.core.lock.events import LockRelease, LockTake
from git_peer.core.log.command import Command, Me, Scene
from git_peer.core.log.record import LogFolds
from git_peer.core.log.state import Event, State, kinds
from git_peer.core.log.txn import Txn
from git_peer.core.plan.edits import AddPhase, AddTask, EditPlan
from git_peer.core.plan.phases import Sync
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import Claim
from git_peer.core.plan.task.decide import Move
from git_peer.core.plan.task.record import Spec
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold, lifetime
from git_peer.core.session import record as sessions
from git_peer.core.session.record import SessionStart
from git_peer.core.target import target as targets
from tests.core.bench import A, B, Bench, agent, person, refused

C = agent("c", "c3")
WEEK = 8 * 86400
COMMIT = "1" * 40


@pytest.fixture
def bench() -> Bench:
    return Bench()


def transaction(bench: Bench, me: Me = A, index: int = 0) -> Txn:
    ids = count()
    scene = Scene(now=bench.now, ident=lambda: f"id{next(ids)}", height=bench.height + 1, index=index)
    return Txn(bench.state, me, scene, lifetime.begin, graph.check)


def take(txn: Txn, path: str) -> LockTake:
    target = targets.of_path("file", path)
    return txn.emit(LockTake, target=target, mode="exclusive", ttl=60, priority=3)


# -- the transaction ------------------------------------------------------------------------------
def test_the_first_event_starts_the_session_and_fills_the_envelope(bench: Bench) -> None:
    txn = transaction(bench)
    first, second = take(txn, "f"), take(txn, "g")
    start = txn.events[0]
    assert isinstance(start, SessionStart)
    assert txn.events == [start, first, second]
    assert {(event.by, event.sid, event.at) for event in txn.events} == {("a", start.sid, bench.now)}
    assert len({event.id for event in txn.events}) == 3
    assert sessions.get(txn.state, "a") is not None


def test_a_session_that_is_there_goes_on(bench: Bench) -> None:
    bench.lock(A, "f")
    txn = transaction(bench)
    assert txn.emit(LockRelease, lock=next(locks.all_of(txn.state)).id) == txn.events[0]
    assert not txn.started


@pytest.mark.parametrize("index", [0, 7])
def test_events_are_counted_from_where_the_decision_begins(bench: Bench, index: int) -> None:
    txn = transaction(bench, index=index)
    held = [locks.by_pointer(txn.state, "a", take(txn, path).id) for path in "fg"]
    tokens = [lock.token & (1 << locks.TOKEN_SHIFT) - 1 for lock in held if lock is not None]
    assert tokens == [index + 1, index + 2]  # the start is before them
    with_others = State(bench.state)  # the commit makes of them what the transaction did
    for at in range(index):
        fold.apply(with_others, [LogFolds(id=f"x{at}", at=1, by="x")], bench.height + 1, at)
    fold.apply(with_others, txn.events, bench.height + 1, index)
    assert [lock.token for lock in locks.all_of(with_others)] == [lock.token for lock in locks.all_of(txn.state)]


def test_the_state_has_an_event_at_once(bench: Bench) -> None:
    txn = transaction(bench)
    lock = take(txn, "f")
    assert [held.id for held in locks.all_of(txn.state)] == [lock.id]
    txn.emit(LockRelease, lock=lock.id)
    assert not list(locks.all_of(txn.state))


def test_an_event_that_the_rules_refuse_is_a_refusal_of_this_state(bench: Bench) -> None:
    bench.lock(B, "f")
    txn = transaction(bench)
    with pytest.raises(PeerError, match="held by b") as refusal:
        take(txn, "f")
    assert refusal.value.stateful
    assert [type(event) for event in txn.events] == [SessionStart]


def test_no_session_begins_for_nothing(bench: Bench) -> None:
    txn = transaction(bench)
    txn.begin()
    assert txn.outcome(lambda after, scene: {}, False, False).events == []
    txn.opens()  # unless that is what was asked for
    assert txn.outcome(lambda after, scene: {}, False, False).events == txn.events


def test_a_refused_wish_has_changed_nothing(bench: Bench) -> None:
    bench.lock(B, "b", ttl=100)
    bench.lock(C, "c")
    bench.now += 161  # the first of them has lapsed, and would end for it
    bench.do(commands.Renew(me=C))
    bench.do(commands.Start(me=A))
    state = bench.state
    wish = Wish(targets=tuple(targets.of_path("file", path) for path in "abc"))
    with refused("locked"):
        commands.decide(state, Take(me=A, wish=wish), bench.scene)
    assert state.changes == {}


# -- the registries -------------------------------------------------------------------------------
@pytest.mark.parametrize("base", [Event, Command])
def test_every_kind_has_a_tag_of_its_own(base: type[Event | Command]) -> None:
    found = kinds(base)
    assert all(tag == tag.lower() for tag in found), "a class without a tag is told by its name"
    assert len(set(found.values())) == len(found)
    for kind in found.values():
        rule = "apply" if issubclass(kind, Event) else "decide"
        assert getattr(kind, rule) is not getattr(base, rule), f"{kind.__name__} says nothing"


def test_one_tag_is_one_class() -> None:
    class Twice(Event, tag="lock.take", frozen=True, kw_only=True):
        """Another event of the same name."""

    try:
        with pytest.raises(TypeError, match=r"lock\.take"):
            kinds(Event)
    finally:
        del Twice
        gc.collect()  # it is no subclass any more


# -- decisions that ended in an error -------------------------------------------------------------
def edit(bench: Bench, *edits: AddPhase | AddTask) -> None:
    bench.do(EditPlan(me=C, edits=edits))


def task(ident: str, phase: str = "", parent: str = "") -> AddTask:
    spec = Spec(title=ident, phase=phase, parent=parent, paths=(targets.of_path("file", "f"),))
    return AddTask(id=ident, spec=spec)


def test_two_tasks_of_one_path_are_closed_together(bench: Bench) -> None:
    """Their one lock ends once."""
    edit(bench, AddPhase(name="one"), task("t", "one"), task("u", "one"))
    for ident in "tu":
        bench.do(Claim(me=A, task=ident, lock=True))
        bench.do(Move(me=A, task=ident, status="review", commit=COMMIT))
    for ident in "tu":
        bench.do(Move(me=B, task=ident, status="merge_point"))
    assert bench.do(Sync(me=A, head=COMMIT))["closed"]
    assert not list(locks.all_of(bench.state))


def test_two_subtasks_of_one_path_are_dropped_together(bench: Bench) -> None:
    edit(bench, task("t"))
    edit(bench, task("u", parent="t"), task("v", parent="t"))
    for ident in "uv":
        bench.do(Claim(me=A, task=ident, lock=True))
    bench.do(Move(me=A, task="t", status="dropped"))
    assert {one.status for one in tasks.all_of(bench.state)} == {"dropped"}
    assert not list(locks.all_of(bench.state))


def test_what_the_beginning_of_a_session_swept_is_not_given_back_again(bench: Bench) -> None:
    """A person breaks a lock whose holder was silent for so long that the person's own beginning ends it."""
    held = bench.lock(A, "f", ttl=100)[0]
    bench.now += WEEK
    done = bench.do(Release(me=person("c9"), ids=(held["id"],), force="why"))
    assert [lock["id"] for lock in done["released"]] == [held["id"]]
    assert not list(locks.all_of(bench.state))


def test_a_session_that_the_beginning_of_its_persons_swept_has_ended(bench: Bench) -> None:
    bench.lock(A, "f", ttl=100)
    bench.now += WEEK
    assert bench.do(commands.End(me=person(), name="a"))["ended"] == "a"
    assert sessions.get(bench.state, "a") is None
    assert not list(locks.all_of(bench.state))


def test_malformed_is_what_apply_says(bench: Bench) -> None:
    """Outside a transaction nothing is softened."""
    txn = transaction(bench)
    lock = take(txn, "f")
    with pytest.raises(Malformed):
        fold.apply(bench.state, [lock], bench.height + 1)
