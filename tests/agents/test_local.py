"""Claude Code's hooks in a clone with a local log: real processes, real git."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from tests.agents.calling import Agent, context, denied, passes
from tests.world import Clone


def test_start_and_end(local: Clone) -> None:
    """The session has the name that the agent's shell has; it starts, says where it stands, and ends."""
    agent = Agent(local)
    told = context(agent.call("session-start", source="startup"))
    assert agent.name in told
    assert "git peer push-delta" in told
    assert [one["name"] for one in local.peer("peers", "--json").json()["sessions"]] == [agent.name]
    assert agent.edit("src/api.py") == ""
    assert context(agent.call("session-start", source="compact")).count("src/api.py") == 1
    assert agent.call("session-end", reason="exit") == {}
    assert local.peer("peers", "--json").json()["sessions"] == []
    assert local.peer("locks", "--json").json()["locks"] == []
    assert agent.call("session-end", reason="exit") == {}


def test_an_edit_takes_the_lock(local: Clone) -> None:
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert one.edit("src/api.py") == ""
    assert one.edit("src/api.py") == ""
    assert one.locks() == {"src/api.py": "local"}
    why = two.edit("src/api.py")
    assert one.name in why
    assert "lapses in" in why
    assert "git peer lock 'src/api.py' --wait" in why
    assert "git peer push-delta" in why
    assert "--force" not in why
    assert two.edit("src/auth.py") == ""
    local.peer("unlock", "src/api.py", env=one.env)
    assert two.edit("src/api.py") == ""
    assert one.name not in two.edit("docs/guide.md")


def test_every_edit_tool(local: Clone) -> None:
    """Edit, Write of a new file in a new folder, MultiEdit, notebooks."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    top = str(local.path)
    calls = [
        ("Edit", {"file_path": f"{top}/src/api.py", "old_string": "a", "new_string": "b"}),
        ("Write", {"file_path": f"{top}/new/deep/file.py", "content": "x"}),
        ("MultiEdit", {"file_path": f"{top}/src/auth.py", "edits": [{"old_string": "a", "new_string": "b"}]}),
        ("NotebookEdit", {"notebook_path": f"{top}/n.ipynb", "new_source": "x"}),
    ]
    for tool, given in calls:
        assert denied(one.call("pre-edit", tool_name=tool, tool_input=given)) == ""
        assert one.name in denied(two.call("pre-edit", tool_name=tool, tool_input=given)), tool
    assert set(one.locks()) == {"src/api.py::serve", "new/deep/file.py", "src/auth.py::login", "n.ipynb"}


def test_paths_are_found_wherever_the_agent_stands(local: Clone) -> None:
    """Relative ones, through a symlinked folder, and a symlink that is itself a file of the repository."""
    agent = Agent(local)
    there = str(local.path / "src")
    assert denied(agent.call("pre-edit", cwd=there, tool_input={"file_path": "api.py"})) == ""
    local.path.with_name("link").symlink_to(local.path)
    other = str(local.path.with_name("link") / "src/auth.py")
    assert denied(agent.call("pre-edit", tool_input={"file_path": other})) == ""
    (local.path / "alias.md").symlink_to("docs/guide.md")
    assert agent.edit("alias.md") == ""
    assert set(agent.locks()) == {"src/api.py", "src/auth.py", "docs/guide.md"}


def test_what_is_not_the_repository_s(local: Clone) -> None:
    """Outside, ignored, git's own: let through, no lock. A tracked file that a pattern ignores is the repository's."""
    local.write(".gitignore", "*.log\nsrc/api.py\n")
    agent = Agent(local)
    for path in ("../elsewhere.py", "/etc/hosts", "build.log", ".git/config", ".git/hooks/x"):
        assert agent.edit(path) == "", path
    assert agent.locks() == {}
    assert agent.edit("src/api.py") == ""
    assert set(agent.locks()) == {"src/api.py"}


def test_submodules_and_other_repositories(local: Clone) -> None:
    """What lies in a repository that is not set up is nobody's business here."""
    inner = local.path / "inner"
    inner.mkdir()
    local.git("init", "-q", cwd="inner")
    agent = Agent(local)
    assert agent.edit("inner/x.py") == ""
    assert agent.locks() == {}
    assert Agent(Clone(local.world, inner)).call("session-start") == {}


