"""`python -m benchmarks conflicts`: a history in which it is known what collides."""

from __future__ import annotations

from benchmarks import conflicts
from git_peer.store.git.repo import Repo
from tests.world import Clone, World

BASE = "import os\n\n\ndef one():\n    a = 1\n    b = 2\n    c = 3\n    return a\n\n\ndef two():\n    return 2\n"


def merged(clone: Clone, ours: tuple[str, str], theirs: tuple[str, str], result: str) -> None:
    """Two branches that change the file, merged on main to `result`."""
    clone.git("checkout", "-q", "-B", "side")
    clone.write("s.py", BASE.replace(*theirs))
    clone.commit("theirs")
    clone.git("checkout", "-q", "main")
    clone.write("s.py", BASE.replace(*ours))
    clone.commit("ours")
    clone.git("merge", "-q", "side", check=False)
    clone.write("s.py", result)
    clone.git("add", "s.py")
    clone.git("commit", "-q", "-m", "merge", check=False)
    clone.write("s.py", BASE)
    clone.git("commit", "-qam", "back", check=False)


def test_counts(world: World) -> None:
    """A conflict, two changes of one function that merge, and two of two functions."""
    clone = world.clone("a")
    clone.write("s.py", BASE)
    clone.commit("base")
    merged(clone, ("a = 1", "a = 5"), ("a = 1", "a = 6"), BASE.replace("a = 1", "a = 7"))
    merged(
        clone,
        ("a = 1", "a = 5"),
        ("return a", "return b"),
        BASE.replace("a = 1", "a = 5").replace("return a", "return b"),
    )
    merged(
        clone,
        ("a = 1", "a = 5"),
        ("return 2", "return 3"),
        BASE.replace("a = 1", "a = 5").replace("return 2", "return 3"),
    )
    found = conflicts.judged(Repo(str(clone.path)), 10)
    assert (found.merges, found.files, found.real) == (3, 3, 1)
    assert {name: (one.announced, one.right) for name, one in found.levels.items()} == {
        "file": (3, 1), "section": (2, 1), "told": (2, 1), "text": (1, 1),
    }  # fmt: skip
    assert "| `git peer conflicts` | 2 | 1 (100 %) | 1 | 50 % |" in conflicts.table(found)
