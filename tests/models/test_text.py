"""Anthropic's models as ones that write text, by the SDK, against a scripted server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator

import pytest

from git_peer.core.errors import PeerError
from git_peer.ports import Message
from tests.models.schemas import form
from tests.planner.api import Api, failed, said, serving, tool
from tests.world import require

TALK = [
    Message("system", "You are brief."),
    Message("user", "Say something"),
    Message("assistant", "What?"),
    Message("user", "Anything"),
]
SCHEMA = form(a={"type": "integer"})


@pytest.fixture(autouse=True)
def _sdk() -> None:
    require("anthropic", lambda: importlib.util.find_spec("anthropic") is not None)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The scripted server, which the SDK finds by the environment."""
    with serving() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, str(value))
        yield server


def test_text_as_it_comes(api: Api) -> None:
    from git_peer.adapters.anthropic_text import Text

    words = "A sentence that is longer than one of the pieces that the server sends it in, by far."
    api.script = [said(words, tokens=(70, 7)), said("no more", stop="max_tokens"), said("", stop="refusal")]
    model = Text("some-model", 32_000)
    pieces: list[str] = []
    answer = model.say(TALK, 50, 30, lambda piece, _tokens: pieces.append(piece))
    assert "".join(pieces) == answer.text == words
    assert len([piece for piece in pieces if piece]) > 1
    assert (answer.end, answer.input_tokens, answer.output_tokens) == ("done", 70, 7)
    assert [model.say(TALK, 50, 30, lambda _piece, _tokens: None).end for _ in range(2)] == ["cut", "refused"]
    assert (model.usage.calls, model.usage.input_tokens) == (3, 270)
    asked = api.requests[0]
    assert (asked["system"], asked["max_tokens"], asked["model"]) == ("You are brief.", 50, "some-model")
    assert [one["role"] for one in asked["messages"]] == ["user", "assistant", "user"]
    assert "tools" not in asked
    model.close()


def test_json_of_a_schema(api: Api) -> None:
    from git_peer.adapters.anthropic_text import Text

    api.script = [tool({"a": 3}, "answer"), tool("{", "answer"), said("I will not")]
    model = Text("some-model", 32_000)
    answer = model.say(TALK, 50, 30, lambda _piece, _tokens: None, schema=SCHEMA)
    assert json.loads(answer.text) == {"a": 3}
    assert api.requests[0]["tools"][0]["input_schema"] == SCHEMA
    for _ in range(2):
        with pytest.raises(PeerError) as found:
            model.say(TALK, 50, 30, lambda _piece, _tokens: None, schema=SCHEMA)
        assert found.value.code == "failed"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, "authentication_error", "not_allowed"),
        (403, "permission_error", "not_allowed"),
        (402, "billing_error", "not_allowed"),
        (400, "invalid_request_error", "failed"),
    ],
)
def test_refused(api: Api, status: int, kind: str, code: str) -> None:
    from git_peer.adapters.anthropic_text import Text

    api.script = [failed(status, kind)]
    with pytest.raises(PeerError) as found:
        Text("some-model", 32_000).say(TALK, 50, 30, lambda _piece, _tokens: None)
    assert found.value.code == code
    assert len(api.requests) == 1


def test_time_is_up(api: Api) -> None:
    from git_peer.adapters.anthropic_text import Text

    api.script = [said("x" * 200, hangs=4, pings=True)]
    with pytest.raises(PeerError) as found:
        Text("some-model", 32_000).say(TALK, 50, 0.7, lambda _piece, _tokens: None)
    assert (found.value.code, "runnerTimeout" in found.value.hint) == ("failed", True)


def test_never_too_few_tokens_and_no_model_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from git_peer.adapters.anthropic_text import Text

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-dummy")
    assert Text("m", 1000).count(TALK) > sum(len(one.content.encode()) for one in TALK)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(PeerError) as found:
        Text("m", 1000)
    assert found.value.code == "unavailable"
