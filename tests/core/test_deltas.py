"""Deltas: whom they concern and why, how they are answered, and when they leave the tree."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from git_peer import layout
from git_peer.core import text
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.decide import Answer, Tell, Work
from git_peer.core.delta.record import News
from git_peer.core.errors import Malformed
from git_peer.core.log.command import Me
from git_peer.core.log.state import DictReader, State
from git_peer.core.plan.edits import AddContract, AddTask, EditPlan
from git_peer.core.plan.task.claim import Claim
from git_peer.core.plan.task.record import Spec
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from tests.core.bench import A, B, Bench, agent, person, refused

C = agent("c", "c3")
SETTLED = {"about", "deltas"}  # folders of the tree in which nothing of a settled delta may stay


class Shared(Bench):
    """These sessions share what they lock; what excludes whom is another test's."""

    def lock(self, me: Me, *paths: str, **wish: Any) -> list[dict[str, Any]]:
        return super().lock(me, *paths, **{"mode": "shared", **wish})


@pytest.fixture
def bench() -> Bench:
    return Shared()


def tell(bench: Bench, me: Me = A, works: dict[str, Work] | None = None, **news: Any) -> str:
    """Push a delta; its id."""
    paths = tuple(targets.parse(path, "", lambda _: "") for path in news.pop("paths", ()))
    said = News(**{"type": "discovery", "summary": "news", **news}, paths=paths)
    done = bench.do(Tell(me=me, ident=bench.ident(), news=said, works=works or {}))
    return str(done["delta"]["id"])


def answer(bench: Bench, me: Me, *idents: str, changed: tuple[str, ...] = (), works: Any = None) -> None:
    bench.do(Answer(me=me, deltas=idents, changed=changed, works=works or {}))


