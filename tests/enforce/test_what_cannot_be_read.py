"""What would switch the gate off unseen: an index of another kind, a torn clone.json, unkept promises, odd names."""

from __future__ import annotations

import json

import pytest

from git_peer.core.session import naming
from tests.agents.calling import Agent
from tests.enforce.team import HELD, Member, Team


# -- indexes that libgit2 cannot read -----------------------------------------------------------
@pytest.mark.parametrize("kind", ["split", "sparse"])
def test_an_index_that_only_git_reads(held: Team, kind: str) -> None:
    bob = held.bob
    if kind == "split":
        bob.git("update-index", "--split-index")
    else:
        bob.git("sparse-checkout", "set", "--cone", "--sparse-index", "src")
        assert b"sdir" in (bob.at.gitdir / "index").read_bytes()
        assert not (bob.at.path / "docs").exists()
    assert bob.peer("check", HELD, "--json", status=1).json()["violations"][0]["lock"]["session"] == "alice"
    bob.peer("lock", HELD, status=1)
    bob.lock("src/api.py", "docs/guide.md")  # the second is in the index alone, where that is sparse
    kinds = {lock["path"]: lock["kind"] for lock in bob.peer("locks", "--mine", "--json").json()["locks"]}
    assert kinds == {"src/api.py": "file", "docs/guide.md": "file"}
    bob.change(HELD, "src/api.py")
    bob.git("add", HELD)
    bob.refused("commit", "-q", "-m", "x")
    bob.git("reset", "-q", HELD)
    bob.git("commit", "-q", "-m", "mine", "--", "src/api.py")
    bob.peer("push")
    agent = Agent(bob.at)
    assert "locked by alice" in agent.edit(HELD)
    (bob.at.path / ".gitignore").write_text("*.log\n")
    assert agent.edit("src/new.py") == agent.edit("src/a.log") == ""
    assert set(agent.locks()) == {"src/new.py"}


def test_a_submodule_in_a_split_index(held: Team) -> None:
    bob = held.bob
    bob.git("update-index", "--add", "--cacheinfo", f"160000,{bob.at.head()},libs/sub")
    bob.git("update-index", "--split-index")
    assert "submodule" in bob.peer("lock", "libs/sub/x.c", status=129).err


# -- a clone.json that cannot be read -----------------------------------------------------------
@pytest.mark.parametrize("content", ["", '{"clone": "ab', "{}", "[]", "\0" * 40])
def test_a_torn_clone_json(held: Team, content: str) -> None:
    """The clone does not pass for one without git-peer; `init` mends it, and what is its own stays its own."""
    alice, place = held.alice, held.alice.at.common / "peer" / "clone.json"
    before = json.loads(place.read_text())
    place.write_text(content)
    for args in (("lock", "docs/guide.md"), ("status",), ("push",)):
        told = alice.peer(*args, "--json", status=4).json()["error"]
        assert (told["code"], "damaged" in told["message"], "init" in told["hint"]) == ("untrusted", True, True)
    alice.sneaks(HELD)
    remote = held.world.refs()
    assert "damaged" in alice.git("push", "-q", check=False).err
    assert held.world.refs() == remote
    assert [c["name"] for c in alice.peer("doctor", "--json", status=1).json()["checks"] if c["status"] == "fail"] == [
        "clone"
    ]
    agent = Agent(alice.at)
    assert "git peer init" in agent.edit("docs/guide.md")
    assert agent.shell("git peer init") == ""
    alice.peer("init")
    after = json.loads(place.read_text())
    assert {key: after[key] for key in ("clone", "log", "remote", "branch", "inode")} == {
        key: before[key] for key in ("clone", "log", "remote", "branch", "inode")
    }
    assert alice.holds() == {HELD}
    alice.git("push", "-q")


# -- promises that this release does not keep ---------------------------------------------------
def test_a_promise_is_an_error_while_it_is_not_kept(team: Team) -> None:
    bob, remote = team.bob, team.world.refs()
    bob.commit("docs/guide.md")
    calls = (("lock", "src/api.py"), ("push",))
    for name, args in zip(("sign", "requireSigned"), calls, strict=True):
        bob.git("config", f"peer.{name}", "true")
        told = bob.peer(*args, "--json", status=1).json()["error"]
        assert (told["code"], told["message"]) == ("invalid", f"peer.{name}: this release does not have it")
        assert f"peer.{name}" in told["hint"]
        assert f"peer.{name}" in bob.git("push", "-q", check=False).err
        assert f"peer.{name}" in Agent(bob.at).edit("src/api.py")
        bob.git("config", f"peer.{name}", "false")
    assert team.world.refs() == remote
    (bob.at.path / ".git-peer.toml").write_text("sign = true\n")
    bob.peer("push")  # what git's settings say counts more
    bob.git("config", "--unset", "peer.sign")
    assert "peer.sign" in bob.peer("lock", "src/api.py", status=1).err
    bob.peer("status")


# -- names of other tools -----------------------------------------------------------------------
ODD = ["GreenCastle", "greencastle", "GREENCASTLE", "Green Castle", "Green_Castle", "-", ".", "a/b", "a\nb", "é" * 80,
       "x" * 65, "x" * 66, "a..b", "x.lock", "50%", "50%25", "\t", "a\rb"]  # fmt: skip


def test_every_text_is_a_name_and_no_two_are_one() -> None:
    names = [naming.mapped(text) for text in ODD]
    assert len(set(names)) == len(ODD)
    assert all(map(naming.is_name, names))
    assert [naming.mapped(name) for name in names] == names
    assert naming.mapped("greencastle") == "greencastle"
    # Names that logs have: a person's, whose folder's name is none. Another would be a session without their locks.
    assert naming.mapped("joe-host-my repo") == "joe-host-my-repo-666e9c"
    assert naming.mapped("joe-host-" + "x" * 70) == "joe-host-" + "x" * 48 + "-326fc3"


def test_a_name_of_another_tool(held: Team) -> None:
    bob = Member(held.bob.at, "GreenCastle")
    name = naming.mapped("GreenCastle")
    assert bob.peer("whoami", "--json").json()["name"] == name
    assert "locked by alice" in Agent(bob.at).edit(HELD)
    bob.lock("src/api.py")
    assert bob.holds() == {"src/api.py"}
    assert Member(bob.at, "greencastle").holds() == set()
    bob.peer("lock", "docs/guide.md", "--as", "GreenCastle", status=129)
    bob.peer("session", "start", "GreenCastle", status=129)


@pytest.mark.parametrize("text", ["Green Castle", "-", "50%25 a\tb"])
def test_what_such_a_session_commits_is_its_own(team: Team, text: str) -> None:
    """Also when somebody else pushes it: the hook's record tells whose it is."""
    one = Member(team.bob.at, text)
    one.lock("src/api.py")
    one.commit("src/api.py")
    team.bob.git("push", "-q", "origin", "HEAD:refs/heads/topic")
    note = json.loads(one.peer("notes", "HEAD", "--json").raw)["notes"][0]
    assert note["session"] == naming.mapped(text)
    one.git("push", "-q")
