"""Sections by default: an agent's edit locks the functions that it changes, and nothing else of the file."""

from __future__ import annotations

import random

import pytest

from git_peer.agents.edits import stretches
from tests.agents.calling import Agent, denied
from tests.cli.test_log_paths import first_format
from tests.world import Clone, World

SOURCE = """import os


class Store:
    x = 1

    def get(self):
        a = 1
        return a

    def put(self):
        return 2


def tail():
    return 3
"""


@pytest.fixture
def local(world: World) -> Clone:
    clone = world.clone("a")
    clone.write("src/store.py", SOURCE)
    clone.write("src/notes.txt", "one\ntwo\nthree\n")
    clone.commit("store")
    clone.peer("init", "--local")
    return clone


def edit(who: Agent, old: str, new: str, path: str = "src/store.py", apply: bool = False) -> str:
    """Why an edit is refused; "" where it is not, and then made if `apply`."""
    given = {"file_path": str(who.clone.path / path), "old_string": old, "new_string": new}
    why = denied(who.call("pre-edit", tool_name="Edit", tool_input=given))
    if apply and not why:
        who.clone.write(path, who.clone.read(path).replace(old, new, 1))
    return why


def several(who: Agent, *pairs: tuple[str, str]) -> str:
    rows = [{"old_string": old, "new_string": new} for old, new in pairs]
    given = {"file_path": str(who.clone.path / "src/store.py"), "edits": rows}
    return denied(who.call("pre-edit", tool_name="MultiEdit", tool_input=given))


def test_two_agents_in_one_file(local: Clone) -> None:
    """Each gets the function that it edits; a third is refused with the holder of just that part."""
    one, two, three = (Agent(local, name) for name in ("s1", "s2", "s3"))
    assert edit(one, "return a", "return a + 1", apply=True) == ""
    assert one.locks() == {"src/store.py::Store.get": "local"}
    given = {"file_path": str(local.path / "src/store.py"), "old_string": "return 3", "new_string": "return 33"}
    told = two.call("pre-edit", tool_name="Edit", tool_input=given)
    assert f"{one.name} has src/store.py::Store.get" in str(told)
    local.write("src/store.py", local.read("src/store.py").replace("return 3", "return 33"))
    assert two.locks() == {"src/store.py::tail": "local"}
    why = edit(three, "a = 1", "a = 2")
    assert one.name in why
    assert "`git peer lock 'src/store.py::Store.get' --wait 10m`" in why
    assert "`git peer sections 'src/store.py'`" in why
    assert "tail" not in why
    assert edit(three, "return 2", "return 22") == ""
    assert three.locks() == {"src/store.py::Store.put": "local"}


def test_an_edit_over_the_border_widens_or_is_refused(local: Clone) -> None:
    """All that it changes, or nothing."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert edit(one, "return a", "return b", apply=True) == ""
    assert several(one, ("return 2", "return 5"), ("import os", "import sys")) == ""
    assert set(one.locks()) == {f"src/store.py::{name}" for name in ("Store.get", "Store.put", "")}
    why = several(two, ("return 3", "return 4"), ("return 2", "return 6"))
    assert one.name in why
    assert "Store.put" in why
    assert two.locks() == {}


def test_what_is_held_already_is_not_locked_again(local: Clone) -> None:
    """Also where the function has grown, and moved, since: nothing is written for it."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert edit(one, "        return a\n", "        b = 2\n        c = 3\n        return a\n", apply=True) == ""
    assert edit(two, "import os\n", "import os\nimport sys\nimport re\n", apply=True) == ""
    before = local.git("rev-parse", "refs/peer/coordination").line
    assert edit(one, "c = 3", "c = 4", apply=True) == ""
    assert edit(one, "a = 1", "a = 7", apply=True) == ""
    assert local.git("rev-parse", "refs/peer/coordination").line == before
    assert "Store.get" in edit(two, "c = 4", "c = 5")


def test_new_functions(local: Clone) -> None:
    """One added to a class is the class's own part; one at the end of the file is the file's; so is a removed one."""
    one, two, three = (Agent(local, name) for name in ("s1", "s2", "s3"))
    assert edit(one, "    x = 1\n", "    x = 1\n\n    def new(self):\n        pass\n", apply=True) == ""
    assert set(one.locks()) == {"src/store.py::Store."}
    assert edit(one, "        pass\n", "        return 6\n", apply=True) == ""
    assert set(one.locks()) == {"src/store.py::Store."}
    assert edit(two, "    return 3\n", "    return 3\n\n\ndef more():\n    pass\n", apply=True) == ""
    assert set(two.locks()) == {"src/store.py::", "src/store.py:16"}
    assert edit(three, "    def put(self):\n        return 2\n", "") == ""
    assert "src/store.py::Store.put" in three.locks()


