"""The commit gate as git runs it: every way to change a locked path. Real repositories and hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from git_peer.hooks import gate
from tests.gate.site import CLONE, Site, lock, session


# -- ways to change a locked path -------------------------------------------------------------------
def test_refusal_says_who_why_and_until_when(site: Site) -> None:
    site.base_commit("src/auth.py", "src/api.py")
    site.log(lock("src/auth.py", reason="rewriting\x1b[31m the\nlogin"))
    site.write("src/auth.py")
    head = site.git("rev-parse", "HEAD")
    error = site.refused("commit", "-qam", "x")
    lines = error.splitlines()
    assert lines[0].startswith("error: src/auth.py is locked by claude-a (exclusive, lapses in ")
    assert lines[0].endswith(")): rewriting [31m the login")
    assert lines[1] == ("hint: wait until then, ask claude-a, or commit the rest with 'git commit -- <other paths>'")
    assert site.git("rev-parse", "HEAD") == head
    site.git("checkout", "-q", "src/auth.py")
    site.write("src/api.py")
    site.git("commit", "-qam", "another file")


def test_commit_of_a_path_sees_the_index_that_git_makes(site: Site) -> None:
    site.base_commit("a", "b")
    site.log(lock("a"))
    site.write("a")
    site.write("b")
    site.git("add", "a")
    site.git("commit", "-qm", "b only", "--", "b")
    site.refused("commit", "-qm", "a", "--", "a")
    site.refused("commit", "-qm", "staged")


def _move_over(site: Site) -> None:
    site.git("mv", "-f", "b", "a")


def _remove(site: Site) -> None:
    site.git("rm", "-q", "a")


def _mode(site: Site) -> None:
    site.git("update-index", "--chmod=+x", "a")


def _symlink(site: Site) -> None:
    (site.top / "a").unlink()
    (site.top / "a").symlink_to("b")
    site.git("add", "a")


def _folder(site: Site) -> None:
    (site.top / "a").unlink()
    site.write("a/inside")
    site.git("add", "-A")


@pytest.mark.parametrize("change", [_move_over, _remove, _mode, _symlink, _folder])
def test_every_kind_of_change(site: Site, change: Any) -> None:
    site.base_commit("a", "b")
    change(site)
    site.log(lock("a"))
    site.refused("commit", "-qm", "x")
    site.log(lock("other"))
    site.git("commit", "-qm", "x")


def test_both_sides_of_a_move(site: Site) -> None:
    site.base_commit("a")
    site.git("mv", "a", "b")
    for path in ("a", "b"):
        site.log(lock(path))
        site.refused("commit", "-qm", "x")
    site.log(lock("c"))
    site.git("commit", "-qm", "x")


def test_submodule_bump(site: Site) -> None:
    site.base_commit("a")
    one, two = "1" * 40, "2" * 40
    site.git("update-index", "--add", "--cacheinfo", f"160000,{one},lib/sub")
    site.git("commit", "-qm", "sub", "--no-verify")
    site.git("config", "diff.ignoreSubmodules", "all")
    site.git("config", "submodule.lib/sub.ignore", "all")
    site.log(lock("lib/sub"))
    site.git("update-index", "--cacheinfo", f"160000,{two},lib/sub")
    site.refused("commit", "-qm", "bump")


def test_amend_from_a_subdirectory_and_settings_that_change_diffs(site: Site) -> None:
    site.base_commit("dir/a", "b")
    site.log(lock("b"))
    for key, value in (("diff.relative", "true"), ("diff.renames", "copies"), ("diff.external", "false")):
        site.git("config", key, value)
    site.write("b")
    site.git("add", "b")
    site.refused("commit", "--amend", "-qm", "x", cwd=site.top / "dir")
    site.git("reset", "-q")
    site.git("commit", "--amend", "-qm", "other words")


def test_environment_of_git(site: Site, tmp_path: Path) -> None:
    site.base_commit("a", "b")
    site.log(lock("a"))
    other = tmp_path / "index"
    where = {"GIT_DIR": str(site.top / ".git"), "GIT_WORK_TREE": str(site.top)}
    site.write("a")
    site.git("read-tree", "HEAD", GIT_INDEX_FILE=str(other))
    site.git("update-index", "a", GIT_INDEX_FILE=str(other))
    site.refused("commit", "-qm", "x", GIT_INDEX_FILE=str(other))
    site.refused("commit", "-qam", "x", cwd=tmp_path, **where)
    site.refused("commit", "-qam", "x", GIT_DIR=".git")
    site.git("commit", "-qm", "nothing staged here", "--allow-empty")


def test_unborn_branch(site: Site) -> None:
    site.log(lock("a"))
    site.write("a")
    site.write("b")
    site.git("add", "a", "b")
    site.refused("commit", "-qm", "first")
    site.git("rm", "-q", "--cached", "a")
    site.git("commit", "-qm", "first")


def test_intent_to_add_is_not_committed(site: Site) -> None:
    site.base_commit("b")
    site.log(lock("a"))
    site.write("a")
    site.write("b")
    site.git("add", "-N", "a")
    site.git("add", "b")
    site.git("commit", "-qm", "b")
    site.refused("commit", "-qam", "a")


ODD = [
    "with space", " lead", "new\nline", "tab\t", "caf\udce9", "café", "cafe\u0301", "@at", "@x.json", ":colon", "a:b",
    "[id]/page.tsx", "*", "?", "a\\b", '"quoted"', "%41", "=eq", "-dash", "~", "x" * 230, "é" * 120, "l\u200de",
    ".gitmodules", "gate/locks", "con",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_locked_and_only_they(site: Site, name: str) -> None:
    site.base_commit("d/plain")
    paths = [f"d/{other}" for other in ODD]
    site.log(lock(f"d/{name}"))
    for path in paths:
        if path != f"d/{name}":
            site.write(path)
    site.git("add", "-A")
    site.git("commit", "-qm", "all others")
    site.write(f"d/{name}")
    site.git("add", "-A")
    error = site.refused("commit", "-qm", "it")
    assert error.splitlines()[0].startswith(f"error: {gate.quoted(f'd/{name}')} is locked by claude-a (")


def test_names_are_quoted_as_git_quotes_them() -> None:
    assert gate.quoted("plain é.py") == "plain é.py"
    assert gate.quoted('a\nb\x01"\\\udce9') == '"a\\nb\\001\\"\\\\\\351"'


# -- merges and work trees ----------------------------------------------------------------------------
def _two_branches(site: Site) -> None:
    site.base_commit("a", "b", "c")
    site.git("checkout", "-qb", "theirs")
    site.write("a", "theirs\n")
    site.write("c", "theirs\n")
    site.git("commit", "-qam", "theirs", "--no-verify")
    site.git("checkout", "-q", "-")
    site.write("b", "ours\n")


def test_a_clean_merge_of_what_the_holder_committed(site: Site) -> None:
    _two_branches(site)
    site.git("commit", "-qam", "ours", "--no-verify")
    site.log(lock("a"), lock("b"))
    site.git("merge", "-q", "-m", "m", "theirs")
    assert site.git("show", "HEAD:a") == "theirs"
    assert site.programs == 1  # it was looked at


def test_a_merge_that_changes_more_than_its_parents(site: Site) -> None:
    _two_branches(site)
    site.git("commit", "-qam", "ours", "--no-verify")
    site.log(lock("d"))
    site.git("merge", "-q", "--no-commit", "--no-ff", "theirs")
    site.write("d")
    site.git("add", "d")
    site.refused("commit", "-qm", "evil merge")
    site.git("reset", "-q", "d")
    site.git("commit", "-qm", "merge")


def test_pre_merge_commit_refuses_a_merge_that_makes_something_else(site: Site) -> None:
    """Both sides changed `a`, so its merge is in neither parent: a clean merge that a hook sees."""
    site.base_commit("a")
    lines = [f"{n}\n" for n in range(20)]
    site.write("a", "".join(lines))
    site.git("commit", "-qam", "long", "--no-verify")
    site.git("checkout", "-qb", "theirs")
    site.write("a", "".join([*lines, "theirs\n"]))
    site.git("commit", "-qam", "theirs", "--no-verify")
    site.git("checkout", "-q", "-")
    site.write("a", "".join(["ours\n", *lines]))
    site.git("commit", "-qam", "ours", "--no-verify")
    site.log(lock("a"))
    error = site.refused("merge", "-q", "-m", "m", "theirs")
    assert "hint: wait until then or ask claude-a, then finish the merge with 'git commit'" in error


def test_a_conflicted_merge(site: Site) -> None:
    _two_branches(site)
    site.write("a", "ours\n")
    site.git("commit", "-qam", "ours", "--no-verify")
    site.log(lock("a"), lock("c"))
    assert site.run("merge", "-q", "theirs").returncode
    site.write("a", "both\n")
    site.git("add", "a")
    assert "a is locked" in site.refused("commit", "-qm", "m")
    site.write("a", "theirs\n")
    site.git("add", "a")
    site.git("commit", "-qm", "m")


def test_second_work_tree(site: Site, tmp_path: Path) -> None:
    site.base_commit("a")
    second = tmp_path / "second"
    site.git("worktree", "add", "-q", str(second))
    site.log(lock("a", "me"), sessions=(session("me", clone=CLONE, gitdir="worktrees/second"),))
    (second / "a").write_text("new\n")
    site.git("commit", "-qam", "its own", cwd=second)
    site.git("merge", "-q", "--no-ff", "-m", "m", "second")  # a person takes over what it committed
    site.write("a", "mine\n")
    site.refused("commit", "-qam", "x")
