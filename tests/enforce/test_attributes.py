"""git's attributes: a path that wants a lock of whoever changes it, and one that nobody's lock is on."""

from __future__ import annotations

import pytest

from tests.agents.calling import Agent
from tests.enforce.team import HELD, Member, Team
from tests.world import Clone


def mark(team: Team, text: str, path: str = ".gitattributes") -> None:
    """Both have these attributes."""
    team.alice.at.write(path, text)
    team.alice.git("add", "-A")
    team.alice.git("commit", "-q", "--no-verify", "-m", "attributes")
    team.alice.git("push", "-q", "--no-verify", "origin", "main")
    team.bob.git("pull", "-q", "--rebase")


def test_a_path_that_wants_a_lock(team: Team) -> None:
    """Refused without, whoever it is; a lock of one's own, exact or of the folder, lets it pass; others' paths too."""
    mark(team, "src/auth.py peer-lock\n")
    alice, bob = team.alice, team.bob
    bob.commit("src/api.py")
    bob.change(HELD)
    told = bob.refused("commit", "-q", "-a", "-m", "x", why=f"{HELD} wants a lock of whoever changes it").err
    assert f"hint: take it first: git peer lock {HELD}" in told
    bob.lock("src/")
    bob.git("commit", "-q", "-a", "-m", "x")
    bob.peer("push", "--keep")
    alice.git("pull", "-q", "--rebase")
    alice.change(HELD)
    alice.peer("sync")
    alice.refused("commit", "-q", "-a", "-m", "x", why="is locked by bob")
    bob.peer("unlock", "--all")
    alice.peer("sync")
    alice.refused("commit", "-q", "-a", "-m", "x", why="wants a lock")
    alice.peer("lock", HELD, "--shared")
    alice.git("commit", "-q", "-a", "-m", "x")


@pytest.mark.parametrize("kind", ["rm", "mv", "new"])
def test_every_kind_of_change_wants_it(team: Team, kind: str) -> None:
    mark(team, "*.py peer-lock\n")
    bob = team.bob
    if kind == "rm":
        bob.git("rm", "-q", HELD)
    elif kind == "mv":
        bob.git("mv", HELD, "moved.txt")
    else:
        bob.at.write("src/new.py", "x\n")
        bob.git("add", "-A")
    path = "src/new.py" if kind == "new" else HELD
    bob.refused("commit", "-q", "-m", "x", why=f"{path} wants a lock")
    bob.lock(path)
    bob.git("commit", "-q", "-m", "x")


@pytest.mark.parametrize("where", ["below", "info", "macro", "index"])
def test_wherever_attributes_stand(team: Team, where: str) -> None:
    bob = team.bob
    if where == "below":
        mark(team, "auth.py peer-lock\n", "src/.gitattributes")
        bob.peer("sync")  # from then on the hook knows
    elif where == "info":
        (bob.at.common / "info" / "attributes").write_text("src/auth.py peer-lock")
    elif where == "macro":
        mark(team, "[attr]ours peer-lock -diff\nsrc/auth.py ours\n")
    else:
        mark(team, "src/auth.py peer-lock\n")
        bob.peer("sync")
        (bob.at.path / ".gitattributes").write_text("src/auth.py -peer-lock peer-free\n")  # what counts is staged
    bob.change(HELD)
    bob.git("add", HELD)
    bob.refused("commit", "-q", "-m", "x", why="wants a lock")
    bob.git("commit", "-q", "--allow-empty", "-m", "other", "--", "README.md")


def test_it_is_looked_at_when_it_is_pushed(team: Team) -> None:
    """What skipped the commit's hook; with a lock, anybody's, it lands, and merging what has landed is no change."""
    mark(team, "src/auth.py peer-lock\n")
    alice, bob = team.alice, team.bob
    bob.sneaks(HELD)
    bob.refused("push", "-q", "origin", "main", why=f"{HELD}: it wants a lock")
    bob.refused_push(code="not_allowed")
    bob.git("push", "-q", "origin", "HEAD:draft")
    bob.lock(HELD)
    bob.peer("push")
    alice.commit("README.md")
    alice.git("pull", "-q", "--no-rebase", "--no-edit")
    alice.peer("push")


def test_strict_clones_want_it_too(team: Team) -> None:
    mark(team, "src/auth.py peer-lock\n")
    team.bob.peer("init", "--strict")
    team.bob.change(HELD)
    before = team.bob.at.head()
    told = team.bob.git("commit", "-q", "-a", "--no-verify", "-m", "x", check=False)
    assert "wants a lock" in told.err
    assert team.bob.at.head() == before


