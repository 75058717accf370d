"""Who reads news reads that of now: an old copy of the log is fetched first, for a bounded time, or its age is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agents.calling import Agent, context
from tests.enforce.team import Team
from tests.servers import hang

READERS = [("deltas",), ("delta", "list"), ("brief",), ("--look", "locks"), ("--look", "debate", "list")]
TELL = ("push-delta", "--type", "blocker", "--summary", "the build is broken", "--json")


@pytest.fixture
def hanging(team: Team) -> Iterator[Team]:
    """The remote does not answer bob any more, and his copy is a minute old."""
    team.bob.peer("session", "start")
    with hang() as server:
        team.bob.at.git("remote", "set-url", "origin", f"git://127.0.0.1:{server.port}/remote.git")
        aged(team, 61)
        yield team


def aged(team: Team, seconds: int) -> None:
    """bob's copy of the log is so old; nothing says that it is stale."""
    (team.bob.at.common / "peer" / "fetched-at").write_text(f"{time.time() - seconds:.3f}\n")
    (team.bob.at.common / "peer" / "stale-at").write_text(f"{int(time.time()) + 3600}\n")


def stale(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What an answer tells of an old copy."""
    return [one for one in answer["notices"] if one["code"] == "stale"]


@pytest.mark.parametrize("args", READERS, ids=" ".join)
def test_old_copy_is_fetched(team: Team, args: tuple[str, ...]) -> None:
    """A blocking delta that another clone told a moment ago is there, and so is everything else; nothing is pushed."""
    team.bob.peer("session", "start")
    ident = team.alice.peer(*TELL).json()["delta"]["id"]
    aged(team, 6)
    with team.nothing_moves():
        answer = team.bob.peer(*args, "--json").json()
    assert ident in [one.get("delta") for one in answer["notices"]]
    assert not stale(answer)
    if args == ("deltas",):
        assert answer["requires_action"] is True
    if args == ("brief",):
        assert "the build is broken" in answer["brief"]


@pytest.mark.parametrize("args", READERS, ids=" ".join)
def test_new_copy_is_read_as_it_is(hanging: Team, args: tuple[str, ...]) -> None:
    """A copy of a few seconds asks nobody: a remote that hangs is not noticed."""
    aged(hanging, 0)
    began = time.monotonic()
    assert not stale(hanging.bob.peer(*args, "--json").json())
    assert not (hanging.bob.at.common / "peer/silent-at").exists()
    assert time.monotonic() - began < 30


def test_silent_remote(hanging: Team) -> None:
    """Where it does not answer soon the age of the copy is told, in text too; the next reader does not wait again."""
    answer = hanging.bob.peer("deltas", "--json").json()
    (told,) = stale(answer)
    assert 61 <= told["age"] < 120
    assert told["message"] == f"the copy of the log is {told['age']} s old: origin did not answer"
    noted = (hanging.bob.at.common / "peer/silent-at").read_text()
    said = hanging.bob.peer("deltas")
    assert "origin did not answer" in said.err
    assert "s old: origin did not answer" in hanging.bob.peer("brief").out
    assert (hanging.bob.at.common / "peer/silent-at").read_text() == noted, "asked once"


def test_who_only_reads_the_copy(hanging: Team) -> None:
    """`status`, `locks` and their like read the local copy, as ever."""
    for args in (("status",), ("locks",), ("debate", "list"), ("task", "list")):
        hanging.bob.peer(*args)
    assert not (hanging.bob.at.common / "peer/silent-at").exists()


@pytest.mark.parametrize("event", ["session-start", "prompt", "stop"])
def test_agents(team: Team, event: str) -> None:
    """An agent hears of it with the next event at which its model listens."""
    agent = Agent(team.bob.at)
    team.bob.at.peer("session", "start", env=agent.env)
    agent.call("prompt")
    team.alice.peer(*TELL)
    aged(team, 6)
    answer = agent.call(event)
    assert "the build is broken" in (context(answer) or str(answer))


def test_agents_and_a_silent_remote(hanging: Team) -> None:
    """They are told once that the copy is old, and answered in time."""
    agent = Agent(hanging.bob.at)
    first, second = (context(agent.call("prompt")) for _ in range(2))
    assert "s old: origin did not answer" in first
    assert second == ""
