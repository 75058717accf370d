"""git peer mcp with the MCP inspector's own command line, over both transports."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.mcp.client import served
from tests.mcp.test_server import TOOLS
from tests.real.clients import Clients, git_peer, program
from tests.world import Clone, Result, World, start

pytestmark = pytest.mark.slow

Inspect = Callable[..., Result]
_HANDED_ON = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "LC_ALL", "TZ")  # the inspector gives a server little else


@pytest.fixture
def clone(world: World) -> Clone:
    """A clone in local mode with a plan, a delta that wants ana's answer, and a debate with her."""
    one = world.clone("one")
    one.peer("init", "--local")
    one.peer("phase", "add", "Later", as_="bob")
    for title in ("One", "Two", "Three", "Four"):
        one.peer("task", "add", title, "--accept", "true", as_="bob")
    one.peer("session", "start", as_="ana")
    return one


def inspect(clone: Clone, *target: str) -> Inspect:
    """The inspector on a server: (method, more arguments) → what it said."""

    def run(method: str, *args: str) -> Result:
        return start((program("mcp-inspector"), "--cli", *target, "--method", method, *args), clone.path).finish()

    return run


def called(run: Inspect, tool: str, given: dict[str, Any]) -> tuple[bool, dict[str, Any] | str]:
    """(whether the tool has failed, its structured answer, or what it or the inspector says is wrong)."""
    ran = run("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(given))
    if ran.status and not ran.out:
        return True, ran.err
    found = ran.json()
    if found.get("isError"):
        return True, str(found["content"][0]["text"])
    return False, dict(found["structuredContent"])


# Three tools take nothing that could be bad; a string for a boolean would be mended by the inspector itself.
BAD: dict[str, dict[str, Any]] = {
    "lock_file": {"paths": ["../outside"]}, "release_lock": {"paths": ["not/mine"]}, "renew": {"doing": 3},
    "push_delta": {"type": "gossip", "summary": "x"}, "get_deltas": {"everything": [1]}, "ack_delta": {"ids": ["ffff"]},
    "start_debate": {"topic": "t"}, "respond_debate": {"debate": "ffff", "message": "m"},
    "get_debate": {"debate": "ffff"}, "create_phase": {"name": ""}, "create_task": {"title": ""},
    "update_task": {"task": "t1", "action": "explode"}, "move_task": {"task": "t1", "phase": "no such"},
    "claim_task": {"task": "t99"}, "next_task": {"lock": [1]}, "replan": {}, "brief": {"most": 1},
}  # fmt: skip


_CHAINS = [("lock_file", "release_lock"), ("claim_task", "update_task", "next_task")]


def test_over_http(clone: Clone) -> None:
    async def run() -> None:
        async with served(clone, GIT_PEER_SESSION="ana") as (url, token):
            await asyncio.to_thread(
                _every_tool, clone, inspect(clone, url, "--header", f"Authorization: Bearer {token}")
            )

    asyncio.run(run())


def _every_tool(clone: Clone, run: Inspect) -> None:
    _has_schemas(run)
    delta = clone.peer("--json", "push-delta", "--type", "discovery", "--summary", "s", "--to", "ana", as_="bob").json()
    debate = clone.peer(
        "--json", "debate", "start", "--topic", "t", "--position", "p", "--with", "ana", as_="bob"
    ).json()
    good: dict[str, dict[str, Any]] = {
        "get_project": {}, "lock_file": {"paths": ["docs/guide.md"], "reason": "r"},
        "release_lock": {"paths": ["docs/guide.md"]}, "renew": {"doing": "things"},
        "push_delta": {"type": "decision", "summary": "s"}, "get_deltas": {"everything": True},
        "ack_delta": {"ids": [delta["delta"]["id"]]},
        "start_debate": {"topic": "t2", "position": "p", "sides": ["bob"]},
        "respond_debate": {"debate": debate["debate"]["id"], "message": "m", "propose": "q"},
        "get_debate": {"debate": debate["debate"]["id"]}, "sync": {}, "create_phase": {"name": "Last"},
        "create_task": {"title": "Five", "accept": "true"}, "claim_task": {"task": "t1"},
        "update_task": {"task": "t1", "action": "progress", "percent": 5},
        "move_task": {"task": "t4", "phase": "Later"}, "next_task": {}, "status": {}, "brief": {"most": 500},
    }  # fmt: skip
    assert {*good, "replan"} == set(TOOLS)  # a plan is drawn up by a model, and there is none

    def succeed(tools: tuple[str, ...]) -> None:
        for tool in tools:
            failed, said = called(run, tool, good[tool])
            assert not failed, (tool, said)
            assert isinstance(said, dict)
            assert said["ok"] is True

    def fail(tool: str) -> None:
        failed, said = called(run, tool, BAD[tool])
        assert failed, (tool, said)
        assert said
        assert "Traceback" not in str(said)

    # Each call is a process of Node's; what does not depend on each other goes side by side.
    chained = [one for chain in _CHAINS for one in chain]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(succeed, [*_CHAINS, *((tool,) for tool in good if tool not in chained)]))
        list(pool.map(fail, BAD))


def _has_schemas(run: Inspect) -> None:
    listed = run("tools/list", "--strict")
    assert listed.status == 0, listed
    tools = {tool["name"]: tool for tool in listed.json()["tools"]}
    assert sorted(tools) == sorted(TOOLS)
    for tool in tools.values():
        assert tool["description"]
        assert tool["inputSchema"]["type"] == "object"
        assert {"ok", "session"} <= set(tool["outputSchema"]["properties"])


def test_over_stdio(clone: Clone, clients: Clients) -> None:
    env = [word for name in _HANDED_ON for word in ("-e", f"{name}={os.environ[name]}")]
    run = inspect(clone, *env, str(git_peer(clients.folder / "bin") / "git-peer"), "mcp")
    _has_schemas(run)
    failed, said = called(run, "lock_file", {"paths": ["docs/guide.md"], "reason": "r"})
    assert not failed, said
    failed, said = called(run, "lock_file", {"paths": []})
    assert failed, said
    resources = run("resources/list").json()["resources"]
    assert {one["uri"] for one in resources} == {"peer://plan", "peer://locks", "peer://deltas", "peer://debates"}
