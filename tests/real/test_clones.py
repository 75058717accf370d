"""Two real Claude Codes in two clones of one remote: who is first there has the file, the other one hears of it."""

from __future__ import annotations

import threading

import pytest

from tests.agents.calling import eventually
from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import Clients
from tests.real.kinds import CLAUDE, PATH
from tests.real.scripted import Turn, held
from tests.world import Clone, World

pytestmark = pytest.mark.slow

# The remote takes nothing before the test lets it: so both have edited before either can know of the other.
_GATE = "#!/bin/sh\ncat >/dev/null\nfor n in $(seq 600); do [ -e open ] && exit 0; sleep 0.1; done\nexit 1\n"


def test_the_loser_is_told_before_its_next_edit(world: World, pair: tuple[Clone, Clone], clients: Clients) -> None:
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text(_GATE)
    hook.chmod(0o755)
    settled = threading.Event()

    def turns(clone: Clone) -> list[Turn]:
        again = held(settled, CLAUDE.edit(clone, "return", "raise"))
        return [[CLAUDE.look(clone)], [CLAUDE.edit(clone, "pass", "return")], again]

    for clone in pair:
        clone.peer("agent", "install", "claude-code")
    with AnthropicApi(*turns(pair[0])) as one, AnthropicApi(*turns(pair[1])) as two:
        apis = (one, two)
        agents = [clients.claude(clone, api, name=clone.path.name) for clone, api in zip(pair, apis, strict=True)]
        for api, clone in zip(apis, pair, strict=True):
            api.wait(3)
            assert "return" in clone.read(PATH)
            assert [lock["guarantee"] for lock in clone.peer("--json", "locks").json()["locks"]] == ["tentative"]
        (world.remote / "open").touch()
        for clone in pair:
            eventually(lambda: not list((clone.common / "peer" / "tentative").glob("*.json")))  # noqa: B023 - at once
        settled.set()
        told = [api.wait(4) for api in apis]
        for agent in agents:
            agent.finish()
        assert one.strays == two.strays == []
    lost = [f"The lock on {PATH} was lost" in text or "has held it since" in text for text in told]
    assert sorted(lost) == [False, True], told
    for clone, is_loser in zip(pair, lost, strict=True):
        assert ("return" if is_loser else "raise") in clone.read(PATH)