def why(bench: Bench, me: Me, changed: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Delta → why it wants an answer from that session."""
    state = bench.state
    session = sessions.find(state, me)
    who = deltas.reader(state, sessions.name_for(state, me), session.sid if session else "", changed)
    found = {delta.id: reasons for delta, reasons in deltas.pressing(state, who)}
    for delta in deltas.all_of(state):  # the index finds just those that a look at every delta finds
        wanted = [] if deltas.answered(delta, who) else deltas.concerns(delta, who, state.log.folds)
        assert found.get(delta.id, []) == wanted
    return found


def is_open(bench: Bench, ident: str) -> bool:
    return deltas.get(bench.state, ident) is not None


def leftovers(bench: Bench) -> list[str]:
    return [path for path in bench.blobs if path.split("/")[0] in SETTLED]


def plan(bench: Bench, *specs: Spec, contracts: tuple[str, ...] = ()) -> None:
    added = [AddContract(name=name, type="free", definition="v1") for name in contracts]
    bench.do(EditPlan(me=A, edits=(*added, *(AddTask(id=f"x{n}", spec=spec) for n, spec in enumerate(specs)))))


# -- whom it concerns -----------------------------------------------------------------------------
def test_blocking_concerns_everybody_but_its_author(bench: Bench) -> None:
    bench.lock(B, "x")
    ident = tell(bench, severity="blocking")
    assert why(bench, B) == {ident: ["it is blocking"]}
    assert why(bench, C) == {ident: ["it is blocking"]}  # who has not even started
    assert why(bench, A) == {}


def test_info_concerns_nobody(bench: Bench) -> None:
    bench.lock(B, "src/a.py")
    tell(bench)
    tell(bench, paths=["src/b.py", "docs/"], severity="warning")
    assert why(bench, B) == {}


@pytest.mark.parametrize(
    ("held", "told", "concerned"),
    [
        ("src/a.py", "src/a.py", True), ("src/", "src/a.py", True), ("src/a.py", "src/", True),
        ("src/*.py", "src/a.py", True), ("src/a.py", "**", True), ("src/a.py", "src/b.py", False),
        ("src", "src-a", False), ("@deploy", "@deploy", True), ("@deploy", "deploy", False),
    ],
)  # fmt: skip
def test_what_one_has_locked(bench: Bench, held: str, told: str, concerned: bool) -> None:
    bench.lock(B, held)
    ident = tell(bench, paths=[told])
    assert list(why(bench, B)) == ([ident] if concerned else [])
    assert why(bench, C) == {}
    bench.unlock(B, held)
    assert why(bench, B) == {}


def test_what_ones_branch_has_changed(bench: Bench) -> None:
    ident = tell(bench, paths=["src/", "*.md"])
    assert why(bench, B, ("src/a.py",)) == {ident: ["your branch has changed src/a.py, which has not landed"]}
    assert why(bench, B, ("lib/a.py", "README.md")) == {
        ident: ["your branch has changed README.md, which has not landed"]
    }
    assert why(bench, B, ("lib/a.py",)) == {}
    assert why(bench, A, ("src/a.py",)) == {}
    many = why(bench, B, tuple(f"src/{n}" for n in range(9)))[ident]
    assert len(many) == deltas.SHOWN + 1
    assert many[-1] == f"and {9 - deltas.SHOWN} more paths of yours"


def test_paths_that_are_not_utf8(bench: Bench) -> None:
    bench.lock(B, "caf\udce9")
    ident = tell(bench, paths=["caf\udce9"])
    assert list(why(bench, B)) == [ident]
    assert list(why(bench, C, ("caf\udce9",))) == [ident]
    answer(bench, B, ident)


def test_contracts_and_tasks_of_unfinished_work(bench: Bench) -> None:
    plan(bench, Spec(title="p", provides=("api",)), Spec(title="u", uses=("api",)), contracts=("api", "other"))
    about_api, about_task = tell(bench, contracts=("api",)), tell(bench, tasks=("x1",))
    tell(bench, contracts=("other",))
    assert why(bench, B) == why(bench, C) == {}
    bench.do(Claim(me=B, task="x0"))
    bench.do(Claim(me=C, task="x1"))
    assert why(bench, B) == {about_api: ["your task x0 provides the contract api"]}
    assert why(bench, C) == {
        about_api: ["your task x1 uses the contract api"],
        about_task: ["it names your task x1"],
    }


def test_a_task_may_be_named_by_the_beginning_of_its_id(bench: Bench) -> None:
    plan(bench, Spec(title="p"))
    ident = tell(bench, tasks=("x",))
    delta = deltas.get(bench.state, ident)
    assert delta is not None
    assert delta.tasks == ("x0",)
    with refused("not_found"):
        tell(bench, tasks=("y",))


def test_who_is_named(bench: Bench) -> None:
    ident = tell(bench, to=("b", "late"))
    assert why(bench, B) == {ident: ["it is addressed to you"]}
    assert why(bench, agent("late", "c9")) == {ident: ["it is addressed to you"]}
    assert why(bench, C) == {}


# -- answers and the end ----------------------------------------------------------------------------
def test_it_settles_when_all_have_answered_whom_it_concerns(bench: Bench) -> None:
    bench.lock(B, "src/a.py")
    bench.lock(C, "src/")
    bench.lock(agent("d", "c4"), "docs/")  # whom it does not concern
    ident = tell(bench, paths=["src/a.py"])
    answer(bench, B, ident)
    assert is_open(bench, ident)
    assert why(bench, B) == {}
    assert list(why(bench, C)) == [ident]
    answer(bench, C, ident[:6])
    assert not is_open(bench, ident)
    assert leftovers(bench) == []


def test_an_answer_of_one_whom_it_does_not_concern_settles_nothing(bench: Bench) -> None:
    ident = tell(bench)
    answer(bench, B, ident)
    assert is_open(bench, ident)
    assert why(bench, B) == {}


def test_one_answer_a_run_and_none_of_the_author(bench: Bench) -> None:
    ident, other = tell(bench, to=("b", "c")), tell(bench, to=("b", "c"))
    answer(bench, B, ident)
    height = bench.height
    answer(bench, B, ident)  # nothing more to say
    assert bench.height == height
    with refused("not_allowed"):
        answer(bench, A, other)
    with refused("not_found"):
        answer(bench, C, other, "ffff")
    assert list(why(bench, C)) == [ident, other]  # all, or none


def test_who_is_named_and_not_there_finds_it_later(bench: Bench) -> None:
    ident = tell(bench, to=("b", "late"))
    answer(bench, B, ident)
    assert is_open(bench, ident)
    late = agent("late", "c9")
    bench.lock(late, "x")
    assert list(why(bench, late)) == [ident]
    answer(bench, late, ident)
    assert not is_open(bench, ident)


def test_the_dead_hold_nothing_up(bench: Bench) -> None:
    bench.lock(B, "src/a.py", ttl=100)
    bench.lock(C, "src/a.py", ttl=100)
    bench.now += 2000
    ident = tell(bench, paths=["src/a.py"])
    bench.do(commands.Renew(me=C))
    answer(bench, C, ident)
    assert not is_open(bench, ident)  # b has been silent for longer than its lease


def test_who_is_merely_late_is_waited_for(bench: Bench) -> None:
    bench.lock(B, "src/a.py")
    bench.lock(C, "src/a.py")
    ident = tell(bench, paths=["src/a.py"])
    bench.now += 1000
    answer(bench, C, ident)
    assert is_open(bench, ident)
    bench.now += 2000  # b's lease has run out: whoever writes next lets the delta go
    tell(bench, C)
    assert not is_open(bench, ident)


def test_a_branch_that_is_not_known_is_waited_for(bench: Bench) -> None:
    """C's record says on which commit it stands; whether that touched the path only some clones can tell."""
    away = msgspec.structs.replace(C, head="1" * 40)
    bench.do(commands.Start(me=away))
    bench.lock(B, "src/a.py")
    session = sessions.get(bench.state, "c")
    assert session is not None
    for works, settles in (
        ({}, False),
        ({session.sid: Work(head="2" * 40)}, False),  # of another commit than its record's
        ({session.sid: Work(head="1" * 40, deltas=("DELTA",))}, False),  # it has changed the path
        ({session.sid: Work(head="1" * 40)}, True),
    ):
        ident = tell(bench, paths=["src/a.py"])
        named = {sid: msgspec.structs.replace(w, deltas=tuple(ident for _ in w.deltas)) for sid, w in works.items()}
        answer(bench, B, ident, works=named)
        assert is_open(bench, ident) is not settles
    assert is_open(bench, tell(bench, contracts=("k",)))


def test_an_unknown_branch_holds_up_nothing_that_is_about_no_path(bench: Bench) -> None:
    bench.do(commands.Start(me=msgspec.structs.replace(C, head="1" * 40)))
    ident = tell(bench, to=("b",))
    answer(bench, B, ident)
    assert not is_open(bench, ident)


def test_news_that_nobody_has_to_answer_goes_after_14_days(bench: Bench) -> None:
    old = tell(bench)
    bench.now += deltas.KEEP // 2
    young = tell(bench)
    bench.now += deltas.KEEP // 2 + 100
    assert is_open(bench, old)
    bench.trusted = False
    tell(bench, B)
    assert is_open(bench, old)  # by a clock that nobody should trust
    bench.trusted = True
    bench.do(commands.Start(me=agent("z", "c7")))
    assert (is_open(bench, old), is_open(bench, young)) == (False, True)


def test_superseding(bench: Bench) -> None:
    first = tell(bench, to=("b",))
    with refused("not_yours"):
        tell(bench, B, supersedes=first)
    second = tell(bench, to=("b",), supersedes=first[:8])
    assert list(why(bench, B)) == [second]
    delta = deltas.get(bench.state, second)
    assert delta is not None
    assert delta.supersedes == first
    with refused("not_found"):
        tell(bench, supersedes=first)
    third = tell(bench, person(), to=("b",), supersedes=second)  # the person of that work tree
    bench.do(commands.End(me=A))
    bench.do(commands.End(me=person()))
    assert list(why(bench, B)) == [third]
    tell(bench, B, supersedes=third)  # whose author is gone
    assert not is_open(bench, third)


def test_it_is_one_delta_however_often_it_is_sent(bench: Bench) -> None:
    command = Tell(me=A, ident="0123abcd", news=News(type="decision", summary="x"))
    assert bench.do(command)["delta"]["id"] == "0123abcd"
    height = bench.height
    assert bench.do(command)["delta"]["id"] == "0123abcd"
    assert bench.height == height


def test_the_index_is_as_large_as_what_is_open(bench: Bench) -> None:
    plan(bench, Spec(title="p"), contracts=("k",))
    idents = [
        tell(bench, paths=["a", "b/", "c/*.py"], contracts=("k",), tasks=("x0",), to=("b",), severity="blocking")
        for _ in range(3)
    ]
    assert leftovers(bench)
    bench.lock(B, "z")
    answer(bench, B, *idents)
    assert leftovers(bench) == []


def test_what_a_session_holds_is_what_a_notice_costs(bench: Bench) -> None:
    """Of 300 open deltas just those are read that the index names."""
    bench.lock(B, "mine/a")
    wanted = tell(bench, paths=["mine/"])
    for n in range(300):
        tell(bench, paths=[f"others/{n}"], contracts=(f"k{n}",))
    read: list[str] = []

    class Counting(DictReader):
        def read(self, path: str) -> bytes | None:
            read.append(path)
            return super().read(path)

    state = State(Counting(bench.blobs))
    session = sessions.get(state, "b")
    assert session is not None
    found = deltas.notices(state, deltas.reader(state, "b", session.sid))
    assert [one["delta"] for one in found] == [wanted]
    assert len([path for path in read if path.startswith(layout.T_DELTAS)]) == 1
    assert len(read) < 20


# -- what honest software would not write -----------------------------------------------------------
def test_dishonest_events_are_malformed(bench: Bench) -> None:
    bench.lock(B, "x")
    ident = tell(bench, to=("b",))
    debated = tell(bench)
    session = sessions.get(bench.state, "b")
    assert session is not None
    envelope: dict[str, Any] = {"id": "ab12", "at": bench.now, "by": "b", "sid": session.sid}
    push: dict[str, Any] = {**envelope, "type": "decision", "summary": "s"}
    forged = [
        telling.DeltaPush(**{**push, "type": "rumour"}),
        telling.DeltaPush(**push, severity="loud"),
        telling.DeltaPush(**{**push, "summary": "a\nb"}),
        telling.DeltaPush(**{**push, "summary": "x" * 201}),
        telling.DeltaPush(**{**push, "summary": ""}),
        telling.DeltaPush(**push, body="\x1b[2J"),
        telling.DeltaPush(**push, body="\u202e"),
        telling.DeltaPush(**push, body="x" * (text.BODY + 1)),
        telling.DeltaPush(**push, to=("No Name",)),
        telling.DeltaPush(**push, contracts=("../x",)),
        telling.DeltaPush(**push, contracts=("k", "k")),
        telling.DeltaPush(**{**push, "id": ident}),
        telling.DeltaPush(**{**push, "sid": "another"}),
        telling.DeltaAck(**envelope, delta="nothing"),
        telling.DeltaAck(**envelope, delta=ident, note="\0"),
        telling.DeltaSettle(**envelope, delta=ident),  # nobody has answered
        telling.DeltaSettle(**envelope, delta=ident, debate="d"),  # there is none
        telling.DeltaLapse(**envelope, delta=debated),  # it is young
        telling.DeltaSupersede(**envelope, delta=ident, new=debated),  # neither is its own
    ]
    for event in forged:
        with pytest.raises(Malformed):
            fold.apply(bench.state, [event], bench.height + 1)
    fold.apply(bench.state, [telling.DeltaPush(**push)], bench.height + 1)  # the honest one


def test_a_live_session_is_not_passed_over_as_dead(bench: Bench) -> None:
    bench.lock(B, "x")
    bench.lock(C, "x")
    ident = tell(bench, to=("b", "c"))
    answer(bench, C, ident)
    b, c = sessions.get(bench.state, "b"), sessions.get(bench.state, "c")
    assert b is not None
    assert c is not None
    for proof in (expiry.Evidence(how="wall", height=b.height, at=b.at), expiry.Evidence(how="gone")):
        event = telling.DeltaSettle(id="e", at=bench.now, by="c", sid=c.sid, delta=ident, gone={"b": proof})
        with pytest.raises(Malformed):
            fold.apply(bench.state, [event], bench.height + 1)
