"""No way round by accident: whatever form a change of a locked path takes, the commit or the push is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest

from tests.enforce.team import COMMIT, HELD, Member, Team


# -- at the commit ------------------------------------------------------------------------------
def _all(bob: Member) -> tuple[str, ...]:
    bob.change(HELD)
    return (*COMMIT, "-a")


def _only(bob: Member) -> tuple[str, ...]:
    bob.change(HELD)
    return (*COMMIT, "--", HELD)


def _folder(bob: Member) -> tuple[str, ...]:
    bob.change(HELD)
    return (*COMMIT, "--", "src")


def _include(bob: Member) -> tuple[str, ...]:
    bob.change(HELD, "docs/guide.md")
    bob.git("add", "docs/guide.md")
    return (*COMMIT, "--include", HELD)


def _moved_away(bob: Member) -> tuple[str, ...]:
    bob.git("mv", HELD, "src/elsewhere.py")
    return COMMIT


def _moved_onto(bob: Member) -> tuple[str, ...]:
    bob.git("mv", "-f", "src/api.py", HELD)
    return COMMIT


def _removed(bob: Member) -> tuple[str, ...]:
    bob.git("rm", "-q", HELD)
    return COMMIT


def _untracked(bob: Member) -> tuple[str, ...]:
    bob.git("rm", "-q", "--cached", HELD)
    return COMMIT


def _mode(bob: Member) -> tuple[str, ...]:
    bob.git("update-index", "--chmod=+x", HELD)
    return COMMIT


def _symlink(bob: Member) -> tuple[str, ...]:
    path = bob.at.path / HELD
    path.unlink()
    path.symlink_to("api.py")
    return (*COMMIT, "-a")


def _folder_symlink(bob: Member) -> tuple[str, ...]:
    shutil.move(bob.at.path / "src", bob.at.path / "real")
    (bob.at.path / "src").symlink_to("real")
    bob.git("add", "-A")
    return COMMIT


def _folder_file(bob: Member) -> tuple[str, ...]:
    shutil.rmtree(bob.at.path / "src")
    bob.change("src")
    bob.git("add", "-A")
    return COMMIT


def _amend(bob: Member) -> tuple[str, ...]:
    bob.commit("docs/guide.md")
    bob.change(HELD)
    return ("commit", "-q", "-a", "--amend", "--no-edit")


def _fixup(bob: Member) -> tuple[str, ...]:
    bob.change(HELD)
    return ("commit", "-q", "-a", "--fixup=HEAD")


def _checkout(bob: Member) -> tuple[str, ...]:
    """An older version brought back."""
    bob.git("switch", "-q", "--orphan", "other")
    bob.sneaks(HELD)
    bob.git("switch", "-q", "main")
    bob.git("checkout", "-q", "other", "--", HELD)
    return COMMIT


def _index_only(bob: Member) -> tuple[str, ...]:
    """The change stands in the index alone; the work tree looks clean."""
    blob = bob.git("hash-object", "-w", "--stdin", stdin=b"other\n").line
    bob.git("update-index", "--cacheinfo", f"100644,{blob},{HELD}")
    return COMMIT


def _squash(bob: Member) -> tuple[str, ...]:
    _branch_with_change(bob)
    bob.git("merge", "-q", "--squash", "topic")
    return COMMIT


def _without_commit(bob: Member) -> tuple[str, ...]:
    """A cherry-pick that one commits oneself."""
    _branch_with_change(bob)
    bob.git("cherry-pick", "-n", "topic")
    return COMMIT


@pytest.mark.parametrize(
    "prepare",
    [
        _all, _only, _folder, _include, _moved_away, _moved_onto, _removed, _untracked, _mode, _symlink,
        _folder_symlink, _folder_file, _amend, _fixup, _checkout, _index_only, _squash, _without_commit,
    ],
    ids=lambda prepare: prepare.__name__[1:],
)  # fmt: skip
def test_commit(held: Team, prepare: Callable[[Member], tuple[str, ...]]) -> None:
    args = prepare(held.bob)
    held.bob.refused(*args)
    held.alice.peer("unlock", HELD)
    held.bob.peer("sync")
    held.bob.git(*args)  # it was the lock that stood against it, and nothing else


def _branch_with_change(bob: Member) -> None:
    """A branch `topic` of bob's whose one commit changes the locked file, past the hook."""
    bob.git("switch", "-q", "-c", "topic")
    bob.sneaks(HELD)
    bob.git("switch", "-q", "main")


