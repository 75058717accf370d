"""Cases that a forgiving reader would pass over: what a hint names is a way out."""

from __future__ import annotations

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone, World

BRANCH = "peer/coordination"


def test_a_branch_of_code_where_the_log_belongs(world: World) -> None:
    """`init` calls it no log and names a way that works, for the first clone and for the next one."""
    one, two = world.clone("a"), world.clone("b")
    one.git("push", "-q", "origin", f"HEAD:{BRANCH}")
    code = world.refs()[f"refs/heads/{BRANCH}"]
    for args in (("init",), ("init", "--remote", "origin")):
        error = refused(one, "untrusted", *args)["error"]
        assert error["message"].startswith(f"what is on {BRANCH} of origin is no log: its first commit")
        assert "doctor" not in error["hint"]
        assert "git config peer.branch" in error["hint"]
    assert not (one.path / ".git" / "refs" / "peer").exists()
    assert ask(one, "init", "--remote", "origin", "--branch", "team/log")["created"]
    two.git("config", "peer.branch", "team/log")
    assert not ask(two, "init", "--remote", "origin")["created"]
    ask(one, "lock", "src/api.py", as_="a")
    refused(two, "locked", "lock", "src/api.py", as_="b")
    assert world.refs()[f"refs/heads/{BRANCH}"] == code


def test_a_typo_is_still_one_where_there_is_a_log(world: World) -> None:
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    error = refused(two, "not_found", "init", "--branch", "peer/coordinatoin")["error"]
    assert "it has one on peer/coordination" in error["message"]


@pytest.mark.parametrize("tree", ["the log's", "the code's"])
def test_code_in_place_of_the_log(world: World, tree: str) -> None:
    """The log was overwritten by what is none: no clone gives up the last copy of it, and the way back works."""
    one = world.clone("a")
    ask(one, "init", "--remote", "origin")
    ask(one, "lock", "src/api.py", as_="a")
    bare = Clone(world, world.remote)
    held = f"{BRANCH}^{{tree}}" if tree == "the log's" else "main^{tree}"
    other = bare.git("commit-tree", "-m", "mine", held).line
    bare.git("update-ref", f"refs/heads/{BRANCH}", other)
    error = refused(one, "untrusted", "sync")["error"]
    assert error["message"].startswith("the log on origin was rewritten, by what is no log:")
    assert "uninstall" not in error["hint"]
    assert not one.peer("--json", "doctor", "--fix", status=1).json()["ok"]
    assert world.refs()[f"refs/heads/{BRANCH}"] == other
    bare.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    ask(one, "doctor", "--fix")
    assert [lock["session"] for lock in ask(one, "locks")["locks"]] == ["a"]
    ask(world.clone("b"), "init")


def test_a_clone_that_joins_a_poisoned_log(world: World) -> None:
    """It cannot void anything itself, so it is told who can; then it joins."""
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    bare = Clone(world, world.remote)
    bad = bare.git("commit-tree", "-m", "mine", "-p", BRANCH, f"{BRANCH}^{{tree}}").line
    bare.git("update-ref", f"refs/heads/{BRANCH}", bad)
    error = refused(two, "untrusted", "init")["error"]
    assert error["hint"] == "`git peer doctor --fix` in a clone that is set up voids it"
    ask(one, "doctor", "--fix")
    ask(two, "init")


def test_a_remote_that_was_renamed(world: World) -> None:
    """The hint of every command is the way out, and nothing that was held is lost by it."""
    one = world.clone("a")
    ask(one, "init", "--remote", "origin")
    ask(one, "lock", "src/api.py", as_="a")
    one.git("remote", "rename", "origin", "upstream")
    for args in (("sync",), ("init",), ("lock", "docs/")):
        assert "git peer init --remote NAME" in refused(one, "not_found", *args)["error"]["hint"]
    ask(one, "init", "--remote", "upstream")
    ask(one, "lock", "docs/", as_="a")
    assert {lock["target"] for lock in ask(one, "locks")["locks"]} == {"src/api.py", "docs/"}


def test_a_priority_that_is_not_ones_own(world: World) -> None:
    one = world.clone("a")
    ask(one, "init", "--local")
    error = refused(one, "not_allowed", "lock", "src/api.py", "--priority", "99", as_="a")["error"]
    assert error["hint"] == "`--priority` takes 0 to 10"
    ask(one, "lock", "src/api.py", "--priority", "10", as_="a")
