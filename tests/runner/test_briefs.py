"""The brief of a task: from the log's state and a commit's tree, which both have what strangers wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygit2
import pytest
from pygit2.enums import FileMode

from git_peer import layout
from git_peer.core.delta import record as deltas
from git_peer.core.log.state import DictReader, Log, State
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.runner import answers, briefs, prompts
from git_peer.runner.briefs import Listing

FILES: dict[str, bytes] = {
    "README.md": b"# x\n",
    "pkg/__init__.py": b"",
    "pkg/parse.py": b"from pkg.words import split\nfrom . import marks\nimport os\n\n\ndef parse(text): ...\n",
    "pkg/words.py": b"def split(text):\n    return text.split()\n",
    "pkg/marks.py": b"MARKS = '.,'\n",
    "pkg/other.py": b"def other(a: int) -> int:\n    return a\n",
    "schema/reader.json": b"{}\n",
    "tests/test_parse.py": b"from pkg.parse import parse\n",
    "tests/test_other.py": b"x = 1\n",
    "tests/conftest.py": b"",
    "pkg/data.bin": b"\0\1\2",
    "pkg/latin.py": b"# \xe9\n",
    "pkg/large.py": b"# x\n" * 100_000,
}


def file(path: str) -> Target:
    return targets.of_path("file", path)


@pytest.fixture
def git(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(tmp_path / "repo", bare=True)


@pytest.fixture
def commit(git: pygit2.Repository) -> str:
    index = pygit2.Index()
    for path, raw in FILES.items():
        index.add(pygit2.IndexEntry(path, git.create_blob(raw), FileMode.BLOB))
    index.add(pygit2.IndexEntry("pkg/link.py", git.create_blob(b"/etc/passwd"), FileMode.LINK))
    index.add(pygit2.IndexEntry("sub", pygit2.Oid(hex="1" * 40), FileMode.COMMIT))
    who = pygit2.Signature("a", "a@example.com", 1, 0)
    return str(git.create_commit(None, who, who, "x", index.write_tree(git), []))


def state(*specs: tasks.Task, news: tuple[deltas.Delta, ...] = ()) -> State:
    found = State(DictReader())
    found.set_log(Log(format=1, id="x", mode="local", height=1))
    plan.put(found, plan.Plan(goal="Read things.", phases=()))
    found.put(
        layout.contract("reader"),
        contracts.Contract(name="reader", type="free", definition="As in schema/reader.json.", author="a", at=1),
    )
    for one in specs:
        found.put(layout.task(one.id), one)
    for delta in news:
        found.put(deltas.place(delta.id), delta)
    return found


def task(ident: str, *paths: Target, order: int = 1, **more: Any) -> tasks.Task:
    return tasks.Task(id=ident, order=order, title=f"Task {ident}", paths=paths, **more)


def news(ident: str, **more: Any) -> deltas.Delta:
    return deltas.Delta(
        id=ident, height=int(ident, 16), type="discovery", summary=f"news {ident}", sid="s", session="bob", at=1, **more
    )


def test_a_brief(git: pygit2.Repository, commit: str) -> None:
    mine = task(
        "t1", file("pkg/parse.py"), uses=("reader",), depends_on=("t2",), accept="make test", inputs=("text",),
        checklist=(tasks.Item("first", True), tasks.Item("second")),
    )  # fmt: skip
    told = state(
        mine,
        task("t2", order=2, status="done"),
        task("t3", order=3),
        task("t4", order=4, depends_on=("t1",)),
        task("t5", order=5, status="dropped"),
        news=(
            news("01"),
            news("02", severity="blocking"),
            news("03", tasks=("t1",)),
            news("04", paths=(file("pkg/parse.py"),)),
        ),
    )
    brief = briefs.of_task(told, mine, git, commit, feedback="it was sent back")
    assert (brief.goal, brief.feedback, brief.only, brief.test) == (
        "Read things.", "it was sent back", "pkg/parse.py", "tests/test_parse.py",
    )  # fmt: skip
    assert (brief.task.id, brief.task.paths, brief.task.accept) == ("t1", ("pkg/parse.py",), "make test")
    assert brief.task.checklist == ("first (done)", "second")
    assert [(row.text.split(" ")[0], row.near) for row in brief.plan] == [("t2", True), ("t3", False), ("t4", True)]
    assert brief.contracts[0].startswith("reader (free, version 1, this task uses it):\nAs in")
    assert [one.split(" news ")[1] for one in brief.deltas] == ["04", "03", "02"]
    assert [(one.path, one.relevance) for one in brief.files] == [
        ("pkg/parse.py", 0), ("tests/test_parse.py", 1), ("pkg/words.py", 2), ("pkg/__init__.py", 2),
        ("pkg/marks.py", 2), ("schema/reader.json", 3), ("tests/conftest.py", 4),
    ]  # fmt: skip
    assert brief.symbols == "pkg/other.py:\n  def other(a: int) -> int"
    fitted = prompts.fit(prompts.write(brief), lambda said: sum(len(one.content) for one in said), 10**6)
    assert fitted.cut == []
    assert "schema/reader.json" in fitted.messages[1].content


def test_what_cannot_be_read_is_named(git: pygit2.Repository, commit: str) -> None:
    paths = (file("pkg/data.bin"), file("pkg/latin.py"), file("pkg/large.py"), file("pkg/link.py"), file("sub"))
    mine = task("t1", *paths)
    brief = briefs.of_task(state(mine), mine, git, commit)
    assert set(brief.absent) == {one.path for one in paths}
    assert not {one.path for one in brief.files} & set(brief.absent)


def test_a_task_of_new_files(git: pygit2.Repository, commit: str) -> None:
    mine = task("t1", file("pkg/new.py"), description="As pkg/other.py does it.")
    brief = briefs.of_task(state(mine), mine, git, commit)
    assert (brief.only, brief.test) == ("pkg/new.py", "tests/test_new.py")
    assert [one.path for one in brief.files] == ["pkg/other.py", "tests/conftest.py"]


def test_a_task_of_a_folder(git: pygit2.Repository, commit: str) -> None:
    mine = task("t1", targets.of_path("dir", "pkg"))
    brief = briefs.of_task(state(mine), mine, git, commit)
    assert (brief.only, brief.test) == ("", "")
    assert {"pkg/parse.py", "pkg/words.py", "tests/test_parse.py", "tests/test_other.py"} <= {
        one.path for one in brief.files
    }


def test_more_files_than_are_listed(git: pygit2.Repository, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is one file too many to be listed is still read, and still no link to write through."""
    monkeypatch.setattr(briefs, "TREE", 3)
    listing = Listing(git, commit)
    assert len(listing.files) == 3
    assert all(listing.text(path) == raw.decode() for path, raw in FILES.items() if path.endswith("s.py"))
    assert listing.taken("pkg/link.py")
    assert listing.taken("pkg/link.py/x.py")
    assert not listing.taken("pkg/new.py")
    assert listing.entry("pkg") is None


def test_nothing_is_written_through_a_link(git: pygit2.Repository, commit: str) -> None:
    """Nor over what the model was not shown."""
    mine = task("t1", targets.of_path("dir", "pkg"), file("sub"))
    rule = briefs.allowed(mine, Listing(git, commit))
    assert not rule("pkg/parse.py")
    assert not rule("pkg/new.py")
    for path in ("pkg/link.py", "pkg/link.py/x.py", "sub", "sub/x.py", "pkg/data.bin", "pkg/large.py", "README.md"):
        assert rule(path), path
    text = "FILE: pkg/link.py\n```python\nx = 1\n```\n"
    assert not answers.files(text, Listing(git, commit).text, rule).files
