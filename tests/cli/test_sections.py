"""git peer sections: what it lists, who has what, and where there are none."""

from __future__ import annotations

import pytest

from tests.cli.asking import ask, complaint, refused, snapshot
from tests.world import World

SOURCE = "import a\n\n\nclass A:\n    def f(self):\n        pass\n\n\ndef g():\n    pass\n"


def test_what_is_listed(world: World) -> None:
    """Of the work tree as it stands, also of a file that git does not know; nothing is set up or written for it."""
    clone = world.clone("a")
    clone.write("src/a b.py", SOURCE)
    before = snapshot(clone.path)
    told = ask(clone, "sections", "a b.py", cwd="src")
    assert (told["path"], told["by"], told["session"]) == ("src/a b.py", "tree-sitter", None)
    assert [(row["name"], row["kind"], row["lines"], row["spans"], row["locks"]) for row in told["sections"]] == [
        ("", "module", [1, 1], [[1, 1]], []),
        ("A", "class", [4, 6], [[4, 6]], []),
        ("A.f", "method", [5, 6], [[5, 6]], []),
        ("g", "function", [9, 10], [[9, 10]], []),
    ]
    assert clone.peer("sections", "src/a b.py").out.splitlines() == [
        "LINES  KIND      NAME  HELD BY", "1-1    module", "4-6    class     A", "5-6    method    A.f",
        "9-10   function  g",
    ]  # fmt: skip
    assert snapshot(clone.path) == before


def test_who_has_it(world: World) -> None:
    """A lock on the file, or on a folder around it, is on every section; a lapsed one is not told."""
    clone = world.clone("a")
    clone.write("src/a.py", SOURCE)
    clone.peer("init", "--local")
    ask(clone, "lock", "src/", as_="zoe")
    rows = ask(clone, "sections", "src/a.py")["sections"]
    assert [[lock["session"] for lock in row["locks"]] for row in rows] == [["zoe"]] * 4
    assert clone.peer("sections", "src/a.py").out.splitlines()[1] == "1-1    module          zoe"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [("none.py", "not_found", "none.py"), ("src", "usage", "folder"), ("link.py", "not_found", "link.py")],
)
def test_what_has_none(world: World, path: str, code: str, words: str) -> None:
    clone = world.clone("a")
    (clone.path / "link.py").symlink_to("src/api.py")
    assert words in refused(clone, code, "sections", path)["error"]["message"]
    assert words in complaint(clone.peer("sections", path, status=None))[0]


def test_a_kind_that_nothing_knows(world: World) -> None:
    """Text and binaries have no sections: that is said, and is no failure."""
    clone = world.clone("a")
    for name, source in (("a.txt", b"some text\n"), ("b.py", b"\0\1"), ("caf\udce9.txt", b"")):
        clone.write(name, source)
        told = ask(clone, "sections", name)
        assert (told["by"], [row["name"] for row in told["sections"]]) == ("", [""])
        assert "nothing here tells the sections" in clone.peer("sections", name).out
