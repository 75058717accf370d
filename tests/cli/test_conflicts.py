"""git peer conflicts: who collides with whom, before anybody commits; and the work that is published for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.asking import ask, snapshot
from tests.world import Clone, World

STORE = """import os


class Store:
    def get(self):
        a = 1
        b = 2
        c = 3
        d = 4
        return a

    def put(self):
        return 2


def tail():
    return 3
"""


@pytest.fixture
def two(world: World) -> tuple[Clone, Clone]:
    """Two work trees of one clone in local mode: abe's and, on a branch of its own, zoe's."""
    clone = world.clone("a")
    clone.write("s.py", STORE)
    clone.write("data.bin", b"\0one")
    clone.commit("store")
    clone.peer("init", "--local")
    other = clone.worktree("b")
    other.peer("session", "start", as_="zoe")
    return clone, other


def change(clone: Clone, *pairs: tuple[str, str]) -> None:
    text = clone.read("s.py")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    clone.write("s.py", text)


def told(clone: Clone, *args: str, as_: str = "abe") -> list[tuple[Any, ...]]:
    found = ask(clone, "conflicts", *args, as_=as_)["conflicts"]
    return [(one["path"], one["kind"], one["sections"], one["sessions"]) for one in found]


def test_kinds(two: tuple[Clone, Clone]) -> None:
    """Text that conflicts, a function that both changed, deletions, additions, binaries, folders; not what merges."""
    abe, zoe = two
    pair = ["abe", "zoe"]
    assert told(abe) == []
    change(abe, ("return 3", "return 4"))
    change(zoe, ("return 2", "return 22"))
    assert told(abe) == []  # two functions of one file
    change(abe, ("a = 1", "a = 11"))
    change(zoe, ("d = 4", "d = 44"))
    assert told(abe) == [("s.py", "section", ["Store.get"], pair)]
    change(zoe, ("a = 1", "a = 12"))
    assert told(abe) == [("s.py", "text", ["Store.get"], pair)]
    zoe.write("s.py", abe.read("s.py"))
    assert told(abe) == []  # the same change twice is none
    (abe.path / "docs/guide.md").unlink()
    zoe.write("docs/guide.md", "other\n")
    abe.write("new.txt", "one\n")
    zoe.write("new.txt", "two\n")
    abe.write("data.bin", b"\0two")
    zoe.write("data.bin", b"\0three")
    abe.write("x", "a file\n")
    zoe.write("x/y", "in a folder\n")
    assert told(abe) == [
        ("data.bin", "binary", [], pair), ("docs/guide.md", "delete", [], pair), ("new.txt", "add", [], pair),
        ("x", "folder", [], pair),
    ]  # fmt: skip
    assert told(abe, "new.txt") == [("new.txt", "add", [], pair)]


def test_one_function_added_twice(two: tuple[Clone, Clone]) -> None:
    """At two places of a file: the text merges, and the name is there twice."""
    abe, zoe = two
    change(abe, ("class Store", "def helper():\n    return 1\n\n\nclass Store"))
    zoe.write("s.py", STORE + "\n\ndef helper():\n    return 2\n")
    assert told(abe) == [("s.py", "section", ["helper"], ["abe", "zoe"])]


def test_a_rename_is_followed(two: tuple[Clone, Clone]) -> None:
    """Who renames a file collides with who changes the same lines of it, and with nobody else."""
    abe, zoe = two
    abe.git("mv", "s.py", "t.py")
    change(zoe, ("return 3", "return 33"))
    assert told(abe) == []
    abe.write("t.py", abe.read("t.py").replace("return 3", "return 34"))
    assert told(abe) == [("s.py", "text", ["tail"], ["abe", "zoe"])]


def test_commits_count_too(two: tuple[Clone, Clone]) -> None:
    """What is committed and not landed, and what has landed: against the branch that work lands on."""
    abe, zoe = two
    change(zoe, ("a = 1", "a = 12"))
    zoe.commit("mine")
    change(abe, ("a = 1", "a = 11"))
    assert told(abe) == [("s.py", "text", ["Store.get"], ["abe", "zoe"])]
    abe.commit("on main")
    found = ask(zoe, "conflicts", "--mine", as_="zoe")["conflicts"]
    onto = [one for one in found if "zoe" in one["sessions"] and one["next"] == ["git merge main"]]
    assert [(one["path"], one["sessions"]) for one in onto] == [("s.py", ["zoe", "main"])]


def test_what_is_told(two: tuple[Clone, Clone]) -> None:
    """Who, since when, what to do next, the others' diff of that part; a matrix; a line in the briefing. No trace."""
    abe, zoe = two
    change(abe, ("a = 1", "a = 11"))
    change(zoe, ("a = 1", "a = 12"), ("return 3", "return 33"))
    before = snapshot(abe.path), snapshot(zoe.path)
    answer = ask(abe, "conflicts", "--diff", as_="abe")
    one = answer["conflicts"][0]
    assert one["since"].endswith("Z")
    assert one["next"][0] == "git peer lock s.py::Store.get"
    assert [row["session"] for row in one["diffs"]] == ["zoe"]
    assert "+        a = 12" in one["diffs"][0]["diff"]
    assert "return 33" not in one["diffs"][0]["diff"]
    assert [(side["session"], side["kind"], side["files"]) for side in answer["sides"]] == [
        ("abe", "worktree", 1), ("zoe", "worktree", 1),
    ]  # fmt: skip
    lines = abe.peer("conflicts", as_="abe").out.splitlines()
    assert lines[0].startswith("s.py in Store.get: you and zoe, since ")
    assert lines[0].endswith("the text conflicts")
    assert abe.peer("conflicts", "--matrix", as_="abe").out.splitlines() == [
        "     abe  zoe",
        "abe  -    1",
        "zoe  1    -",
    ]
    assert (snapshot(abe.path), snapshot(zoe.path)) == before
    assert "Would conflict:\n- s.py in Store.get: you and zoe" in abe.peer("brief", as_="abe").out
    ask(zoe, "lock", "s.py", as_="zoe")
    assert ask(abe, "conflicts", as_="abe")["conflicts"][0]["next"][0] == "git peer lock s.py --wait 10m"
    assert ask(abe, "conflicts", as_="max", cwd="src")["conflicts"][0]["sessions"] == ["max", "zoe"]


