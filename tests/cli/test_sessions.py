"""Sessions: names, agents and people, takeover, copies, who owns what."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from git_peer.core.session import naming
from tests.cli.asking import CLAUDE, ask, codes, held, refused
from tests.world import Clone, World

AGENT_TTL, PERSON_TTL = 30 * 60, 8 * 3600


def session_of(clone: Clone, name: str) -> dict[str, Any]:
    """A session as `peers` shows it."""
    (found,) = [peer for peer in ask(clone, "peers")["sessions"] if peer["name"] == name]
    return dict(found)


@pytest.mark.parametrize(
    ("env", "agent"),
    [
        (CLAUDE, "claude"),
        ({"CODEX_SESSION_ID": "77"}, "codex"),
        ({"GEMINI_CLI": "1"}, "gemini"),
        ({**CLAUDE, "GIT_PEER_SESSION": "zoe"}, "claude"),
        ({"GIT_PEER_SESSION": "zoe"}, ""),
        ({}, ""),
    ],
    ids=["claude", "codex", "gemini", "named agent", "named person", "person"],
)
def test_agents_and_people(local: Clone, env: dict[str, str], agent: str) -> None:
    """The kind, the name, the TTL, the priority and the right to force go by the environment."""
    (lock,) = ask(local, "lock", "src/", env=env)["locks"]
    name = lock["session"]
    assert lock["ttl"] == (AGENT_TTL if agent else PERSON_TTL)
    assert lock["priority"] <= (5 if agent else 10)
    if "GIT_PEER_SESSION" in env:
        assert name == "zoe"
    elif agent:
        assert name.startswith(f"{agent}-")
    me = ask(local, "whoami", env=env)
    assert (me["name"], me["agent"], me["person"]) == (name, agent or None, not agent)
    assert session_of(local, name)["agent"] == (agent or None)

    ask(local, "lock", "docs/", as_="other")
    force = ("unlock", "docs/", "--force", "--reason", "needed")
    most = 5 if agent else 10
    assert ask(local, "lock", "README.md", "--priority", str(most), env=env)["locks"][0]["priority"] == most
    refused(local, "not_allowed", "lock", "README.md", "--priority", str(most + 1), env=env)
    if agent:
        hint = refused(local, "not_allowed", *force, env=env)["error"]["hint"]
        assert "person" in hint
        local.git("config", "peer.agentsMayForce", "true")
    assert held({"locks": ask(local, *force, env=env)["released"]}) == [("docs/", "other")]


def test_a_session_started_as_an_agent(local: Clone) -> None:
    """--agent makes an agent of it for all its commands, without an environment that says so."""
    ask(local, "session", "start", "zoe", "--agent", "aider")
    (lock,) = ask(local, "lock", "src/", as_="zoe")["locks"]
    assert lock["ttl"] == AGENT_TTL
    refused(local, "not_allowed", "lock", "src/", "--priority", "6", as_="zoe")
    assert ask(local, "whoami", as_="zoe")["agent"] == "aider"
    ask(local, "lock", "docs/", as_="abe")
    refused(local, "not_allowed", "unlock", "docs/", "--force", "--reason", "x", as_="zoe")


def test_agents_of_other_work_trees_are_others(local: Clone) -> None:
    """Subagents share the agent's session id: the work tree tells them apart."""
    other = local.worktree("wt")
    one = ask(local, "lock", "src/", env=CLAUDE)["session"]
    two = ask(other, "whoami", env=CLAUDE)["name"]
    assert one != two
    refused(other, "locked", "lock", "src/api.py", env=CLAUDE)
    assert ask(local, "lock", "src/", env=CLAUDE)["session"] == one
    again = {**CLAUDE, "CLAUDE_CODE_SESSION_ID": "another"}
    assert ask(local, "whoami", env=again)["name"] not in {one, two}
    refused(local, "locked", "lock", "src/", env=again)


