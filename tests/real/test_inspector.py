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


# Some tools take nothing that could be bad; a string for a boolean would be mended by the inspector itself.
BAD: dict[str, dict[str, Any]] = {
    "lock_file": {"paths": ["../outside"]}, "release_lock": {"paths": ["not/mine"]}, "renew": {"doing": 3},
    "push_delta": {"type": "gossip", "summary": "x"}, "get_deltas": {"everything": [1]}, "ack_delta": {"ids": ["ffff"]},
    "start_debate": {"topic": "t"}, "respond_debate": {"debate": "ffff", "message": "m"},
    "get_debate": {"debate": "ffff"}, "create_phase": {"name": ""}, "create_task": {"title": ""},
    "update_task": {"task": "t1", "action": "explode"}, "move_task": {"task": "t1", "phase": "no such"},
    "claim_task": {"task": "t99"}, "next_task": {"lock": [1]}, "replan": {}, "brief": {"most": 1},
    "get_events": {"after": "ffff"}, "push_code": {"remote": "nowhere"}, "list_locks": {"paths": ["../outside"]},
    "check_paths": {"paths": ["../outside"]}, "sync_phase": {"phase": "no such"}, "list_questions": {"session": [1]},
    "answer_question": {"question": "ffff", "answer": "a"},
    "add_contract": {"name": "", "type": "free", "definition": "d"},
    "change_contract": {"name": "login", "version": 9, "definition": "d"},
    "approve_contract": {"name": "login", "version": 9}, "edit_task": {"task": "t99", "title": "T"},
    "split_task": {"task": "t1", "titles": []}, "assign_task": {"task": "t99"},
    "record_result": {"task": "t99", "result": "passed"}, "list_sections": {"path": "no such"},
    "get_conflicts": {"paths": ["../outside"]},
}  # fmt: skip


_CHAINS = [
    ("lock_file", "release_lock"), ("claim_task", "update_task", "record_result", "next_task"),
    ("edit_task", "assign_task", "split_task"), ("add_contract", "change_contract", "approve_contract"),
]  # fmt: skip
_OWN = {"release_lock", "update_task", "record_result", "ack_delta", "respond_debate"}  # of what the session has
_IN_TURN = ("lock_file", "release_lock", "claim_task", "update_task", "record_result", "ack_delta", "respond_debate")


def test_over_http(clone: Clone) -> None:
    """Each call of the inspector is a connection, and so a session of its own: what is one's own is another's then."""

    async def run() -> None:
        async with served(clone, GIT_PEER_SESSION="ana") as (url, token):
            found = inspect(clone, url, "--header", f"Authorization: Bearer {token}")
            await asyncio.to_thread(_has_schemas, found)
            await asyncio.to_thread(_every_tool, clone, found)
            failed, said = await asyncio.to_thread(called, found, "release_lock", {"paths": ["docs/guide.md"]})
            assert failed, said
            assert "not_yours" in str(said)

    asyncio.run(run())


def _good(clone: Clone) -> dict[str, dict[str, Any]]:
    """What each tool can do in this clone. A plan is drawn up by a model, which asks the questions, and is not here."""
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
        "whoami": {}, "get_events": {"kind": "session"}, "push_code": {}, "list_locks": {"mine": True},
        "check_paths": {"paths": ["docs/guide.md"]}, "sync_phase": {}, "list_questions": {}, "list_contracts": {},
        "add_contract": {"name": "login", "type": "free", "definition": "d"},
        "change_contract": {"name": "login", "version": 1, "definition": "e"},
        "approve_contract": {"name": "login", "version": 2}, "edit_task": {"task": "t3", "description": "d"},
        "assign_task": {"task": "t3"}, "split_task": {"task": "t3", "titles": ["a", "b"]},
        "record_result": {"task": "t1", "result": "passed"}, "list_sections": {"path": "src/api.py"},
        "get_conflicts": {}, "get_inbox": {},
    }  # fmt: skip
    assert {*good, "replan", "answer_question"} == set(TOOLS)
    return good


def _succeed(run: Inspect, tool: str, given: dict[str, Any]) -> None:
    failed, said = called(run, tool, given)
    assert not failed, (tool, said)
    assert isinstance(said, dict)
    assert said["ok"] is True


def _every_tool(clone: Clone, run: Inspect) -> None:
    """Each succeeds that needs nothing of what its session has, and each fails where what it is given is bad."""
    good = _good(clone)

    def succeed(tools: tuple[str, ...]) -> None:
        for tool in tools:
            if tool not in _OWN:
                _succeed(run, tool, good[tool])

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
    """All calls are those of the session that the environment names."""
    given = {**{name: os.environ[name] for name in _HANDED_ON}, "GIT_PEER_SESSION": "ana"}
    env = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    run = inspect(clone, *env, str(git_peer(clients.folder / "bin") / "git-peer"), "mcp")
    _has_schemas(run)
    good = _good(clone)
    for tool in _IN_TURN:
        _succeed(run, tool, good[tool])
    resources = run("resources/list").json()["resources"]
    assert {one["uri"] for one in resources} == {"peer://plan", "peer://locks", "peer://deltas", "peer://debates"}