def test_where_it_is_the_file(local: Clone) -> None:
    """A write of the whole, a new file, a text without sections, many functions at once, and `peer.autoLock file`."""
    one = Agent(local, "s1")
    given = {"file_path": str(local.path / "src/store.py"), "content": "x"}
    assert denied(one.call("pre-edit", tool_name="Write", tool_input=given)) == ""
    local.write("src/new.py", "def f():\n    return 1\n")
    assert edit(one, "return 1", "return 2", "src/new.py") == ""
    assert edit(one, "two", "2", "src/notes.txt") == ""
    assert set(one.locks()) == {"src/store.py", "src/new.py", "src/notes.txt"}
    local.write("src/many.py", "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(20)))
    local.commit("many", "src/many.py")
    everywhere = {"file_path": str(local.path / "src/many.py"), "old_string": "return", "new_string": "yield"}
    assert denied(one.call("pre-edit", tool_name="Edit", tool_input=everywhere)) == ""
    assert "src/many.py" in one.locks()
    two = Agent(local, "s2")
    local.git("config", "peer.autoLock", "file")
    local.write("src/other.py", SOURCE)
    local.commit("other", "src/other.py")
    assert edit(two, "return 3", "return 4", "src/other.py") == ""
    assert set(two.locks()) == {"src/other.py"}


def test_a_held_file_stays_whole(local: Clone) -> None:
    """Who has the file needs no section of it; who wants one is refused with the file's holder."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    local.peer("lock", "src/store.py", env=one.env)
    assert edit(one, "return 3", "return 4") == ""
    assert set(one.locks()) == {"src/store.py"}
    assert one.name in edit(two, "return 3", "return 4")


def test_the_work_lands(local: Clone) -> None:
    """Each commits its function; what the other has is refused, by name."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    other = Agent(local.worktree("b"), "s2")
    assert edit(one, "return a", "return a + 1", apply=True) == ""
    assert edit(other, "return 3", "return 33", apply=True) == ""
    local.git("commit", "-qam", "get", env=one.env)
    other.clone.git("commit", "-qam", "tail", env=other.env)
    other.clone.write("src/store.py", other.clone.read("src/store.py").replace("a = 1", "a = 5"))
    refused = other.clone.git("commit", "-qam", "get too", env=other.env, check=False)
    assert refused.status != 0
    assert "Store.get" in refused.err
    assert two.name != other.name


# -- which lines an edit changes ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("b", "x", [(2, 2)]), ("b\n", "", [(2, 2)]), ("b\nc", "b\nx", [(3, 3)]), ("b", "b\nn", [(3, 2)]),
        ("a\nb", "a\nn\nb", [(2, 1)]), ("b\nc\n", "c\n", [(2, 2)]), ("e", "e\nf", [(6, 5)]), ("a", "0\na", [(1, 0)]),
        ("a\nb\nc\nd\ne", "", [(1, 5)]), ("", "x", None), ("zz", "x", None), ("b\n", "b\n", [(3, 2)]),
    ],
)  # fmt: skip
def test_stretches(old: str, new: str, found: list[tuple[int, int]] | None) -> None:
    assert stretches(b"a\nb\nc\nd\ne\n", [(old.encode(), new.encode())]) == found


def test_stretches_have_all_that_changes() -> None:
    """Outside of what they say, line for line, the text stays as it was."""
    noise = random.Random(3)
    for _ in range(400):
        text = "".join(noise.choice("ab\n") for _ in range(noise.randrange(1, 30)))
        start = noise.randrange(len(text))
        old, new = text[start : start + noise.randrange(1, 9)], "".join(noise.choice("ab\n") for _ in range(4))
        if text.count(old) > 1:
            continue
        found = stretches(text.encode(), [(old.encode(), new.encode())])
        assert found is not None
        first, last = found[0]
        rows, now = text.splitlines(keepends=True), text.replace(old, new).splitlines(keepends=True)
        assert now[: first - 1] == rows[: first - 1], (text, old, new, found)
        behind = len(rows) - last
        assert not behind or now[-behind:] == rows[last:], (text, old, new, found)


