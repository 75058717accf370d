"""A refusal is true now: it is one of a log that was fetched for it, by a clock that may say so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.agents.calling import Agent
from tests.clocks import skewed
from tests.enforce.team import HELD, Team
from tests.proxies import hang
from tests.world import World

FAST = 40 * 60  # seconds that a clock is off


@pytest.fixture
def hanging(held: Team) -> Iterator[Team]:
    """alice holds HELD, and the remote does not answer bob any more."""
    with hang() as server:
        held.bob.at.git("remote", "set-url", "origin", f"git://127.0.0.1:{server.port}/remote.git")
        yield held


def aged(team: Team, seconds: int) -> None:
    """bob's copy of the log is so old; nothing says that it is stale."""
    (team.bob.at.common / "peer" / "fetched-at").write_text(f"{time.time() - seconds:.3f}\n")
    (team.bob.at.common / "peer" / "stale-at").write_text(f"{int(time.time()) + 3600}\n")


# -- the commit -----------------------------------------------------------------------------------
def test_what_was_given_back_may_be_committed_at_once(held: Team) -> None:
    """Though this clone's copy is as good as new; and the copy is that of now afterwards."""
    held.alice.peer("unlock", HELD)
    before = held.bob.at.git("rev-parse", "refs/peer/coordination").line
    held.bob.commit(HELD)
    assert held.bob.at.git("rev-parse", "refs/peer/coordination").line != before


def test_the_holder_that_is_named_is_the_one_of_now(held: Team) -> None:
    held.alice.peer("unlock", HELD)
    held.alice.at.peer("lock", HELD, as_="carol")
    held.bob.change(HELD)
    held.bob.git("add", "-A")
    why = held.bob.refused("commit", "-m", "x", why="is locked by carol")
    assert "alice" not in why.err
    assert "as of" not in why.err


def test_a_loser_whose_fence_fell_is_let_through(team: Team) -> None:
    """Not only locks: a fence that has gone refuses nobody either."""
    team.hold()
    team.bob.peer("unlock", HELD, "--force", "--reason", "away")
    team.bob.lock(HELD)
    team.alice.peer("sync")
    team.alice.change(HELD)
    team.alice.git("add", "-A")
    team.alice.refused("commit", "-m", "x", why="is locked by bob")
    team.bob.peer("unlock", HELD)
    team.alice.refused("commit", "-m", "x", why="is no longer yours")


def test_a_remote_that_hangs(hanging: Team) -> None:
    """It is waited for at most two seconds; the refusal says how old its copy is, and how to look again."""
    hanging.alice.peer("unlock", HELD)
    aged(hanging, 12)
    hanging.bob.change(HELD)
    hanging.bob.git("add", "-A")
    why = hanging.bob.refused("commit", "-m", "x").err
    assert "as of 1" in why  # 12 s, and the seconds that it took
    assert " s ago" in why
    assert "origin did not answer" in why
    assert "'git peer sync' looks again" in why
    assert "--no-verify" not in why


def test_a_commit_that_passes_waits_for_nobody(hanging: Team) -> None:
    """Nor does it ask: nothing is fetched, though something else is locked."""
    aged(hanging, 5)
    begin = time.monotonic()
    hanging.bob.commit("README.md")
    found = (hanging.bob.at.common / "peer" / "fetched-at").read_text()
    assert float(found) < time.time() - 4
    assert time.monotonic() - begin < 60  # the test's own patience; the remote never answers


def test_a_remote_that_is_gone_is_not_waited_for(held: Team) -> None:
    held.bob.at.git("remote", "set-url", "origin", "/nowhere")
    aged(held, 100)
    held.bob.change(HELD)
    held.bob.git("add", "-A")
    why = held.bob.refused("commit", "-m", "x").err
    assert "as of 2 min ago" in why


def test_what_arrives_is_verified_first(held: Team) -> None:
    """A log that somebody rewrote lets nothing through: the refusal stands on the copy that was verified."""
    remote = held.world.remote
    tip = held.bob.at.git("rev-parse", "refs/peer/coordination").line
    junk = held.bob.at.git("commit-tree", "-m", "junk", f"{held.bob.at.head()}^{{tree}}").line
    held.bob.at.git("push", "-q", "--no-verify", "-f", str(remote), f"{junk}:refs/heads/peer/coordination")
    held.bob.change(HELD)
    held.bob.git("add", "-A")
    why = held.bob.refused("commit", "-m", "x").err
    assert "as of" in why
    assert held.bob.at.git("rev-parse", "refs/peer/coordination").line == tip


