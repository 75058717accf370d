"""A stale holder: who lost a lock and goes on as if it had it is refused, until it has what was landed since."""

from __future__ import annotations

import time

import pytest

from tests.enforce.team import HELD, Member, Team


def lose(team: Team, how: str) -> None:
    """alice loses HELD, and bob has it."""
    alice, bob = team.alice, team.bob
    alice.git("config", "peer.gateBranches", "topic")
    alice.lock(HELD, *(("--ttl", "1s") if how == "expired" else ()))
    alice.commit(HELD)
    if how == "expired":
        bob.git("config", "peer.clockSkew", "0")
        while bob.peer("lock", HELD, status=None).status:
            time.sleep(0.2)
    else:
        bob.peer("unlock", HELD, "--force", "--reason", "gone for lunch")
        bob.lock(HELD)


@pytest.mark.parametrize("how", ["expired", "forced"])
@pytest.mark.parametrize("way", ["merge", "lock"])
def test_stale_holder(team: Team, how: str, way: str) -> None:
    """alice lost it, bob took it, landed and released: alice is refused until she has his work, or the lock again."""
    alice, bob = team.alice, team.bob
    lose(team, how)
    told = alice.refused_push("origin", "main:topic", code="locked")
    bob.commit(HELD)
    bob.peer("push")
    assert bob.holds() == set()
    notices = [told["notices"], alice.peer("sync", "--json").json()["notices"]]
    lost = [[notice["target"] for notice in each if notice["code"] == "lost"] for each in notices]
    assert lost == [[HELD], []], "told by the first command, refused or not, and once"
    alice.change(HELD)
    alice.refused("commit", "-q", "-a", "-m", "x", why="no longer yours")
    alice.refused("push", "-q", "origin", "main:topic", why="bob has held it since")
    alice.refused_push("origin", "main:topic", code="fenced")
    alice.commit("docs/guide.md")  # what she never lost
    if way == "lock":
        alice.lock(HELD)
        alice.git("commit", "-q", "-a", "-m", "x")
        alice.git("push", "-q", "origin", "main:topic")
        return
    alice.git("stash", "-q")
    assert alice.git("pull", "-q", "--no-rebase", check=False).status == 1  # both changed it
    alice.at.write(HELD, "both\n")
    alice.git("commit", "-q", "-a", "--no-edit")
    alice.git("push", "-q", "origin", "main:topic")
    alice.commit(HELD)
    alice.peer("push")


def test_lost_and_free_again(team: Team) -> None:
    """Broken, and nobody took it since: alice may go on."""
    alice, bob = team.alice, team.bob
    alice.lock(HELD)
    bob.peer("sync")
    bob.peer("unlock", HELD, "--force", "--reason", "tidying up")
    alice.peer("sync")
    alice.commit(HELD)
    alice.peer("push")


def test_a_fence_is_its_losers_alone(team: Team) -> None:
    """Who never held it is not fenced by alice's loss, in the same clone or in another."""
    lose(team, "forced")
    team.bob.commit(HELD)
    team.bob.peer("push")
    carol = Member(team.alice.at.worktree("second"), "carol")
    carol.git("reset", "-q", "--hard", "origin/main")  # without what alice committed
    carol.peer("sync")
    carol.commit(HELD)
    carol.git("push", "-q", "origin", "second")
    team.alice.refused("push", "-q", "origin", "main:topic", why="bob has held it since")
