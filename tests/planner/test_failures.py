"""A model, a network or an account that fails: told plainly, nothing written, @planning given back."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest

from tests.planner.api import Api, failed, said, tool
from tests.planner.plans import GOOD, ask, free, plan, show, task, untouched
from tests.world import Clone, start

CYCLE = tool(plan(task("a", "b"), task("b", "a")))


def refused(clone: Clone, api: Api, code: str, status: int, *args: str, **more: Any) -> dict[str, Any]:
    """`plan new` that fails so; its JSON. Nothing is there afterwards."""
    done = ask(clone, api, "new", "g", "--yes", *args, status=status, **more)
    assert done["error"]["code"] == code, done
    assert done["error"]["hint"]
    untouched(clone)
    return done


def test_three_bad_ones_in_a_row(local: Clone, api: Api) -> None:
    """What is wrong goes back twice; then the user gets it."""
    bad = plan(task("a", "nowhere", uses=["nothing"], phase="none"), task("b", title=" "))
    api.script = [CYCLE, tool("{"), tool(bad)]
    done = refused(local, api, "invalid", 1)
    assert done["usage"] == {"input_tokens": 300, "output_tokens": 30, "calls": 3}
    assert done["problems"] == [
        "task b: an empty title",
    ]
    assert len(api.requests[2]["messages"]) == 5


def test_every_problem_of_a_plan_is_listed(local: Clone, api: Api) -> None:
    bad = plan(
        task("a", "nowhere", uses=["nothing"], phase="none"),
        task("b", "later", parent="c"),
        task("b2", "b2", phase="one"),
        task("later", phase="two"),
        phases=[{"id": "one", "name": "1"}, {"id": "two", "name": "2"}],
    )
    api.script = [tool(bad)] * 2 + [
        tool(plan(task("x", "y", phase="one"), task("y", phase="two"), phases=bad["phases"]))
    ]
    done = refused(local, api, "invalid", 1)
    back = api.requests[1]["messages"][-1]["content"][0]["content"]
    for wanted in (
        "task a: there is no phase none",
        "task a: it depends on nowhere, which is no task",
        "task a: it uses the contract nothing, which is not defined",
        "task b: its parent c is no task",
        "task b2: it depends on itself",
    ):
        assert wanted in back, back
    assert done["problems"] == ["task x (one) depends on y, whose phase two is later"]


def test_a_refusal(local: Clone, api: Api) -> None:
    details = {"type": "refusal", "category": None, "explanation": "Not \x1b[31mthat."}
    api.script = [said("I", stop="refusal", details=details)]
    done = refused(local, api, "failed", 1)
    assert "the model refused: Not that." in done["error"]["message"]
    assert done["usage"]["calls"] == 1


def test_text_only_three_times(local: Clone, api: Api) -> None:
    api.script = [said("I will not plan that.")] * 3
    done = refused(local, api, "invalid", 1)
    assert "no tool was called" in done["problems"][0]
    assert "I will not plan that." in done["problems"][0]


@pytest.mark.parametrize("stop", ["max_tokens", "model_context_window_exceeded"])
def test_cut_at_the_limit(local: Clone, api: Api, stop: str) -> None:
    step = tool('{"tasks": [{"id": "a", "ti', tokens=(5, 99))
    step.stop = stop
    api.script = [step]
    done = refused(local, api, "failed", 1)
    assert "limit" in done["error"]["message"]
    assert "--max-tokens" in done["error"]["hint"]
    assert done["usage"] == {"input_tokens": 5, "output_tokens": 99, "calls": 1}


@pytest.mark.parametrize("at", [1, 5])
def test_a_stream_that_breaks_off(local: Clone, api: Api, at: int) -> None:
    api.script = [tool(GOOD, breaks=at)]
    done = refused(local, api, "unavailable", 3)
    assert "broke off" in done["error"]["message"]


def test_an_error_in_the_middle(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD, fails={"type": "overloaded_error", "message": "Overloaded"})]
    assert "Overloaded" in refused(local, api, "unavailable", 3)["error"]["message"]


def test_a_rate_limit_that_passes(local: Clone, api: Api) -> None:
    """The SDK waits as long as it is told to, and goes on."""
    api.script = [failed(429, "rate_limit_error", retry_after="0.2"), tool(plan(task("a")))]
    assert ask(local, api, "new", "g", "--yes")["usage"]["calls"] == 1
    assert [headers["x-stainless-retry-count"] for headers in api.headers] == ["0", "1"]


def test_a_rate_limit_for_good(local: Clone, api: Api) -> None:
    api.script = [failed(429, "rate_limit_error", "slow down", retry_after="0.1")] * 3
    done = refused(local, api, "unavailable", 3)
    assert "429" in done["error"]["message"]
    assert "slow down" in done["error"]["message"]
    assert len(api.requests) == 3


def test_a_pause_beyond_the_time_is_not_kept(local: Clone, api: Api) -> None:
    """An hour's retry-after ends it at once."""
    api.script = [failed(429, "rate_limit_error", retry_after="3600")]
    refused(local, api, "unavailable", 3)
    assert len(api.requests) == 1


def test_overloaded(local: Clone, api: Api) -> None:
    local.git("config", "peer.plannerRetries", "1")
    api.script = [failed(529, "overloaded_error", "Overloaded", retry_after="0.1")] * 2
    assert "529" in refused(local, api, "unavailable", 3)["error"]["message"]
    api.script = [failed(529, "overloaded_error", retry_after="0.1"), tool(plan(task("a")))]
    assert len(ask(local, api, "new", "g", "--yes")["tasks"]) == 1


