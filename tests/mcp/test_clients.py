"""Several clients of one server, and the server's own life: who is who, what ends with whom, who hears what."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
from mcp import ClientSession, types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from tests.mcp.client import free_port, over_http, over_stdio, served
from tests.world import Clone, World


@pytest.fixture
def clone(world: World) -> Clone:
    one = world.clone("one")
    one.peer("init", "--remote", "origin")
    return one


@contextlib.asynccontextmanager
async def joined(url: str, token: str, heard: Any = None) -> AsyncIterator[ClientSession]:
    """A client over HTTP, which says that it leaves at its end."""
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        streamable_http_client(url, http_client=http) as streams,
        ClientSession(streams[0], streams[1], message_handler=heard) as session,
    ):
        await session.initialize()
        yield session


async def call(session: ClientSession, tool: str, /, **given: Any) -> dict[str, Any]:
    """A tool's answer; of a refusal its text under `refused`."""
    result = await session.call_tool(tool, given)
    if result.is_error:
        return {"refused": "".join(getattr(block, "text", "") for block in result.content)}
    return dict(result.structured_content or {})


async def peers(clone: Clone) -> set[str]:
    """The sessions that live."""
    told = await asyncio.to_thread(clone.peer, "--json", "peers")
    return {row["name"] for row in told.json()["sessions"]}


async def until(clone: Clone, wanted: set[str]) -> None:
    """Wait until just these sessions live."""
    for _ in range(200):
        if await peers(clone) == wanted:
            return
        await asyncio.sleep(0.1)
    assert await peers(clone) == wanted


def test_each_connection_is_a_session(clone: Clone) -> None:
    """Two clients exclude each other, each frees its own only, and who leaves takes its locks along."""

    async def run() -> None:
        async with served(clone) as (url, token), joined(url, token) as first:
            async with joined(url, token) as second:
                one = await call(first, "lock_file", paths=["src/api.py"])
                two = await call(second, "lock_file", paths=["src/auth.py"])
                assert one["session"] != two["session"]
                refused = await call(second, "lock_file", paths=["src/api.py"])
                assert f"locked by {one['session']}" in refused["refused"]
                await call(second, "release_lock", everything=True)
                kept = await call(second, "list_locks")
                assert [lock["target"] for lock in kept["locks"]] == ["src/api.py"]
                assert (await call(second, "whoami"))["name"] == two["session"]
                assert not (await call(second, "check_paths", paths=["src/api.py"]))["allowed"]
                await call(second, "lock_file", paths=["docs/guide.md"])
                assert await peers(clone) == {one["session"], two["session"]}
            await until(clone, {one["session"]})  # by DELETE
            left = await call(first, "list_locks")
            assert [lock["target"] for lock in left["locks"]] == ["src/api.py"]

    asyncio.run(run())
    assert clone.peer("--json", "peers").json()["sessions"] == []  # by SIGTERM
    assert clone.peer("--json", "locks").json()["locks"] == []


def test_stdio_beside_http(clone: Clone) -> None:
    def over(session_of_http: str) -> dict[str, Any]:
        async def use(session: ClientSession) -> dict[str, Any]:
            return await call(session, "lock_file", paths=["src/api.py"])

        answer: dict[str, Any] = over_stdio(clone, use)
        assert session_of_http in answer["refused"]
        return answer

    async def run() -> None:
        async with served(clone) as (url, token), joined(url, token) as first:
            one = await call(first, "lock_file", paths=["src/api.py"])
            await asyncio.to_thread(over, one["session"])

    asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_session_on_stdio(clone: Clone, number: signal.Signals) -> None:
    running = clone.start_peer("mcp")
    asyncio.run(until_any(clone))
    running.process.send_signal(number)
    running.finish(0)
    assert clone.peer("--json", "peers").json()["sessions"] == []


async def until_any(clone: Clone) -> None:
    """Wait until some session lives."""
    for _ in range(200):
        if await peers(clone):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no session began")


@pytest.mark.parametrize("over", [over_stdio, over_http], ids=["stdio", "http"])
def test_every_prompt_and_resource_is_rendered(clone: Clone, over: Any) -> None:
    async def use(session: ClientSession) -> None:
        for prompt in (await session.list_prompts()).prompts:
            told = await session.get_prompt(prompt.name, {})
            assert getattr(told.messages[0].content, "text", "").strip()
        for resource in (await session.list_resources()).resources:
            read = await session.read_resource(resource.uri)
            assert json.loads(getattr(read.contents[0], "text", ""))["ok"]
        for tool in (await session.list_tools()).tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is (tool.name.split("_")[0] in READERS), tool.name

    over(clone, use)


@pytest.mark.parametrize("over", [over_stdio, over_http], ids=["stdio", "http"])
def test_a_prompt_that_there_is_not(clone: Clone, over: Any) -> None:
    async def use(session: ClientSession) -> None:
        for name, given, said in (("breifing", {}, "briefing, hand_over"), ("hand_over", {"too": "bob"}, "too")):
            with pytest.raises(MCPError, match=said) as why:
                await session.get_prompt(name, given)
            assert why.value.code == types.INVALID_PARAMS
        assert (await session.get_prompt("hand_over", {"to": "bob"})).messages

    over(clone, use)


READERS = {"get", "list", "check", "status", "brief", "whoami"}


@pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")  # by the newest protocol; servers go on
@pytest.mark.parametrize("over", [over_stdio, over_http], ids=["stdio", "http"])
def test_news_of_another_clone_reach_a_subscriber(clone: Clone, world: World, over: Any) -> None:
    """By `resources/subscribe`, which today's clients send. Nothing else in this clone looks at the remote."""
    other, told = world.clone("two"), []
    other.peer("init")

    seen: list[Any] = []

    async def heard(message: Any) -> None:
        seen.append(message)
        if isinstance(message, types.ResourceUpdatedNotification):
            told.append(str(message.params.uri))

    async def use(session: ClientSession) -> None:
        await session.subscribe_resource("peer://locks")
        await asyncio.to_thread(other.peer, "lock", "src/api.py", as_="bob")
        for _ in range(300):
            if "peer://locks" in told:
                break
            await asyncio.sleep(0.1)
        assert told == ["peer://locks"], seen
        read = await session.read_resource("peer://locks")
        assert [row["session"] for row in json.loads(getattr(read.contents[0], "text", ""))["locks"]] == ["bob"]
        await session.unsubscribe_resource("peer://locks")

    over(clone, use, heard)


def test_a_client_of_the_newest_protocol_begins_a_session_over_http(clone: Clone) -> None:
    """It would send each request by itself; a lock needs a holder, so it is led back to the handshake."""

    async def run() -> None:
        async with (
            served(clone) as (url, token),
            httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as one,
            Client(streamable_http_client(url, http_client=http)) as two,
        ):
            granted = await one.call_tool("lock_file", {"paths": ["src/api.py"]})
            assert not granted.is_error
            assert (await two.call_tool("lock_file", {"paths": ["src/api.py"]})).is_error

    asyncio.run(run())


def test_it_says_that_it_serves_when_it_does(clone: Clone) -> None:
    port = free_port()
    running = clone.start_peer("mcp", "--http", f"127.0.0.1:{port}")
    assert running.process.stderr is not None
    assert running.process.stderr.readline() == f"serving http://127.0.0.1:{port}/mcp\n".encode()
    health = httpx.get(f"http://127.0.0.1:{port}/health")
    assert health.json()["ok"] is True
    taken = clone.peer("mcp", "--http", f"127.0.0.1:{port}", status=3)
    assert taken.err.startswith(f"error: cannot serve on 127.0.0.1:{port}: ")
    running.process.terminate()
    running.finish(0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_what_the_command_line_can(clone: Clone, world: World) -> None:
    """Contracts, questions, tasks and code by tools; a push that is too late names what to pull."""
    other = world.clone("two")
    other.peer("init")

    async def use(session: ClientSession) -> None:
        made = await call(session, "add_contract", name="login", type="free", definition="@login(user)")
        assert made["contract"]["version"] == 1
        await call(session, "change_contract", name="login", version=1, definition="login(user, token)")
        assert "changed" in (await call(session, "change_contract", name="login", version=1, definition="x"))["refused"]
        await call(session, "approve_contract", name="login", version=2)
        listed = (await call(session, "list_contracts"))["contracts"]
        assert [(row["version"], row["status"]) for row in listed] == [(2, "approved")]
        await call(session, "create_task", title="One", paths=["src/api.py"], description="d")
        edited = await call(session, "edit_task", task="t1", title="Two", paths=[], priority=9, description="")
        assert {key: edited["task"][key] for key in ("title", "paths", "priority", "description")} == {
            "title": "Two", "paths": [], "priority": 9, "description": "",
        }  # fmt: skip
        assert "never was" in (await call(session, "assign_task", task="t1", session="bob"))["refused"]
        clone.peer("session", "start", "bob")
        assert (await call(session, "assign_task", task="t1", session="bob"))["task"]["assignee"] == "bob"
        assert (await call(session, "assign_task", task="t1"))["task"]["assignee"] is None
        assert len((await call(session, "split_task", task="t1", titles=["a", "b"]))["task"]["children"]) == 2
        mine = (await call(session, "next_task", lock=False))["task"]["id"]
        recorded = await call(session, "record_result", task=mine, result="passed", output="ok")
        assert recorded["task"]["result"]["passed"] is True
        assert (await call(session, "list_questions"))["questions"] == []
        events = (await call(session, "get_events", kind="contract"))["events"]
        assert [row["kind"] for row in events] == ["contract.approve", "contract.change", "contract.add"]
        later = (await call(session, "get_events", after=events[0]["id"], kind="contract"))["events"]
        assert later == []
        (clone.path / "src/api.py").write_text("x = 1\n")
        await asyncio.to_thread(clone.git, "commit", "-qam", "x")
        pushed = await call(session, "push_code")
        assert pushed["pushed"][0]["ref"] == "refs/heads/main"
        await asyncio.to_thread(other.git, "pull", "-q")
        (other.path / "README.md").write_text("y\n")
        await asyncio.to_thread(other.git, "commit", "-qam", "theirs")
        await asyncio.to_thread(other.git, "push", "-q")
        (clone.path / "docs/guide.md").write_text("z\n")
        await asyncio.to_thread(clone.git, "commit", "-qam", "mine")
        refused = (await call(session, "push_code"))["refused"]
        assert "rejected: " in refused
        assert other.head() in refused

    over_stdio(clone, use)


def test_an_argument_that_is_wrong_is_named(clone: Clone) -> None:
    async def use(session: ClientSession) -> None:
        for tool, given, named in (
            ("lock_file", {}, "paths"),
            ("lock_file", {"paths": "src"}, "paths"),
            ("lock_file", {"paths": ["a"], "ttl_seconds": 0}, "ttl_seconds"),
            ("update_task", {"task": "t1", "action": "explode"}, "action"),
            ("push_delta", {"type": "gossip", "summary": "x"}, "type"),
            ("lock_file", {"paths": ["a"], "pahts": ["b"]}, "pahts"),
        ):
            text = (await call(session, tool, **given))["refused"]
            assert named in text, text

    over_stdio(clone, use)