def test_check_tells(team: Team) -> None:
    mark(team, "src/auth.py peer-lock\n")
    found = team.bob.peer("check", HELD, "--json", status=1).json()
    assert (found["error"]["code"], found["violations"][0]["why"]) == ("not_allowed", "required")
    team.bob.lock(HELD)
    team.bob.peer("check", HELD)


def test_nothing_marked_starts_no_python(team: Team) -> None:
    """Where nothing is locked, and no attribute of ours stands anywhere."""
    bob = team.bob
    mark(team, "*.bin filter=lfs\n*.md text\n")
    script = bob.at.common / "peer" / "hooks" / "pre-commit"
    text = script.read_text()
    line = next(line for line in text.splitlines() if line.startswith("peer_python="))
    spy = bob.at.common / "spy"
    spy.write_text(f'#!/bin/sh\ntouch "{bob.at.common}/ran"\n')
    spy.chmod(0o755)
    script.write_text(text.replace(line, f"peer_python='{spy}' peer_gate=/dev/null"))
    bob.commit("src/api.py")
    assert not (bob.at.common / "ran").exists()
    bob.at.write(".gitattributes", "*.lock peer-lock")
    bob.commit("src/api.py")
    assert (bob.at.common / "ran").exists()


# -- paths that nobody's lock is on -------------------------------------------------------------
def test_a_free_path(held: Team) -> None:
    """Committed and pushed by everybody, whoever has locked it, exactly or by a folder."""
    alice, bob = held.alice, held.bob
    mark(held, "src/auth.py peer-free\n*.lock peer-free\n")
    bob.commit(HELD, "deps.lock")
    bob.git("push", "-q", "origin", "main")
    bob.commit(HELD)
    bob.peer("push")
    assert HELD in alice.holds()
    bob.change("src/api.py")
    alice.lock("src/api.py")
    bob.peer("sync")
    bob.refused("commit", "-q", "-a", "-m", "x", why="src/api.py is locked by alice")


def test_free_and_wanted_is_free(team: Team) -> None:
    mark(team, "* peer-lock\nCHANGELOG.md peer-free\n")
    team.bob.commit("CHANGELOG.md")
    team.bob.git("push", "-q")


def test_a_free_path_on_the_server(held: Team) -> None:
    mark(held, "src/auth.py peer-free\n")
    held.alice.peer("server", "install", str(held.world.remote))
    held.bob.sneaks(HELD)
    held.bob.git("push", "-q", "--no-verify", "origin", "main")
    assert not [name for name in (held.world.remote / "peer").iterdir() if "index" in name.name]


def test_an_agent_locks_no_free_path(local: Clone) -> None:
    local.write(".gitattributes", "CHANGELOG.md peer-free\n")
    local.write("CHANGELOG.md", "x\n")
    local.commit("attributes")
    one, other = Agent(local), Agent(local, "other")
    assert one.edit("CHANGELOG.md") == ""
    assert one.edit("src/api.py") == ""
    assert other.edit("CHANGELOG.md") == ""
    assert {lock["target"] for lock in local.peer("locks", "--json").json()["locks"]} == {"src/api.py"}
    local.peer("lock", "CHANGELOG.md")
    assert other.edit("CHANGELOG.md") == ""


# -- a path that many touch ---------------------------------------------------------------------
def test_a_path_that_many_touch(team: Team) -> None:
    """The refusal names what there is to do about it; of another path it does not."""
    alice, bob = team.alice, team.bob
    for _ in range(10):
        bob.commit("CHANGELOG.md")
    bob.git("push", "-q")
    alice.lock("CHANGELOG.md", "README.md")
    bob.peer("sync")

    def told(member: Member, path: str) -> str:
        member.change(path)
        member.git("add", path)
        err = member.refused("commit", "-q", "-m", "x", why=f"{path} is locked by alice").err
        member.git("reset", "-q", "--hard")
        return err

    hint = told(bob, "CHANGELOG.md")
    for word in ("peer-free", "peer-lock", "git peer lock --shared", "ask alice"):
        assert word in hint
    assert "peer-free" not in told(bob, "README.md")
    bob.sneaks("CHANGELOG.md")
    assert "peer-free" in bob.refused_push()["error"]["hint"]
