"""`git peer inbox`: what waits for whom, in which order, and that the command that is told settles it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cli.asking import Env, ask
from tests.world import Clone, World, merged

# A session's lease is a second, and nothing is added to it.
SHORT = {
    "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "peer.clockSkew", "GIT_CONFIG_VALUE_0": "0s",
    "GIT_CONFIG_KEY_1": "peer.ttl", "GIT_CONFIG_VALUE_1": "1s",
}  # fmt: skip
BEN = {"GIT_PEER_SESSION": "ben"}


def waits(clone: Clone, name: str | None = None, cwd: str = "", env: Env | None = None) -> list[dict[str, Any]]:
    return list(ask(clone, "inbox", as_=name, cwd=cwd, env=env)["inbox"])


def kinds(clone: Clone, name: str) -> list[str]:
    return [one["kind"] for one in waits(clone, name)]


def paste(clone: Clone, command: str, said: str = "", cwd: str = "") -> subprocess.CompletedProcess[str]:
    """Run a line as a person's shell does, in which `git peer` is this program."""
    path = f"{Path(sys.executable).parent}:{merged(None)['PATH']}"
    env = {**merged(None), "PATH": path}
    return subprocess.run(
        ["sh", "-c", command], cwd=clone.path / cwd, env=env, input=said, text=True, capture_output=True, check=False
    )


def settle(clone: Clone, one: dict[str, Any], said: str = "", cwd: str = "") -> None:
    """Both commands of an item work as they stand."""
    for command in filter(None, (one.get("see"), one["command"])):
        ran = paste(clone, command, said, cwd)
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)


def test_nothing_is_owed(local: Clone) -> None:
    assert local.peer("inbox").out == "Nothing waits for you.\n"
    assert waits(local) == []
    assert ask(local, "peers")["sessions"] == []  # who only looks starts nothing


