"""A model that answers well, at once or at the second try."""

from __future__ import annotations

import json
from typing import Any

from tests.planner.api import KEY, Api, Step, failed, said, tool
from tests.planner.plans import GOOD, ask, free, plan, show, task, untouched
from tests.world import Clone


def test_a_good_plan_is_written_whole(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD, tokens=(1200, 345))]
    done = ask(local, api, "new", "Build a shop", "--yes")
    assert done["goal"] == "Build a shop"
    assert done["usage"] == {"input_tokens": 1200, "output_tokens": 345, "calls": 1}
    assert done["warnings"] == []
    found = show(local)
    assert [one["id"] for one in found["phases"]] == ["build", "polish"]
    assert {one["title"]: one["depends_on"] for one in found["tasks"]} == {
        "Do model": [], "Do api": ["t1"], "Do page": ["t1"], "Do docs": ["t2", "t3"],
    }  # fmt: skip
    by_title = {one["title"]: one for one in found["tasks"]}
    assert by_title["Do api"]["priority"] == 7
    assert by_title["Do model"]["estimate"] == 3600
    assert [item["text"] for item in by_title["Do model"]["checklist"]] == ["fields", "tests"]
    assert by_title["Do page"]["description"] == "A page.\n\nWith two paragraphs."
    assert [(one["name"], one["definition"]) for one in found["contracts"]] == [("user", "User(name: str)")]
    assert done["tasks"] == found["tasks"]
    free(local)


def test_what_the_model_is_asked(local: Clone, api: Api) -> None:
    """The tool with its schema is forced; goal and map are in the prompt; model and limit are the user's."""
    api.script = [tool(GOOD)]
    ask(local, api, "new", "Build a shop", "--yes", "--model", "claude-test", "--max-tokens", "777")
    body = api.requests[0]
    assert (body["model"], body["max_tokens"], body["stream"]) == ("claude-test", 777, True)
    assert [one["name"] for one in body["tools"]] == ["propose_plan"]
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    assert body["tool_choice"] == {"type": "tool", "name": "propose_plan", "disable_parallel_tool_use": True}
    prompt = body["messages"][0]["content"]
    assert "Build a shop" in prompt
    assert "def serve() -> None" in prompt, prompt
    assert KEY in api.headers[0].get("x-api-key", api.headers[0].get("authorization", ""))


def test_the_settings_of_clone_and_project(local: Clone, api: Api) -> None:
    local.write(".git-peer.toml", '[planner]\nmodel = "of-the-project"\nmaxTokens = 500\nmaxTasks = 1\nbogus = 1\n')
    local.git("config", "peer.plannerMaxTokens", "600")
    api.script = [tool(GOOD), tool(plan(task("one")))]
    done = ask(local, api, "new", "g", "--yes")
    assert [(body["model"], body["max_tokens"]) for body in api.requests] == [("of-the-project", 600)] * 2
    assert "too many tasks: 4, 1 are allowed" in json.dumps(api.requests[1])
    assert any("planner.bogus" in notice["message"] for notice in done["notices"])
    local.write(".git-peer.toml", '[planner]\nmaxTokens = "many"\n')
    local.git("config", "--unset", "peer.plannerMaxTokens")
    why = ask(local, api, "replan", "x", "--yes", status=1)["error"]
    assert "peer.plannerMaxTokens" in why["message"]


def test_progress_and_tokens_on_stderr(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD, tokens=(1200, 345))]
    result = local.peer("plan", "new", "g", "--yes", env=api.env)
    assert "planning (answer 1)" in result.err
    assert "1,200 tokens in, 345 out, 1 call" in result.err
    assert "4 new tasks" in result.out
    api.script = [tool(plan(task("more")))]
    quiet = local.peer("plan", "replan", "more", "--yes", "-q", env=api.env)
    assert (quiet.out, quiet.err) == ("", "")


def test_nothing_is_written_unshown(local: Clone, api: Api) -> None:
    """Off a terminal and without --yes: the whole of it is printed, exit 1, and nothing is there."""
    api.script = [tool(GOOD), tool(GOOD)]
    why = ask(local, api, "new", "Build a shop", status=1)
    assert why["error"]["code"] == "failed"
    assert why["goal"] == "Build a shop"
    assert [one["title"] for one in why["tasks"]] == ["Do model", "Do api", "Do page", "Do docs"]
    assert [one["id"] for one in why["phases"]] == ["build", "polish"]
    assert [one["name"] for one in why["contracts"]] == ["user"]
    untouched(local)
    result = local.peer("plan", "new", "Build a shop", env=api.env, status=1)
    for wanted in (
        "Do model",
        "paths: src/api.py",
        "accept: true",
        "depends on: t1",
        "Polish it",
        "User(name: str)",
        "With two paragraphs.",
    ):
        assert wanted in result.out, wanted
    assert "nothing was written" in result.err
    untouched(local)


