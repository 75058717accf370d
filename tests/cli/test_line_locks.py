"""Locks on lines, as one takes them: by the work tree's lines, beside others', through commits and pushes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.asking import ask, codes, held, refused
from tests.world import Clone, World

TEXT = "".join(f"line {number}\n" for number in range(1, 61))
FILE = "src/long.py"


def edited(text: str, **lines: str) -> str:
    """The text with lines replaced: `l5="x"` for line 5; what is put there may be several, or none."""
    rows = text.splitlines(keepends=True)
    for name, new in lines.items():
        rows[int(name[1:]) - 1] = new
    return "".join(rows)


def inserted(text: str, behind: int, new: str = "new\n") -> str:
    """The text with more behind a line."""
    rows = text.splitlines(keepends=True)
    return "".join([*rows[:behind], new, *rows[behind:]])


@pytest.fixture
def two(pair: tuple[Clone, Clone]) -> tuple[Clone, Clone]:
    """Two clones of a project with a file of sixty lines."""
    one, other = pair
    one.write(FILE, TEXT)
    one.commit("long", FILE)
    one.git("push", "-q", "origin", "main")
    other.git("pull", "-q", "origin", "main")
    return one, other


@pytest.fixture
def alone(local: Clone) -> Clone:
    """A clone with a local log, and the same file."""
    local.write(FILE, TEXT)
    local.commit("long", FILE)
    return local


def lines(clone: Clone, first: int, last: int, *args: str, as_: str, path: str = FILE) -> dict[str, Any]:
    """The lock that is taken on lines."""
    (found,) = ask(clone, "lock", f"{path}:{first}-{last}", *args, as_=as_)["locks"]
    return dict(found)


# -- who stands against whom ----------------------------------------------------------------------
def test_two_machines_work_on_one_file(two: tuple[Clone, Clone]) -> None:
    one, other = two
    mine = lines(one, 10, 20, as_="zoe")
    assert (mine["kind"], mine["lines"], mine["path"], mine["guarantee"]) == ("lines", [10, 20], FILE, "remote")
    assert mine["blob"] == one.git("rev-parse", f"HEAD:{FILE}").line
    for taken in ("15", "21-30", "1-9", "1-60"):
        told = refused(other, "locked", "lock", f"{FILE}:{taken}", as_="abe")
        assert told["conflicts"][0]["lock"]["lines"] == [10, 20]
    for whole in (FILE, "src/", "src/*.py"):
        refused(other, "locked", "lock", whole, as_="abe")
    lines(other, 22, 30, as_="abe")
    refused(one, "locked", "lock", FILE, as_="zoe")
    ask(other, "unlock", f"{FILE}:22-30", as_="abe")
    ask(one, "lock", FILE, as_="zoe")


def test_shared_lines(alone: Clone) -> None:
    lines(alone, 10, 20, "--shared", as_="zoe")
    lines(alone, 15, 25, "--shared", as_="abe")
    refused(alone, "locked", "lock", f"{FILE}:12-13", as_="kim")
    refused(alone, "locked", "lock", f"{FILE}:10-20", as_="zoe")
    ask(alone, "unlock", "--all", as_="abe")
    assert lines(alone, 10, 20, as_="zoe")["mode"] == "exclusive"


def test_waiting_for_lines(two: tuple[Clone, Clone]) -> None:
    one, other = two
    lines(one, 10, 20, as_="zoe")
    waiter = other.start_peer("--json", "lock", f"{FILE}:18-30", "--wait", "60s", as_="abe")
    while not ask(one, "sync") or "waits" not in one.git("ls-tree", "--name-only", "refs/peer/coordination").out:
        assert waiter.process.poll() is None, waiter.finish()
    lines(one, 40, 50, as_="kim")  # who asks for other lines need not stand behind
    refused(one, "locked", "lock", f"{FILE}:25-26", as_="kim")
    ask(one, "unlock", f"{FILE}:10-20", as_="zoe")
    assert waiter.finish(0).json()["locks"][0]["lines"] == [18, 30]


# -- which lines are meant ------------------------------------------------------------------------
def test_lines_are_those_that_one_sees(two: tuple[Clone, Clone]) -> None:
    """The work tree's; what was changed there goes along, and what is new counts as where it stands."""
    one, other = two
    other.write(FILE, edited(inserted(TEXT, 4, "a\nb\n"), l30="changed\n"))
    assert lines(other, 50, 52, as_="abe")["lines"] == [48, 50]
    assert lines(other, 28, 31, as_="abe")["lines"] == [26, 29]
    assert lines(other, 5, 6, as_="abe")["lines"] == [4, 5]  # never committed: between these
    refused(one, "locked", "lock", f"{FILE}:49", as_="zoe")
    (view,) = ask(other, "locks", f"{FILE}:50-52", as_="abe")["locks"]
    assert (view["lines"], view["here"]) == ([48, 50], [[50, 52]])
    other.commit("mine", FILE)
    assert lines(other, 50, 52, as_="abe")["id"] == view["id"]  # not pushed: others have the old one
    (gone,) = ask(other, "unlock", f"{FILE}:50-52", as_="abe")["released"]
    assert gone["id"] == view["id"]


