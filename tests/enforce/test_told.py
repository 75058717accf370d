"""Who loses something is told by whom and why, in text and in JSON, by whatever it asks next; and once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.agents.calling import Agent, context
from tests.enforce.team import HELD, Member, Team

WHY = "she is on holiday"


def lost(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What an answer tells of lost locks, without what differs from run to run."""
    keys = ("target", "how", "by", "reason", "holder")
    return [{key: one.get(key) for key in keys} for one in answer["notices"] if one["code"] == "lost"]


def look(member: Member) -> None:
    """Its clone fetches the log, as behind a hook: nobody was told of anything by that."""
    member.peer("hook", "refresh")


def letters(answer: dict[str, Any], code: str) -> list[dict[str, Any]]:
    """The notices of that code."""
    return [one for one in answer["notices"] if one["code"] == code]


@pytest.mark.parametrize("target", [HELD, "docs/", "src/*.py", "@deploy"])
@pytest.mark.parametrize("how", ["forced", "preempted", "expired"])
def test_lost_lock(team: Team, target: str, how: str) -> None:
    """The holder is told who ended its lock and how, a name's like a file's; the second command says nothing."""
    alice, bob = team.alice, team.bob
    alice.peer("lock", target, *(("--ttl", "1s") if how == "expired" else ()))
    if how == "forced":
        bob.peer("unlock", target, "--force", "--reason", WHY)
    elif how == "preempted":
        bob.peer("lock", target, "--preempt", "--priority", "9")
    else:
        bob.git("config", "peer.clockSkew", "0")
        while bob.peer("lock", target, status=None).status:
            time.sleep(0.2)
    holder = None if how == "forced" else "bob"
    reason = WHY if how == "forced" else None
    look(alice)
    answer = alice.peer("status", "--json").json()
    assert lost(answer) == [{"target": target, "how": how, "by": "bob", "reason": reason, "holder": holder}]
    said = alice.peer("locks").err
    assert "bob" in said
    assert (WHY in said) is (how == "forced")
    assert lost(alice.peer("session", "renew", "--json").json())
    assert not lost(alice.peer("status", "--json").json())


def test_gate_says_who(team: Team) -> None:
    """The commit and the push of who lost it name the one who broke it, with the reason."""
    team.alice.lock(HELD)
    team.bob.peer("unlock", HELD, "--force", "--reason", WHY)
    team.bob.lock(HELD)
    team.bob.commit(HELD)
    team.bob.peer("push")
    team.alice.peer("sync")
    team.alice.change(HELD)
    why = f"{HELD} is no longer yours (bob broke your lock: {WHY}): bob has locked it since"
    team.alice.refused("commit", "-qam", "x", why=why)
    (found,) = team.alice.peer("check", HELD, "--json", status=1).json()["violations"]
    assert {key: found["lost"][key] for key in ("how", "by", "reason")} == {
        "how": "forced", "by": "bob", "reason": WHY,
    }  # fmt: skip


def test_briefing_says_who(team: Team) -> None:
    """An agent reads it in its briefing."""
    team.alice.lock("@deploy")
    team.bob.peer("unlock", "@deploy", "--force", "--reason", WHY)
    look(team.alice)
    assert f"the lock on @deploy was lost: bob broke it, “{WHY}”" in team.alice.peer("brief").out


def test_agents_hear_who(team: Team) -> None:
    """An agent is told at its next prompt, once, with the reason."""
    agent = Agent(team.alice.at)
    team.alice.at.peer("lock", "@deploy", env=agent.env)
    team.bob.peer("unlock", "@deploy", "--force", "--reason", WHY)
    look(team.alice)
    first, second = (context(agent.call("prompt")) for _ in range(2))
    assert f"the lock on @deploy was lost: bob broke it, “{WHY}”" in first
    assert "@deploy" not in second


def test_tentative_lock(team: Team) -> None:
    """Who took a lock by this clone's word alone, and came second, is told who was first."""
    team.bob.lock(HELD)
    team.alice.peer("lock", HELD, "--offline")
    (told,) = lost(team.alice.peer("sync", "--json", status=1).json())
    assert (told["how"], told["by"]) == ("outrun", "bob")


def test_own_release_is_no_loss(team: Team) -> None:
    """What a session gives back itself, a name too, is told to nobody; nor what it is killed over."""
    team.alice.lock("@deploy", HELD)
    memory = [next((team.alice.at.common / "peer/held").iterdir()), team.alice.at.common / "peer/seen.json"]
    before = [path.read_bytes() for path in memory]
    team.alice.peer("unlock", "@deploy")
    for path, raw in zip(memory, before, strict=True):  # a kill before its memory was brought up to date
        path.write_bytes(raw)
    team.bob.lock("docs/")
    assert not lost(team.alice.peer("sync", "--json").json())