def test_move_into_a_locked_folder(team: Team) -> None:
    team.hold("src/")
    team.bob.git("mv", "docs/guide.md", "src/guide.md")
    team.bob.refused(*COMMIT)


def test_new_file_under_a_locked_glob(team: Team) -> None:
    team.hold("**/*_test.py")
    team.bob.change("src/deep/new_test.py")
    team.bob.git("add", "-A")
    team.bob.refused(*COMMIT)


def test_submodule_bump(team: Team) -> None:
    """A submodule's new commit is a change of its path, as its removal is."""
    alice, bob = team.alice, team.bob
    alice.git("submodule", "--quiet", "add", team.world.url, "lib")
    alice.git(*COMMIT)
    alice.git("push", "-q")
    bob.git("pull", "-q", "--recurse-submodules")
    bob.git("submodule", "--quiet", "update", "--init")
    team.hold("lib")
    bob.git("-C", "lib", "checkout", "-q", "-B", "work")
    bob.git("-C", "lib", "commit", "-q", "--allow-empty", "-m", "inside")
    bob.refused(*COMMIT, "-a")
    bob.git(*COMMIT, "-a", "--no-verify")
    bob.refused("push", "-q", "--no-recurse-submodules")
    bob.git("reset", "-q", "--hard", "@{upstream}")
    bob.git("rm", "-q", "-f", "lib")
    bob.refused(*COMMIT, why="lib is locked by alice")


@pytest.mark.parametrize("cwd", ["src", "docs"])
def test_from_a_subdirectory(held: Team, cwd: str) -> None:
    held.bob.change(HELD)
    held.bob.git("config", "diff.relative", "true")
    held.bob.refused(*COMMIT, "-a", cwd=cwd)


def test_from_elsewhere(held: Team) -> None:
    """GIT_DIR, GIT_WORK_TREE, relative and absolute."""
    bob = held.bob
    bob.change(HELD)
    top, gitdir = str(bob.at.path), str(bob.at.gitdir)
    bob.refused(*COMMIT, "-a", env={"GIT_DIR": gitdir, "GIT_WORK_TREE": top}, cwd="..")
    bob.refused(*COMMIT, "-a", env={"GIT_DIR": "other/.git", "GIT_WORK_TREE": "other"}, cwd="..")
    bob.refused(*COMMIT, "-a", env={"GIT_DIR": gitdir, "GIT_WORK_TREE": ".."}, cwd="src")
    bob.refused("--git-dir=../.git", "--work-tree=..", *COMMIT, "-a", cwd="docs")
    bob.refused("-C", "docs", *COMMIT, "-a")
    bob.git(*COMMIT, "-a", "--no-verify")
    for env in ({"GIT_DIR": gitdir, "GIT_WORK_TREE": top}, {"GIT_DIR": "other/.git"}):
        bob.refused("push", "-q", "origin", "main", env=env, cwd="..")


def test_another_index(held: Team) -> None:
    bob = held.bob
    index = bob.at.path.parent / "index"
    shutil.copy(bob.at.gitdir / "index", index)
    bob.change(HELD)
    for name in (str(index), os.path.relpath(index, bob.at.path)):
        bob.git("add", HELD, env={"GIT_INDEX_FILE": name})
        bob.refused(*COMMIT, env={"GIT_INDEX_FILE": name})
    assert bob.git("diff", "--cached", "--name-only").out == ""  # git's own index has nothing of it


