"""Trees of notes: reading one, and the union of several, whatever fan-out each of them has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pygit2
from pygit2.enums import FileMode

from git_peer.core import note as notes
from git_peer.store.git.durable import Written
from git_peer.store.git.objects import TreeWriter

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BLOBS = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


def places(tree: pygit2.Tree, commit: str) -> Iterator[tuple[str, pygit2.Blob]]:
    """(path, blob) of each note on `commit`: git's readers take any fan-out, and one commit at several places."""
    for entry in (commit, f"{commit[:2]}"):
        try:
            found = tree[entry]
        except KeyError:
            continue
        if isinstance(found, pygit2.Blob) and found.filemode in _BLOBS and entry == commit:
            yield entry, found
        elif isinstance(found, pygit2.Tree) and entry != commit:
            for path, blob in places(found, commit[2:]):
                yield f"{entry}/{path}", blob


def note(tree: pygit2.Tree | None, commit: str) -> bytes:
    """The note on `commit`; empty where there is none. KeyError where an object is missing."""
    return b"" if tree is None else b"\n\n".join(blob.data for _, blob in places(tree, commit))


def changed(one: pygit2.Tree, other: pygit2.Tree) -> set[str]:
    """The commits whose notes may differ between two trees; what is no note is passed over."""
    if one.id == other.id:
        return set()
    diff = one.diff_to_tree(other, context_lines=0)
    paths = {path for delta in diff.deltas for path in (delta.old_file.raw_path, delta.new_file.raw_path)}
    found = (path.replace(b"/", b"").decode("ascii", "replace") for path in paths)
    return {ident for ident in found if _ID.fullmatch(ident)}


def united(
    git: pygit2.Repository, trees: Sequence[pygit2.Tree], more: Mapping[str, Sequence[str]]
) -> tuple[str, Written]:
    """(the tree that has what all of `trees` and the lines of `more`, by commit, have; the objects to be written).

    Only commits whose notes differ are looked at. KeyError where an object is missing.
    """
    base = trees[0] if trees else None
    wanted = {commit for commit, lines in more.items() if lines}
    for tree in trees[1:]:
        assert base is not None
        wanted |= changed(base, tree)
    changes: dict[str, bytes | None] = {}
    for commit in wanted:
        old = list(places(base, commit)) if base is not None else []
        has = [blob.data for _, blob in old]
        new = notes.union([*has, *(note(tree, commit) for tree in trees[1:]), "\n".join(more.get(commit, ())).encode()])
        if not new or (len(old) == 1 and has[0] == new):
            continue
        changes.update(dict.fromkeys((path for path, _ in old), None))
        changes[old[0][0] if old else _place(base, commit)] = new
    if not changes and base is not None:
        return str(base.id), {}
    writer = TreeWriter(git)
    if base is not None and _is_dense(base):
        # As git itself spreads them from here on; else each would have the other's tree rewritten.
        changes = {path[:2] + "/" + path[2:] if _ID.fullmatch(path) else path: raw for path, raw in changes.items()}
        for name in _flat(base):
            blob = base[name]
            if isinstance(blob, pygit2.Blob):
                changes.setdefault(f"{name[:2]}/{name[2:]}", blob.data)
                changes[name] = None
    return writer.build(str(base.id) if base is not None else None, changes), writer.made


def _place(base: pygit2.Tree | None, commit: str) -> str:
    """Where a new note goes: as deep as the folders that are there."""
    folders, rest, tree = "", commit, base
    while tree is not None and len(rest) > 2 and rest[:2] in tree and isinstance(tree[rest[:2]], pygit2.Tree):
        below = tree[rest[:2]]
        assert isinstance(below, pygit2.Tree)
        folders, rest, tree = f"{folders}{rest[:2]}/", rest[2:], below
    if not folders and base is not None and any(isinstance(entry, pygit2.Tree) for entry in base):
        return f"{commit[:2]}/{commit[2:]}"
    return folders + rest


def _flat(tree: pygit2.Tree) -> list[str]:
    """The notes that stand in no folder."""
    names = ((entry.raw_name or b"").decode("ascii", "replace") for entry in tree)
    return [name for name in names if _ID.fullmatch(name)]


def _is_dense(tree: pygit2.Tree) -> bool:
    """Whether a tree has so many notes in no folder that git would make folders: two for each first digit."""
    names = _flat(tree)
    return len(names) >= 32 and all(sum(name[0] == digit for name in names) > 1 for digit in "0123456789abcdef")
