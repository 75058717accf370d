"""Every kind of event says for people what was done: a verb and its object, neither JSON nor a bare tag."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from git_peer.core.log.state import Event
from git_peer.core.rules import fold, subject
from tests.core.bench import Bench, example

# What the optional fields of a kind may be, so that what is said of them is looked at too.
FULL: dict[str, dict[str, Any]] = {
    "session.start": {"branch": "main", "takeover": "s2"},
    "session.renew": {
        "branch": "topic",
        "doing": "the parser",
        "agent": "codex",
        "capabilities": ["python", "sql"],
        "work": {"issue": "42", "spec": "docs/a.md", "paths": [{"kind": "dir", "path": "src"}], "meta": '{"pr":7}'},
    },
    "session.end": {"left": True},
    "lock.renew": {"mode": "shared", "ttl": 1800, "priority": 4, "task": "t1", "reason": "r"},
    "lock.release": {"landed": "1" * 40, "paths": [{"kind": "file", "path": "f"}]},
    "lock.break": {"paths": [{"kind": "dir", "path": "src"}]},
    "lock.expire": {"paths": [{"kind": "file", "path": "f"}]},
    "lock.preempt": {"paths": [{"kind": "file", "path": "f"}]},
    "push.land": {"paths": [{"kind": "file", "path": f"f{n}"} for n in range(5)]},
    "plan.set": {"goal": "G", "order": ["p", "q"]},
    "task.assign": {"session": "b"},
    "task.release": {"note": "too hard"},
    "task.progress": {"percent": 40, "note": "half", "check": [0, 1], "uncheck": [2]},
    "task.move": {"note": "n"},
    "delta.ack": {"note": "seen"},
    "delta.settle": {"debate": "d1"},
    "debate.turn": {"verdict": "accept", "proposal": "p1"},
    "debate.escalate": {"reason": "no end"},
    "contract.change": {"force": "a person says so"},
    "question.ask": {"to": "b"},
}


def _full(kind: str) -> Event:
    raw = {**msgspec.to_builtins(example(fold.KINDS[kind])), **FULL.get(kind, {})}
    return msgspec.convert(raw, fold.KINDS[kind])


@pytest.mark.parametrize("kind", sorted(fold.KINDS))
@pytest.mark.parametrize("make", [lambda kind: example(fold.KINDS[kind]), _full], ids=["least", "full"])
def test_an_event_says_what_was_done(kind: str, make: Any) -> None:
    event = make(kind)
    for told in (subject.said(event), subject.of([event], Bench().state)):
        words = told.removesuffix(" [skip ci]")
        assert not re.search(r"[{}\[\]]|None|\b(true|false)\b|_", words), told
        assert kind not in words, told
        assert kind.replace(".", ": ") not in words, told
    assert re.match(r"[a-z]+ \S", subject.said(event)), subject.said(event)


def test_the_words_are_the_right_ones() -> None:
    said = {kind: subject.said(_full(kind)) for kind in fold.KINDS}
    assert said["session.renew"] == (
        "is on branch topic; does: the parser; is codex; can: python, sql; works on issue 42, spec docs/a.md, src/"
    )
    assert said["lock.release"] == "released f, landed as 111111111111"
    assert said["lock.break"] == "broke b's lock on src/"
    assert said["lock.expire"] == "ended b's lapsed lock on f"
    assert said["lock.renew"] == "renewed lock k (shared, TTL 1800 s, priority 4, for task t1)"
    assert said["push.land"] == "landed work on main: f0, f1, f2 and 2 more"
    assert said["task.progress"] == "goes on with task t1, 40 %, items done: 1, 2, items open again: 3: half"
    assert said["debate.turn"] == "accepted proposal p1 in debate d"
