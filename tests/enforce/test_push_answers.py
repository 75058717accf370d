"""What a push says to somebody who believes nothing: of a deletion that it is one, of a path what git calls it."""

from __future__ import annotations

import fcntl

from git_peer import layout
from tests.enforce.team import HELD, Team


def test_a_refused_deletion_says_so(held: Team) -> None:
    """Nobody changed the path: it is the branch that stays, and no other branch is the way out."""
    told = held.bob.refused("push", "-q", "origin", ":main").err
    assert f"error: main on origin cannot be deleted while others hold locks: {HELD} is locked by alice" in told
    assert "another branch" not in told
    assert "hint: wait until they have landed or unlocked: `git peer locks`" in told
    held.bob.sneaks(HELD)  # with a change in the same push, the change is what is told
    held.bob.git("config", "peer.gateBranches", "old")
    held.bob.git("push", "-q", "--no-verify", "origin", "HEAD~1:refs/heads/old")
    told = held.bob.refused("push", "-q", "origin", "main", ":old").err
    assert f"error: {HELD} is locked by alice" in told
    assert "hint: ask alice" in told


def test_a_deletion_is_no_push(held: Team) -> None:
    """`git peer push` names what it did to a ref."""
    bob = held.bob
    bob.git("push", "-q", "origin", "main:old")
    as_git_says = f"To {held.world.url}\n - [deleted]         old\n"
    assert bob.peer("push", "--dry-run", "origin", ":old").out == as_git_says
    assert "refs/heads/old" in held.world.refs()
    assert bob.peer("push", "origin", ":old").out == as_git_says
    assert "refs/heads/old" not in held.world.refs()


def test_a_deletion_that_the_server_refuses(held: Team) -> None:
    """In its words, by the ref that it is about."""
    bob = held.bob
    bob.git("push", "-q", "origin", "main:old")
    bob.git("config", "receive.denyDeletes", "true", cwd=str(held.world.remote))
    error = bob.refused_push("origin", ":old", code="rejected")["error"]
    assert error["message"].startswith("origin refused to delete old: [remote rejected] (deletion prohibited)")


def test_a_refused_path_is_spelled_as_git_does(team: Team) -> None:
    """A line break or a byte that is not UTF-8 is as in `git status`, at the push as at the commit."""
    odd = "n\udcff\nx"
    team.alice.lock(odd)
    bob = team.bob
    bob.peer("sync")
    bob.change(odd)
    bob.git("add", "-A")
    shown = r'"n\377\nx" is locked by alice'
    bob.refused("commit", "-q", "-m", "x", why=shown)
    bob.git("commit", "-q", "--no-verify", "-m", "x")
    bob.refused("push", "-q", "origin", "main", why=shown)


def test_what_cannot_be_refused_waits_for_nobody(held: Team) -> None:
    """Another command of the clone that waits for a remote that hangs holds up, and refuses, gated branches only."""
    bob = held.bob
    bob.sneaks(HELD)
    with open(bob.at.gitdir / layout.FOLDER / layout.F_LOCK, "a") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        told = bob.git("push", "-q", "origin", "HEAD:topic").err
        assert "note: another git-peer command has been writing here for 2 s; the push is checked by an older" in told
        assert f"warning: {HELD} is locked by alice" in told
        bob.git("config", "peer.retryTimeout", "1")
        bob.refused("push", "-q", "origin", "main", why="has been writing here for 1 s")
    bob.refused("push", "-q", "origin", "main")
