"""Locks on sections: resolved when they are taken, kept as lines, and followed from then on."""

from __future__ import annotations

import pytest

from tests.cli.asking import ask, complaint, held, refused
from tests.world import Clone, World

SOURCE = """import os


class Store:
    x = 1

    def get(self):
        return 1

    def put(self):
        return 2

    # about both
    def over(self):
        return 3

    def over(self, a):
        return 4


def tail():
    return 5
"""


@pytest.fixture
def clone(world: World) -> Clone:
    one = world.clone("a")
    one.write("src/s.py", SOURCE)
    one.commit("store")
    one.peer("init", "--local")
    return one


def lock(clone: Clone, *names: str, as_: str = "zoe") -> list[tuple[str, list[list[int]]]]:
    found = ask(clone, "lock", *(f"src/s.py::{name}" for name in names), as_=as_)["locks"]
    return [(one.get("section", ""), one["spans"]) for one in found]


def change(clone: Clone, old: str, new: str) -> None:
    text = clone.read("src/s.py")
    assert old in text
    clone.write("src/s.py", text.replace(old, new))


def commits(clone: Clone, as_: str) -> bool:
    clone.git("add", "-A")
    return clone.git("commit", "-qm", "x", env={"GIT_PEER_SESSION": as_}, check=False).status == 0


def test_names(clone: Clone) -> None:
    """Each name has its lines; a class has its methods, its own part does not; equal names are all of them, or one."""
    assert lock(clone, "Store") == [("Store", [[4, 18]])]
    ask(clone, "unlock", "--all", as_="zoe")
    assert lock(clone, "", "Store.", "Store.over", "Store::put") == [
        ("", [[1, 1]]), ("Store.", [[4, 5]]), ("Store.over", [[13, 15], [17, 18]]), ("Store.put", [[10, 11]]),
    ]  # fmt: skip
    ask(clone, "unlock", "--all", as_="zoe")
    assert lock(clone, "Store.over#1") == [("Store.over#1", [[13, 15]])]
    assert lock(clone, "Store.over#2", as_="abe") == [("Store.over#2", [[17, 18]])]
    assert len(ask(clone, "unlock", "src/s.py::Store.over#1", as_="zoe")["released"]) == 1


def test_all_or_nothing_and_who_has_what(clone: Clone) -> None:
    """Another's function, its class and its file are refused, with the holder of just that part; a neighbour is not."""
    lock(clone, "Store.get")
    for target in ("src/s.py::Store.get", "src/s.py::Store", "src/s.py", "src/", "src/s.py:8"):
        assert "Store.get" in refused(clone, "locked", "lock", target, as_="abe")["error"]["message"]
    refused(clone, "locked", "lock", "src/s.py::tail", "src/s.py::Store.get", as_="abe")
    assert held(ask(clone, "locks")) == [("src/s.py::Store.get", "zoe")]
    answer = ask(clone, "lock", "src/s.py::tail", "src/s.py::Store.put", as_="abe")
    said = [notice["message"] for notice in answer["notices"] if notice["code"] == "beside"]
    assert said == ["zoe has src/s.py::Store.get: what is put in directly beside that may conflict with it"]
    rows = {
        row["name"]: [one["session"] for one in row["locks"]] for row in ask(clone, "sections", "src/s.py")["sections"]
    }
    assert rows["Store"] == ["zoe", "abe"] or rows["Store"] == ["abe", "zoe"]
    assert (rows["Store.get"], rows["Store.put"], rows["tail"], rows[""]) == (["zoe"], ["abe"], ["abe"], [])
    assert held(ask(clone, "locks", "src/s.py::tail")) == [("src/s.py::tail", "abe")] or len(
        ask(clone, "locks", "src/s.py::tail")["locks"]
    )
    refused(clone, "locked", "check", "src/s.py::Store.get", as_="abe")
    ask(clone, "check", "src/s.py::tail", as_="abe")


def test_the_gate(clone: Clone) -> None:
    """A commit passes that leaves the section alone, wherever it stands by then; else it is refused by name."""
    lock(clone, "Store.put")
    change(clone, "import os\n", "import os\nimport sys\n\n\ndef new():\n    return 0\n")
    assert commits(clone, "abe")
    change(clone, "return 2", "return 22")
    clone.git("add", "-A")
    ran = clone.git("commit", "-qm", "x", env={"GIT_PEER_SESSION": "abe"}, check=False)
    assert ran.status != 0
    assert "Store.put" in ran.err
    assert commits(clone, "zoe")