# -- published work -------------------------------------------------------------------------------
def test_published_work(world: World) -> None:
    """Of another machine: published by who has it on, seen by all, gone at the session's end."""
    abe, max_ = world.clone("a"), world.clone("c")
    abe.write("s.py", STORE)
    abe.commit("store")
    abe.git("push", "-q", "origin", "HEAD")
    abe.peer("init", "--remote", "origin")
    max_.git("pull", "-q")
    max_.peer("init", "--remote", "origin")
    max_.peer("session", "start", as_="max")
    change(max_, ("return 3", "return 33"))
    max_.write(".gitignore", "*.log\n")
    max_.write("x.log", "ignored\n")
    max_.write("key.py", "password = 'hunter2hunter2'\n")
    max_.peer("conflicts", as_="max")
    assert not [ref for ref in world.refs() if "wip" in ref]  # nobody asked
    max_.git("config", "peer.publishWork", "true")
    before = snapshot(max_.path, ".git"), max_.git("status", "--porcelain").out
    max_.peer("conflicts", as_="max")
    assert (snapshot(max_.path, ".git"), max_.git("status", "--porcelain").out) == before
    published = world.refs()["refs/peer/wip/max"]
    assert max_.git("diff", "--name-only", "HEAD", published).out.split() == [".gitignore", "s.py"]
    change(abe, ("return 3", "return 34"))
    assert told(abe) == [("s.py", "text", ["tail"], ["abe", "max"])]
    max_.peer("sync", as_="max")
    assert world.refs()["refs/peer/wip/max"] == published  # nothing new
    max_.peer("session", "end", as_="max")
    assert "refs/peer/wip/max" not in world.refs()
    assert told(abe) == []


def test_a_remote_that_is_away(world: World) -> None:
    """By what is known here, and it says so."""
    abe = world.clone("a")
    abe.peer("init", "--remote", "origin")
    abe.git("config", "peer.publishWork", "true")
    abe.peer("session", "start", as_="abe")
    world.remote.rename(world.remote.with_name("away"))
    abe.write("README.md", "changed\n")
    answer = ask(abe, "conflicts", as_="abe")
    assert answer["conflicts"] == []
    assert "stale" in [notice["code"] for notice in answer["notices"]]