def test_taken_over(team: Team) -> None:
    """The run whose place another has taken is told where that one is, though it had nothing; the new one is not."""
    team.alice.peer("session", "start")
    new = team.bob.at.peer("--as", "alice", "session", "start", "--takeover", "--json").json()
    assert not letters(new, "session")
    look(team.alice)
    (told,) = letters(team.alice.peer("status", "--json").json(), "session")
    assert (told["how"], told["by"]) == ("taken_over", "alice")
    assert "other, has taken this session's place" in told["message"]
    assert letters(team.alice.peer("lock", HELD, "--json").json(), "session")
    assert not letters(team.alice.peer("status", "--json").json(), "session")
    assert not letters(team.bob.at.peer("--as", "alice", "sync", "--json").json(), "session")


def test_restarted_in_place(team: Team) -> None:
    """A run that follows its own predecessor in the work tree is told of no stranger."""
    team.alice.peer("session", "start")
    answer = team.alice.peer("session", "start", "--takeover", "--json").json()
    assert not letters(answer, "session")
    assert not letters(team.alice.peer("status", "--json").json(), "session")


def test_task_lost(team: Team) -> None:
    """A task that is sent back, or taken from its worker, tells the worker who did it, and the reason."""
    alice, bob = team.alice, team.bob
    alice.peer("task", "add", "Do it")
    alice.peer("task", "claim", "t1")
    alice.git("commit", "-q", "--allow-empty", "-m", "work")
    alice.peer("task", "review", "t1")
    bob.peer("task", "reject", "t1", "--note", "no tests")
    answer = alice.peer("sync", "--json").json()
    (told,) = letters(answer, "task")
    assert (told["task"], told["how"], told["by"], told["note"]) == ("t1", "sent_back", "bob", "no tests")
    alice.peer("task", "progress", "t1", "10")
    bob.peer("task", "release", "t1", "--force", "--reason", WHY)
    look(alice)
    (told,) = letters(alice.peer("status", "--json").json(), "task")
    assert (told["task"], told["how"], told["by"], told["note"]) == ("t1", "released", "bob", WHY)
    assert letters(alice.peer("session", "renew", "--json").json(), "task")
    assert not letters(alice.peer("status", "--json").json(), "task")


@pytest.mark.parametrize("local", [False, True], ids=["remote", "one clone"])
def test_note_of_an_answer(team: Team, local: bool) -> None:
    """What is said with an `ack` reaches who asked, though the delta has settled by it; a bare one troubles nobody."""
    alice, bob = team.alice, team.bob
    if local:
        bob = Member(alice.at.worktree("beside"), "bob")
    bob.peer("session", "start")
    push = ("push-delta", "--type", "discovery", "--to", "bob", "--json", "--summary")
    noted, bare = (str(alice.peer(*push, said).json()["delta"]["id"]) for said in ("ports move", "never mind"))
    bob.peer("ack", noted, "--note", "fine by me")
    bob.peer("ack", bare)
    look(alice)
    (told,) = letters(alice.peer("status", "--json").json(), "answer")
    assert (told["delta"], told["by"], told["note"]) == (noted, "bob", "fine by me")
    assert "bob answered your delta" in alice.peer("brief").out
    shown = alice.peer("deltas", "--id", noted[:8], "--json").json()["deltas"]
    assert [(one["id"], one["acks"][0]["note"]) for one in shown] == [(noted, "fine by me")]
    assert letters(alice.peer("session", "renew", "--json").json(), "answer")
    assert not letters(alice.peer("status", "--json").json(), "answer")
    assert not letters(bob.peer("status", "--json").json(), "answer")


@pytest.mark.parametrize("count", [10, 12])
def test_every_path(team: Team, count: int) -> None:
    """A refused commit, and a refused push, name every path; or the first ten, and how many more."""
    paths = [f"src/many {number:02}.py" for number in range(count)]
    team.hold("src/")
    team.bob.change(*paths)
    team.bob.git("add", "-A")
    more = f"and {count - 10} more" if count > 10 else ""
    said = team.bob.refused("commit", "-qm", "x").err
    assert [path for path in paths if path in said] == paths[:10]
    assert more in said
    team.bob.sneaks(*paths)
    for said in (team.bob.refused("push", "origin", "main").err, str(team.bob.refused_push()["error"]["message"])):
        assert [path for path in paths if path in said] == paths[:10]
        assert more in said
        assert ("more" in said) is (count > 10)
