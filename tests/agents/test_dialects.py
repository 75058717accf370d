"""Codex and Gemini CLI: their own JSON, in real processes."""

from __future__ import annotations

import json

import pytest

from tests.agents.calling import Agent, context, denied
from tests.world import Clone

PATCH = (
    "*** Begin Patch\n*** Update File: src/api.py\n*** Move to: src/moved.py\n@@\n-x\n+y\n"
    "*** Add File: new.py\n+x\n*** End Patch\n"
)


@pytest.mark.real
def test_codex(local: Clone) -> None:
    """A patch of several files is locked as a whole, or refused as a whole."""
    one, two = Agent(local, "s1", "codex"), Agent(local, "s2", "codex")
    assert one.name in context(one.call("session-start", hook_event_name="SessionStart", source="startup"))
    call = {"hook_event_name": "PreToolUse", "tool_name": "apply_patch", "tool_input": {"command": PATCH}}
    assert one.call("pre-edit", **call) == {}
    assert set(one.locks()) == {"src/api.py", "src/moved.py", "new.py"}
    answer = two.call("pre-edit", **call)
    assert answer["hookSpecificOutput"].keys() == {"hookEventName", "permissionDecision", "permissionDecisionReason"}
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert one.name in denied(answer)
    partly = PATCH.replace("src/api.py", "src/auth.py").replace("src/moved.py", "src/b.py")
    assert "new.py" in denied(two.call("pre-edit", tool_name="apply_patch", tool_input={"command": partly}))
    assert two.locks() == {}
    assert one.call("stop", hook_event_name="Stop", stop_hook_active=False) == {}
    local.write("new.py", "x\n")
    told = one.call("stop", hook_event_name="Stop", stop_hook_active=False)
    assert (told["decision"], set(told)) == ("block", {"decision", "reason"})


@pytest.mark.parametrize(
    "command", ["sed -i s/a/b/ src/api.py", ["bash", "-lc", "sed -i s/a/b/ src/api.py"], ["rm", "src/api.py"]]
)
def test_codex_s_shell(local: Clone, command: object) -> None:
    one, two = Agent(local, "s1", "codex"), Agent(local, "s2", "codex")
    for agent, why in ((one, ""), (two, one.name)):
        found = denied(agent.call("pre-shell", tool_name="Bash", tool_input={"command": command}))
        assert why in found
        assert bool(found) is bool(why)


@pytest.mark.real
def test_gemini(local: Clone) -> None:
    """Its shell has no id of the session, so neither has the session's name: one to a work tree."""
    gemini, other = Agent(local, "g1", "gemini"), Agent(local, "s1")
    assert gemini.name in context(gemini.call("session-start", hook_event_name="SessionStart", source="startup"))
    edit = {"tool_name": "write_file", "tool_input": {"file_path": str(local.path / "src/api.py"), "content": "x"}}
    assert gemini.call("pre-edit", hook_event_name="BeforeTool", **edit) == {}
    assert set(gemini.locks()) == {"src/api.py"}
    assert Agent(local, "g2", "gemini").call("pre-edit", **edit) == {}
    assert gemini.name in other.edit("src/api.py")
    assert other.edit("src/auth.py") == ""
    refused = gemini.call("pre-edit", tool_name="replace", tool_input={"file_path": "src/auth.py"})
    assert (refused["decision"], set(refused)) == ("deny", {"decision", "reason"})
    assert other.name in refused["reason"]
    where = {"command": "rm auth.py", "dir_path": "src"}
    assert other.name in denied(gemini.call("pre-shell", tool_name="run_shell_command", tool_input=where))
    local.write("src/api.py", "changed\n")
    told = gemini.call("stop", hook_event_name="AfterAgent", stop_hook_active=False)
    assert told["decision"] == "deny"
    assert "src/api.py" in told["reason"]


def test_gemini_hears_where_it_can(local: Clone) -> None:
    """Before a tool nothing reaches its model, so news waits for after it."""
    gemini = Agent(local, "g1", "gemini")
    gemini.call("session-start")
    edit = {"tool_name": "replace", "tool_input": {"file_path": str(local.path / "src/api.py")}}
    gemini.call("pre-edit", **edit)
    local.peer("unlock", "--force", "--reason", "x", "src/api.py", as_="anna")
    other = {"tool_name": "replace", "tool_input": {"file_path": str(local.path / "src/auth.py")}}
    assert gemini.call("pre-edit", **other) == {}
    assert "src/api.py" in context(gemini.call("post-edit", **other))


def test_an_agent_inside_an_agent(local: Clone) -> None:
    """What was inherited counts for hooks as it counts for the shell: they are one session."""
    env = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "outer", "CODEX_SESSION_ID": "inner"}
    raw = json.dumps({"session_id": "inner", "cwd": str(local.path), "tool_input": {"command": PATCH}}).encode()
    local.peer("hook", "codex", "pre-edit", stdin=raw, env=env)
    mine = local.peer("locks", "--mine", "--json", env=env).json()["locks"]
    assert len(mine) == 3


def test_a_name_of_one_s_own(local: Clone) -> None:
    """GIT_PEER_SESSION names hooks and shell alike."""
    env = {"GIT_PEER_SESSION": "api-writer"}
    raw = json.dumps({"session_id": "s", "cwd": str(local.path), "tool_input": {"file_path": "src/api.py"}}).encode()
    local.peer("hook", "claude-code", "pre-edit", stdin=raw, env=env)
    assert [lock["session"] for lock in local.peer("locks", "--json").json()["locks"]] == ["api-writer"]