def test_another_work_tree(local: Clone) -> None:
    """A file of another work tree is locked there, under the name that the agent's shell has there."""
    other = local.worktree("b")
    here, there = Agent(local), Agent(other)
    assert here.name != there.name
    path = str(other.path / "src/api.py")
    assert denied(here.call("pre-edit", tool_input={"file_path": path})) == ""
    assert (here.locks(), there.locks()) == ({}, {"src/api.py": "local"})
    assert there.name in Agent(local, "s2").edit("src/api.py")


def test_only_warnings_with_auto_lock_off(local: Clone) -> None:
    local.git("config", "peer.autoLock", "false")
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert one.edit("src/api.py") == ""
    assert one.locks() == {}
    local.peer("lock", "src/api.py", env=one.env)
    assert one.name in two.edit("src/api.py")


def test_a_person_s_lock_refuses_and_says_why(local: Clone) -> None:
    local.peer("lock", "src/", "--reason", "moving\u202e it all”", as_="anna")
    why = Agent(local).edit("src/api.py")
    assert "anna" in why
    assert "“moving it all'”" in why


def test_a_lapsed_lock_is_renewed_or_taken(local: Clone) -> None:
    """An own lease that ran out is renewed by the next edit; another's is taken once that is proven."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    local.git("config", "peer.ttl", "1s")
    local.git("config", "peer.clockSkew", "0")
    assert one.edit("src/api.py") == ""
    time.sleep(2.1)
    assert one.edit("src/api.py") == ""
    time.sleep(2.1)
    local.git("config", "peer.ttl", "30m")
    assert two.edit("src/api.py") == ""
    why = one.edit("src/api.py")
    assert two.name in why
    assert "lost" in why


def test_told_once_of_what_was_lost(local: Clone) -> None:
    one = Agent(local, "s1")
    assert one.edit("src/api.py") == ""
    local.peer("unlock", "--force", "--reason", "urgent", "src/api.py", as_="anna")
    local.peer("lock", "src/api.py", as_="anna")
    answer = one.call("pre-edit", tool_input={"file_path": str(local.path / "src/auth.py")})
    assert "src/api.py" in context(answer)
    assert denied(answer) == ""
    assert context(one.call("prompt", prompt="go on")) == ""
    local.peer("unlock", "src/api.py", as_="anna")
    assert "anna has held it since" in one.edit("src/api.py")  # fenced: what was landed has to be brought in first
    local.peer("lock", "src/api.py", env=one.env)
    assert one.edit("src/api.py") == ""


def test_shell(local: Clone) -> None:
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert one.shell("sed -i s/a/b/ src/api.py && echo x > src/new.py") == ""
    assert set(one.locks()) == {"src/api.py", "src/new.py"}
    for command in ("sed -i s/a/b/ src/api.py", "cd src && rm new.py", "cp README.md src/api.py", "rm -rf src"):
        assert one.name in two.shell(command), command
    assert two.shell("cat src/api.py; pytest") == ""
    patch = (
        "--- a/src/api.py\n+++ b/src/api.py\n@@ -1,2 +1,2 @@\n-def serve() -> None:\n+def two() -> None:\n     pass\n"
    )
    local.write("x.patch", patch)
    assert one.name in two.shell("git apply x.patch")
    assert two.locks() == {}


def test_commands_that_sweep(local: Clone) -> None:
    """Refused only where they would change a file that somebody else holds; tests of what that is: test_shell_truth."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    one.call("session-start")
    two.call("session-start")
    assert two.edit("src/api.py") == ""
    assert two.edit("src/new.py") == ""
    sweeping = ("git stash -u", "git reset --hard", "git clean -fd", "git restore .")
    for command in (*sweeping, "git switch main"):
        assert one.shell(command) == "", command
    local.write("src/api.py", "two's\n")
    local.write("src/new.py", "two's\n")
    for command in sweeping:
        assert two.name in one.shell(command), command
    assert one.shell("git stash list") == ""
    elsewhere = Agent(local.worktree("b"), "s3")
    elsewhere.call("session-start")
    assert elsewhere.shell("git stash") == ""
    two.call("session-end")
    assert one.shell("git stash") == ""