def test_what_becomes_of_a_section(clone: Clone) -> None:
    """Grown, renamed, with another signature: its holder's all the same. Locked again it is as it is now."""
    lock(clone, "Store.put")
    change(
        clone,
        "    def put(self):\n        return 2\n",
        "    def put_all(self, many):\n        a = 2\n        return a\n",
    )
    assert commits(clone, "zoe")
    refused(clone, "not_found", "lock", "src/s.py::Store.put", as_="abe")
    assert "Store.put" in refused(clone, "locked", "lock", "src/s.py::Store.put_all", as_="abe")["error"]["message"]
    lock(clone, "Store.put_all")
    assert {one["section"] for one in ask(clone, "locks", "--mine", as_="zoe")["locks"]} == {
        "Store.put",
        "Store.put_all",
    }


def test_a_section_that_nobody_committed(clone: Clone) -> None:
    """A new function is the place where it stands; in a new file there is none, and the hint says so."""
    change(clone, "\n\ndef tail", "\n\ndef fresh():\n    return 9\n\n\ndef tail")
    assert lock(clone, "fresh") == [("fresh", [[20, 21]])]
    refused(clone, "locked", "lock", "src/s.py:20-21", as_="abe")
    lock(clone, "Store.get", as_="abe")
    clone.write("src/new.py", "def f(): pass\n")
    told = refused(clone, "invalid", "lock", "src/new.py::f", as_="zoe")["error"]
    assert "no committed version" in told["message"]
    assert "lock the whole file" in told["hint"]


@pytest.mark.parametrize(
    ("target", "words", "hint"),
    [
        ("src/s.py::Store.gett", "no section Store.gett", "did you mean Store.get"),
        ("src/s.py::over", "no section over", "Store.over#1 or Store.over#2"),
        ("src/s.py::nothing like it", "no section", "`git peer sections src/s.py`"),
        ("src/s.py::Store.over#3", "no section", "Store.over"), ("README.txt::x", "nothing here tells", ":10-45"),
        ("gone.py::f", "no file gone.py", "whole file"),
    ],
)  # fmt: skip
def test_unknown_names(clone: Clone, target: str, words: str, hint: str) -> None:
    """One clear line, with names that are near; nothing is locked."""
    clone.write("README.txt", "text\n")
    clone.commit("text")
    error, said = complaint(clone.peer("lock", target, status=1))
    assert words in error
    assert hint in said
    assert ask(clone, "locks")["locks"] == []


def test_another_clone(world: World, clone: Clone) -> None:
    """It sees the section by its lines, and needs no grammar for that."""
    clone.git("push", "-q", "origin", "HEAD")
    clone.peer("init", "--remote", "origin")
    lock(clone, "Store.get")
    other = world.clone("b")
    other.peer("init", "--remote", "origin")
    assert "Store.get" in refused(other, "locked", "lock", "src/s.py::Store.get", as_="max")["error"]["message"]
    assert lock(other, "tail", as_="max") == [("tail", [[21, 22]])]


def test_a_section_is_unlocked_by_what_lands_in_it(pair: tuple[Clone, Clone]) -> None:
    """What a class or a file has outside its sections is also where a new one is put."""
    one, _ = pair
    one.write("src/s.py", SOURCE)
    one.commit("store", "src/s.py")
    one.git("push", "-q", "origin", "main")
    lock(one, "", "Store.", "Store.get", "tail")

    def lands(old: str, new: str) -> list[str]:
        change(one, old, new)
        one.git("commit", "-qam", "x", env={"GIT_PEER_SESSION": "zoe"})
        return sorted(view.get("section", "") for view in ask(one, "push", as_="zoe")["released"])

    assert lands("return 4", "return 44") == []
    assert lands("return 5\n", "return 55\n") == ["tail"]
    assert lands("\n    # about both", "\n    def more(self):\n        return 9\n\n    # about both") == ["Store."]
    assert lands("\n\ndef tail", "\n\ndef above():\n    return 8\n\n\ndef tail") == [""]
    assert lands("return 1\n", "return 1\n        # so it is\n") == ["Store.get"]