def test_conflict_resolved(held: Team) -> None:
    """A merge commit that differs from all its parents in the locked file changes it."""
    bob = held.bob
    _branch_with_change(bob)
    bob.at.write(HELD, "ours\n")
    bob.git(*COMMIT, "-a", "--no-verify")
    assert bob.git("merge", "-q", "topic", check=False).status == 1
    bob.at.write(HELD, "both\n")
    bob.git("add", HELD)
    bob.refused("commit", "-q", "--no-edit")
    bob.refused("merge", "--continue", env={"GIT_EDITOR": "true"})


def test_evil_merge(held: Team) -> None:
    """A clean merge into which the locked file was slipped."""
    bob = held.bob
    bob.git("switch", "-q", "-c", "side")
    bob.commit("docs/side.md")
    bob.git("switch", "-q", "main")
    bob.commit("docs/main.md")
    bob.git("merge", "-q", "--no-commit", "side")
    bob.change(HELD)
    bob.git("add", HELD)
    bob.refused("commit", "-q", "--no-edit")
    bob.git("commit", "-q", "--no-edit", "--no-verify")
    bob.refused("push", "-q")


# -- at the push --------------------------------------------------------------------------------
def _no_verify(bob: Member) -> None:
    bob.sneaks(HELD)


def _cherry_pick(bob: Member) -> None:
    _branch_with_change(bob)
    bob.git("cherry-pick", "topic", check=False)


def _rebase(bob: Member) -> None:
    _branch_with_change(bob)
    bob.commit("docs/guide.md")
    bob.git("switch", "-q", "topic")
    bob.git("rebase", "-q", "main", check=False)
    bob.git("branch", "-q", "-f", "main")
    bob.git("switch", "-q", "main")


def _rebase_apply(bob: Member) -> None:
    _branch_with_change(bob)
    bob.commit("docs/guide.md")
    bob.git("switch", "-q", "topic")
    bob.git("rebase", "-q", "--apply", "main", check=False)
    bob.git("branch", "-q", "-f", "main")
    bob.git("switch", "-q", "main")


def _am(bob: Member) -> None:
    _branch_with_change(bob)
    patch = bob.git("format-patch", "--stdout", "main..topic").raw
    bob.git("am", "-q", check=False, stdin=patch)


def _merge(bob: Member) -> None:
    _branch_with_change(bob)
    bob.git("merge", "-q", "--no-ff", "--no-edit", "topic", check=False)


def _fast_forward(bob: Member) -> None:
    _branch_with_change(bob)
    bob.git("merge", "-q", "--ff-only", "topic")


def _plumbing(bob: Member) -> None:
    """No hook runs, and nobody notes whose commit it is: it is the pusher's."""
    bob.change(HELD)
    bob.git("add", HELD)
    tree = bob.git("write-tree").line
    commit = bob.git("commit-tree", "-p", "HEAD", "-m", "x", tree).line
    bob.git("update-ref", "HEAD", commit)


def _hooks_off(bob: Member) -> None:
    bob.change(HELD)
    bob.git("-c", "core.hooksPath=/dev/null", *COMMIT, "-a")


@pytest.mark.parametrize(
    "make",
    [_no_verify, _cherry_pick, _rebase, _rebase_apply, _am, _merge, _fast_forward, _plumbing, _hooks_off],
    ids=lambda make: make.__name__[1:],
)
def test_push(held: Team, make: Callable[[Member], None]) -> None:
    bob = held.bob
    make(bob)
    assert HELD in bob.git("log", "--name-only", "--format=", "origin/main..main").out.split()
    bob.refused("push", "-q")
    bob.refused_push()