def test_its_own_person_is_no_stranger(local: Clone) -> None:
    """A person who once ran a command in the work tree keeps no agent from a stash, unless it takes what they hold."""
    local.peer("session", "start")
    agent = Agent(local)
    local.write("src/api.py", "the person's\n")
    assert agent.shell("git stash") == ""
    local.peer("lock", "src/api.py")
    assert agent.shell("git stash") != ""


def test_stop_reminds_once(local: Clone) -> None:
    agent = Agent(local)
    agent.call("session-start")
    assert agent.call("stop", stop_hook_active=False) == {}
    agent.edit("src/api.py")
    assert agent.call("stop", stop_hook_active=False) == {}
    local.write("src/api.py", "changed\n")
    told = agent.call("stop", stop_hook_active=False)
    assert told["decision"] == "block"
    assert "src/api.py" in told["reason"]
    assert agent.call("stop", stop_hook_active=True) == {}
    assert agent.call("stop", stop_hook_active=False) == {}
    local.peer("push-delta", "--type", "blocker", "--summary", "stop\x1b[31m it", as_="anna")
    told = agent.call("stop", stop_hook_active=False)
    assert "anna" in told["reason"]
    assert "“stop it”" in told["reason"]
    assert agent.call("stop", stop_hook_active=False) == {}


def test_stop_knows_the_task(local: Clone) -> None:
    agent = Agent(local)
    local.peer("task", "add", "Write the API", "--path", "src/api.py")
    (task,) = local.peer("task", "list", "--json").json()["tasks"]
    local.peer("task", "claim", task["id"], env=agent.env)
    assert f"task {task['id']}" in agent.call("stop", stop_hook_active=False)["reason"]


def test_refusal_names_free_tasks(local: Clone) -> None:
    local.peer("task", "add", "Taken work", "--path", "src/api.py")
    local.peer("task", "add", "Free work", "--path", "docs/")
    one, two = Agent(local, "s1"), Agent(local, "s2")
    one.edit("src/api.py")
    why = two.edit("src/api.py")
    assert "Free work" in why
    assert "Taken work" not in why


def test_prompt_tells_what_is_new(local: Clone) -> None:
    agent = Agent(local)
    agent.call("session-start")
    assert agent.call("prompt", prompt="x") == {}
    local.peer("push-delta", "--type", "blocker", "--summary", "careful", as_="anna")
    told = context(agent.call("prompt", prompt="x"))
    assert "careful" in told
    assert "git peer ack" in told
    assert agent.call("prompt", prompt="x") == {}


def test_after_an_edit_the_lease_is_renewed(local: Clone) -> None:
    local.git("config", "peer.ttl", "4s")
    agent = Agent(local)
    agent.edit("src/api.py")
    (before,) = local.peer("locks", "--json").json()["locks"]
    assert agent.call("post-edit", tool_name="Edit") == {}
    time.sleep(2.2)
    assert agent.call("post-edit", tool_name="Edit") == {}
    (after,) = local.peer("locks", "--json").json()["locks"]
    assert after["expires_at"] > before["expires_at"]
    assert after["token"] == before["token"]


def test_an_agent_at_work_hears_the_news(local: Clone) -> None:
    """Between two prompts, too, with an edit of a file that it has locked already; within a minute or so."""
    agent = Agent(local)
    agent.edit("src/api.py")
    local.peer("push-delta", "--type", "blocker", "--summary", "careful", as_="anna")
    assert agent.call("post-edit", tool_name="Edit") == {}
    passes(agent, 61)
    assert "careful" in context(agent.call("post-edit", tool_name="Edit"))
    passes(agent, 61)
    assert agent.call("post-edit", tool_name="Edit") == {}


def test_a_dispute_refuses(local: Clone) -> None:
    """What a debate that waits for a person is about cannot be edited, not even by who holds its lock."""
    agent = Agent(local)
    agent.edit("src/api.py")
    answer = local.peer(
        "debate", "start", "--topic", "Which way", "--position", "mine", "--path", "src/api.py", "--with", agent.name,
        "--json", as_="anna",
    ).json()  # fmt: skip
    assert agent.edit("src/api.py") == ""
    local.peer("debate", "escalate", answer["debate"]["id"], as_="anna")
    why = agent.edit("src/api.py")
    assert "in dispute" in why
    assert "Which way" in why