def test_a_log_of_the_first_format_has_files_only(world: World) -> None:
    """Until somebody raises it: then the next edit locks its function."""
    clone = world.clone("a")
    clone.write("src/store.py", SOURCE)
    clone.commit("store", "src/store.py")
    first_format(clone, "init", "--local")
    one, two = Agent(clone, "s1"), Agent(clone, "s2")
    assert edit(one, "return 3", "return 4") == ""
    assert one.locks() == {"src/store.py": "local"}
    assert one.name in edit(two, "return 2", "return 5")
    clone.peer("unlock", "--all", env=one.env)
    clone.peer("init", "--upgrade")
    assert edit(two, "return 2", "return 5") == ""
    assert two.locks() == {"src/store.py::Store.put": "local"}


def test_what_is_put_in_beside_a_function_does_not_collide_with_it(local: Clone) -> None:
    """git would not merge a function put in behind the last line of one with a change of that line."""
    one, two = Agent(local, "s1"), Agent(local, "s2")
    assert edit(one, "return 3", "return 4", apply=True) == ""
    assert "tail" in edit(two, "\n\ndef tail", "\n\ndef more():\n    pass\n\n\ndef tail")
    assert "tail" in edit(two, "    return 4\n", "    return 4\n\n\ndef more():\n    pass\n")
    assert two.locks() == {}
    assert edit(two, "        return 2\n\n", "        return 2\n\n\ndef more():\n    pass\n\n") == ""
    assert edit(one, "    return 4\n", "    return 4\n\n\ndef mine():\n    pass\n") != ""  # both as a part of the file
    three = Agent(local, "s3")
    assert edit(three, "return 2", "return 5") == ""  # a blank line is between it and what was put in
    assert set(three.locks()) == {"src/store.py::Store.put"}


def test_no_two_edits_that_git_cannot_merge_are_locked_at_once() -> None:
    """Of many pairs: what each has to lock, sections and what is beside them, has a line between it or is refused."""
    from git_peer.adapters.grammars import Grammars
    from git_peer.core.target import lines as ranges
    from git_peer.core.target.section import Sections
    from git_peer.store.git import changes

    grammars, dice, granted = Grammars(), random.Random(16), 0
    for _ in range(1500):
        text = _source(dice)
        source = text.encode()
        found = grammars.sections("Python", source)
        assert found is not None
        sections, sides, locked = Sections(found, source, "tree-sitter"), [], []
        for old, new in (_random_edit(dice, text), _random_edit(dice, text)):
            changed = stretches(source, [(old, new)]) if source.count(old) == 1 else None
            names = [name for span in changed or () for name in sections.at(*span)]
            if changed and names and all(map(sections.spans, names)):
                spans = ranges.joined(span for name in names for span in sections.spans(name))
                locked.append(ranges.joined([*spans, *sections.beside(changed, spans)]))
                sides.append(changes.hunks(source, source.replace(old, new)))
        if len(sides) == 2 and not ranges.touch(*locked):
            granted += 1
            assert changes.clashes(source, *sides) == [], (text, locked)
    assert granted > 150


def _source(dice: random.Random) -> str:
    rows = [f"import m{number}" for number in range(dice.randint(0, 2))]
    for number in range(dice.randint(1, 4)):
        rows += [""] * dice.randint(0, 2) + ["# about it"] * dice.randint(0, 1)
        if dice.random() < 0.4:
            rows += [f"class C{number}:", "    x = 1"][: dice.randint(1, 2)]
            for inner in range(dice.randint(1, 3)):
                rows += [""] * dice.randint(0, 1) + [f"    def m{inner}(self):", f"        return {dice.randint(0, 3)}"]
        else:
            rows += [f"def f{number}():", f"    b = {dice.randint(0, 3)}", "    return b"]
    return "\n".join(rows) + "\n" * dice.randint(0, 1)


def _random_edit(dice: random.Random, text: str) -> tuple[bytes, bytes]:
    rows = text.splitlines(keepends=True)
    start = dice.randrange(len(rows))
    old = "".join(rows[start : start + dice.choice((1, 1, 2, 3, 5))])
    more = f"def g{dice.randint(0, 99)}():\n    pass\n\n"
    new = dice.choice(("", f"    z = {dice.randint(0, 99)}\n", old + more, more + old))
    return old.encode(), new.encode()