def test_push_of_any_branch(held: Team) -> None:
    """Where all branches are gates every pushed branch counts, under whatever name and beside whatever else."""
    bob = held.bob
    bob.git("config", "peer.gateBranches", "**")
    bob.git("branch", "-q", "clean")
    bob.git("tag", "clean-tag")
    bob.sneaks(HELD)
    bob.git("tag", "-a", "heavy", "-m", "x")
    bob.git("switch", "-q", "-c", "later")
    bob.commit("docs/guide.md")
    for args in (
        ("-u", "origin", "later"), ("origin", "clean", "clean-tag", "later:fresh"), ("--all", "origin"),
        ("--force", "origin", "main"), ("origin", "heavy^{commit}:refs/heads/fresh"),
        ("origin", f"{bob.at.head('main')}:refs/heads/fresh"), (bob.at.world.url, "later"),
        ("--atomic", "--follow-tags", "origin", "clean", "main"),
    ):  # fmt: skip
        bob.refused("push", "-q", *args)
    bob.git("push", "-q", "origin", "clean", "clean-tag")
    bob.git("switch", "-q", "--detach", "later")
    bob.refused("push", "-q", "origin", "HEAD:refs/heads/fresh")


def test_lock_taken_after_the_commit(team: Team) -> None:
    """The commit was right when it was made, and bob's copy of the log is old: the push looks at the remote's."""
    team.bob.commit(HELD)
    team.alice.lock(HELD)
    team.bob.refused("push", "-q")
    team.bob.refused_push()


def test_the_log_itself(held: Team) -> None:
    bob = held.bob
    for args in (
        ("origin", ":peer/coordination"), ("--delete", "origin", "peer/coordination"), ("--mirror", "origin"),
        ("origin", "+main:peer/coordination"), ("origin", "main", ":peer/coordination"),
        ("--prune", "origin", "refs/heads/*:refs/heads/*"), ("origin", "refs/peer/*:refs/peer/*"),
        ("origin", "refs/peer/coordination~1:refs/heads/peer/coordination", "--force"),
    ):  # fmt: skip
        bob.refused("push", "-q", *args, why="only git-peer writes it")
    bob.refused_push("origin", ":peer/coordination", code="not_allowed")


def test_forced_push_drops_what_landed(held: Team) -> None:
    """alice landed and goes on holding; bob, who never fetched that, may not push over it, nor delete it."""
    alice, bob = held.alice, held.bob
    alice.git("switch", "-q", "-c", "release")
    alice.commit(HELD)
    alice.peer("push", "--keep", "origin", "release:main")
    bob.commit("docs/guide.md")
    undone = "fetch first; forcing main would undo what alice landed on src/auth.py"
    bob.refused("push", "-q", "--force", "origin", "main", why=undone)
    bob.refused_push("origin", "+main")
    bob.git("fetch", "-q")
    bob.refused("push", "-q", "--force", "origin", "main")
    bob.refused("push", "-q", "--force-with-lease", "origin", "main")
    bob.refused_push("--force-with-lease", "origin", "main")
    bob.git("pull", "-q", "--rebase")
    bob.git("push", "-q", "--force", "origin", "main")  # nothing is lost
    bob.git("push", "-q", "origin", "main:release")
    bob.git("push", "-q", "origin", ":release")  # nor here: main has it all


def test_deletion_of_a_gate(held: Team) -> None:
    """Not while others hold anything; of another branch it is whoever deletes it who says what is done with."""
    alice, bob = held.alice, held.bob
    alice.git("switch", "-q", "-c", "feature")
    alice.commit(HELD)
    alice.git("push", "-q", "-u", "origin", "feature", "main:release/1")
    bob.git("config", "peer.gateBranches", "release/*")
    bob.refused("push", "-q", "origin", "--delete", "release/1")
    bob.refused_push("origin", ":release/1")
    bob.git("push", "-q", "origin", "--delete", "feature")
    alice.peer("unlock", "--all")
    bob.git("push", "-q", "origin", "--delete", "release/1")