def test_not_set_up(local: Clone) -> None:
    """In a repository that is not set up, and outside of any, hooks do nothing."""
    shutil.rmtree(local.common / "peer")
    agent = Agent(local)
    for event in ("session-start", "prompt", "pre-edit", "post-edit", "stop", "session-end"):
        assert agent.call(event, tool_input={"file_path": str(local.path / "src/api.py")}) == {}
        assert agent.call(event, cwd="/", tool_input={"file_path": "/x"}) == {}
    assert not (local.common / "peer").exists()


def test_subagents(local: Clone) -> None:
    """They are their parent's session, so that its shell may commit; two that edit one file are told apart."""
    parent = Agent(local)
    assert parent.edit("src/api.py", agent_id="a1") == ""
    assert set(parent.locks()) == {"src/api.py"}
    local.write("src/api.py", "changed\n")
    local.git("add", "-A")
    local.git("commit", "-qm", "by the subagent's shell", env=parent.env)
    assert "a1" in parent.edit("src/api.py", agent_id="a2")
    assert "a1" in parent.shell("rm src/api.py", agent_id="a2")
    assert parent.edit("src/api.py", agent_id="a1") == ""
    assert parent.edit("src/api.py") == ""  # who started them
    assert parent.edit("src/auth.py", agent_id="a2") == ""
    assert parent.call("stop", hook_event_name="SubagentStop", agent_id="a1") == {}
    assert parent.edit("src/api.py", agent_id="a2") == ""
    assert "a2" in parent.edit("src/auth.py", agent_id="a3")


def test_the_gate_knows_the_same_session(local: Clone) -> None:
    one, two = Agent(local, "s1"), Agent(local, "s2")
    one.edit("src/api.py")
    local.write("src/api.py", "changed\n")
    local.git("add", "-A")
    refused = local.git("commit", "-qm", "x", env=two.env, check=False)
    assert refused.status != 0
    assert one.name in refused.err
    local.git("commit", "-qm", "x", env=one.env)


@pytest.mark.parametrize("event", ["session-start", "prompt", "pre-edit", "stop"])
def test_a_broken_log_lets_everything_through(local: Clone, event: str) -> None:
    local.git("update-ref", "-d", "refs/peer/coordination")
    agent = Agent(local)
    answer = agent.call(event, tool_input={"file_path": str(local.path / "src/api.py")})
    assert "git-peer" in answer.pop("systemMessage")
    assert answer == {}


def test_a_wrong_setting_is_named(local: Clone) -> None:
    local.git("config", "peer.autoLock", "perhaps")
    answer = Agent(local).call("pre-edit", tool_input={"file_path": str(local.path / "src/api.py")})
    assert "peer.autoLock" in json.dumps(answer)
    assert set(answer) == {"systemMessage"}


def test_an_edit_beside_the_lines_of_another(local: Clone) -> None:
    """It is judged by what it changes, and takes just those lines; what it replaces may reach into the other's."""
    rows = [f"line {number}\n" for number in range(1, 31)]
    local.write("src/long.py", "".join(rows))
    local.commit("long", "src/long.py")
    one, two, three = (Agent(local, name) for name in ("s1", "s2", "s3"))
    local.peer("lock", "src/long.py:10-20", env=one.env)

    def edit(who: Agent, old: str, new: str, tool: str = "Edit") -> str:
        path = f"{local.path}/src/long.py"
        given = {"file_path": path, "old_string": old, "new_string": new}
        if tool == "MultiEdit":
            given = {"file_path": path, "edits": [{"old_string": old, "new_string": new}]}  # type: ignore[dict-item]
        return denied(who.call("pre-edit", tool_name=tool, tool_input=given))

    assert one.name in edit(two, "line 15\n", "x\n")
    assert one.name in edit(two, "line 9\nline 10\n", "x\n")
    assert one.name in two.edit("src/long.py")  # who writes the whole file
    assert edit(two, rows[24] + rows[25], rows[24] + "x\n", "MultiEdit") == ""
    assert two.locks() == {"src/long.py:26": "local"}
    assert edit(two, rows[2] + rows[3], f"{rows[2]}new\n{rows[3]}") == ""
    assert set(two.locks()) == {"src/long.py:26", "src/long.py:3-4"}
    assert two.name in edit(three, "line 27\n", "x\n")  # next to it: that would not merge
    assert edit(three, "line 28\n", "x\n") == ""
    assert edit(one, "line 15\n", "x\n") == ""
