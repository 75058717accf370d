"""Trees and commits of a task's work, made in the object store: no work tree, no index is touched."""

from __future__ import annotations

from collections.abc import Mapping

import pygit2
from pygit2.enums import FileMode

from git_peer import layout
from git_peer.store.git import merge as merges


def edited(git: pygit2.Repository, base: str, files: Mapping[str, bytes | None]) -> str:
    """The tree of the commit `base` with some files written, or removed where they are None."""
    index = pygit2.Index()
    root = git[base].peel(pygit2.Tree)
    index.read_tree(root)
    for path, content in files.items():
        before = _mode(root, path)
        if content is not None:
            mode = before if before == FileMode.BLOB_EXECUTABLE else FileMode.BLOB  # never a link
            index.add(pygit2.IndexEntry(path, git.create_blob(content), mode))
        elif before is not None:
            index.remove(path)
    return str(index.write_tree(git))


def _mode(root: pygit2.Tree, path: str) -> FileMode | None:
    try:
        return FileMode(root[path].filemode)
    except KeyError:
        return None


def commit(git: pygit2.Repository, tree: str, parent: str, message: str, trailers: Mapping[str, str]) -> str:
    """A commit by the user of this repository, its message with trailers; its id."""
    who, message = merges.signature(git), merges.with_trailers(message, trailers)
    return str(git.create_commit(None, who, who, message, tree, [parent]))


def changed(git: pygit2.Repository, base: str, tree: str) -> list[str]:
    """The paths in which a tree differs from the commit `base`."""
    diff = git[base].peel(pygit2.Tree).diff_to_tree(git[tree].peel(pygit2.Tree), context_lines=0)
    paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
    return [layout.from_bytes(raw) for raw in paths]