def test_locks_of_several_versions_stand_beside_each_other(two: tuple[Clone, Clone]) -> None:
    one, other = two
    lines(one, 40, 45, as_="zoe")
    other.write(FILE, inserted(TEXT, 4, "a\nb\n"))
    other.commit("above", FILE)
    other.git("push", "-q", "origin", "main")
    refused(other, "locked", "lock", f"{FILE}:47-48", as_="abe")  # lines 45 and 46 of hers
    assert lines(other, 49, 50, as_="abe")["lines"] == [49, 50]
    one.git("pull", "-q", "origin", "main")
    ask(one, "sync")
    assert ask(one, "check", f"{FILE}:43", as_="zoe")["allowed"] is True
    assert refused(one, "locked", "check", f"{FILE}:49", as_="zoe")["violations"][0]["lock"]["session"] == "abe"
    assert ask(one, "check", f"{FILE}:48", as_="zoe")["allowed"] is True
    lines(one, 42, 47, as_="zoe")  # hers, two lines further down


def test_a_version_that_this_clone_has_not_makes_the_whole_file_the_range(two: tuple[Clone, Clone]) -> None:
    one, other = two
    other.write(FILE, inserted(TEXT, 4, "a\nb\n"))
    other.commit("above", FILE)
    other.git("push", "-q", "origin", "main")
    lines(other, 49, 50, as_="abe")
    refused(one, "locked", "lock", f"{FILE}:1", as_="zoe")
    one.git("fetch", "-q", "origin")
    lines(one, 1, 2, as_="zoe")


@pytest.mark.parametrize("options", [("--depth=1",), ("--filter=blob:none",)])
def test_clones_that_do_not_have_the_version(two: tuple[Clone, Clone], world: World, options: tuple[str]) -> None:
    """The whole file is the range, at the lock and at a commit, which fetches nothing; it is said why."""
    one, other = two
    lines(one, 10, 20, as_="zoe")
    other.write(FILE, edited(TEXT, l1="x\n"))
    other.git("commit", "-qam", "top", "--no-verify")
    other.git("push", "-q", "--no-verify", "origin", "main")
    other.git("-C", str(world.remote), "config", "uploadpack.allowFilter", "true")
    third = world.clone("c", *options, url=f"file://{world.remote}")
    ask(third, "init")
    assert "version that this clone does not have" in refused(third, "locked", "lock", f"{FILE}:40")["error"]["hint"]
    third.write(FILE, edited(third.read(FILE), l50="x\n"))
    told = third.git("commit", "-qam", "x", check=False)
    assert told.status == 1
    assert "on lines 10-20 of a version that is not here" in told.err
    assert "git fetch" in told.err


def test_a_file_that_was_moved_and_not_committed(alone: Clone) -> None:
    alone.git("mv", FILE, "src/moved.py")
    taken = lines(alone, 10, 20, as_="zoe", path="src/moved.py")
    assert (taken["path"], taken["lines"], taken["blob"]) == (
        "src/moved.py", [10, 20], alone.git("rev-parse", f"HEAD:{FILE}").line
    )  # fmt: skip
    alone.commit("moved")
    alone.write("src/moved.py", edited(TEXT, l12="x\n"))
    assert refused(alone, "locked", "check", "src/moved.py:12", as_="abe")
    alone.git("add", "-A")
    assert alone.git("commit", "-qm", "x", check=False, env={"GIT_PEER_SESSION": "abe"}).status == 1


