"""Questions to the team: asked, answered, closed by the plan that used them."""

from __future__ import annotations

from typing import Any

import pytest

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.state import Event
from git_peer.core.plan import questions
from git_peer.core.plan.edits import CloseQuestion, EditPlan, SetGoal
from git_peer.core.plan.questions import Answer, Ask, Asked
from tests.core.bench import A, B, Bench, agent


@pytest.fixture
def bench() -> Bench:
    return Bench()


def asked(bench: Bench, *texts: str, to: str = "") -> list[str]:
    done = bench.do(Ask(me=A, questions=tuple(Asked(text=one, to=to) for one in texts)))
    return [one["id"] for one in done["questions"]]


def test_asked_answered_closed(bench: Bench) -> None:
    one, two = asked(bench, "Which \x1b[1mone\x1b[0m?", "When?", to="b")
    first, second = questions.all_of(bench.state)
    assert [(q.text, q.to, q.session) for q in (first, second)] == [("Which one?", "b", "a"), ("When?", "b", "a")]
    bench.do(Answer(me=B, question=one, text="This"))
    bench.do(Answer(me=agent("c", "c3"), question=one, text="That"))
    bench.do(Answer(me=B, question=one, text="The other"))
    found = questions.get(bench.state, one)
    assert found is not None
    assert [(reply.session, reply.text) for reply in found.replies] == [("c", "That"), ("b", "The other")]
    bench.do(EditPlan(me=A, edits=(SetGoal(goal="g"), CloseQuestion(id=one), CloseQuestion(id="gone"))))
    assert [q.id for q in questions.all_of(bench.state)] == [two]
    with pytest.raises(PeerError, match="no open question"):
        bench.do(Answer(me=B, question=one, text="late"))


def test_prefixes(bench: Bench) -> None:
    one, _ = asked(bench, "1?", "2?")
    assert questions.find(bench.state, one).id == one
    for text in ("", "0"):  # every id here begins with 0
        with pytest.raises(PeerError):
            questions.find(bench.state, text)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "x" * 9000])
def test_no_answer(bench: Bench, text: str) -> None:
    (one,) = asked(bench, "1?")
    with pytest.raises(PeerError):
        bench.do(Answer(me=B, question=one, text=text))


def test_limits(bench: Bench) -> None:
    asked(bench, *(f"{n}?" for n in range(questions.OPEN)))
    with pytest.raises(PeerError, match="questions are open"):
        asked(bench, "one more?")
    assert len(questions.all_of(bench.state)) == questions.OPEN


@pytest.mark.parametrize(
    "given",
    [
        {"text": "a\x1bb"},
        {"text": ""},
        {"text": " a"},
        {"text": "x" * 2049},
        {"text": "a", "to": "../b"},
        {"text": "a", "to": "No"},
    ],
)
def test_malformed(bench: Bench, given: dict[str, Any]) -> None:
    """Honest software would not have written it."""
    (one,) = asked(bench, "1?")
    question = questions.get(bench.state, one)
    assert question is not None
    what: dict[str, Any] = {"id": bench.ident(), "at": bench.now, "by": "a", "sid": question.sid}
    bad: list[Event] = [questions.QuestionAsk(**what, **given)]
    if "to" not in given and len(given["text"]) < 2000:
        bad.append(questions.QuestionAnswer(**what, question=one, text=given["text"]))
    bad += [questions.QuestionAnswer(**what, question="no", text="x"), questions.QuestionClose(**what, question="no")]
    for event in bad:
        with pytest.raises(Malformed):
            bench.fold([event])
