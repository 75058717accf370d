"""The plugin of this repository in the real Claude Code, and git peer mcp as a server of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import PROGRAMS, Clients, git_peer, program
from tests.real.gemini_api import GeminiApi
from tests.real.kinds import CLAUDE, PATH
from tests.real.openai_api import OpenAIApi
from tests.real.scripted import Say, Use
from tests.world import Clone, Result, World, start
from tools.plugin_check import PLUGIN, ROOT, problems

pytestmark = pytest.mark.slow


def _set_up(world: World) -> Clone:
    clone = world.clone("one")
    clone.peer("init", "--local")
    return clone


def _begun(ran: Result) -> dict[str, Any]:
    """What Claude Code says of itself when it begins."""
    return next(one for one in ran.objects() if one.get("subtype") == "init")


def test_it_is_what_the_package_has() -> None:
    assert list(problems()) == []


def test_claude_code_finds_nothing_wrong(clients: Clients) -> None:
    program("claude")
    with AnthropicApi() as api:
        env = clients.environment("claude", api)
        for what in (PLUGIN, ROOT):
            ran = start((str(PROGRAMS / "claude"), "plugin", "validate", str(what)), clients.folder, env).finish(0)
            assert "Validation passed" in ran.out


def test_hooks_skill_server_and_program(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    clients.bin = None  # git-peer is not on PATH, but where pipx and uv put it
    git_peer(clients.folder / "home-claude" / ".local" / "bin")
    status = Use("mcp__plugin_git-peer_git-peer__status", {})
    turns = [CLAUDE.shell("git peer whoami")], [CLAUDE.look(clone)], [CLAUDE.edit(clone, "pass", "return")], [status]
    with AnthropicApi(*turns, [Use("Skill", {"skill": "git-peer:git-peer"})]) as api:
        options = ("--plugin-dir", str(PLUGIN), "--allowedTools", "Bash,Skill,mcp__plugin_git-peer_git-peer")
        ran = clients.claude(clone, api, *options).finish()
        assert "git-peer coordinates" in api.told[0]
        name = api.told[1].splitlines()[2].split(" ")[0]
        assert name.startswith("claude-")
        assert f'"session":"{name}"' in api.told[4]
        assert f'"target":"{PATH}::serve"' in api.told[4]  # the hook has locked it, and the server is the same session
        assert "git peer task next --lock" in api.told[5]
        assert api.strays == []
    assert "git-peer:git-peer" in _begun(ran)["skills"]
    assert "its hook did not run" not in ran.out


def test_without_the_program_it_says_so(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    clients.bin = None
    shell = CLAUDE.shell("git peer whoami")
    with AnthropicApi([shell], [CLAUDE.look(clone)], [CLAUDE.edit(clone, "pass", "return")]) as api:
        ran = clients.claude(clone, api, "--plugin-dir", str(PLUGIN)).finish()
        found = (ROOT / ".venv" / "bin" / "git-peer").exists()  # a checkout that is set up is as good
        assert ("git-peer is not installed" in api.told[1]) is not found
    assert ("PreToolUse:Edit says: git-peer: its hook did not run" in ran.out) is not found
    assert "return" in clone.read(PATH)


def test_codex_finds_the_server_in_its_settings(world: World, clients: Clients) -> None:
    """It has its model search for the tools of servers, but offers their resources from the start."""
    clone = _set_up(world)
    clone.peer("agent", "install", "codex", "--mcp")
    with OpenAIApi([Use("list_mcp_resources", {"server": "peer"})]) as api:
        clients.codex(clone, api).finish()
        assert "peer://locks" in api.told[1]


def test_gemini_finds_the_server_in_its_settings(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    clone.peer("agent", "install", "gemini", "--mcp")
    with GeminiApi([Use("mcp_peer_lock_file", {"paths": [PATH]})]) as api:
        clients.gemini(clone, api).finish()
        assert f'"target": "{PATH}"' in api.told[1]


def test_a_projects_mcp_json(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    clone.peer("agent", "install", "claude-code", "--mcp")
    clone.peer("lock", "docs/guide.md", "--reason", "words", as_="bob")
    lock = [Use("mcp__peer__lock_file", {"paths": [PATH]})]
    refused = [Use("mcp__peer__lock_file", {"paths": ["docs/"]})]
    bad = [Use("mcp__peer__lock_file", {"paths": ["../x"]})]
    with AnthropicApi(lock, refused, bad, [Say("done")]) as api:
        clients.claude(clone, api, "--allowedTools", "mcp__peer").finish()
        tools = {tool["name"]: tool for tool in api.bodies[0]["tools"]}
        assert "mcp__peer__lock_file" in tools
        assert "paths" in tools["mcp__peer__lock_file"]["input_schema"]["properties"]
        assert f'"target":"{PATH}"' in api.told[1]
        assert "locked by bob" in api.told[2]
        assert "hint:" in api.told[2]
        assert "outside" in api.told[3]
        assert api.strays == []
