"""One's own former run, and one's run in another work tree, are no strangers; those that live on are."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.agents.calling import Agent, denied
from tests.clocks import skewed
from tests.faults.test_clocks import HOUR
from tests.world import Clone

# An agent: a process that lives, and has hooks run by a shell of their own as the real ones do. One line of JSON in
# makes one call; it says the answer on a line.
AGENT = """
import json, shlex, subprocess, sys
for line in sys.stdin:
    event, payload = json.loads(line)
    hook = f"{shlex.quote(sys.executable)} -P -m git_peer hook claude-code {event} || echo failed"
    done = subprocess.run(["sh", "-c", hook], input=json.dumps(payload), capture_output=True, text=True)
    print(done.stdout.strip() or "{}", flush=True)
"""


class Run:
    """A run of an agent in a clone, with a process of its own."""

    def __init__(self, clone: Clone, session: str) -> None:
        self.agent = Agent(clone, session)
        self.process = subprocess.Popen(
            [sys.executable, "-c", AGENT], cwd=clone.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def call(self, event: str, **payload: object) -> dict[str, object]:
        """One hook."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        base = {"session_id": self.agent.session, "cwd": str(self.agent.clone.path), **payload}
        self.process.stdin.write(json.dumps([event, base]) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def edit(self, path: str) -> str:
        """Why an edit is refused."""
        return denied(self.call("pre-edit", tool_input={"file_path": str(self.agent.clone.path / path)}))

    def crash(self) -> None:
        """It is killed: no hook runs any more."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def first(local: Clone) -> Run:
    """A run that has started, and edited src/api.py and src/auth.py."""
    run = Run(local, "s1")
    run.call("session-start", source="startup")
    assert run.edit("src/api.py") == ""
    assert run.edit("src/auth.py") == ""
    return run


def test_a_run_that_crashed_refuses_nobody(local: Clone, first: Run) -> None:
    """Neither the edit nor the commit of who comes after it, whatever its id; before the crash it does both."""
    second = Agent(local, "s2")
    assert first.agent.name in second.edit("src/api.py")
    first.crash()
    assert second.edit("src/api.py") == ""
    local.write("src/api.py", "second's\n")
    local.write("src/auth.py", "second's\n")
    local.git("add", "-A")
    local.git("commit", "-qm", "x", env=second.env)
    rows = local.peer("log", "--kind", "lock.expire", "--json").objects()
    assert [row["evidence"]["how"] for row in rows] == ["left"]
    assert local.peer("fsck", "--json").json()["problems"] == []
    assert second.locks() == {"src/api.py": "local"}


def test_a_process_that_only_starts_hooks_is_no_agent(local: Clone) -> None:
    """What called once and is gone may have been a helper of an agent that lives."""
    for _ in range(2):
        run = Run(local, "s1")
        assert run.edit("src/api.py") == ""
        run.crash()
    assert run.agent.name in Agent(local, "s2").edit("src/api.py")


def test_a_run_that_is_stopped_lives(local: Clone, first: Run) -> None:
    os.kill(first.process.pid, signal.SIGSTOP)
    assert first.agent.name in Agent(local, "s2").edit("src/api.py")
    os.kill(first.process.pid, signal.SIGCONT)
    first.crash()


def test_another_clone_cannot_tell(pair: tuple[Clone, Clone]) -> None:
    """Whether a process of another clone lives is not seen here: its lease is what counts."""
    run = Run(pair[0], "s1")
    run.call("session-start", source="startup")
    pair[0].peer("lock", "src/api.py", env=run.agent.env)
    assert run.edit("src/auth.py") == ""
    run.crash()
    pair[1].peer("sync")
    assert run.agent.name in Agent(pair[1], "s2").edit("src/api.py")


def test_a_work_tree_that_is_gone(local: Clone) -> None:
    """What its sessions hold refuses nobody in the clone; the person ends them, and gives back what they hold."""
    removed, deleted, kept = (local.worktree(name) for name in ("removed", "deleted", "kept"))
    for tree, path in ((removed, "src/api.py"), (deleted, "src/auth.py"), (kept, "README.md")):
        tree.peer("lock", path, as_=f"of-{tree.name}")
    removed.peer("lock", "docs/", as_="of-removed")
    for path in ("src/api.py", "src/auth.py", "README.md"):
        local.peer("check", path, as_="abe", status=1)
    local.git("worktree", "remove", "--force", str(removed.path))
    shutil.rmtree(deleted.path)
    for path, status in (("src/api.py", 0), ("src/auth.py", 0), ("README.md", 1)):
        local.peer("check", path, as_="abe", status=status)
    released = local.peer("unlock", "docs", "--json", cwd="", status=None)
    assert released.status == 0, released
    done = local.peer("session", "end", "of-removed", "--json").json()
    assert [lock["target"] for lock in done["released"]] == ["src/api.py"]
    assert local.peer("session", "end", "of-kept", "--json", status=1).json()["error"]["code"] == "not_yours"
    local.peer("unlock", "src/auth.py")
    assert [lock["target"] for lock in local.peer("locks", "--json").json()["locks"]] == ["README.md"]
    assert "of-removed" not in [one["name"] for one in local.peer("peers", "--json").json()["sessions"]]
    assert local.peer("fsck", "--json").json()["problems"] == []


def test_a_name_of_a_work_tree_that_is_gone(local: Clone) -> None:
    """It may be borne again at once; one that is in use may not, whatever a clock that was set says."""
    tree = local.worktree("b")
    tree.peer("lock", "src/api.py", as_="ann")
    assert local.peer("lock", "docs/", "--json", as_="ann", status=1).json()["error"]["code"] == "exists"
    answer = skewed(local, 9 * HOUR, "lock", "docs/", "--json", as_="ann", status=1).json()
    assert answer["error"]["code"] == "exists"
    local.git("worktree", "remove", "--force", str(tree.path))
    local.peer("lock", "docs/", as_="ann")
    assert [lock["target"] for lock in local.peer("locks", "--json").json()["locks"]] == ["docs/"]


def test_a_work_tree_on_a_disk_that_is_not_in(local: Clone) -> None:
    """`git worktree lock` says that it comes back."""
    tree = local.worktree("away")
    tree.peer("lock", "src/api.py", as_="away")
    local.git("worktree", "lock", str(tree.path))
    shutil.rmtree(tree.path)
    local.peer("check", "src/api.py", as_="abe", status=1)


def test_one_agent_in_two_work_trees(local: Clone) -> None:
    """It works in a linked tree and edits the main one by its path: it is not its own enemy in either."""
    tree = local.worktree("b")
    here, there = Agent(tree), Agent(local)
    main = {"file_path": str(local.path / "src/api.py")}
    assert denied(here.call("pre-edit", tool_input=main)) == ""
    assert there.locks() == {"src/api.py": "local"}
    assert here.edit("src/api.py") == ""
    for clone, agent in ((tree, here), (local, there)):
        clone.write("src/api.py", f"{clone.name}\n")
        clone.git("commit", "-qam", "x", env=agent.env)
    assert there.name in Agent(tree, "s2").edit("src/api.py")
    assert here.edit("src/auth.py") == ""
    assert denied(here.call("pre-edit", tool_input={"file_path": str(local.path / "src/auth.py")})) == ""


def test_two_subagents_in_two_work_trees_are_two(local: Clone) -> None:
    """They share an id, and nothing else: none has reached into the other's tree."""
    tree = local.worktree("b")
    one, two = Agent(local), Agent(tree)
    assert one.edit("src/api.py", agent_id="x") == ""
    assert one.name in two.edit("src/api.py", agent_id="y")
    reach = {"file_path": str(local.path / "src/auth.py")}
    assert denied(two.call("pre-edit", tool_input=reach, agent_id="y")) == ""
    assert one.name in two.edit("src/api.py", agent_id="y")


def test_a_doubled_start_stands_in_nobody_s_way(local: Clone) -> None:
    """Two ids of one start: the one that does nothing is not worked around."""
    Agent(local, "ghost").call("session-start", source="startup")
    agent = Agent(local)
    agent.call("session-start", source="resume")
    local.write("src/api.py", "changed\n")
    for command in ("git stash", "git checkout -- .", "git switch main"):
        assert agent.shell(command) == "", command
    assert agent.edit("src/api.py") == ""