def test_all_that_waits_is_told_by_urgency_and_settled_by_its_command(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    ask(two, "session", "start", "ben")
    ask(two, "task", "add", "Mine", as_="ben")
    ask(two, "task", "claim", "t1", as_="ben")
    two.git("commit", "-q", "--allow-empty", "-m", "work", env=BEN)
    ask(two, "task", "review", "t1", as_="ben")
    ask(two, "lock", "src/", as_="ben")
    one.peer("sync")
    ask(one, "push-delta", "--type", "discovery", "--summary", "seen", "--to", "ben", as_="ana")
    ask(one, "push-delta", "--type", "blocker", "--summary", "stop", "--to", "ben", as_="ana")
    ask(one, "debate", "start", "--topic", "which", "--position", "this", "--with", "ben", as_="ana")
    ask(one, "task", "reject", "t1", "--note", "no tests", as_="ana")
    ask(one, "task", "add", "Theirs", as_="ana")
    ask(one, "task", "claim", "t2", as_="ana")
    ask(one, "task", "review", "t2", as_="ana")
    ask(one, "unlock", "src/", "--force", "--reason", "away", as_="cid")
    two.peer("sync", status=None)

    items = waits(two, "ben")
    assert [(each["kind"], each["urgency"]) for each in items] == [
        ("lost", "now"), ("blocker", "now"), ("debate", "now"), ("sent_back", "soon"), ("delta", "soon"),
        ("review", "soon"),
    ]  # fmt: skip
    assert "no tests" in items[3]["message"]
    head = ask(two, "status", as_="ben")["inbox"]
    assert head == items
    brief = ask(two, "brief", as_="ben")["brief"].split("Needs your action:")[1]
    assert [brief.index(text) for text in ("was lost", "stop", "your turn", "no tests", "seen")] == sorted(
        brief.index(text) for text in ("was lost", "stop", "your turn", "no tests", "seen")
    )
    shown = two.peer("inbox", as_="ben")
    assert [line for line in shown.out.splitlines() if line and line[0] != " "] == ["Now (3):", "Soon (3):"]
    assert shown.err == ""  # what the text has is no note beside it
    for each in items:
        settle(two, each, "as I say\n")
    (left,) = waits(two, "ben")  # the next round has begun
    assert (left["kind"], "round 2" in left["message"]) == ("debate", True)
    assert "as I say" in two.peer("debate", "show", items[2]["debate"]).out


def test_an_escalated_debate_waits_for_a_person_alone(pair: tuple[Clone, Clone]) -> None:
    one, _ = pair
    ask(one, "session", "start", "--agent", "claude", as_="bot")
    done = ask(one, "debate", "start", "--topic", "which", "--position", "this", "--with", "bot", as_="ana")
    ask(one, "debate", "escalate", done["debate"]["id"], as_="bot")
    assert kinds(one, "ana") == kinds(one, "zoe") == ["escalated"]
    assert kinds(one, "bot") == []


def test_a_failed_and_a_blocked_task(local: Clone) -> None:
    for name in ("t1", "t2"):
        ask(local, "task", "add", name, "--accept", "false", as_="ana")
        ask(local, "task", "claim", name, as_="ben")
    ask(local, "task", "result", "t1", "--failed", as_="ben")
    ask(local, "task", "block", "t2", "--note", "no key", as_="ben")
    assert [(one["kind"], one["task"]) for one in waits(local, "ben")] == [("failed", "t1"), ("blocked", "t2")]
    (blocked,) = waits(local, "ana")
    assert "no key" in blocked["message"]
    settle(local, blocked)
    assert waits(local, "ana") == []


def test_every_delta_is_in_it(pair: tuple[Clone, Clone]) -> None:
    """Status has the first few and their number."""
    one, _ = pair
    ask(one, "session", "start", "ben")
    for number in range(7):
        ask(one, "push-delta", "--type", "decision", "--summary", f"n{number}", "--to", "ben", as_="ana")
    assert kinds(one, "ben") == ["delta"] * 7
    head = ask(one, "status", as_="ben")["inbox"]
    assert len(head) == 6
    assert head[-1]["command"] == "git peer --as ben inbox"
    settle(one, head[-1])


def test_a_loss_stays_while_there_is_work_on_its_path(local: Clone) -> None:
    """Told once, it would be forgotten, and the commit still be refused; pasted from a folder below, too."""
    ask(local, "lock", "src/api.py", as_="ben")
    local.write("src/api.py", "mine\n")
    ask(local, "unlock", "src/api.py", "--force", "--reason", "away", as_="cid")
    ask(local, "session", "renew", as_="ben")  # a writer: it is told
    assert ask(local, "status", as_="ben")["inbox"] == []
    (lost,) = waits(local, "ben", cwd="src")
    assert lost["kind"] == "lost"
    settle(local, lost, cwd="src")
    assert waits(local, "ben") == []
    ask(local, "unlock", "src/api.py", "--force", "--reason", "again", as_="cid")
    ask(local, "session", "renew", as_="ben")
    local.git("checkout", "-q", "src/api.py")
    assert waits(local, "ben") == []  # nothing of it is left here: nothing is owed


def test_a_conflict(pair: tuple[Clone, Clone]) -> None:
    one, _ = pair
    tree = one.path.parent / "tree"
    one.git("worktree", "add", "-q", "-b", "side", str(tree))
    for clone, text in ((one, "mine\n"), (Clone(one.world, tree), "theirs\n")):
        clone.write("src/api.py", text)
    (conflict,) = waits(one, "ana")
    assert (conflict["kind"], conflict["path"]) == ("conflict", "src/api.py")
    settle(one, conflict)


def test_what_the_dead_have_left(world: World) -> None:
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    tree = Clone(world, one.path.parent / "a tree's")
    one.git("worktree", "add", "-q", "-b", "side", str(tree.path))
    ask(tree, "lock", "docs/", "--ttl", "1s", as_="dora")
    tree.write("docs/new.md", "committed\n")
    tree.git("add", "docs/new.md")
    tree.git("commit", "-qm", "new", env={"GIT_PEER_SESSION": "dora"})
    tree.write("docs/loose.md", "not\n")
    ask(tree, "session", "renew", as_="dora")
    assert waits(one, "ana") == []  # it lives
    shutil.move(tree.path, tree.path.with_name("moved"))
    (branch,) = waits(one, "ana")  # the work tree is gone, and what was committed is not
    assert (branch["kind"], branch["session"], branch["urgency"]) == ("left", "dora", "later")
    ask(one, "session", "end", "dora", as_="ana")  # its record goes, and what it left does not
    assert "dora" not in [each["name"] for each in ask(one, "peers")["sessions"]]
    assert waits(one, "ana") == [branch]
    settle(one, branch)
    assert waits(one, "ana") == []


def test_uncommitted_work_of_the_dead(local: Clone) -> None:
    tree = Clone(local.world, local.path.parent / "a tree's")
    local.git("worktree", "add", "-q", "-b", "side", str(tree.path))
    ask(tree, "session", "start", "dora", env=SHORT)
    tree.write("docs/loose.md", "not\n")
    time.sleep(2.1)
    (loose,) = waits(local, "ana", env=SHORT)
    assert "1 change uncommitted" in loose["message"]
    settle(local, loose)
    assert tree.git("status", "--porcelain").out == ""
    (branch,) = waits(local, "ana", env=SHORT)  # it is committed, and has not landed
    assert branch["command"] == "git merge side"
