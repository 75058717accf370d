"""git peer mcp with the official client: tools with schemas, errors as tool errors, resources, prompts, the token."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from mcp import ClientSession

from tests.mcp.client import over_http, over_stdio, served
from tests.world import Clone, World

TOOLS = """get_project lock_file release_lock renew push_delta get_deltas ack_delta start_debate respond_debate
get_debate sync create_phase create_task update_task move_task claim_task next_task replan status brief
whoami get_events push_code list_locks check_paths sync_phase list_questions answer_question list_contracts add_contract
change_contract approve_contract edit_task split_task assign_task record_result list_sections get_conflicts
get_inbox""".split()
Transport = Callable[..., Any]


@pytest.fixture
def clone(world: World) -> Clone:
    one = world.clone("one")
    one.peer("init", "--remote", "origin")
    return one


@pytest.fixture(params=[over_stdio, over_http], ids=["stdio", "http"])
def over(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


async def _call(session: ClientSession, tool: str, **given: Any) -> tuple[bool, dict[str, Any], str]:
    """(whether it failed, the structured answer, the text) of a call."""
    result = await session.call_tool(tool, given)
    text = "".join(getattr(block, "text", "") for block in result.content)
    return bool(result.is_error), dict(result.structured_content or {}), text


def test_every_tool_has_schemas(clone: Clone, over: Transport) -> None:
    async def use(session: ClientSession) -> list[Any]:
        return list((await session.list_tools()).tools)

    found = over(clone, use)
    assert sorted(tool.name for tool in found) == sorted(TOOLS)
    for tool in found:
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert {"ok", "session", "notices"} <= set(tool.output_schema["properties"])


def test_an_agents_round(clone: Clone, world: World, over: Transport) -> None:
    other = world.clone("two")
    other.peer("init")

    async def use(session: ClientSession) -> None:
        failed, made, text = await _call(session, "create_task", title="The API", paths=["src/api.py"], accept="true")
        assert not failed, text
        failed, got, text = await _call(session, "next_task")
        assert not failed, text
        assert got["task"]["id"] == made["task"]["id"]
        assert [lock["target"] for lock in got["locks"]] == ["src/api.py"]
        failed, _, text = await _call(session, "next_task")
        assert failed
        assert "not_found" in text
        failed, got, text = await _call(session, "update_task", task="t1", action="progress", percent=40, note="@half")
        assert not failed, text
        assert got["task"]["progress"] == 40
        assert got["task"]["note"].strip() == "@half"
        failed, got, text = await _call(session, "lock_file", paths=["docs/guide.md"], reason="-x")
        assert not failed, text
        refused = await asyncio.to_thread(other.peer, "--json", "lock", "docs/guide.md", as_="bob", status=1)
        assert refused.json()["conflicts"][0]["lock"]["session"] == got["session"]
        failed, got, text = await _call(session, "release_lock", paths=["docs/guide.md"])
        assert not failed, text
        await asyncio.to_thread(other.peer, "lock", "docs/guide.md", as_="bob")
        failed, _, text = await _call(session, "lock_file", paths=["docs/guide.md"])
        assert failed
        assert "locked" in text
        assert "bob" in text
        assert "hint:" in text
        failed, got, text = await _call(session, "status")
        assert not failed, text
        assert [task["id"] for task in got["tasks"]] == ["t1"]
        failed, got, text = await _call(session, "get_project")
        assert not failed, text
        assert {"tasks", "locks", "sessions"} <= got.keys()

    over(clone, use)


def test_what_a_session_says_of_itself(clone: Clone, over: Transport) -> None:
    """It is said with a sign of life, read by all, and emptied again."""

    async def use(session: ClientSession) -> None:
        given = {"doing": "the parser", "capabilities": ["sql"], "issue": "42", "paths": ["src/"], "meta": {"pr": 7}}
        failed, got, text = await _call(session, "renew", **given)
        assert not failed, text
        name = got["name"]
        keys = ("doing", "capabilities", "issue", "spec", "paths", "meta")
        for empty in (False, True):
            if empty:
                nothing = {"doing": "", "capabilities": [], "issue": "", "spec": "", "paths": [], "meta": {}}
                failed, _, text = await _call(session, "renew", **nothing)
                assert not failed, text
            for tool in ("get_project", "status"):
                failed, got, text = await _call(session, tool)
                assert not failed, text
                [mine] = [one for one in got["sessions"] if one["name"] == name]
                said: dict[str, Any] = {
                    **dict.fromkeys(("issue", "spec")),
                    "doing": "",
                    "capabilities": [],
                    "paths": [],
                    "meta": {},
                }
                assert {key: mine[key] for key in keys} == (said if empty else {"spec": None, **given})

    over(clone, use)


def test_it_is_an_agent_and_ends_with_its_client(clone: Clone, over: Transport) -> None:
    async def use(session: ClientSession) -> str:
        _, got, _ = await _call(session, "lock_file", paths=["a"])
        return str(got["session"])

    name = over(clone, use)
    assert name.startswith("mcp-")
    assert clone.peer("--json", "peers").json()["sessions"] == []
    assert clone.peer("--json", "locks").json()["locks"] == []
    rows = [json.loads(line) for line in clone.peer("log", "--json", "--kind", "session.start").out.splitlines()]
    assert [row["agent"] for row in rows if row["by"] == name] == ["mcp"]


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("lock_file", {}),
        ("lock_file", {"paths": []}),
        ("lock_file", {"paths": "src"}),
        ("lock_file", {"paths": ["../outside"]}),
        ("lock_file", {"paths": ["--all"], "wait_seconds": 0}),
        ("update_task", {"task": "t1", "action": "explode"}),
        ("update_task", {"task": "t9", "action": "progress", "percent": 3}),
        ("move_task", {"task": "", "phase": ""}),
        ("claim_task", {"task": "--help"}),
        ("push_delta", {"type": "gossip", "summary": "x"}),
        ("no_such_tool", {}),
    ],
)
def test_bad_input_is_a_tool_error(clone: Clone, tool: str, given: dict[str, Any]) -> None:
    async def use(session: ClientSession) -> tuple[bool, str]:
        failed, _, text = await _call(session, tool, **given)
        return failed, text

    failed, text = over_stdio(clone, use)
    assert failed
    assert text
    assert "Traceback" not in text


def test_options_cannot_be_smuggled_in(clone: Clone) -> None:
    async def use(session: ClientSession) -> tuple[bool, dict[str, Any], str]:
        return await _call(session, "lock_file", paths=["--ttl=1s", "a b"], reason="--shared")

    failed, got, text = over_stdio(clone, use)
    assert not failed, text
    assert sorted(lock["target"] for lock in got["locks"]) == ["./--ttl=1s", "a b"]
    assert {lock["mode"] for lock in got["locks"]} == {"exclusive"}


def test_resources_and_prompts(clone: Clone, over: Transport) -> None:
    clone.peer("lock", "src/api.py")

    async def use(session: ClientSession) -> None:
        uris = {str(one.uri) for one in (await session.list_resources()).resources}
        assert uris == {"peer://plan", "peer://locks", "peer://deltas", "peer://debates"}
        for uri in sorted(uris):
            read = await session.read_resource(uri)
            assert json.loads(getattr(read.contents[0], "text", ""))["ok"] is True
        names = {one.name for one in (await session.list_prompts()).prompts}
        assert names == {"briefing", "hand_over"}
        told = await session.get_prompt("hand_over", {"to": "bob"})
        assert "bob" in str(told.messages[0].content)

    over(clone, use)


def test_news_of_another_clone(clone: Clone, world: World) -> None:
    """What another clone told a moment ago is there, in tools, resources and the briefing, though this copy is old."""
    other = world.clone("two")
    other.peer("init")
    ask = ("push-delta", "--type", "blocker", "--summary", "the build is broken", "--path", "docs/", "--json")

    def aged() -> None:
        (clone.common / "peer/fetched-at").write_text(f"{time.time() - 10:.3f}\n")

    async def use(session: ClientSession) -> None:
        await _call(session, "whoami")
        ident = other.peer(*ask).json()["delta"]["id"]
        aged()
        failed, got, text = await _call(session, "get_deltas")
        assert not failed, text
        assert [(one["id"], one["requires_action"]) for one in got["deltas"]] == [(ident, True)]
        other.peer("lock", "docs/guide.md")
        aged()
        read = await session.read_resource("peer://locks")
        assert [one["target"] for one in json.loads(getattr(read.contents[0], "text", ""))["locks"]] == [
            "docs/guide.md"
        ]
        other.peer("push-delta", "--type", "blocker", "--summary", "and the tests")
        aged()
        told = await session.get_prompt("briefing", {})
        assert "and the tests" in str(told.messages[0].content)

    over_stdio(clone, use)


def test_over_http_nobody_gets_in_without_the_token(clone: Clone) -> None:
    async def run() -> None:
        async with served(clone) as (url, token), httpx.AsyncClient(timeout=30) as http:
            hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            good = {**accept, "Authorization": f"Bearer {token}"}
            assert (await http.post(url, json=hello, headers=accept)).status_code == 401
            wrong = {**accept, "Authorization": "Bearer x"}
            assert (await http.post(url, json=hello, headers=wrong)).status_code == 401
            foreign = {**good, "Host": "evil.example"}
            assert (await http.post(url, json=hello, headers=foreign)).status_code in (403, 421)
            origin = {**good, "Origin": "http://evil.example"}
            assert (await http.post(url, json=hello, headers=origin)).status_code == 403

    asyncio.run(run())


def test_not_on_any_other_address(clone: Clone) -> None:
    for addr in ("0.0.0.0:8765", "example.com:80", "127.0.0.1", "127.0.0.1:0", ":99999"):
        refused = clone.peer("mcp", "--http", addr, status=129)
        assert refused.err.startswith("error: ")


def test_a_long_wait_reports_and_can_be_cancelled(clone: Clone) -> None:
    clone.peer("lock", "src/api.py", as_="bob")
    heard: list[str] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def use(session: ClientSession) -> None:
        wait = {"paths": ["src/api.py"], "wait_seconds": 60}
        call = asyncio.create_task(session.call_tool("lock_file", wait, progress_callback=told))
        for _ in range(300):
            await asyncio.sleep(0.1)
            if heard:
                break
        assert any("waiting" in line for line in heard)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        for _ in range(300):  # the place in the queue is given up
            locks = await asyncio.to_thread(clone.peer, "log", "--json", "--kind", "lock.unwait")
            if locks.out:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the cancelled wait is still in the queue")

    over_stdio(clone, use)


@pytest.mark.real
def test_outside_of_a_repository_that_is_set_up(world: World) -> None:
    bare = world.clone("bare")
    assert bare.peer("mcp", status=4).err.startswith("error: ")