@pytest.mark.parametrize("pings", [False, True])
def test_a_time_out(local: Clone, api: Api, pings: bool) -> None:
    """Silence, and a stream that is kept open with nothing in it."""
    local.git("config", "peer.plannerTimeout", "6s")
    api.script = [tool(GOOD, hangs=4, pings=pings)]
    done = refused(local, api, "unavailable", 3)
    assert "within 6 s" in done["error"]["message"]
    assert len(api.requests) == 1


def test_nobody_answers(local: Clone, api: Api) -> None:
    local.git("config", "peer.plannerRetries", "0")
    api.script = [tool(GOOD, shut=True)]
    assert "cannot reach" in refused(local, api, "unavailable", 3)["error"]["message"]


@pytest.mark.parametrize(
    ("status", "kind", "message", "hint"),
    [
        (401, "authentication_error", "invalid x-api-key", "ANTHROPIC_API_KEY"),
        (403, "permission_error", "not for you", "may this key"),
        (402, "billing_error", "no payment", "credit"),
        (404, "not_found_error", "model: nope", "--model"),
    ],
)
def test_a_clear_stop(local: Clone, api: Api, status: int, kind: str, message: str, hint: str) -> None:
    """No retry, one line, and what to look at."""
    api.script = [failed(status, kind, message)]
    done = refused(local, api, "failed", 1)
    assert message in done["error"]["message"]
    assert hint in done["error"]["hint"]
    assert len(api.requests) == 1


def test_no_credit(local: Clone, api: Api) -> None:
    """400, as the API says it: tried without a forced tool too, then told."""
    api.script = [failed(400, "invalid_request_error", "Your credit balance is too low")] * 2
    assert "credit" in refused(local, api, "failed", 1)["error"]["hint"]


def test_no_key(local: Clone, api: Api) -> None:
    """Told before anything is written or asked."""
    before = local.peer("log", "--json").out
    done = refused(local, api, "unavailable", 3, env={"ANTHROPIC_API_KEY": None})
    assert "ANTHROPIC_API_KEY" in done["error"]["hint"]
    assert local.peer("log", "--json").out == before
    assert api.requests == []


@pytest.mark.parametrize(
    "env",
    [
        {"ANTHROPIC_API_KEY": "sk-secret\r"},
        {"ANTHROPIC_API_KEY": "sk-secr\u00e9t"},
        {"SSL_CERT_FILE": "/nonexistent"},
        {"ALL_PROXY": "odd://secret"},
        {"ANTHROPIC_BASE_URL": "nowhere"},
    ],
)
def test_an_environment_that_cannot_work(local: Clone, api: Api, env: dict[str, str]) -> None:
    """Told in a line, and no key is shown."""
    result = local.peer("plan", "new", "g", env={**api.env, **env}, status=3)
    assert result.err.count("error: ") == 1, result
    assert "Traceback" not in result.err
    assert "sk-" not in result.out + result.err
    untouched(local)


@pytest.mark.parametrize(
    "raw",
    [
        "nonsense",
        "[]",
        "3",
        '{"type": "content_block_delta", "index": 5, "delta": {}}',
        '{"type": "message_start"}',
        "[",
    ],
)
def test_a_stream_that_is_none(local: Clone, api: Api, raw: str) -> None:
    api.script = [tool(GOOD, raw="[" * 100_000 if raw == "[" else raw)]
    refused(local, api, "failed", 1)


def test_no_package(local: Clone, api: Api) -> None:
    code = (
        "import sys; sys.modules['anthropic'] = None\nfrom git_peer.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    result = start((sys.executable, "-P", "-c", code, "plan", "new", "g"), local.path, api.env).finish(3)
    assert result.err.splitlines() == [
        "error: the package `anthropic` is not installed",
        "hint: pip install 'git-peer[planner]'",
    ]
    untouched(local)


@pytest.mark.parametrize("turn", [1, 2])
def test_interrupted_in_the_middle(pair: tuple[Clone, Clone], api: Api, turn: int) -> None:
    """^C: exit 130, nothing written, and others may plan at once."""
    one, two = pair
    api.script = [CYCLE] * (turn - 1) + [tool(GOOD, hangs=6), tool(plan(task("a")))]
    running = one.start_peer("plan", "new", "g", "--yes", "--json", env=api.env)
    assert api.reached.wait(60)
    running.process.send_signal(signal.SIGINT)
    result = running.finish(130)
    assert result.json()["error"]["code"] == "interrupted"
    assert "Traceback" not in result.err
    two.peer("sync")
    untouched(two)
    assert len(ask(two, api, "new", "g", "--yes")["tasks"]) == 1


def test_killed_in_the_middle(local: Clone, api: Api) -> None:
    """kill -9 too: the next command that writes gives @planning back, for nobody was told of it."""
    api.script = [tool(GOOD, hangs=6), tool(plan(task("a")))]
    running = local.start_peer("plan", "new", "g", "--yes", env=api.env)
    assert api.reached.wait(60)
    running.kill()
    local.peer("lock", "README.md", as_="other")
    local.peer("unlock", "README.md", as_="other")
    untouched(local)
    ask(local, api, "new", "g", "--yes")
    assert len(show(local)["tasks"]) == 1
    free(local)


@pytest.mark.parametrize(
    "args", [("",), ("  ",), ("g", "--max-tokens", "0"), ("g", "--planner", "other"), ("g", "--wait", "0s")]
)
def test_a_wrong_command_line(local: Clone, api: Api, args: tuple[str, ...]) -> None:
    assert ask(local, api, "new", *args, status=129)["error"]["code"] == "usage"
    assert api.requests == []
