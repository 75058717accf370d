"""A shell command is refused where it would change a file that another really holds, and nowhere else."""

from __future__ import annotations

import time

import pytest

from tests.agents.calling import Agent
from tests.world import Clone

PERSON = "person"  # of the work tree, who holds src/api.py
WHOLE = (
    "git checkout main", "git checkout -f", "git switch main", "git stash", "git stash -u", "git clean -fdx",
    "git reset --hard", "git restore .", "git checkout -- .", "git pull --autostash", "git rebase --autostash main",
    "git commit --no-verify -m x", "git -c core.hooksPath=/dev/null commit -am x",
)  # fmt: skip
WRAPPED = (
    "git -C {repo} reset --hard", "cd {repo} && git stash", "timeout 30 git -C {repo} stash",
    "GIT_TRACE=0 env X=1 git -C {repo} stash", "git -c color.ui=never -C {repo} --no-pager reset --hard",
    "bash -lc 'cd {repo} && git stash'", "(cd {repo}; git checkout .)", 'R={repo}; cd "$R" && git checkout -- .',
    "git --git-dir={repo}/.git --work-tree={repo} reset --hard", "git -C {repo} pull --autostash",
    "git -C {repo} stash push -m tidy", "git -C {repo} checkout -- src/", "git -C {repo} restore '*.py'",
    "git -C {repo} checkout src/api.py", "git -C {repo} checkout HEAD src", "git -C {repo} rm src/api.py",
    "git -C {repo} commit --no-verify -am x", "git -C {repo} commit -anm x",
    "git -c core.hooksPath=/dev/null -C {repo} commit -am x",
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/x git -C {repo} commit -am x",
)  # fmt: skip


@pytest.fixture
def held(local: Clone) -> Clone:
    """The person holds src/api.py, and has changed it."""
    local.peer("lock", "src/api.py", "--reason", "mine")
    local.write("src/api.py", "the person's\n")
    local.write("src/new.py", "anybody's\n")
    return local


def test_nothing_is_refused_that_changes_nothing_held(local: Clone) -> None:
    """A clean tree; a name, a lapsed lock, a path that is not there, a file that stays as it is."""
    local.peer("lock", "@deploy", "src/not-there.py", "src/auth.py")
    local.git("branch", "other")
    local.peer("lock", "docs/guide.md", "--ttl", "1s", as_="gone")
    time.sleep(2.1)
    local.write("docs/guide.md", "changed\n")
    local.write("notes.txt", "new\n")
    local.git("add", "docs/guide.md")
    agent = Agent(local)
    for command in (*WHOLE, "git switch other", "git worktree remove --force ../none", "git merge other"):
        assert agent.shell(command) == "", command


def test_what_takes_a_held_file_is_refused(held: Clone) -> None:
    """In every spelling, and from wherever it is run."""
    agent = Agent(held)
    refused = [command for command in WHOLE if agent.shell(command)]
    free = {"git checkout main", "git switch main", "git clean -fdx", "git commit --no-verify -m x"}
    assert set(WHOLE) - set(refused) == free  # main is where it is; the file is tracked, and not staged
    why = agent.shell("git stash")
    assert why.startswith("git-peer: `git stash` would change what others hold:")
    assert "src/api.py is locked by" in why
    assert "force" not in why
    for command in WRAPPED:
        line = command.format(repo=held.path)
        assert "src/api.py" in agent.shell(line, cwd="/"), command


def test_what_leaves_it_alone_is_not(held: Clone) -> None:
    agent = Agent(held)
    for command in (
        "git stash push -- src/auth.py", "git stash push -u -- src/new.py", "git restore src/auth.py", "git clean -fd",
        "git checkout -- 'docs/*'", "git stash list", "git checkout -b topic", "git commit --no-verify -m x -- docs",
        "echo git stash", "git -C /elsewhere reset --hard", "cd /tmp && git stash", "git diff", "git reset src/api.py",
    ):  # fmt: skip
        assert agent.shell(command) == "", command


