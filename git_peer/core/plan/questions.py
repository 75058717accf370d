"""Questions: what a planner asks the team before it plans. The record, its events, its commands, how it is told."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import Malformed
from git_peer.core.lock.record import rfc3339
from git_peer.core.log import command
from git_peer.core.log.command import Command, Scene
from git_peer.core.log.state import Event, Record, State, alike, decode
from git_peer.core.log.txn import Txn
from git_peer.core.session import naming
from git_peer.core.session import record as sessions

OPEN = 50  # questions that are open at a time
ANSWERS = 50  # of one question
SHORT = 2 * 1024  # bytes of a question


class Reply(Record, frozen=True, kw_only=True):
    """What a session answered. `at` is epoch seconds."""

    session: str
    sid: str
    at: int
    text: str


class Question(Record, frozen=True, kw_only=True):
    """questions/<id>.json: an open question; `to` "" is for everybody. `at` is epoch seconds."""

    id: str
    order: int  # of the event that asked it: height << 20 | index
    text: str
    to: str = ""
    session: str
    sid: str
    at: int
    replies: tuple[Reply, ...] = ()


class QuestionAsk(Event, tag="question.ask", frozen=True, kw_only=True):
    """A question to everybody, or to the session `to`. The event's id is the question's."""

    example = {"text": "t"}

    text: str
    to: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """To everybody, or to a name that a session may have."""
        sessions.touch(state, self, height)
        _check(self.text, SHORT)
        if self.to and not naming.is_name(self.to):
            raise Malformed(f"not a session's name: {self.to!r}")
        if len(state.entries(layout.T_QUESTIONS) or ()) >= OPEN:
            raise Malformed(
                f"{OPEN} questions are open", "invalid", "`git peer plan questions` lists them; answer first"
            )
        question = Question(**alike(self, Question), order=(height << 20) + index, session=self.by)
        state.put(place(self.id), question)

    def says(self) -> str:
        return f"asked {self.to or 'everybody'}: {self.text}"


class QuestionAnswer(Event, tag="question.answer", frozen=True, kw_only=True):
    """A session's answer; a second one stands in place of its first."""

    example = {"question": "q", "text": "t"}

    question: str
    text: str

    def apply(self, state: State, height: int, index: int) -> None:
        """One for each session: its last."""
        sessions.touch(state, self, height)
        _check(self.text, text.MESSAGE)
        question = _find(state, self.question)
        others = tuple(reply for reply in question.replies if reply.session != self.by)
        if len(others) >= ANSWERS:
            raise Malformed(f"{ANSWERS} sessions have answered already")
        reply = Reply(session=self.by, sid=self.sid, at=self.at, text=self.text)
        state.put(place(question.id), msgspec.structs.replace(question, replies=(*others, reply)))

    def says(self) -> str:
        return f"answered question {self.question[:8]}: {self.text}"


class QuestionClose(Event, tag="question.close", frozen=True, kw_only=True):
    """A question leaves the tree: a plan was made with what was answered to it."""

    example = {"question": "q"}

    question: str

    def apply(self, state: State, height: int, index: int) -> None:
        """The record goes; the history keeps it."""
        sessions.touch(state, self, height)
        _find(state, self.question)
        state.delete(place(self.question))

    def says(self) -> str:
        return f"closed question {self.question[:8]}"


# -- reading --------------------------------------------------------------------------------------
def place(ident: str) -> str:
    """The tree path of a question's record."""
    return f"{layout.T_QUESTIONS}/{ident}.json"


def get(state: State, ident: str) -> Question | None:
    """The open question of that very id."""
    return state.get(place(ident), Question)


def all_of(state: State) -> list[Question]:
    """Every open question, oldest first."""
    open_ones = [decode(raw, Question) for _, raw in state.walk(layout.T_QUESTIONS)]
    return sorted(open_ones, key=lambda question: question.order)


def find(state: State, prefix: str) -> Question:
    """The one open question whose id begins with `prefix`."""
    from git_peer.core import near  # hot commands look nothing up by a part of its id

    ids = [name.removesuffix(".json") for name in state.entries(layout.T_QUESTIONS) or ()]
    question = get(state, near.begun(ids, prefix, "open question", "`git peer plan questions` lists them"))
    assert question is not None
    return question


def describe(question: Question) -> dict[str, Any]:
    """A question as it is told."""
    return {
        "id": question.id,
        "text": text.clean(question.text),
        "to": question.to or None,
        "session": question.session,
        "at": rfc3339(question.at),
        "answers": [
            {"session": reply.session, "text": text.clean(reply.text), "at": rfc3339(reply.at)}
            for reply in question.replies
        ],
    }


def notices(state: State, name: str) -> list[dict[str, Any]]:
    """The questions to the session of that name which it has not answered, as notices of any command."""
    unanswered = []
    for question in all_of(state) if name else ():
        if question.to == name and all(reply.session != name for reply in question.replies):
            message = f"{question.session}, who plans, asks you: {text.quoted(question.text)}"
            hint = f"`git peer plan answer {question.id[:8]} TEXT`"
            unanswered.append({"code": "question", "message": message, "question": question.id, "hint": hint})
    return unanswered


# -- applying -------------------------------------------------------------------------------------
def _find(state: State, ident: str) -> Question:
    question = get(state, ident)
    if question is None:
        raise Malformed(f"no open question {ident!r}")
    return question


def _check(words: str, most: int) -> None:
    text.check(words, most)
    if not words:
        raise Malformed("a text that says nothing")


# -- asking ---------------------------------------------------------------------------------------
class Asked(Record, frozen=True, kw_only=True):
    """A question that is to be asked."""

    text: str
    to: str = ""


class Ask(Command, tag="question-ask", frozen=True, kw_only=True):
    """Put questions, all or none."""

    questions: tuple[Asked, ...]

    def decide(self, txn: Txn) -> command.Answer:
        """One event for each; the text is clean and bounded then."""
        ids = [
            txn.emit(QuestionAsk, text=text.taken(asked.text, "a question", SHORT), to=asked.to).id
            for asked in self.questions
        ]
        return _shown(ids)


class Answer(Command, tag="question-answer", frozen=True, kw_only=True):
    """Answer the question whose id begins with `question`."""

    question: str
    text: str

    def decide(self, txn: Txn) -> command.Answer:
        """Anybody may answer: whom it was put to may be away."""
        question = find(txn.state, self.question)
        txn.emit(QuestionAnswer, question=question.id, text=text.taken(self.text, "an answer"))
        return _shown([question.id])


def _shown(ids: list[str]) -> command.Answer:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        there = [get(after, ident) for ident in ids]
        return {"questions": [describe(question) for question in there if question is not None]}

    return answer
