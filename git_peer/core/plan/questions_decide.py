"""Asking: commands that put questions to the team and answer them, and their decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core import text
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan import questions
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session.record import Scene


class Asked(Record, frozen=True, kw_only=True):
    """A question that is to be asked."""

    text: str
    to: str = ""


class Ask(Command, tag="question-ask", frozen=True, kw_only=True):
    """Put questions, all or none."""

    questions: tuple[Asked, ...]


class Answer(Command, tag="question-answer", frozen=True, kw_only=True):
    """Answer the question whose id begins with `question`."""

    question: str
    text: str


def decide_ask(state: State, command: Ask, scene: Scene) -> Outcome:
    """One event for each; the text is clean and bounded then."""
    session, opening = opened(state, command.me, scene)
    events: list[Event] = [
        questions.QuestionAsk(
            **envelope(session, scene), text=text.taken(one.text, "a question", questions.SHORT), to=one.to
        )
        for one in command.questions
    ]
    proven(state, events, scene, len(opening))
    ids = [event.id for event in events]

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        found = [questions.get(after, ident) for ident in ids]
        return {"questions": [questions.describe(one) for one in found if one is not None]}

    return Outcome([*opening, *events] if events else [], answer)


def decide_answer(state: State, command: Answer, scene: Scene) -> Outcome:
    """Anybody may answer: whom it was put to may be away."""
    session, opening = opened(state, command.me, scene)
    question = questions.find(state, command.question)
    said = text.taken(command.text, "an answer")
    event = questions.QuestionAnswer(**envelope(session, scene), question=question.id, text=said)
    proven(state, [event], scene, len(opening))

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        found = questions.get(after, question.id)
        return {"questions": [questions.describe(found)] if found is not None else []}

    return Outcome([*opening, event], answer)
