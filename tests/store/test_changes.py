"""Collisions of two texts, against git merge-file; present work as a tree, against git add and git write-tree."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from git_peer.store.git import changes, present
from git_peer.store.git.changes import Hunk
from tests.cli.asking import snapshot
from tests.world import Clone, World


def git_conflicts(folder: Path, base: bytes, ours: bytes, theirs: bytes) -> bool:
    names = [folder / name for name in ("ours", "base", "theirs")]
    for path, text in zip(names, (ours, base, theirs), strict=True):
        path.write_bytes(text)
    ran = subprocess.run(["git", "merge-file", "-p", "-q", *map(str, names)], capture_output=True, check=False)
    return ran.returncode != 0


def edited(noise: random.Random, rows: list[bytes]) -> bytes:
    """A few changes, insertions and deletions, among lines that repeat."""
    out = list(rows)
    for _ in range(noise.randrange(4)):
        at = noise.randrange(len(out) + 1)
        line = noise.choice([b"}\n", b"x\n", b"\n", b"%d\n" % noise.randrange(3)])
        kind = noise.randrange(3)
        if kind == 0:
            out.insert(at, line)
        else:
            out[at : at + noise.randrange(3)] = [line] if kind == 1 else []
    text = b"".join(out)
    return text.removesuffix(b"\n") if noise.random() < 0.2 else text


def test_clashes_are_git_s_conflicts(tmp_path: Path) -> None:
    """No text that git merge-file cannot merge is let pass, and none that it merges is called a conflict."""
    noise = random.Random(16)
    wrong, met = [], set()
    for _ in range(250):
        rows = [noise.choice([b"}\n", b"\n", b"a\n", b"%d\n" % number]) for number in range(noise.randrange(1, 14))]
        base, ours, theirs = b"".join(rows), edited(noise, rows), edited(noise, rows)
        told = bool(changes.clashes(base, changes.hunks(base, ours), changes.hunks(base, theirs)))
        met.add(told)
        if told != git_conflicts(tmp_path, base, ours, theirs):
            wrong.append((told, base, ours, theirs))
    assert wrong == []
    assert met == {True, False}


def test_hunks() -> None:
    assert changes.hunks(b"a\nb\nc\n", b"a\nx\nc\n") == [Hunk(1, 1, b"x\n")]
    assert changes.hunks(b"a\nb\n", b"n\na\nb\nz\n") == [Hunk(0, 0, b"n\n"), Hunk(2, 0, b"z\n")]
    assert changes.hunks(b"a\nb\n", b"a\n") == [Hunk(1, 1, b"")]
    assert changes.hunks(b"", b"a") == [Hunk(0, 0, b"a")]
    assert changes.hunks(b"a", b"a") == []


def test_diff_of_a_part() -> None:
    old = b"".join(b"%d\n" % number for number in range(1, 40))
    new = old.replace(b"\n5\n", b"\nfive\n").replace(b"\n30\n", b"\nthirty\n")
    whole, part = changes.diff(old, new, "a b"), changes.diff(old, new, "a b", [(29, 31)])
    assert whole.splitlines()[:2] == ["--- a/a b", "+++ b/a b"]
    assert [word in whole for word in ("-5", "+five", "+thirty")] == [True] * 3
    assert [word in part for word in ("+five", "+thirty")] == [False, True]


# -- present work ---------------------------------------------------------------------------------
def place(clone: Clone) -> present.Place:
    return present.Place(clone.gitdir, clone.path, clone.common)


def git_s_tree(clone: Clone) -> str:
    """By git itself, afterwards: it changes the index."""
    clone.git("add", "-A")
    return clone.git("write-tree").line


def messy(clone: Clone) -> None:
    """Changes of every kind: staged, unstaged, both, deleted, renamed, new, ignored, executable, links, odd names."""
    clone.write(".gitignore", "*.log\n")
    clone.write("gone.txt", "x\n")
    clone.write("moved.txt", "some\ntext\n")
    clone.commit("more")
    clone.write("src/api.py", "staged\n")
    clone.git("add", "src/api.py")
    clone.write("src/api.py", "staged, and changed again\n")
    clone.write("docs/guide.md", "unstaged\n")
    (clone.path / "gone.txt").unlink()
    clone.git("mv", "moved.txt", "to here.txt")
    clone.write("new\ndir/caf\udce9.txt", "new\n")
    clone.write("x.log", "ignored\n")
    clone.write("run", "#!/bin/sh\n").chmod(0o755)
    (clone.path / "link").symlink_to("run")
    clone.git("add", "-N", "run")


@pytest.mark.parametrize(
    "setting", ["", "core.splitIndex=true", "core.logAllRefUpdates=always", "core.untrackedCache=true"]
)
def test_the_tree_is_what_git_would_make(world: World, tmp_path: Path, setting: str) -> None:
    """Nothing of the clone changes: index, work tree, stash, reflogs, objects."""
    clone = world.clone("a")
    if setting:
        clone.git("config", *setting.split("="))
    clone.write("docs/guide.md", "stashed\n")
    clone.git("stash")
    messy(clone)
    clone.git("update-index", "--refresh", check=False)
    before = snapshot(clone.path)
    objects = tmp_path / "objects"
    objects.mkdir()
    found = present.tree(place(clone), objects)
    assert snapshot(clone.path) == before
    assert found == git_s_tree(clone)


def test_a_change_in_the_second_of_the_index(world: World, tmp_path: Path) -> None:
    """Same size, same second: git knows by the time of the index that it must look into the file."""
    clone = world.clone("a")
    clone.write("racy.txt", "one\n")
    clone.git("add", "-A")
    clone.write("racy.txt", "two\n")
    at = time.time_ns()
    for path in (clone.path / "racy.txt", clone.gitdir / "index"):
        os.utime(path, ns=(at, at))
    (tmp_path / "objects").mkdir()
    assert present.tree(place(clone), tmp_path / "objects") == git_s_tree(clone)


def test_work_trees(world: World) -> None:
    """Those that are there, by their tops and git directories; an empty repository has a tree too."""
    clone = world.clone("a")
    other = clone.worktree("b \udce9", "b")
    gone = clone.worktree("gone")
    subprocess.run(["rm", "-r", str(gone.path)], check=True)
    found = present.places(clone.common)
    assert [(one.top, one.gitdir.resolve()) for one in found] == [
        (clone.path, clone.gitdir), (other.path, other.gitdir)
    ]  # fmt: skip
    fresh = world.clone("fresh")
    fresh.git("checkout", "-q", "--orphan", "new")
    fresh.git("rm", "-rfq", ".")
    assert present.tree(place(fresh)) == git_s_tree(fresh)
