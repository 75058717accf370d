"""The rules of plans: what may become of a task, who may do it, and what closing a phase brings about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.landing import Land, RefUpdate
from git_peer.core.lock.record import Work
from git_peer.core.log.command import Me
from git_peer.core.log.state import Event
from git_peer.core.plan import contracts, phases, quality
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import (
    AddContract,
    AddPhase,
    AddTask,
    AnyEdit,
    ApproveContract,
    ChangeContract,
    ChangeTask,
    CutContract,
    CutPhase,
    EditPlan,
    NamePhase,
    OrderPhases,
    SetGoal,
    SetStatus,
)
from git_peer.core.plan.phases import Sync
from git_peer.core.plan.task import claim as claiming
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import Assign, Claim, GiveUp, Next
from git_peer.core.plan.task.decide import Move, Progress, Record
from git_peer.core.plan.task.record import Changes, Item, Spec, Task
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold, grants
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from tests.core.bench import A, B, Bench, agent, person, refused

C = agent("c", "c3")
COMMIT, OTHER = "1" * 40, "2" * 40
DEAD = 1800 + 60 + 1  # seconds after which an agent's session has lapsed


@pytest.fixture
def bench() -> Bench:
    return Bench()


def edit(bench: Bench, *edits: AnyEdit, me: Me = A) -> dict[str, Any]:
    return bench.do(EditPlan(me=me, edits=edits))


def paths(*names: str) -> tuple[targets.Target, ...]:
    return tuple(targets.parse(name, "", lambda _: "") for name in names)


def add(bench: Bench, ident: str, *after: str, me: Me = A, **spec: Any) -> None:
    if "paths" in spec:
        spec["paths"] = paths(*spec["paths"])
    edit(bench, AddTask(id=ident, spec=Spec(title=f"task {ident}", depends_on=after, **spec)), me=me)


def change(bench: Bench, ident: str, me: Me = A, saw: Changes | None = None, **changes: Any) -> None:
    edit(bench, ChangeTask(id=ident, changes=Changes(**changes), saw=saw), me=me)


def claim(bench: Bench, me: Me, ident: str, **how: Any) -> dict[str, Any]:
    return bench.do(Claim(me=me, task=ident, **how))


def take(bench: Bench, me: Me, **how: Any) -> str:
    ident: str = bench.do(Next(me=me, **how))["task"]["id"]
    return ident


def move(bench: Bench, me: Me, ident: str, status: str, **how: Any) -> dict[str, Any]:
    if status == "review":
        how.setdefault("commit", COMMIT)
    return bench.do(Move(me=me, task=ident, status=status, **how))


def accepted(bench: Bench, worker: Me, other: Me, ident: str) -> None:
    """A task from ready to its merge point."""
    claim(bench, worker, ident)
    move(bench, worker, ident, "review")
    move(bench, other, ident, "merge_point")


def done(bench: Bench, worker: Me, other: Me, ident: str) -> None:
    accepted(bench, worker, other, ident)
    move(bench, other, ident, "done")


def task(bench: Bench, ident: str) -> Task:
    found = tasks.get(bench.state, ident)
    assert found is not None
    return found


def ready(bench: Bench) -> list[str]:
    return [one.id for one in Board(bench.state).ready(bench.scene)]


def view(bench: Bench, ident: str) -> dict[str, Any]:
    board = Board(bench.state)
    return board.describe(board[ident], bench.scene)


def index(bench: Bench) -> dict[str, str]:
    """What claims/ says: name/task → status."""
    prefix = f"{layout.T_CLAIMS}/"
    return {path.removeprefix(prefix): raw.decode() for path, raw in bench.blobs.items() if path.startswith(prefix)}


# -- readiness and claims -------------------------------------------------------------------------
def test_ready_is_todo_with_everything_before_it_done_and_its_phase_open(bench: Bench) -> None:
    edit(bench, AddPhase(name="Build"), AddPhase(name="Ship"))
    add(bench, "a", phase="build")
    add(bench, "b", "a", phase="build")
    add(bench, "c", phase="ship")
    assert ready(bench) == ["a"]
    assert (view(bench, "b")["waits_for"], view(bench, "c")["waits_for"]) == (["a"], ["phase ship"])
    for ident, why in (("b", "a"), ("c", "phase ship")):
        with refused("invalid") as found:
            claim(bench, B, ident)
        assert found.value.extra["waits_for"] == [why]
    done(bench, A, B, "a")
    assert ready(bench) == ["b"]


def test_a_subtask_waits_for_what_its_parent_waits_for(bench: Bench) -> None:
    add(bench, "a")
    add(bench, "p", "a")
    add(bench, "p1", parent="p")
    assert ready(bench) == ["a"]
    done(bench, A, B, "a")
    assert ready(bench) == ["p1"]


def test_a_claim_is_exclusive(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    assert claim(bench, A, "t")["task"]["assignee"] == "a"
    with refused("held") as found:
        claim(bench, B, "t")
    assert found.value.extra["holder"] == "a"
    with refused("not_found"):
        take(bench, B)
    before = bench.height
    assert claim(bench, A, "t")["task"]["status"] == "in_progress"  # again: one's own, and nothing new
    assert bench.height == before
    assert index(bench) == {"a/t": "in_progress"}


def test_a_claim_with_lock_is_all_or_nothing(bench: Bench) -> None:
    add(bench, "t", paths=["f", "g/"])
    bench.lock(B, "g/x")
    before = dict(bench.blobs)
    with refused("locked"):
        claim(bench, A, "t", lock=True)
    assert bench.blobs == before
    bench.unlock(B, "g/x")
    held = claim(bench, A, "t", lock=True)["locks"]
    assert [(one["target"], one["task"]) for one in held] == [("f", "t"), ("g/", "t")]


def test_next_takes_the_highest_priority_that_fits(bench: Bench) -> None:
    add(bench, "low", priority=1)
    add(bench, "skilled", priority=9, skills=("rust",))
    add(bench, "kept", priority=8)
    bench.do(Assign(me=B, task="kept", to="b"))
    add(bench, "taken", priority=7, paths=["src/"])
    add(bench, "locked", priority=6, paths=["lib/x"])
    add(bench, "fits", priority=5, paths=["doc"])
    bench.lock(B, "src/a")
    bench.lock(B, "lib/*")
    assert take(bench, A) == "fits"
    assert take(bench, A) == "low"
    with refused("not_found") as found:
        take(bench, A)
    assert all(word in str(found.value) for word in ("kept for b", "needs rust", "has paths that b has"))
    able = msgspec.structs.replace(C, capabilities=("rust", "go"))
    assert take(bench, able) == "skilled"
    assert take(bench, B) == "kept"


def test_next_keeps_off_paths_that_another_works_on_without_a_lock(bench: Bench) -> None:
    add(bench, "one", paths=["src/**"])
    add(bench, "two", paths=["src/a/b"])
    assert take(bench, A) == "one"
    with refused("not_found"):
        take(bench, B)
    assert take(bench, A) == "two"  # one's own are no collision


def test_a_dead_sessions_claim_lapses_with_evidence(bench: Bench) -> None:
    add(bench, "t", paths=["f"], me=C)
    claim(bench, A, "t", lock=True)
    bench.now += DEAD - 1
    with refused("held"):
        claim(bench, B, "t")
    bench.now += 1
    assert (view(bench, "t")["ready"], view(bench, "t")["left_by"], view(bench, "t")["lapsed"]) == (True, "a", True)
    assert take(bench, B, lock=True) == "t"
    assert (task(bench, "t").assignee, task(bench, "t").left) == ("b", "a")
    assert [one.what for one in task(bench, "t").history] == ["added", "claimed", "lapsed", "claimed"]
    assert [lock.session for lock in locks.all_of(bench.state)] == ["b"]
    for command in (Move(me=A, task="t", status="review", commit=COMMIT), Progress(me=A, task="t", percent=50)):
        with refused("not_yours"):
            bench.do(command)


def test_who_comes_back_before_another_came_goes_on(bench: Bench) -> None:
    add(bench, "t", me=C)
    claim(bench, A, "t")
    bench.now += 10 * DEAD
    assert bench.do(Progress(me=A, task="t", percent=50))["task"]["progress"] == 50
    with refused("held"):
        claim(bench, B, "t")


def test_evidence_of_before_a_sign_of_life_is_malformed(bench: Bench) -> None:
    add(bench, "t", me=C)
    claim(bench, A, "t")
    bench.do(commands.Start(me=B))
    bench.now += DEAD
    there = sessions.get(bench.state, "b")
    assert there is not None
    evidence = claiming.lapse(bench.state, task(bench, "t"), bench.scene)
    assert evidence is not None
    lapse = tasking.TaskLapse(id="x", at=bench.now, by="b", sid=there.sid, task="t", evidence=evidence)
    bench.do(commands.Renew(me=A))
    with pytest.raises(Malformed):
        fold.apply(bench.state, [lapse], bench.height + 1)


def test_a_distrusted_clock_takes_no_task(bench: Bench) -> None:
    add(bench, "t", me=C)
    claim(bench, A, "t")
    bench.now += 10 * DEAD
    bench.trusted = False
    with refused("held"):
        claim(bench, B, "t")


def test_release_and_force(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    claim(bench, A, "t", lock=True)
    with refused("not_yours"):
        bench.do(GiveUp(me=B, task="t"))
    with refused("not_allowed"):
        bench.do(GiveUp(me=B, task="t", force="because"))
    bench.do(GiveUp(me=A, task="t", note="too hard"))
    assert not list(locks.all_of(bench.state))
    assert index(bench) == {}
    claim(bench, A, "t", lock=True)
    bench.do(GiveUp(me=person("c2"), task="t", force="because"))
    assert not list(locks.all_of(bench.state))
    assert (task(bench, "t").left, task(bench, "t").history[-1].note) == ("a", "because")
    with refused("invalid"):
        bench.do(GiveUp(me=A, task="t"))


def test_a_person_owns_its_agents_task_in_the_same_work_tree_only(bench: Bench) -> None:
    add(bench, "t")
    claim(bench, A, "t")
    for stranger in (person(gitdir="worktrees/x"), person("c2"), agent("c")):
        with refused("not_yours"):
            move(bench, stranger, "t", "review")
    move(bench, person(), "t", "review")
    assert task(bench, "t").assignee == "a"


def test_assigned_and_handed_over(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    bench.do(Assign(me=A, task="t", to="b"))
    with refused("held"):
        claim(bench, C, "t")
    bench.do(Assign(me=A, task="t"))
    claim(bench, A, "t", lock=True)
    with refused("not_yours"):
        bench.do(Assign(me=B, task="t", to="b"))
    with refused("not_found"):
        bench.do(Assign(me=A, task="t", to="nobody"))
    bench.do(commands.Start(me=B))
    bench.do(Assign(me=A, task="t", to="b"))
    assert not list(locks.all_of(bench.state))
    move(bench, B, "t", "review")
    with refused("not_allowed"):
        move(bench, A, "t", "merge_point")  # it had worked on it, too


@pytest.mark.parametrize("name", ["../x", "a/b", "A B", "", ".git", "x" * 65, "a\n"])
def test_a_task_is_kept_for_a_session_by_a_name_only(bench: Bench, name: str) -> None:
    add(bench, "t")
    if name:
        with refused("invalid"):
            bench.do(Assign(me=A, task="t", to=name))
    with refused("invalid"):
        edit(bench, AddTask(id="u", spec=Spec(title="u"), status="in_progress", assignee=name))


# -- review ---------------------------------------------------------------------------------------
def test_the_way_of_a_task(bench: Bench) -> None:
    add(bench, "t", accept="make test")
    claim(bench, A, "t")
    move(bench, A, "t", "review", note="look")
    with refused("invalid"):
        move(bench, B, "t", "merge_point")  # no result
    bench.do(Record(me=A, task="t", commit=COMMIT, passed=False, seen="make test"))
    with refused("invalid"):
        move(bench, B, "t", "merge_point")
    bench.do(Record(me=A, task="t", commit=COMMIT, passed=True, seen="make test"))
    with refused("not_allowed"):
        move(bench, A, "t", "merge_point")
    move(bench, B, "t", "merge_point")
    move(bench, C, "t", "done")
    found = task(bench, "t")
    assert (found.status, found.reviewer, found.progress, found.assignee) == ("done", "b", 100, "a")


def test_a_result_is_of_the_very_commit_and_the_very_command(bench: Bench) -> None:
    add(bench, "t", accept="make test")
    claim(bench, A, "t")
    bench.do(Record(me=A, task="t", commit=COMMIT, passed=True, seen="make test"))
    move(bench, A, "t", "review", commit=OTHER)
    assert task(bench, "t").result is None
    with refused("invalid"):
        move(bench, B, "t", "merge_point")
    with refused("changed"):
        bench.do(Record(me=B, task="t", commit=COMMIT, passed=True, seen="make test"))
    with refused("changed"):
        bench.do(Record(me=B, task="t", commit=OTHER, passed=True, seen="true"))
    bench.do(Record(me=B, task="t", commit=OTHER, passed=True, seen="make test"))
    move(bench, A, "t", "review", commit=COMMIT)  # another commit is handed in: the result is of none now
    with refused("invalid"):
        move(bench, B, "t", "merge_point")


def test_nobody_changes_the_acceptance_of_its_own_task(bench: Bench) -> None:
    add(bench, "t", accept="make test", me=B)
    claim(bench, A, "t")
    bench.do(Record(me=A, task="t", commit=COMMIT, passed=True, seen="make test"))
    with refused("not_allowed"):
        change(bench, "t", accept="true")
    bench.do(GiveUp(me=A, task="t"))
    with refused("not_allowed"):
        change(bench, "t", accept="true")  # nor when it has given it back
    change(bench, "t", accept="make check", me=B)
    assert task(bench, "t").result is None  # what passed was another command
    claim(bench, A, "t")
    move(bench, A, "t", "review")
    bench.do(Record(me=B, task="t", commit=COMMIT, passed=True, seen="make check"))
    move(bench, B, "t", "merge_point")
    with refused("invalid"):
        change(bench, "t", accept="true", me=B)


def test_rejected_with_a_reason(bench: Bench) -> None:
    add(bench, "t")
    claim(bench, A, "t")
    move(bench, A, "t", "review")
    move(bench, B, "t", "in_progress", note="no tests")
    found = task(bench, "t")
    assert (found.status, found.assignee, found.note, found.reviewer) == ("in_progress", "a", "no tests", "")
    move(bench, A, "t", "review", commit=OTHER)
    move(bench, B, "t", "merge_point")
    move(bench, C, "t", "in_progress", note="it broke")
    assert task(bench, "t").assignee == "a"


def test_sent_back_to_a_session_that_is_gone_it_is_there_for_all(bench: Bench) -> None:
    add(bench, "t", me=C)
    claim(bench, A, "t")
    move(bench, A, "t", "review")
    bench.do(commands.End(me=A))
    bench.do(commands.Start(me=A))  # another run of that name
    move(bench, B, "t", "in_progress", note="no")
    assert view(bench, "t")["ready"]
    with refused("not_yours"):
        bench.do(Progress(me=A, task="t", percent=1))
    bench.do(commands.End(me=A))  # nothing of an earlier run holds it up
    assert index(bench) == {}
    assert (task(bench, "t").status, task(bench, "t").left) == ("todo", "a")
    claim(bench, B, "t")


ILLEGAL = {
    "todo": ("in_progress", "review", "merge_point", "done"),
    "in_progress": ("merge_point", "done"),
    "review": ("todo", "done", "blocked"),
    "merge_point": ("todo", "review", "blocked"),
    "done": ("in_progress", "review", "merge_point", "blocked", "dropped"),
    "blocked": ("in_progress", "review", "merge_point", "done"),
    "dropped": ("in_progress", "review", "merge_point", "done", "blocked"),
}


@pytest.mark.parametrize(("at", "to"), [(at, to) for at, ways in ILLEGAL.items() for to in ways])
def test_illegal_moves_are_refused_and_malformed(bench: Bench, at: str, to: str) -> None:
    add(bench, "t")
    bench.do(commands.Start(me=B))
    if at in ("blocked", "dropped"):
        move(bench, A, "t", at, note="x")
    elif at != "todo":
        claim(bench, A, "t")
        for one in ("review", "merge_point", "done")[: ("in_progress", "review", "merge_point", "done").index(at)]:
            move(bench, A if one == "review" else B, "t", one)
    before = dict(bench.blobs)
    for me in (A, B):
        with pytest.raises(PeerError):
            move(bench, me, "t", to, commit=COMMIT, note="x")
        there = sessions.get(bench.state, str(me.name))
        assert there is not None
        forged = tasking.TaskMove(
            id="x", at=bench.now, by=there.name, sid=there.sid, task="t", status=to, commit=COMMIT
        )
        with pytest.raises(Malformed):
            fold.apply(bench.state, [forged], bench.height + 1)
    assert bench.blobs == before


def test_blocked_dropped_and_reopened(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    add(bench, "u", "t")
    claim(bench, A, "t", lock=True)
    with refused("not_yours"):
        move(bench, B, "t", "blocked", note="no")
    move(bench, A, "t", "blocked", note="no network")
    assert not list(locks.all_of(bench.state))
    with refused("invalid") as found:
        claim(bench, B, "t")
    assert "no network" in str(found.value)
    move(bench, B, "t", "todo")
    claim(bench, B, "t")
    with refused("not_allowed"):
        move(bench, A, "t", "dropped", force="why")
    move(bench, person("c9"), "t", "dropped", force="not wanted")
    assert view(bench, "u")["waits_for"] == ["t"]
    assert quality.report(Board(bench.state))["depends_on_dropped"] == [{"task": "u", "on": "t"}]
    move(bench, B, "t", "todo")
    assert ready(bench) == ["t"]


def test_what_a_dead_session_left_may_be_blocked_dropped_and_reopened_by_all(bench: Bench) -> None:
    for ident, status in (("t", "blocked"), ("u", "dropped"), ("v", "todo")):
        add(bench, ident, me=C)
        claim(bench, A, ident)
        with refused("not_yours"):
            move(bench, B, ident, status, note="x")
    bench.now += DEAD
    for ident, status in (("t", "blocked"), ("u", "dropped"), ("v", "todo")):
        move(bench, B, ident, status, note="x")
        assert (task(bench, ident).status, task(bench, ident).left, task(bench, ident).assignee) == (status, "a", "")


def test_locks_that_were_taken_for_a_task_end_with_it_whoever_ends_it(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    claim(bench, A, "t", lock=True)
    bench.lock(A, "own")
    move(bench, A, "t", "review")
    move(bench, B, "t", "merge_point")
    assert [view["target"] for view in move(bench, B, "t", "done")["released"]] == ["f"]
    assert [targets.show(lock.target) for lock in locks.all_of(bench.state)] == ["own"]


def test_a_path_of_two_tasks_stays_locked_until_the_last_of_them_is_over(bench: Bench) -> None:
    add(bench, "t", paths=["f", "g"])
    add(bench, "u", paths=["f", "h"])
    first = claim(bench, A, "t", lock=True)["locks"][0]["id"]
    assert first in [lock["id"] for lock in claim(bench, A, "u", lock=True)["locks"]]
    for ident, left in (("t", ["f", "h"]), ("u", [])):
        move(bench, A, ident, "review")
        move(bench, B, ident, "merge_point")
        move(bench, B, ident, "done")
        assert [targets.show(lock.target) for lock in locks.all_of(bench.state)] == left


def test_an_answer_does_not_fail_for_what_came_later_in_its_batch(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    outcome = commands.decide(bench.state, Claim(me=A, task="t", lock=True), bench.scene)
    bench.fold(outcome.events)
    bench.unlock(A, "f")
    assert outcome.answer(bench.state, bench.scene)["locks"] == []


def test_progress(bench: Bench) -> None:
    add(bench, "t", checklist=(Item("write it"), Item("test it"), Item("2")))
    with refused("not_yours"):
        bench.do(Progress(me=A, task="t", percent=1))
    claim(bench, A, "t")
    bench.do(Progress(me=A, task="t", percent=40, note="half", check=("1", "TEST")))
    bench.do(Progress(me=A, task="t", uncheck=("write it",)))
    found = task(bench, "t")
    assert (found.progress, found.note) == (40, "half")
    assert [item.done for item in found.checklist] == [False, True, False]
    for item in ("4", "", "w t", "nothing"):
        with refused("not_found"):
            bench.do(Progress(me=A, task="t", check=(item,)))
    with refused("not_yours"):
        bench.do(Progress(me=B, task="t", percent=50))


# -- subtasks -------------------------------------------------------------------------------------
def test_a_parent_is_done_by_its_subtasks(bench: Bench) -> None:
    for ident, parent in (("p", ""), ("m", "p"), ("x", "m"), ("y", "m"), ("z", "p")):
        add(bench, ident, parent=parent)
    assert {one.id: one.status for one in tasks.all_of(bench.state)} == {
        "p": "in_progress", "m": "in_progress", "x": "todo", "y": "todo", "z": "todo",
    }  # fmt: skip
    for status in ("review", "blocked", "todo"):
        with refused("invalid"):
            move(bench, A, "p", status, note="x")
    with refused("invalid"):
        claim(bench, A, "p")
    done(bench, A, B, "x")
    assert view(bench, "m")["progress"] == 50
    done(bench, A, B, "y")
    assert (task(bench, "m").status, task(bench, "p").status) == ("done", "in_progress")
    done(bench, A, B, "z")
    assert task(bench, "p").status == "done"
    move(bench, A, "x", "todo")
    assert [task(bench, one).status for one in ("m", "p")] == ["in_progress", "in_progress"]


def test_dropped_subtasks_are_none(bench: Bench) -> None:
    add(bench, "p")
    add(bench, "x", parent="p")
    add(bench, "y", parent="p")
    move(bench, A, "x", "dropped", note="no")
    assert task(bench, "p").children == ("y",)
    done(bench, A, B, "y")
    assert task(bench, "p").status == "done"
    with refused("invalid"):
        claim(bench, A, "p")
    move(bench, A, "x", "todo")
    assert (task(bench, "p").status, task(bench, "p").children) == ("in_progress", ("y", "x"))


def test_a_parent_without_subtasks_left_is_to_be_done_itself(bench: Bench) -> None:
    add(bench, "p")
    add(bench, "x", parent="p")
    move(bench, A, "x", "dropped", note="no")
    assert ready(bench) == ["p"]
    claim(bench, B, "p")
    with refused("not_yours"):
        move(bench, A, "x", "todo")  # it would take the task away from b
    change(bench, "x", parent="")
    assert (task(bench, "p").status, task(bench, "p").assignee) == ("in_progress", "b")
    move(bench, A, "x", "todo")
    assert task(bench, "p").status == "in_progress"


def test_dropping_a_parent_drops_what_is_below_and_not_done(bench: Bench) -> None:
    for ident, parent in (("p", ""), ("m", "p"), ("x", "m"), ("y", "m"), ("z", "p")):
        add(bench, ident, parent=parent)
    done(bench, A, B, "x")
    claim(bench, B, "y")
    with refused("not_yours"):
        move(bench, A, "p", "dropped", note="no")
    bench.do(GiveUp(me=B, task="y"))
    move(bench, A, "p", "dropped", note="no")
    assert {one.id: one.status for one in tasks.all_of(bench.state)} == {
        "p": "dropped", "m": "dropped", "x": "done", "y": "dropped", "z": "dropped",
    }  # fmt: skip
    with refused("invalid"):
        move(bench, A, "y", "todo")  # its parent is dropped
    move(bench, A, "p", "todo")
    move(bench, A, "m", "todo")
    assert [task(bench, one).status for one in ("p", "m")] == ["done", "done"]  # x is done, and all that is left
    move(bench, A, "y", "todo")
    assert [task(bench, one).status for one in ("p", "m")] == ["in_progress", "in_progress"]


def test_nobody_splits_what_another_works_on(bench: Bench) -> None:
    add(bench, "t")
    claim(bench, A, "t")
    with refused("not_yours"):
        add(bench, "t1", parent="t", me=B)
    assert task(bench, "t").assignee == "a"
    add(bench, "t1", parent="t")
    assert (task(bench, "t").assignee, task(bench, "t").status) == ("", "in_progress")
    assert index(bench) == {}
    accepted(bench, A, B, "t1")
    with refused("invalid"):
        add(bench, "deep", parent="t1")  # its work was accepted as it is


# -- the plan as a whole --------------------------------------------------------------------------
def test_cycles_are_named(bench: Bench) -> None:
    add(bench, "a")
    add(bench, "b", "a")
    add(bench, "c", "b")
    add(bench, "p")
    add(bench, "p1", "c", parent="p")
    for after in ("c", "p", "a"):
        with refused("cycle") as found:
            change(bench, "a", depends_on=(after,))
        assert str(found.value).count("a") >= 2
    with refused("cycle"):
        change(bench, "p", parent="p1")
    with refused("cycle"):
        change(bench, "p", depends_on=("p1",))
    with refused("cycle"):
        change(bench, "p1", depends_on=("p",))
    edits = [AddTask(id=f"~{n}", spec=Spec(title=f"n{n}", depends_on=(f"~{(n + 1) % 3}",))) for n in range(3)]
    before = dict(bench.blobs)
    with refused("cycle"):
        edit(bench, *edits)
    assert bench.blobs == before


def test_edits_are_all_or_none_and_in_any_order(bench: Bench) -> None:
    before = dict(bench.blobs)
    with refused("not_found"):
        edit(bench, SetGoal(goal="g"), AddTask(id="x", spec=Spec(title="x", depends_on=("nowhere",))))
    assert bench.blobs == before
    told = edit(
        bench,
        AddTask(id="~b", spec=Spec(title="b", depends_on=("~a",))),
        AddTask(id="t7", spec=Spec(title="seven")),
        AddTask(id="~a", spec=Spec(title="a")),
    )
    by_title = {view["title"]: view["id"] for view in told["tasks"]}
    assert by_title["b"] == "t8"
    assert task(bench, "t8").depends_on == (by_title["a"],)
    edit(bench, ChangeTask(id="t7", changes=Changes(depends_on=("t8",))), SetGoal(goal="h"))
    # Two changes of which neither goes alone: what they make of the plan together counts.
    edit(
        bench,
        ChangeTask(id="t8", changes=Changes(depends_on=("t7",))),
        ChangeTask(id="t7", changes=Changes(depends_on=())),
    )
    assert plan.get(bench.state).goal == "h"


def test_what_was_changed_meanwhile_is_not_overwritten(bench: Bench) -> None:
    add(bench, "t", priority=3)
    change(bench, "t", me=B, priority=7)
    with refused("changed"):
        change(bench, "t", saw=Changes(priority=3), priority=5)
    change(bench, "t", saw=Changes(priority=3), priority=7)  # the same is no conflict
    edit(bench, SetGoal(goal="one"))
    with refused("changed"):
        edit(bench, SetGoal(goal="two", saw="none"))
    claim(bench, A, "t")
    with refused("changed"):
        edit(bench, SetStatus(id="t", status="dropped", saw="todo"))


@pytest.mark.parametrize(
    "ident", ["", ".", "..", "a/b", "a b", "-x", "x.lock", "x.json", "x" * 65, "é", "a..b", "a\n", "~"]
)
def test_ids_are_files_names(bench: Bench, ident: str) -> None:
    assert not plan.is_id(ident)
    if ident and not ident.startswith("~"):
        with refused("invalid"):
            add(bench, ident)
    with refused("invalid"):
        edit(bench, AddContract(name=ident, type="free", definition="d"))
    if ident:
        with refused("invalid"):
            edit(bench, AddPhase(name="x", id=ident))


def test_ids_that_differ_in_case_only_are_one(bench: Bench) -> None:
    add(bench, "Login")
    with refused("exists"):
        add(bench, "login")


# -- phases ---------------------------------------------------------------------------------------
HEAD, NEXT = "a" * 40, "b" * 40


def sync(bench: Bench, me: Me, head: str = HEAD, phase: str = "") -> dict[str, Any]:
    return bench.do(Sync(me=me, head=head, phase=phase))


def states(bench: Bench) -> dict[str, str]:
    return {phase.id: phase.status for phase in plan.get(bench.state).phases}


def test_a_merge_point_closes_the_phase(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), AddPhase(name="two"))
    edit(bench, AddContract(name="api", type="free", definition="d"))
    add(bench, "a", phase="one", provides=("api",), me=C)
    add(bench, "b", phase="one", paths=["f"], me=C)
    add(bench, "later", phase="two", me=C)
    accepted(bench, A, B, "a")
    claim(bench, B, "b", lock=True)
    assert sync(bench, A)["waiting_for"]["tasks"] == [{"id": "b", "status": "in_progress", "assignee": "b"}]
    move(bench, B, "b", "review")
    move(bench, A, "b", "merge_point")
    assert sync(bench, A, NEXT)["waiting_for"]["sessions"] == ["b"]
    assert not sync(bench, B, HEAD)["closed"]  # they stand on two heads
    assert sync(bench, B, NEXT) == {
        "phase": "one", "status": "closed", "closed": True, "head": NEXT, "waiting_for": None, "open": "two",
    }  # fmt: skip
    assert [task(bench, one).status for one in ("a", "b")] == ["done", "done"]
    assert contracts.find(bench.state, "api").status == "locked"
    assert states(bench) == {"one": "closed", "two": "open"}
    assert not list(locks.all_of(bench.state))
    assert ready(bench) == ["later"]
    with refused("invalid"):
        sync(bench, A, phase="one")
    with refused("invalid"):
        add(bench, "late", phase="one")
    with refused("invalid"):
        change(bench, "later", phase="one")
    with refused("invalid"):
        move(bench, A, "a", "todo")


def test_the_dead_hold_no_phase_up(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), me=C)
    add(bench, "a", phase="one", me=C)
    add(bench, "b", phase="one", me=C)
    accepted(bench, A, C, "a")
    accepted(bench, B, C, "b")
    assert not sync(bench, B)["closed"]
    bench.now += DEAD
    told = sync(bench, B)
    assert told["closed"]
    assert task(bench, "a").status == "done"


def test_a_closing_without_the_living_is_malformed(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), me=C)
    add(bench, "a", phase="one", me=C)
    accepted(bench, A, B, "a")
    there = sessions.get(bench.state, "b")
    worker = sessions.get(bench.state, "a")
    assert there is not None
    assert worker is not None
    what: dict[str, Any] = {"id": "x", "at": bench.now, "by": "b", "sid": there.sid, "phase": "one", "head": HEAD}
    proofs: tuple[dict[str, expiry.Evidence], ...] = (
        {},
        {"a": expiry.Evidence(how="gone")},
        {"a": expiry.Evidence(how="wall", height=worker.height, at=worker.at)},
        {"a": expiry.Evidence(how="watch", height=worker.height, at=worker.at, watched=worker.ttl)},
    )
    for dead in proofs:
        with pytest.raises(Malformed):
            fold.apply(bench.state, [phases.PhaseClose(**what, dead=dead)], bench.height + 1)


def test_phases_in_order_and_at_most_one_open(bench: Bench) -> None:
    edit(bench, *(AddPhase(name=name) for name in ("one", "two", "three")))
    edit(bench, OrderPhases(ids=("two", "one", "three")))
    assert states(bench) == {"two": "open", "one": "pending", "three": "pending"}
    assert sync(bench, A, phase="two")["closed"]  # an empty one closes when it is named
    with refused("invalid"):
        edit(bench, OrderPhases(ids=("one", "two", "three")))
    with refused("invalid"):
        edit(bench, OrderPhases(ids=("two", "one")))
    add(bench, "t", phase="three")
    with refused("invalid"):
        edit(bench, CutPhase(id="three"))
    edit(bench, CutPhase(id="one"), NamePhase(id="three", name="Third"))
    assert states(bench) == {"two": "closed", "three": "open"}
    with refused("exists"):
        edit(bench, AddPhase(name="Third"))


def test_a_dependency_is_of_no_later_phase(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), AddPhase(name="two"))
    add(bench, "b", phase="two")
    with refused("invalid"):
        add(bench, "a", "b", phase="one")
    add(bench, "c", phase="one")
    change(bench, "b", depends_on=("c",))
    with refused("invalid"):
        edit(bench, OrderPhases(ids=("two", "one")))
    change(bench, "b", phase="one")
    edit(bench, OrderPhases(ids=("two", "one")))


def test_subtasks_go_along_into_another_phase(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), AddPhase(name="two"))
    for ident, parent in (("p", ""), ("m", "p"), ("x", "m"), ("y", "m")):
        add(bench, ident, parent=parent, phase="" if parent else "one")
    move(bench, A, "y", "dropped", note="no")
    change(bench, "p", phase="two")
    assert {one.phase for one in tasks.all_of(bench.state)} == {"two"}
    with refused("invalid"):
        change(bench, "x", phase="one")


# -- contracts ------------------------------------------------------------------------------------
def test_contracts_in_versions(bench: Bench) -> None:
    edit(bench, AddContract(name="api", type="api_endpoint", definition="v1"))
    edit(bench, ApproveContract(name="api", version=1), me=B)
    assert contracts.find(bench.state, "api").status == "approved"
    edit(bench, ChangeContract(name="api", saw=1, definition="v2"))
    found = contracts.find(bench.state, "api")
    assert (found.version, found.status, found.approved) == (2, "draft", ())
    for stale in (
        ApproveContract(name="api", version=1),
        ChangeContract(name="api", saw=1, definition="v3"),
        CutContract(name="api", saw=1),
    ):
        with refused("changed"):
            edit(bench, stale, me=B)
    before = bench.height
    edit(bench, ChangeContract(name="api", saw=2, definition="v2"))
    assert bench.height == before
    edit(bench, CutContract(name="api", saw=2))
    with refused("not_found"):
        edit(bench, ApproveContract(name="api", version=2))


def test_a_locked_contract_changes_by_a_persons_force_only(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), AddContract(name="api", type="free", definition="v1"))
    add(bench, "t", phase="one", uses=("api",), me=C)
    accepted(bench, A, B, "t")
    assert sync(bench, A)["closed"]
    for me, force in ((A, None), (person("c7"), None), (A, "I want to")):
        with refused("not_allowed"):
            edit(bench, ChangeContract(name="api", saw=1, definition="v2", force=force), me=me)
    with refused("invalid"):
        edit(bench, CutContract(name="api", saw=1))
    edit(bench, ApproveContract(name="api", version=1))
    edit(bench, ChangeContract(name="api", saw=1, definition="v2", force="wrong in law"), me=person("c7"))
    found = contracts.find(bench.state, "api")
    assert (found.version, found.status, found.force) == (2, "locked", "wrong in law")


# -- ends of sessions -----------------------------------------------------------------------------
def test_the_end_of_a_session_gives_its_tasks_back(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    add(bench, "u")
    claim(bench, A, "t", lock=True)
    claim(bench, A, "u")
    move(bench, A, "u", "review")
    bench.do(commands.End(me=A))
    assert [(one.id, one.status, one.left) for one in tasks.all_of(bench.state)] == [
        ("t", "todo", "a"), ("u", "review", ""),
    ]  # fmt: skip
    assert not list(locks.all_of(bench.state))
    with refused("not_allowed"):
        move(bench, A, "u", "merge_point")  # a new run of its name is still no other
    move(bench, B, "u", "merge_point")


@pytest.mark.parametrize("takeover", [True, False])
def test_another_run_of_the_name_does_not_have_its_tasks(bench: Bench, takeover: bool) -> None:
    add(bench, "t", paths=["f"], me=B)
    claim(bench, A, "t", lock=True)
    if not takeover:
        bench.now += DEAD
    bench.do(commands.Start(me=msgspec.structs.replace(A, clone="c9", takeover=takeover)))
    assert (task(bench, "t").status, task(bench, "t").left) == ("todo", "a")
    assert not list(locks.all_of(bench.state))
    assert index(bench) == {}


def test_silent_sessions_are_swept_with_their_tasks(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    claim(bench, A, "t", lock=True)
    bench.now += 8 * 86400
    bench.do(commands.Start(me=B))
    assert [one.name for one in sessions.all_of(bench.state)] == ["b"]
    assert (task(bench, "t").status, task(bench, "t").left) == ("todo", "a")
    assert not list(locks.all_of(bench.state))


def test_a_claim_that_nobody_was_told_of_is_given_back(bench: Bench) -> None:
    add(bench, "t", paths=["f"])
    add(bench, "u")
    outcome = commands.decide(bench.state, Claim(me=B, task="t", lock=True), bench.scene)
    bench.fold(outcome.events)
    fresh = grants.fresh(outcome.events)
    claim(bench, B, "u")
    bench.fold(grants.back(bench.state, fresh, bench.scene))
    assert [(one.id, one.status) for one in tasks.all_of(bench.state)] == [("t", "todo"), ("u", "in_progress")]
    assert not list(locks.all_of(bench.state))
    assert grants.back(bench.state, fresh, bench.scene) == []


# -- dishonest events -----------------------------------------------------------------------------
def test_dishonest_events_are_malformed(bench: Bench) -> None:
    edit(bench, AddPhase(name="one"), AddPhase(name="two"))
    edit(bench, AddContract(name="api", type="free", definition="d"))
    add(bench, "a")
    add(bench, "b", "a")
    add(bench, "c", phase="two")
    add(bench, "mine")
    claim(bench, A, "mine")
    bench.do(commands.Start(me=B))
    there = sessions.get(bench.state, "b")
    assert there is not None
    what: dict[str, Any] = {"id": "x", "at": bench.now, "by": "b", "sid": there.sid}
    wall = expiry.Evidence(how="wall", height=bench.height - 1, at=bench.now)
    long = "x" * 40_000
    result = tasks.Result(commit=COMMIT, passed=True, by="b", at=1)
    forged: list[Event] = [
        tasking.TaskClaim(**what, task="b"),
        tasking.TaskClaim(**what, task="c"),
        tasking.TaskClaim(**what, task="mine"),
        tasking.TaskClaim(**{**what, "sid": "nobody"}, task="a"),
        tasking.TaskRelease(**what, task="mine"),
        tasking.TaskRelease(**what, task="a"),
        tasking.TaskLapse(**what, task="mine", evidence=wall),
        tasking.TaskLapse(**what, task="mine", evidence=expiry.Evidence(how="gone")),
        tasking.TaskLapse(**what, task="a", evidence=expiry.Evidence(how="gone")),
        tasking.TaskMove(**what, task="mine", status="review", commit=COMMIT),
        tasking.TaskMove(**what, task="mine", status="blocked"),
        tasking.TaskMove(**what, task="a", status="nothing"),
        tasking.TaskProgress(**what, task="mine", percent=5),
        tasking.TaskAssign(**what, task="mine", session="b", to=there.sid),
        tasking.TaskResult(**what, task="a", commit=COMMIT, passed=True),
        tasking.TaskAdd(**what, task="a", spec=Spec(title="again")),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="")),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", priority=11)),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", estimate=-1)),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", phase="nowhere")),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", parent="nowhere")),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", parent="n")),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", depends_on=("nowhere",))),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", depends_on=("a", "a"))),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n", description=long)),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n"), status="in_progress"),
        tasking.TaskAdd(**what, task="n", spec=Spec(title="n"), status="review", assignee="../b", result=result),
        tasking.TaskEdit(**what, task="a", changes=Changes()),
        tasking.TaskEdit(**what, task="a", changes=Changes(depends_on=("b",))),
        tasking.TaskEdit(**what, task="a", changes=Changes(parent="b")),
        plan.PhaseAdd(**what, phase="one", name="again"),
        plan.PhaseAdd(**what, phase="../x", name="n"),
        plan.PhaseAdd(**what, phase="n", name="n", closed=True),
        plan.PlanSet(**what, goal=long),
        plan.PlanSet(**what, order=("one",)),
        phases.PhaseDrop(**what, phase="two"),
        phases.PhaseSync(**what, phase="two", head=HEAD),
        phases.PhaseClose(**what, phase="two", head=HEAD),
        contracts.ContractAdd(**what, contract="api", type="free", definition="d"),
        contracts.ContractAdd(**what, contract="n", type="else", definition="d"),
        contracts.ContractAdd(**what, contract="n", type="free", definition=""),
        contracts.ContractChange(**what, contract="api", version=3, definition="d"),
        contracts.ContractChange(**what, contract="api", version=2, definition="d", debate="none"),
        contracts.ContractApprove(**what, contract="api", version=2),
        contracts.ContractDrop(**what, contract="none", version=1),
    ]
    for event in forged:
        with pytest.raises(Malformed):
            fold.apply(bench.state, [event], bench.height + 1)


# -- quality --------------------------------------------------------------------------------------
def test_what_is_to_be_said_of_a_plan(bench: Bench) -> None:
    edit(bench, AddContract(name="api", type="free", definition="d"))
    add(bench, "a", estimate=60, accept="true", paths=["src/"], provides=("api",))
    add(bench, "b", "a", estimate=600, paths=["src/x"], uses=("api",))
    add(bench, "c", estimate=30, paths=["src/y", "doc"], uses=("api", "none"))
    add(bench, "d", "b", estimate=1, paths=["doc"])
    add(bench, "gone", paths=["**"])
    move(bench, A, "gone", "dropped", note="no")
    found = quality.report(Board(bench.state))
    assert (found["open"], found["critical_path"], found["critical_seconds"]) == (4, ["a", "b", "d"], 661)
    assert (found["width"], found["width_exact"]) == (2, True)
    assert [(pair["tasks"], pair["paths"]) for pair in found["collisions"]] == [
        (["a", "c"], ["src/y"]), (["c", "d"], ["doc"]),
    ]  # fmt: skip
    assert found["without_acceptance"] == ["b", "c", "d"]
    assert {(one["contract"], one["task"]) for one in found["contracts"]} == {("api", "c"), ("none", "c")}


@pytest.mark.parametrize("form", [1, 2])
def test_a_review_lets_go_of_locks_only_where_they_can_wait(form: int) -> None:
    """In a log without pending locks they stay held while the task is reviewed."""
    bench = Bench(format=form)
    add(bench, "t", paths=("src/x",))
    claim(bench, A, "t")
    bench.lock(A, "src/x", task="t")
    (lock,) = locks.held_by(bench.state, "a")
    work = Work(commit=COMMIT, branch="feat/x", paths={"src/x": ("", f"100644 {COMMIT}")})
    move(bench, A, "t", "review", commit=COMMIT, work=(work,))
    assert [one.id for one in locks.held_by(bench.state, "a")] == [lock.id] * (form == 1)
    assert [one.id for one in locks.pending(bench.state)] == [lock.id] * (form == 2)


@pytest.mark.parametrize("how", ["release", "assign"])
def test_a_task_that_goes_on_without_its_worker_leaves_pushed_work_pending(bench: Bench, how: str) -> None:
    """What stands on record under its lock still lands, or does not; a lock without any is given back."""
    add(bench, "t", paths=("src/x", "src/y"))
    claim(bench, A, "t")
    bench.lock(A, "src/x", "src/y", task="t")
    bench.lock(B, "src/z")
    work = Work(commit=COMMIT, branch="feat/x", pushed=True, paths={"src/x": ("", f"100644 {COMMIT}")})
    bench.do(Land(me=A, refs=(RefUpdate(ref="refs/heads/feat/x", new=COMMIT),), work=work))
    bench.do(GiveUp(me=A, task="t") if how == "release" else Assign(me=A, task="t", to="b"))
    assert list(locks.held_by(bench.state, "a")) == []
    assert [(one.target.path, one.work and one.work.branch) for one in locks.pending(bench.state)] == [
        ("src/x", "feat/x")
    ]
