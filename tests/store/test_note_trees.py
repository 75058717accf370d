"""Trees of notes beside git's own: the union of any fan-outs has all, and git reads what we write."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2
import pytest

from git_peer.core import note as notes
from git_peer.store.git import durable, note_trees
from tests.world import Clone, World


def _line(number: int, at: int = 1) -> str:
    return json.dumps({"kind": "x", "at": at, "id": f"line {number}"})


def _id(number: int) -> str:
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def _tree(clone: Clone, files: dict[str, str]) -> pygit2.Tree:
    """A tree of these paths."""
    rows = ["commit refs/scratch/x\ncommitter n <n@x> 1 +0000\ndata 0\ndeleteall\n"]
    rows += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
    clone.git("fast-import", "--quiet", "--force", stdin="".join(rows).encode())
    found = pygit2.Repository(str(clone.path)).revparse_single("refs/scratch/x").peel(pygit2.Tree)
    assert isinstance(found, pygit2.Tree)
    return found


def _spread(ident: str, depth: int) -> str:
    return "/".join([ident[at * 2 : at * 2 + 2] for at in range(depth)] + [ident[depth * 2 :]])


def united(git: pygit2.Repository, trees: Sequence[pygit2.Tree], more: Mapping[str, Sequence[str]]) -> str:
    """The union, written."""
    made, objects = note_trees.united(git, trees, more)
    durable.pack(git, objects)
    return made


@pytest.mark.parametrize("counts", [(1, 1), (40, 3), (400, 200), (0, 5)])
def test_any_fan_out(world: World, counts: tuple[int, int]) -> None:
    """Each side has some commits alone and some lines on shared ones, spread in different ways."""
    clone, chance = world.clone("one"), random.Random(sum(counts))
    git = pygit2.Repository(str(clone.path))
    sides: list[dict[str, str]] = []
    for side, count in enumerate(counts):
        own = {_spread(_id(n * 2 + side), chance.randrange(3)): _line(n * 2 + side) for n in range(count)}
        both = {_spread(_id(-1 - n), chance.randrange(3)): f"{_line(side)}\n{_line(7)}" for n in range(min(count, 9))}
        sides.append(own | both)
    trees = [_tree(clone, files) for files in sides]
    made = united(git, trees, {"e" * 40: [_line(99)]})
    tree = git[made].peel(pygit2.Tree)
    expected: dict[str, set[str]] = {"e" * 40: {"line 99"}}
    for files in sides:
        for path, text in files.items():
            ids = {line.id for line in notes.parse(text.encode()).lines}
            expected.setdefault(path.replace("/", ""), set()).update(ids)
    for commit, ids in expected.items():
        assert {line.id for line in notes.parse(note_trees.note(tree, commit)).lines} == ids
    again = united(git, [tree, *trees], {})
    assert again == made
    other = united(git, [*reversed(trees), tree], {})
    for commit, ids in expected.items():
        assert {line.id for line in notes.parse(note_trees.note(git[other].peel(pygit2.Tree), commit)).lines} == ids
    # git shows the same of it, each once
    clone.git("update-ref", "refs/notes/peer", clone.git("commit-tree", "-m", "x", made).line)
    listed = [row.split()[1] for row in clone.git("notes", "--ref=peer", "list").out.splitlines()]
    assert sorted(listed) == sorted(expected)


def test_grows_as_git_does(world: World) -> None:
    """Many notes are spread over folders, and git's next append leaves them there."""
    clone = world.clone("one")
    git = pygit2.Repository(str(clone.path))
    made = united(git, [], {_id(number): [_line(number)] for number in range(300)})
    second = united(git, [git[made].peel(pygit2.Tree)], {_id(1): [_line(-1)]})
    tree = git[second].peel(pygit2.Tree)
    assert all(len(entry.name or "") == 2 for entry in tree)
    clone.git("update-ref", "refs/notes/peer", clone.git("commit-tree", "-m", "x", second).line)
    clone.git("notes", "--ref=peer", "append", "-m", _line(5), "HEAD")
    after = git.revparse_single("refs/notes/peer").peel(pygit2.Tree)
    assert note_trees.changed(tree, after) == {clone.head()}


def test_what_is_no_note(world: World) -> None:
    """Strange files, links and folders in a stranger's tree are passed over, and ours stay."""
    clone = world.clone("one")
    git = pygit2.Repository(str(clone.path))
    ours = _tree(clone, {_id(1): _line(1), "README": "ours"})
    odd = {"README": "theirs", "zz/zz": "x", f"{_id(2)}/x": "x", "a\udcff": "x", _id(3)[:2]: "a file"}
    theirs = _tree(clone, {path.encode("utf-8", "replace").decode(): text for path, text in odd.items()})
    made = united(git, [ours, theirs], {_id(3): [_line(3)]})
    tree = git[made].peel(pygit2.Tree)
    assert tree["README"].peel(pygit2.Blob).data == b"ours"
    assert {entry.name for entry in tree} == {"README", _id(1), _id(3)}


def test_unrelated_clone_paths(tmp_path: Path) -> None:
    """No trees and no lines: an empty tree."""
    git = pygit2.init_repository(str(tmp_path / "r"))
    made = united(git, [], {})
    assert len(git[made].peel(pygit2.Tree)) == 0