def test_the_time_of_a_clock_that_was_set_is_none(held: Team) -> None:
    """A fetch that is still to come was none."""
    held.alice.peer("unlock", HELD)
    aged(held, -FAST)
    held.bob.commit(HELD)


# -- an agent's edit ------------------------------------------------------------------------------
def test_an_agent_edits_what_was_given_back(held: Team) -> None:
    agent = Agent(held.bob.at)
    held.alice.peer("unlock", HELD)
    assert agent.edit(HELD) == ""
    held.alice.lock("src/api.py")
    held.bob.peer("sync")
    held.alice.peer("unlock", "src/api.py")
    held.alice.at.peer("lock", "src/api.py", as_="carol")
    why = agent.edit("src/api.py")
    assert "locked by carol" in why
    assert "as of" not in why
    held.alice.at.peer("unlock", "src/api.py", as_="carol")
    assert agent.shell("rm src/api.py") == ""


def test_an_agent_is_told_how_old_the_copy_is(hanging: Team) -> None:
    hanging.alice.peer("unlock", HELD)
    aged(hanging, 12)
    why = Agent(hanging.bob.at).edit(HELD)
    assert "That is as of 1" in why
    assert "`git peer sync` looks again" in why


# -- clocks ---------------------------------------------------------------------------------------
def test_a_clone_that_is_fast(held: Team) -> None:
    """Its clock has alice's lock run out; the log says otherwise, and so does what this clone saw itself."""
    held.bob.change(HELD)
    held.bob.git("add", "-A")
    gate = skewed(held.bob.at, 9 * 3600, "hook", "pre-commit", as_="bob", status=1)
    assert "is locked by alice" in gate.err
    assert "this clock says it is later, and is not borne out" in gate.err
    answer = skewed(held.bob.at, 9 * 3600, "check", HELD, "--json", as_="bob", status=1).json()
    assert answer["violations"][0]["lock"]["session"] == "alice"


def test_a_holder_that_is_slow(team: Team) -> None:
    """She locks with a clock that is 40 minutes behind: her lock is as good as any."""
    skewed(team.alice.at, -FAST, "lock", HELD, "--ttl", "30m", as_="alice")
    team.bob.peer("sync")
    team.bob.change(HELD)
    team.bob.git("add", "-A")
    team.bob.refused("commit", "-m", "x")
    team.bob.sneaks(HELD)
    team.bob.refused_push()


def test_a_doubt_is_said(team: Team) -> None:
    """bob's clone has seen nobody write, so nothing bears out its clock: it lets a lapsed lock be, and says so."""
    skewed(team.alice.at, -FAST, "lock", HELD, "--ttl", "30m", as_="alice")
    late = team.world.clone("late")
    late.peer("init")
    late.write(HELD, "late\n")
    late.git("add", "-A")
    done = late.git("commit", "-m", "x")
    assert f"warning: {HELD} is locked by alice" in done.err
    assert "'git peer sync' looks" in done.err
    notices = late.peer("check", HELD, "--json").json()["notices"]
    assert [one["code"] for one in notices] == ["clock"]


def test_a_jump_after_init_steals_nothing(world: World) -> None:
    """alice's lock was new when this clone joined, and its clock right; what it says after the jump is not."""
    one, late = world.clone("one"), world.clone("late")
    one.peer("init", "--remote", "origin")
    one.peer("lock", HELD, "--ttl", "30m", as_="alice")
    late.peer("init")
    answer = skewed(late, 2 * FAST, "lock", HELD, "--json", as_="wrong", status=1).json()
    assert answer["error"]["code"] == "locked"
    late.write(HELD, "late\n")
    late.git("add", "-A")
    assert "is locked by alice" in skewed(late, 2 * FAST, "hook", "pre-commit", as_="wrong", status=1).err
    one.peer("sync")
    assert [lock["session"] for lock in one.peer("locks", "--json").json()["locks"]] == ["alice"]


def test_a_jump_in_a_local_log_steals_nothing(world: World) -> None:
    """No other clone is there to ask: the clock that nobody sets is."""
    clone = world.clone("one")
    clone.peer("init", "--local")
    clone.peer("lock", HELD, "--ttl", "30m", as_="alice")
    answer = skewed(clone, FAST, "lock", HELD, "--json", as_="bob", status=1).json()
    assert answer["error"]["code"] == "locked"
    held = next((clone.common / "peer").glob("seen.json"))
    assert "boot" in json.loads(held.read_text())["*"]
