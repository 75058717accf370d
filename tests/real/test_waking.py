"""An idle Claude Code in a terminal is woken; one that nobody sits at is not kept from ending."""

from __future__ import annotations

import pytest

from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import Clients
from tests.real.kinds import CLAUDE, PATH
from tests.real.scripted import Say
from tests.world import Clone, World

pytestmark = pytest.mark.slow


def _set_up(world: World) -> Clone:
    clone = world.clone("one")
    clone.peer("init", "--local")
    clone.peer("agent", "install", "claude-code")
    return clone


def test_when_a_lock_that_it_was_refused_comes_free_and_when_news_wants_it(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    clone.peer("lock", PATH, as_="bob")
    turns = [CLAUDE.look(clone)], [CLAUDE.edit(clone, "pass", "return")], [Say("I wait.")], [Say("I see.")]
    with AnthropicApi(*turns, [Say("So be it.")]) as api:
        agent = clients.claude_in_terminal(clone, api)
        assert "locked by bob" in api.wait(3)
        clone.peer("unlock", PATH, as_="bob")
        assert f"free now, after you were refused: {PATH}" in api.wait(4)
        [name] = [one["name"] for one in clone.peer("--json", "peers").json()["sessions"] if one["agent"] == "claude"]
        clone.peer("push-delta", "--type", "blocker", "--to", name, "--summary", "the API moves", as_="bob")
        assert "the API moves" in api.wait(5)
        agent.end()


def test_a_run_without_a_terminal_ends(world: World, clients: Clients) -> None:
    clone = _set_up(world)
    with AnthropicApi([Say("done")]) as api:
        clients.claude(clone, api).finish(timeout=60)
        assert len(api.told) == 1