def test_a_person_owns_what_agents_hold_here(local: Clone) -> None:
    """In the same work tree: lock answers with the agent's, check allows, unlock gives back. Not in another."""
    other = local.worktree("wt")
    (lock,) = ask(local, "lock", "src/", env=CLAUDE)["locks"]
    named = ask(local, "lock", "docs/", as_="zoe")["locks"][0]
    before = ask(local, "status")["log"]["height"]
    assert ask(local, "lock", "src/api.py")["locks"][0]["id"] == lock["id"]
    assert ask(local, "status")["log"]["height"] == before
    assert ask(local, "check", "src/api.py", "docs/guide.md")["allowed"] is True
    assert {view["id"] for view in ask(local, "locks", "--mine")["locks"]} == {lock["id"], named["id"]}
    for args in (("lock", "src/api.py"), ("check", "src/api.py")):
        refused(other, "locked", *args)
    refused(other, "not_yours", "unlock", "src/")
    assert ask(other, "locks", "--mine")["locks"] == []
    assert [view["id"] for view in ask(local, "unlock", "src/")["released"]] == [lock["id"]]
    assert codes(ask(local, "whoami", env=CLAUDE)) == []  # its person's word is no loss


def test_named_sessions_never_own_each_others(local: Clone) -> None:
    """Nor an agent its person's, nor a named person the unnamed one's."""
    ask(local, "lock", "src/", as_="zoe")
    ask(local, "lock", "docs/")
    ask(local, "lock", "README.md", env=CLAUDE)
    for who in ({"GIT_PEER_SESSION": "abe"}, {**CLAUDE, "CLAUDE_CODE_SESSION_ID": "second"}):
        for target in ("src/", "docs/", "README.md"):
            refused(local, "locked", "lock", target, env=who)
            refused(local, "locked", "check", target, env=who)
            refused(local, "not_yours", "unlock", target, env=who)
    refused(local, "not_yours", "unlock", "docs/", env=CLAUDE)
    refused(local, "not_yours", "session", "end", "zoe", as_="abe")


def test_end_gives_back(local: Clone) -> None:
    """A session's own end, and its person's; another run of the name is a new sid."""
    ask(local, "lock", "src/", "docs/", as_="zoe")
    sid = session_of(local, "zoe")["sid"]
    ended = ask(local, "session", "end", as_="zoe")
    assert {view["target"] for view in ended["released"]} == {"src/", "docs/"}
    assert ask(local, "locks")["locks"] == ask(local, "peers")["sessions"] == []
    refused(local, "not_found", "session", "end", as_="zoe")
    refused(local, "not_found", "session", "renew", as_="zoe")
    assert ask(local, "session", "start", "zoe")["sid"] != sid
    ask(local, "lock", "src/", env=CLAUDE)
    name = ask(local, "whoami", env=CLAUDE)["name"]
    assert ask(local, "session", "end", name)["ended"] == name
    assert ask(local, "locks")["locks"] == []


@pytest.mark.parametrize("where", ["work tree", "clone"])
def test_one_name_twice(world: World, where: str) -> None:
    """A live run of that name elsewhere: `exists`. Takeover ends and fences it."""
    one = world.clone("a")
    one.peer("init", *(("--local",) if where == "work tree" else ("--remote", "origin")))
    ask(one, "lock", "src/", "@deploy", as_="zoe")
    first = session_of(one, "zoe")["sid"]
    if where == "work tree":
        two = one.worktree("wt")
    else:
        two = world.clone("b")
        two.peer("init")
    for args in (("lock", "docs/"), ("lock", "src/"), ("session", "start")):
        told = refused(two, "exists", *args, as_="zoe")
        assert "zoe" in told["error"]["message"]
    refused(two, "locked", "check", "src/api.py", as_="zoe")
    refused(two, "not_yours", "unlock", "src/", as_="zoe")
    assert held(ask(two, "locks", "--mine", as_="zoe")) == []

    taken = ask(two, "session", "start", "--takeover", as_="zoe")
    assert taken["sid"] != first
    assert ask(two, "locks")["locks"] == []
    ask(two, "lock", "src/", as_="zoe")
    told = refused(one, "exists", "lock", "src/", as_="zoe")
    assert {notice["target"] for notice in told["notices"] if notice["code"] == "lost"} == {"@deploy", "src/"}
    refused(one, "locked", "check", "src/api.py", as_="zoe")


def test_the_old_run_is_fenced(local: Clone) -> None:
    """After a takeover the commit of what the old run held is refused, though nobody holds it any more."""
    other = local.worktree("wt")
    ask(local, "lock", "src/", as_="zoe")
    ask(other, "session", "start", "--takeover", as_="zoe")
    ask(other, "lock", "src/", as_="zoe")
    ask(other, "unlock", "src/", as_="zoe")
    refused(local, "fenced", "check", "src/api.py", as_="zoe")
    local.write("src/api.py", "stale\n")
    local.git("add", "-A")
    assert local.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "zoe"}, check=False).status == 1
    assert ask(local, "check", "src/api.py", as_="abe")["allowed"] is True


