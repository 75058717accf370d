"""A task is handed in by one clone and reviewed by another: every hint on the way is run as it stands."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone, World

BRANCH = "refs/heads/peer/task/t1"


@pytest.fixture
def handed(pair: tuple[Clone, Clone]) -> Clone:
    """The clone of ana, who has handed t1 in."""
    one, _ = pair
    ask(one, "task", "add", "Do it", "--path", "src/api.py", "--accept", "grep -q new src/api.py", as_="planner")
    ask(one, "task", "claim", "t1", as_="ana")
    one.git("checkout", "-q", "-b", "work")
    one.write("src/api.py", "new\n")
    one.git("commit", "-qam", "work")
    ask(one, "task", "review", "t1", as_="ana")
    return one


def hint(answer: dict[str, Any]) -> list[str]:
    """The command that an error's hint tells, as words."""
    found = re.search(r"`([^`]+)`", answer["error"]["hint"])
    assert found, answer
    return shlex.split(found[1])


def notices(answer: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [one for one in answer["notices"] if one["code"] == code]


def test_commit_is_where_others_can_have_it(handed: Clone, world: World) -> None:
    """On the task's branch; handed in again it moves there, forwards or not; who did not work on it is told of it."""
    first = handed.head()
    assert world.refs()[BRANCH] == first
    handed.git("commit", "-q", "--amend", "-m", "work, better")
    answer = ask(handed, "task", "review", "t1", as_="ana")
    assert answer["pushed"] == [{"ref": BRANCH, "old": first, "new": handed.head()}]
    assert world.refs()[BRANCH] == handed.head()
    (waits,) = ask(handed, "status", as_="bob")["reviews"]
    assert (waits["task"], waits["by"], waits["commit"]) == ("t1", "ana", handed.head())
    assert ask(handed, "status", as_="ana")["reviews"] == []
    assert "review" not in ask(handed, "brief", as_="ana")["brief"].split("Say what")[0].replace("(review", "")


def test_reviewed_in_a_fresh_clone(handed: Clone, world: World) -> None:
    """What status and the hints say, run as it stands, leads from nothing to the accepted task."""
    fresh = world.clone("fresh")
    fresh.peer("init")
    told = ask(fresh, "brief", as_="bob")["brief"]
    assert "Waits for your review:" in told
    said = fresh.peer("status", as_="bob").out
    (look,) = re.findall(r"see it: git fetch (\S+) (\S+) && git show (\w+)", said)
    assert f"git fetch {look[0]} {look[1]} && git show {look[2]}" in told
    (waits,) = ask(fresh, "status", as_="bob")["reviews"]
    assert waits["branch"] == look[1]
    answer = refused(fresh, "changed", *shlex.split(waits["command"])[2:], as_="bob")
    fresh.git(*hint(answer)[1:])
    tree = Clone(world, fresh.path.parent / "review-t1")
    assert tree.head() == handed.head()
    done = ask(tree, *shlex.split(waits["command"])[2:], as_="bob")
    assert done["task"]["result"]["passed"] is True
    (waits,) = ask(tree, "status", as_="cleo")["reviews"]
    assert waits["result"] == "passed"
    assert ask(fresh, *shlex.split(waits["command"])[2:], as_="cleo")["task"]["status"] == "merge_point"
    assert ask(fresh, "status", as_="bob")["reviews"] == []


def test_git_alone_shows_it(handed: Clone, world: World) -> None:
    """The branch can be fetched with git, too."""
    fresh = world.clone("fresh")
    fresh.git("fetch", "-q", "origin", "peer/task/t1")
    assert fresh.head("FETCH_HEAD") == handed.head()


def test_remote_takes_no_such_branch(pair: tuple[Clone, Clone], world: World) -> None:
    """It is handed in all the same; a warning says that nobody else has it, and the hint's command mends that."""
    one, two = pair
    hook = world.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nif grep -q refs/heads/peer/task/; then echo "no task branches" >&2; exit 1; fi\n')
    hook.chmod(0o755)
    ask(one, "task", "add", "Do it", "--accept", "true", as_="planner")
    ask(one, "task", "claim", "t1", as_="ana")
    one.git("commit", "-q", "--allow-empty", "-m", "work")
    answer = ask(one, "task", "review", "t1", as_="ana")
    assert answer["task"]["status"] == "review"
    (told,) = notices(answer, "unpushed")
    assert one.head()[:12] in told["message"]
    ask(two, "sync")
    missing = refused(two, "not_found", "task", "result", "t1", "--run", as_="bob")
    hook.unlink()
    asked = re.search(r"`([^`]+)`", missing["error"]["hint"])
    assert asked
    assert f"`{asked[1]}`" == told["hint"]
    one.git(*shlex.split(asked[1])[1:])
    refused(two, "changed", "task", "result", "t1", "--run", as_="bob")


def test_refused_hand_in_pushes_nothing(handed: Clone, world: World) -> None:
    before = world.refs()
    handed.git("commit", "-q", "--allow-empty", "-m", "other")
    refused(handed, "not_yours", "task", "review", "t1", as_="bob")
    assert {name: ref for name, ref in world.refs().items() if "task" in name} == {BRANCH: before[BRANCH]}


@pytest.mark.parametrize("passed", [True, False])
def test_result_is_of_its_commit(handed: Clone, passed: bool) -> None:
    """It holds after a reject, for that commit; another commit wants one of its own."""
    verdict = "--passed" if passed else "--failed"
    ask(handed, "task", "result", "t1", verdict, as_="bob")
    back = ask(handed, "task", "reject", "t1", "--note", "rename it", as_="bob")["task"]
    assert (back["result"]["commit"], back["result"]["passed"]) == (handed.head(), passed)
    ask(handed, "task", "review", "t1", as_="ana")
    if passed:
        assert ask(handed, "task", "merge-point", "t1", as_="bob")["task"]["status"] == "merge_point"
        return
    refused(handed, "invalid", "task", "merge-point", "t1", as_="bob")
    handed.git("commit", "-q", "--allow-empty", "-m", "more")
    assert "result" not in ask(handed, "task", "review", "t1", as_="ana")["task"]


@pytest.mark.parametrize("how", ["not", "merged", "squashed"])
def test_done_and_not_landed(handed: Clone, pair: tuple[Clone, Clone], how: str) -> None:
    """`task done` on what is not on the integration branch says so, in text and in JSON; by content, from any clone."""
    two = pair[1]
    ask(handed, "task", "result", "t1", "--passed", as_="bob")
    ask(two, "task", "merge-point", "t1", as_="cleo")
    if how != "not":
        handed.git("checkout", "-q", "main")
        handed.git("merge", "-q", *(("--squash",) if how == "squashed" else ("--no-ff",)), "work")
        if how == "squashed":
            handed.git("commit", "-qm", "squashed")
        handed.git("push", "-q", "origin", "main")
    said = two.peer("task", "done", "t1", as_="cleo")
    message = f"warning: t1 is done, and its commit {handed.head('work')[:12]} has not landed on main"
    assert (message in said.err) is (how == "not")
    told = notices(ask(two, "task", "done", "t1", as_="cleo"), "unlanded")
    assert [one["commit"] for one in told] == ([handed.head("work")] if how == "not" else [])


def test_done_in_one_clone(local: Clone) -> None:
    ask(local, "task", "add", "Do it", as_="planner")
    ask(local, "task", "claim", "t1", as_="ana")
    local.git("checkout", "-q", "-b", "work")
    local.git("commit", "-q", "--allow-empty", "-m", "work")
    local.write("src/api.py", "new\n")
    local.git("commit", "-qam", "more")
    answer = ask(local, "task", "review", "t1", as_="ana")
    assert answer["pushed"] == []
    (waits,) = ask(local, "status", as_="bob")["reviews"]
    assert (waits["branch"], waits["command"]) == (None, "git peer task merge-point t1")
    ask(local, "task", "merge-point", "t1", as_="bob")
    assert notices(ask(local, "task", "done", "t1", as_="bob"), "unlanded")
    local.git("checkout", "-q", "main")
    local.git("merge", "-q", "work")
    assert not notices(ask(local, "task", "done", "t1", as_="bob"), "unlanded")