def test_a_cycle_is_mended_at_the_second_try(local: Clone, api: Api) -> None:
    api.script = [tool(plan(task("a", "c"), task("b", "a"), task("c", "b"))), tool(plan(task("a"), task("b", "a")))]
    done = ask(local, api, "new", "g", "--yes")
    assert [one["title"] for one in done["tasks"]] == ["Do a", "Do b"]
    assert done["usage"]["calls"] == 2
    question, call, result = api.requests[1]["messages"]
    assert question == api.requests[0]["messages"][0]
    assert call["content"][0]["type"] == "tool_use"
    assert call["content"][0]["input"]["tasks"][0]["id"] == "a"
    (back,) = result["content"]
    assert (back["type"], back["tool_use_id"], back["is_error"]) == ("tool_result", "toolu_1", True)
    assert "cycle: a → c → b → a" in back["content"], back


def test_bad_json_is_mended(local: Clone, api: Api) -> None:
    api.script = [tool('{"tasks": [{"id": "a", "title": }'), tool(plan(task("a")))]
    done = ask(local, api, "new", "g", "--yes")
    assert [one["title"] for one in done["tasks"]] == ["Do a"]
    assert "no JSON" in api.requests[1]["messages"][2]["content"][0]["content"]


def test_text_without_a_tool_is_asked_again(local: Clone, api: Api) -> None:
    api.script = [said("I would begin with the model."), tool(plan(task("a")))]
    assert len(ask(local, api, "new", "g", "--yes")["tasks"]) == 1
    last = api.requests[1]["messages"][-1]
    assert (last["role"], last["content"][0]["type"]) == ("user", "text")


def test_collisions_go_to_the_model_then_to_the_user(local: Clone, api: Api) -> None:
    """Tasks that may run at the same time on one file: said to the model while there are tries, then to people."""
    bad = plan(task("a", paths=["src/"]), task("b", paths=["src/api.py"]), task("c", "a", paths=["src/api.py"]))
    api.script = [tool(bad), tool(bad), tool(bad)]
    done = ask(local, api, "new", "g", "--yes")
    assert len(done["tasks"]) == 3
    assert len(done["warnings"]) == 2, done["warnings"]
    assert all("t" not in warning.split(" and ")[0] for warning in done["warnings"])  # by the model's names
    assert "b and c may run at the same time" in api.requests[1]["messages"][2]["content"][0]["content"]
    assert "a and c may" not in json.dumps(api.requests)


def test_collisions_are_mended(local: Clone, api: Api) -> None:
    clash = plan(task("a", paths=["src/x.py"]), task("b", paths=["src/*.py"]))
    api.script = [tool(clash), tool(plan(task("a"), task("b", "a")))]
    done = ask(local, api, "new", "g", "--yes")
    assert done["warnings"] == []
    assert done["usage"] == {"input_tokens": 200, "output_tokens": 20, "calls": 2}


def test_a_good_plan_outlives_a_bad_mending(local: Clone, api: Api) -> None:
    clash = plan(task("a", paths=["src/x.py"]), task("b", paths=["src/*.py"]))
    api.script = [tool(clash), tool("nonsense"), failed(529, "overloaded_error", x_should_retry="false")]
    done = ask(local, api, "new", "g", "--yes")
    assert len(done["tasks"]) == 2
    assert any("not mended" in warning for warning in done["warnings"])


def test_a_model_that_cannot_be_forced_is_asked(local: Clone, api: Api) -> None:
    """Some models answer tool_choice with 400; then it is auto in all that follows. Their thinking goes back."""
    thinking = {"type": "thinking", "thinking": "Well", "signature": "c2ln"}
    first = Step([thinking, *tool(plan(task("a", "a"))).blocks], "tool_use")
    api.script = [failed(400, "invalid_request_error", "tool_choice: no"), first, tool(plan(task("a")))]
    assert len(ask(local, api, "new", "g", "--yes")["tasks"]) == 1
    choices = [body["tool_choice"]["type"] for body in api.requests]
    assert choices == ["tool", "auto", "auto"]
    assert api.requests[2]["messages"][1]["content"][0] == thinking


def test_hostile_output(local: Clone, api: Api) -> None:
    """Escapes, directions, half characters and hidden ones are gone; what is beyond measure goes back."""
    nasty: dict[str, Any] = task("a", title="Do\x1b[2J it \u202enow\u202c\x00\nand\ud800", paths=[])
    nasty |= {"description": "\x1b]0;owned\x07Fine\r\ntext\u200b", "accept": "true\nrm -rf /"}
    huge = plan(task("a", title="x" * 5000), task("b", description="y" * 100_000), task("c", inputs=["z"] * 5000))
    worse = plan(task("a", paths=["../x", "/etc/passwd", ".git/config", "src/\u200bx", "", "@name"]), evil=1)
    api.script = [tool(huge), tool(worse), tool(plan(nasty))]
    (found,) = ask(local, api, "new", "g", "--yes")["tasks"]
    assert found["title"] == "Do it now and?"
    assert found["description"] == "Fine\ntext"
    assert found["accept"] == "true rm -rf /"
    first, second = (body["messages"][-1]["content"][0]["content"] for body in api.requests[1:])
    assert "200 are allowed" in first
    assert "8,192 are allowed" in first
    assert "100 are allowed" in first
    assert second.count("\n- ") == 7, second
    for wanted in ("outside", "git's own directory", "nobody sees", "is a name", "unknown key “evil”"):
        assert wanted in second, second