def test_the_same_run_goes_on(local: Clone) -> None:
    """Same name, clone and work tree: the same sid, from a folder below too."""
    first = ask(local, "session", "start", "zoe", "--doing", "one")
    again = ask(local, "session", "start", "zoe", "--doing", "two", cwd="src")
    assert first["sid"] == again["sid"]
    assert session_of(local, "zoe")["doing"] == "two"


@pytest.mark.parametrize("mode", ["local", "remote"])
def test_a_copied_clone(world: World, mode: str) -> None:
    """`cp -r`: it gets an id of its own and owns nothing of the original's; the original goes on."""
    one = world.clone("a")
    one.peer("init", *(("--local",) if mode == "local" else ("--remote", "origin")))
    ask(one, "lock", "src/", as_="zoe")
    ask(one, "lock", "docs/")
    ident = ask(one, "whoami")["clone"]
    shutil.copytree(one.path, world.folder / "copy", symlinks=True)
    two = Clone(world, world.folder / "copy")

    assert ask(two, "locks", "--mine", as_="zoe")["locks"] == []
    refused(two, "locked", "check", "src/api.py", as_="zoe")
    refused(two, "locked", "check", "docs/guide.md")
    two.write("src/api.py", "copied\n")
    two.git("add", "-A")
    assert two.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "zoe"}, check=False).status == 1
    assert "clone" in [check["name"] for check in ask(two, "doctor")["checks"] if check["status"] == "warn"]
    refused(two, "exists", "lock", "src/", as_="zoe")
    refused(two, "locked", "lock", "docs/")
    refused(two, "not_yours", "unlock", "docs/")
    ask(two, "lock", "README.md", as_="abe")
    assert ask(two, "whoami")["clone"] not in {ident, ""}

    assert ask(one, "whoami")["clone"] == ident
    assert held(ask(one, "locks", "--mine", as_="zoe")) == [("src/", "zoe")]
    assert ask(one, "check", "src/api.py", as_="zoe")["allowed"] is True
    told = one.peer("--json", "lock", "README.md", as_="zoe", status=None)
    assert told.status == (1 if mode == "remote" else 0)  # two local copies are two logs


def test_two_agents_in_one_work_tree(local: Clone) -> None:
    """They are two sessions; both are told, and doctor warns."""
    second = {**CLAUDE, "CLAUDE_CODE_SESSION_ID": "second"}
    ask(local, "lock", "src/", env=CLAUDE)
    answer = ask(local, "lock", "docs/", env=second)
    assert "shared_worktree" in codes(answer)
    assert "shared_worktree" in codes(ask(local, "status", env=CLAUDE))
    assert codes(ask(local.worktree("wt"), "status", env=CLAUDE)) == []
    warned = [check["name"] for check in ask(local, "doctor")["checks"] if check["status"] == "warn"]
    assert warned == ["work tree"]


@pytest.mark.parametrize(
    "name", ["Zoe", "-zoe", "zo e", "zoe/x", "..", "zoe..x", "zoe.lock", "z" * 65, "zoé", ".zoe", ""]
)
def test_names_that_are_none(local: Clone, name: str) -> None:
    """Wherever somebody gives a name on purpose. What another tool calls a session is mapped to a name."""
    refused(local, "usage", f"--as={name}", "lock", "x")
    refused(local, "usage", "session", "start", "--", name)
    assert ask(local, "peers")["sessions"] == []
    if name:
        env = {"GIT_PEER_SESSION": name}
        called = ask(local, "lock", "x", env=env)["session"]
        assert called == naming.mapped(name) != name
        assert held(ask(local, "locks", env=env)) == [("x", called)]


def test_long_names_stay_apart(local: Clone) -> None:
    """No name is cut: 64 characters that differ in the last are two sessions."""
    ask(local, "lock", "src/", as_="z" * 63 + "a")
    refused(local, "locked", "lock", "src/", as_="z" * 63 + "b")


def test_people_of_two_clones_in_folders_of_one_name(world: World) -> None:
    """<user>-<host>-<work tree> may be equal: the clone's id tells them apart."""
    (world.folder / "x").mkdir()
    (world.folder / "y").mkdir()
    one, two = world.clone("x/src"), world.clone("y/src")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    ask(one, "lock", "docs/")
    refused(two, "locked", "lock", "docs/")
    ask(two, "lock", "README.md")
    assert len({session for _, session in held(ask(two, "locks"))}) == 2