@pytest.mark.parametrize(
    ("prepare", "target", "part"),
    [
        (lambda clone: None, f"{FILE}:50-61", "has 60 lines, and no line 61"),
        (lambda clone: None, "nowhere.py:1", "there is no file"),
        (lambda clone: clone.write("empty", ""), "empty:1", "has 0 lines"),
        (lambda clone: clone.write("new.py", "x\n"), "new.py:1", "no committed version"),
        (lambda clone: clone.write("bin", b"a\0b\n"), "bin:1", "is binary"),
        (lambda clone: os.symlink("long.py", clone.path / "src/link"), "src/link:1", "is a symbolic link"),
        (lambda clone: (clone.path / FILE).unlink(), f"{FILE}:1", "there is no file"),
        (lambda clone: os.mkfifo(clone.path / "pipe"), "pipe:1", "no file of text"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_locked(alone: Clone, prepare: Callable[[Clone], Any], target: str, part: str) -> None:
    prepare(alone)
    told = refused(alone, "not_found" if "there is no" in part else "invalid", "lock", target)
    assert part in told["error"]["message"]
    assert "whole file" in told["error"]["hint"] or "leads to" in told["error"]["hint"]
    assert ask(alone, "locks")["locks"] == []


def test_lines_of_a_file_that_others_do_not_have(two: tuple[Clone, Clone]) -> None:
    one, _ = two
    one.write("fresh.py", TEXT)
    one.commit("fresh", "fresh.py")
    told = refused(one, "invalid", "lock", "fresh.py:3", as_="zoe")
    assert "that origin has" in told["error"]["message"]
    assert "push" in told["error"]["hint"]


@pytest.mark.parametrize("name", ["a b.py", "a\nb.py", "caf\udce9.py", "a:10-45", "a::b", "[id].py"])
def test_odd_names(alone: Clone, name: str) -> None:
    alone.write(name, TEXT)
    alone.commit("odd", name)
    (whole,) = ask(alone, "lock", f"./{name}", as_="zoe")["locks"]
    assert whole["kind"] == "file"
    ask(alone, "unlock", "--all", as_="zoe")
    typed = f"./{name}".replace("::", "\\:\\:")  # else it is a section
    taken = lines(alone, 10, 45, as_="zoe", path=typed)
    assert taken["lines"] == [10, 45]
    refused(alone, "locked", "lock", f"{typed}:45-46", as_="abe")
    assert ask(alone, "check", f"{typed}:46", as_="abe")["allowed"] is True
    refused(alone, "locked", "check", f"{typed}:45", as_="abe")
    alone.write(name, edited(TEXT, l45="x\n"))
    alone.git("add", "-A")
    as_abe = {"GIT_PEER_SESSION": "abe"}
    assert alone.git("commit", "-qm", "x", check=False, env=as_abe).status == 1
    alone.write(name, edited(TEXT, l46="x\n"))
    alone.git("add", "-A")
    alone.git("commit", "-qm", "x", env=as_abe)
    assert ask(alone, "unlock", f"{typed}:10-45", as_="zoe")["released"][0]["id"] == taken["id"]


def test_line_ends_that_git_turns(alone: Clone) -> None:
    """The work tree has CRLF, what is committed has not: the lines are the same."""
    alone.git("config", "core.autocrlf", "true")
    alone.write(FILE, inserted(TEXT, 4, "a\n").replace("\n", "\r\n"))
    assert lines(alone, 11, 21, as_="zoe")["lines"] == [10, 20]
    refused(alone, "locked", "check", f"{FILE}:21", as_="abe")
    assert ask(alone, "check", f"{FILE}:22", as_="abe")["allowed"] is True


# -- without the remote, and back -----------------------------------------------------------------
def test_offline(two: tuple[Clone, Clone]) -> None:
    one, other = two
    assert lines(one, 10, 20, "--offline", as_="zoe")["guarantee"] == "tentative"
    lines(one, 22, 30, "--offline", as_="kim")
    refused(one, "locked", "lock", f"{FILE}:20", "--offline", as_="abe")
    lines(other, 28, 29, as_="abe")
    lost = refused(one, "lost", "sync")["lost"]
    assert [(loss["command"], loss["holder"]) for loss in lost] == [(f"lock {FILE}:22-30", "abe")]
    ask(other, "sync")
    assert sorted(held(ask(other, "locks"))) == [(f"{FILE}:10-20", "zoe"), (f"{FILE}:28-29", "abe")]
    (dropped,) = ask(one, "lock", f"{FILE}:1-3", "--offline", as_="kim")["locks"]
    assert ask(one, "unlock", f"{FILE}:1-3", as_="kim")["released"][0]["id"] == dropped["id"]


def test_a_local_log_with_lines_is_published(world: World, alone: Clone) -> None:
    lines(alone, 10, 20, as_="zoe")
    alone.git("push", "-q", "origin", "main")
    ask(alone, "init", "--remote", "origin")
    other = world.clone("b")
    ask(other, "init")
    refused(other, "locked", "lock", f"{FILE}:12", as_="abe")
    lines(other, 22, 23, as_="abe")


def test_lines_are_carried_over_into_a_log_that_is_there(two: tuple[Clone, Clone], world: World) -> None:
    one, _ = two
    lines(one, 10, 20, as_="zoe")
    third = world.clone("c")
    ask(third, "init", "--local")
    lines(third, 15, 16, as_="kim")
    lines(third, 40, 41, as_="kim")
    ask(third, "init", "--remote", "origin")
    assert sorted(held(ask(third, "locks"))) == [(f"{FILE}:10-20", "zoe"), (f"{FILE}:40-41", "kim")]


# -- at a push ------------------------------------------------------------------------------------
PAST = {"GIT_PEER_SESSION": "abe"}


def push(clone: Clone, text: str) -> int:
    """Commit the file past the gate, and push it; git's exit status."""
    clone.write(FILE, text)
    clone.git("commit", "-qam", "work", "--no-verify", env=PAST)
    return clone.git("push", "-q", "origin", "main", check=False, env=PAST).status


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (edited(TEXT, l5="", l9="x\n", l21="x\n"), True), (inserted(inserted(TEXT, 20), 9), True),
        (edited(TEXT, l15="x\n"), False), (inserted(TEXT, 10), False),
        (edited(TEXT, l5="x\n", l20="line 20 \n"), False), ("", False),
    ],
)  # fmt: skip
def test_a_push_is_judged_by_the_lines(two: tuple[Clone, Clone], text: str, passes: bool) -> None:
    one, other = two
    lines(one, 10, 20, as_="zoe")
    ask(other, "sync")
    before = other.head()
    assert (push(other, text) == 0) is passes
    rows = ask(other, "check", "--rev", f"{before}..HEAD", as_="abe") if passes else {}
    assert rows.get("allowed", True) is True


def test_whoever_pulls_the_holders_lines_may_push_them_on(two: tuple[Clone, Clone]) -> None:
    """The holder's own change lands and its lock goes on; a neighbour merges it, and changes the next line."""
    one, other = two
    lines(one, 10, 20, as_="zoe")
    ask(other, "sync")
    one.write(FILE, edited(TEXT, l12="zoe's\n", l20="zoe's\nand more\n"))
    one.git("commit", "-qam", "mine", env={"GIT_PEER_SESSION": "zoe"})
    one.git("push", "-q", "origin", "main", env={"GIT_PEER_SESSION": "zoe"})
    other.git("pull", "-q", "--no-rebase", "origin", "main", env=PAST)
    there = other.read(FILE)
    assert push(other, edited(there, l22="abe's\n")) == 0
    assert push(other, edited(other.read(FILE), l21="abe's\n")) != 0


def test_what_lands_is_unlocked(two: tuple[Clone, Clone]) -> None:
    one, _ = two
    lines(one, 10, 20, as_="zoe")
    one.write(FILE, edited(TEXT, l12="x\n"))
    one.git("commit", "-qam", "mine", env={"GIT_PEER_SESSION": "zoe"})
    assert [view["lines"] for view in ask(one, "push", as_="zoe")["released"]] == [[10, 20]]


def test_lines_are_unlocked_by_what_lands_on_them(two: tuple[Clone, Clone]) -> None:
    """Not by what lands elsewhere in the file; put in at their edge is on them, and work left on others keeps those."""
    one, _ = two
    zoe = {"GIT_PEER_SESSION": "zoe"}
    for first, last in ((10, 20), (30, 40), (50, 55)):
        lines(one, first, last, as_="zoe")

    def lands(text: str) -> list[list[int]]:
        one.write(FILE, text)
        one.git("commit", "-qam", "mine", env=zoe)
        one.write(FILE, edited(text, l35="not committed\n"))
        return [view["lines"] for view in ask(one, "push", as_="zoe")["released"]]

    text = edited(inserted(TEXT, 2), l9="beside\n")
    assert lands(text) == []
    text = edited(text, l36="mine, not all of it\n", l16="mine\n")
    assert lands(text) == [[10, 20]]
    text = inserted(text, 56)
    assert lands(text) == [[50, 55]]
    one.git("commit", "-qam", "the rest", env=zoe)
    one.write(FILE, one.read(FILE) + "not committed\n")
    assert [view["lines"] for view in ask(one, "push", as_="zoe")["released"]] == [[30, 40]]


def test_a_broken_lock_on_lines_fences_those_lines(alone: Clone) -> None:
    lines(alone, 10, 20, as_="zoe")
    ask(alone, "unlock", f"{FILE}:10-20", "--force", "--reason", "r", as_="abe")
    lines(alone, 12, 13, as_="abe")
    assert "lost" in codes(ask(alone, "status", as_="zoe"))
    ask(alone, "unlock", "--all", as_="abe")
    as_zoe = {"GIT_PEER_SESSION": "zoe"}
    alone.write(FILE, edited(TEXT, l40="x\n"))
    alone.git("commit", "-qam", "elsewhere", env=as_zoe)
    alone.write(FILE, edited(TEXT, l12="x\n"))
    assert alone.git("commit", "-qam", "stale", check=False, env=as_zoe).status == 1
