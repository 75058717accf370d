"""Trees: what the writer makes is what git makes, stored or only computed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_peer.store.git import durable
from git_peer.store.git.objects import Objects, TreeReader, TreeWriter

# Names whose order differs as files and as folders, and one with a newline.
PART = st.sampled_from(["a", "a.b", "a-b", "a=", "=x", "b", "ü", "n\nl", "zz"])
PATH = st.lists(PART, min_size=1, max_size=3).map("/".join)
CHANGES = st.dictionaries(PATH, st.one_of(st.none(), st.binary(max_size=4)), max_size=8)


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path_factory.mktemp("objects")))


def _compatible(model: dict[str, bytes]) -> bool:
    return not any(other != path and other.startswith(path + "/") for path in model for other in model)


def _by_git(git: pygit2.Repository, model: dict[str, bytes], index: Path) -> str:
    env = {"GIT_DIR": git.path, "GIT_INDEX_FILE": str(index), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    rows = b"".join(
        b"100644 %s\t%s\0" % (str(git.create_blob(raw)).encode(), path.encode()) for path, raw in model.items()
    )
    index.unlink(missing_ok=True)
    subprocess.run(["git", "update-index", "-z", "--add", "--index-info"], input=rows, env=env, check=True)
    return subprocess.run(["git", "write-tree"], env=env, check=True, capture_output=True, text=True).stdout.strip()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=CHANGES, second=CHANGES)
def test_the_same_tree_as_git_itself(
    git: pygit2.Repository,
    tmp_path: Path,
    first: dict[str, bytes | None],
    second: dict[str, bytes | None],
) -> None:
    model: dict[str, bytes] = {}
    base: str | None = None
    for changes in (first, second):
        after = {path: raw for path, raw in {**model, **changes}.items() if raw is not None}
        if not _compatible({**after, **dict.fromkeys(changes, b""), **model}):
            return
        writer = TreeWriter(git)
        base = writer.build(base, changes)
        durable.pack(git, writer.made)
        model = after
        assert base == _by_git(git, model, tmp_path / "index")
    reader = TreeReader(Objects(git), base)
    for path, raw in model.items():
        assert reader.read(path) == raw
    assert reader.read("nowhere/at/all") is None
    assert reader.entries("nowhere") is None


def test_many_objects_make_one_pack(tmp_path: Path) -> None:
    """Of every size that a pack's head takes more bytes for; git finds it whole, and a reader all of it."""
    git = pygit2.init_repository(str(tmp_path / "r"))
    sizes = [0, 1, 15, 16, 17, 2047, 2048, 2049, 300_000]
    model = {f"d{number % 7}/f{number}": b"%d " % number + b"x" * size for number, size in enumerate(sizes)}
    model |= {f"d{number % 7}/e{number}": b"%d" % number for number in range(200)}
    writer = TreeWriter(git)
    tree = writer.build(None, model)
    durable.pack(git, writer.made)
    folder = tmp_path / "r" / ".git" / "objects"
    assert {path.suffix for path in (folder / "pack").iterdir()} >= {".pack", ".idx"}
    assert [path.name for path in folder.iterdir() if len(path.name) == 2] == []
    reader = TreeReader(Objects(git), tree)
    assert {path: reader.read(path) for path in model} == model
    subprocess.run(["git", "fsck", "--strict"], cwd=tmp_path / "r", check=True)
