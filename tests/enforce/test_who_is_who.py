"""Whose lock, whose commit: a name, a copy or another's hands make nobody the holder."""

from __future__ import annotations

import shutil

import pytest

from tests.enforce.team import COMMIT, HELD, Member, Team
from tests.world import Clone


def test_one_name_in_two_work_trees(held: Team) -> None:
    """The name alone does not make one the holder: it is the run in its own work tree."""
    second = Member(held.alice.at.worktree("second"), "alice")
    second.change(HELD)
    second.refused(*COMMIT, "-a")
    answer = second.peer("lock", HELD, "--json", status=1).json()
    assert answer["error"]["code"] in ("exists", "locked")
    second.sneaks(HELD)
    second.refused("push", "-q", "origin", "second:main")
    held.alice.commit(HELD)


def test_one_name_in_two_clones(held: Team) -> None:
    namesake = Member(held.bob.at, "alice")
    namesake.change(HELD)
    namesake.refused(*COMMIT, "-a")
    assert namesake.peer("lock", HELD, "--json", status=1).json()["error"]["code"] in ("exists", "locked")
    namesake.sneaks(HELD)
    namesake.refused("push", "-q")


def test_unnamed_in_another_work_tree(held: Team) -> None:
    """A person owns what agents hold in the same work tree, and in no other."""
    person = Member(held.alice.at.worktree("second"))
    person.change(HELD)
    person.refused(*COMMIT, "-a")


def test_named_beside_a_person(team: Team) -> None:
    """Who bears a name does not own what the unnamed person of the work tree holds."""
    person = Member(team.alice.at)
    person.lock(HELD)
    team.alice.change(HELD)
    team.alice.refused(*COMMIT, "-a", why=f"{HELD} is locked by")
    person.git(*COMMIT, "-a")


@pytest.mark.parametrize("name", ["alice", None])
def test_copied_clone(held: Team, name: str | None) -> None:
    """A copy of the holder's clone, with everything git-peer keeps there, is not the holder."""
    alice = held.alice
    alice.commit(HELD)
    path = alice.at.path.parent / "copy"
    shutil.copytree(alice.at.path, path, symlinks=True)
    copy = Member(Clone(held.world, path), name)
    copy.change(HELD)
    copy.refused(*COMMIT, "-a")
    copy.refused("push", "-q")  # nor are the commits it was copied with its own
    copy.peer("lock", HELD, status=1)
    copy.refused(*COMMIT, "-a")
    copy.refused("push", "-q")
    alice.git("push", "-q")


# -- merges -------------------------------------------------------------------------------------
def test_merge_of_a_strangers_commit(held: Team) -> None:
    """What carol changed is nobody's in bob's clone: who brings it to the remote answers for it."""
    carol = Member(held.world.clone("third"), "carol")  # has not set git-peer up
    carol.git("switch", "-q", "-c", "topic")
    carol.commit(HELD)
    held.bob.commit("docs/guide.md")
    held.bob.git("pull", "-q", "--no-rebase", "--no-edit", str(carol.at.path), "topic")
    held.bob.refused("push", "-q")


def test_commit_of_another_session_of_the_clone(held: Team) -> None:
    """A commit is its author's whoever pushes it: carol's does not become alice's by alice's pushing it."""
    carol = Member(held.alice.at.worktree("second"), "carol")
    carol.sneaks(HELD)
    held.alice.git("merge", "-q", "--ff-only", "second")
    held.alice.refused("push", "-q")
