"""Models behind servers that speak OpenAI's protocol, and all the ways in which one fails."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from git_peer.core.errors import PeerError
from git_peer.ports import Message
from tests.models.served import NAME, Api, Step, said, serving
from tests.world import require

TALK = [Message("system", "You are brief."), Message("user", "Say something to me")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture(autouse=True)
def _library() -> None:
    require("httpx2", lambda: importlib.util.find_spec("httpx2") is not None)


@pytest.fixture
def api() -> Iterator[Api]:
    """The scripted server."""
    with serving(Api()) as server:
        yield server


def opened(api: Api, name: str = NAME, context: int = 32_000, key: str = "") -> Any:
    """The adapter."""
    from git_peer.adapters.openai import Server

    return Server(api.base, name, context, key)


def test_an_answer_streams_in(api: Api) -> None:
    api.script = [said("A whole sentence.", usage={"prompt_tokens": 70, "completion_tokens": 7,
                                                    "prompt_tokens_details": {"cached_tokens": 60}})]  # fmt: skip
    model = opened(api, key="sk-dummy")
    pieces: list[str] = []
    answer = model.say(TALK, 50, 30, lambda piece, _tokens: pieces.append(piece), schema=SCHEMA, seed=3)
    model.close()
    assert "".join(pieces) == answer.text == "A whole sentence."
    assert len(pieces) > 1
    assert (answer.end, answer.input_tokens, answer.output_tokens, answer.fresh) == ("done", 70, 7, 10)
    assert (model.usage.calls, model.usage.input_tokens, model.usage.output_tokens) == (1, 70, 7)
    asked = api.requests[0]
    assert asked["model"] == NAME
    assert asked["messages"] == [{"role": one.role, "content": one.content} for one in TALK]
    assert (asked["max_tokens"], asked["temperature"], asked["seed"], asked["stream"]) == (50, 0.0, 3, True)
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
    assert set(api.keys) == {"Bearer sk-dummy"}


@pytest.mark.parametrize(("finish", "end"), [("stop", "done"), ("length", "cut"), ("content_filter", "refused")])
def test_how_it_ends(api: Api, finish: str, end: str) -> None:
    api.script = [said("x", finish=finish, usage=None)]
    model = opened(api)
    answer = model.say(TALK, 5, 30, lambda _piece, _tokens: None)
    assert answer.end == end
    assert answer.input_tokens == model.count(TALK), "what the server does not tell is counted"
    api.script = [Step(refusal="No.")]
    assert model.say(TALK, 5, 30, lambda _piece, _tokens: None).end == "refused"
    model.close()


def test_tokens_are_counted_by_the_server_or_never_too_few(api: Api) -> None:
    words = sum(len(one.content.split()) for one in TALK)
    model = opened(api)
    assert model.count(TALK) == words + 2 + 1, "the template's own words are among them"
    api.kind = "vllm"
    assert model.count(TALK) == words + 3 * 2 + 1
    api.kind = "ollama"
    assert model.count(TALK) > sum(len(one.content.encode()) for one in TALK)
    assert model.count([Message("user", "日本")]) >= 6
    model.close()


@pytest.mark.parametrize(("kind", "context"), [("llama-server", 4096), ("vllm", 4096), ("ollama", 32_000)])
def test_the_context_is_the_lesser_one(api: Api, kind: Any, context: int) -> None:
    api.kind = kind
    model = opened(api)
    assert model.context == context
    model.close()
    model = opened(api, name="", context=1000)
    assert (model.context, model.name) == (1000, NAME)
    model.close()


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Step(status=401, error={"message": "bad key"}), "not_allowed"),
        (Step(status=403, error="no"), "not_allowed"),
        (Step(status=402, error={"message": "pay"}), "not_allowed"),
        (Step(status=429, error={"message": "x", "code": "insufficient_quota"}), "not_allowed"),
        (Step(status=429, error={"message": "slow down"}), "unavailable"),
        (Step(status=503, error={"message": "loading"}), "unavailable"),
        (Step(status=400, error={"message": "too long"}), "failed"),
        (Step(status=404), "failed"),
        (Step(["half an "], breaks=True), "unavailable"),
        (Step(raw="data: {]\n\n"), "failed"),
        (Step(raw="data: [1]\n\n"), "failed"),
        (Step(raw='data: {"choices": [7]}\n\n'), "failed"),
        (Step(raw='data: {"error": {"code": 500, "message": "out of memory"}}\n\n'), "unavailable"),
    ],
)
def test_what_goes_wrong(api: Api, step: Step, code: str) -> None:
    model = opened(api, key="sk-secret")
    api.script = [step]
    with pytest.raises(PeerError) as found:
        model.say(TALK, 5, 30, lambda _piece, _tokens: None)
    assert found.value.code == code, found.value.message
    assert "sk-secret" not in found.value.message
    api.script = [said("well again")]
    assert model.say(TALK, 5, 30, lambda _piece, _tokens: None).text == "well again"
    model.close()


def test_a_server_that_drips_is_stopped(api: Api) -> None:
    """Each read is in time, and the whole would never end."""
    model = opened(api)
    api.script = [Step(["some"], drips=True)]
    with pytest.raises(PeerError) as found:
        model.say(TALK, 5, 0.5, lambda _piece, _tokens: None)
    assert found.value.code == "failed"
    assert api.tells.is_set()
    model.close()


def test_newer_models_name_the_limit_otherwise(api: Api) -> None:
    api.script = [Step(status=400, error={"message": "use max_completion_tokens"}), said("ok"), said("again")]
    model = opened(api)
    for _ in range(2):
        model.say(TALK, 5, 30, lambda _piece, _tokens: None)
    model.close()
    assert [("max_tokens" in one, "max_completion_tokens" in one) for one in api.requests] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip


def test_a_model_that_it_has_not(api: Api) -> None:
    with pytest.raises(PeerError) as found:
        opened(api, name="other")
    assert (found.value.code, NAME in found.value.hint) == ("not_found", True)


def test_no_server(api: Api) -> None:
    api.shutdown()
    api.server_close()
    with pytest.raises(PeerError) as found:
        opened(api)
    assert found.value.code == "unavailable"
    assert found.value.hint


def test_a_key_that_is_none(api: Api) -> None:
    with pytest.raises(PeerError) as found:
        opened(api, key="sk\n-secret")
    assert found.value.code == "not_allowed"
    assert "secret" not in found.value.message