def test_another_commit(local: Clone) -> None:
    """A switch, a merge or a hard reset changes files under who works in this very tree, and under nobody elsewhere."""
    local.git("switch", "-q", "-c", "topic")
    local.write("src/api.py", "topic\n")
    local.commit("topic", "src/api.py")
    local.git("switch", "-q", "main")
    elsewhere = local.worktree("b")
    elsewhere.peer("lock", "src/api.py", as_="other")
    agent = Agent(local)
    moves = (
        "git switch topic",
        "git checkout topic",
        "git reset --hard topic",
        "git merge topic",
        "git cherry-pick topic",
    )
    for command in moves:
        assert agent.shell(command) == "", command
    elsewhere.peer("unlock", "src/api.py", as_="other")
    local.peer("lock", "src/api.py", as_="near")
    for command in moves:
        assert "near" in agent.shell(command), command
    assert agent.shell("git switch -c new topic") != ""
    assert agent.shell("git switch -") != ""
    assert agent.shell("git switch -c new main") == ""


def test_one_s_own_is_no_stranger_s(held: Clone) -> None:
    """The agent's own lock, and one that it had before another session."""
    held.peer("unlock", "src/api.py")
    agent = Agent(held)
    assert agent.edit("src/api.py") == ""
    for command in ("git stash", "git commit --no-verify -am x"):
        assert agent.shell(command) == ""
        assert agent.name in Agent(held, "other").shell(command)


def test_another_s_work_tree_is_not_removed(held: Clone) -> None:
    there = held.worktree("b")
    held.peer("unlock", "src/api.py")
    there.peer("lock", "src/auth.py", as_="other")
    agent = Agent(held)
    assert agent.shell("git worktree remove --force ../b") == ""
    there.write("src/auth.py", "the other's\n")
    assert "other" in agent.shell("git worktree remove --force ../b")


def test_an_untracked_file_that_another_holds(local: Clone) -> None:
    local.write("deep/new.py", "other's\n")
    local.write("build.log", "x\n")
    local.write(".gitignore", "*.log\n")
    local.peer("lock", "deep/new.py", as_="other")
    agent = Agent(local)
    assert agent.shell("git clean -f") == ""  # it goes into no folder that has nothing else
    assert "other" in agent.shell("git clean -fd")
    assert "other" in agent.shell("git stash --include-untracked")
    assert agent.shell("git stash") == ""
    local.peer("lock", "build.log", as_="third")
    assert "third" in agent.shell("git clean -fx")
    assert "third" not in agent.shell("git clean -fd")


def test_before_the_first_commit(local: Clone) -> None:
    """git can tell nothing, and nothing is refused by accident."""
    local.git("checkout", "-q", "--orphan", "empty")
    local.peer("lock", "src/api.py", as_="other")
    assert Agent(local).shell("git switch main") == ""


def test_odd_names(local: Clone) -> None:
    local.write("a b\nc.py", "x\n")
    local.write("src/\udcff.py", "x\n")
    local.commit("odd")
    local.write("a b\nc.py", "y\n")
    local.write("src/\udcff.py", "y\n")
    local.peer("lock", "a b\nc.py", as_="other")
    agent = Agent(local)
    assert "other" in agent.shell("git stash")
    local.peer("unlock", "--all", as_="other")
    assert agent.shell("git stash") == ""
    local.peer("lock", "src/", as_="other")
    assert "other" in agent.shell("git stash")


def test_a_folder_is_what_is_in_it(local: Clone) -> None:
    """`rm -r` of one takes what is there; a lock on what is not, or that has lapsed, stands in nobody's way."""
    local.write("docs/more.md", "x\n")
    local.peer("lock", "docs/not-there.md", "src/**/*.md", as_="other")
    local.peer("lock", "docs/more.md", "--ttl", "1s", as_="gone")
    time.sleep(2.1)
    agent = Agent(local)
    assert agent.shell("rm -rf docs src") == ""
    assert agent.shell("touch docs/more.md") == ""
    local.write("src/deep/a.md", "other's\n")
    assert "other" in agent.shell("rm -rf src")
