"""What a commit has that the integration branch has not: by content, so that a squash counts as landed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pygit2

from git_peer import layout

MOST = 1000  # commits of a branch that are looked through for what a squash has left of another


def integration(git: pygit2.Repository, branch: str, remote: str) -> str:
    """The commit of the integration branch as this clone knows it (`remote` "": its own branch); "" for none."""
    names = [f"refs/remotes/{remote}/{branch}"] if remote else []
    for name in (*names, f"refs/heads/{branch}"):
        try:
            return str(git.references[name].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            continue
    return ""


def unlanded(git: pygit2.Repository, head: str, onto: str) -> list[str] | None:
    """The paths that `head` changed since it left `onto` and that stand otherwise there; None where that is not known.

    Both are ids of commits; "" is no commit, and has changed nothing.
    """
    if not head or not onto:
        return []
    try:
        ours, theirs = git[head].peel(pygit2.Commit), git[onto].peel(pygit2.Commit)
        base: Any = git.merge_base(ours.id, theirs.id)
        if base is None:
            return None
        if base == ours.id:
            return []
        diff = git[base].peel(pygit2.Commit).tree.diff_to_tree(ours.tree, context_lines=0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        found = [layout.from_bytes(raw) for raw in paths]
        return [path for path in found if _blob(ours.tree, path) != _blob(theirs.tree, path)]
    except (KeyError, ValueError, pygit2.GitError):  # not here: a shallow or partial clone, or another's commit
        return None


def behind(git: pygit2.Repository, head: str, onto: str, paths: Sequence[str]) -> list[str]:
    """Those of `paths`, of files or folders, that `onto` has changed since `head` left it, and `head` has not so.

    Both are ids of commits, or ""; what this clone cannot tell is not.
    """
    if not head or not onto or not paths:
        return []
    try:
        base: Any = git.merge_base(head, onto)
        if base is None or str(base) == onto:
            return []
        old, ours, theirs = (git[one].peel(pygit2.Commit).tree for one in (base, head, onto))
        there = {path: _blob(theirs, path) for path in paths}
        return [path for path, one in there.items() if one not in (_blob(old, path), _blob(ours, path))]
    except (KeyError, ValueError, pygit2.GitError):
        return []


def has_landed(git: pygit2.Repository, head: str, onto: str) -> bool:
    """Whether `onto`, or a commit on it since `head` left it, has all that `head` changed: by merge, squash or rebase.

    Both are ids of commits; what this clone cannot tell has not.
    """
    if not head or not onto:
        return False
    try:
        theirs = git[head].peel(pygit2.Commit)
        base: Any = git.merge_base(theirs.id, onto)
        if base is None or base == theirs.id:
            return base is not None
        diff = git[base].peel(pygit2.Commit).tree.diff_to_tree(theirs.tree, context_lines=0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        wanted = {path: _blob(theirs.tree, path) for path in map(layout.from_bytes, paths)}
        walker = git.walk(onto)
        walker.simplify_first_parent()
        walker.hide(base)
        since = islice(walker, MOST)
        return not wanted or any(all(_blob(c.tree, path) == had for path, had in wanted.items()) for c in since)
    except (KeyError, ValueError, pygit2.GitError):
        return False


def _blob(tree: pygit2.Tree, path: str) -> tuple[str, int] | None:
    """(id, mode) of what stands at `path`."""
    node: pygit2.Object = tree
    entry: pygit2.Object | None = None
    for part in path.split("/"):
        if not isinstance(node, pygit2.Tree):
            return None
        names = {one.raw_name: one for one in node} if not layout.is_utf8(part) else {}
        try:
            entry = names[layout.to_bytes(part)] if names else node[part]
        except KeyError:
            return None
        node = entry
    return (str(entry.id), int(entry.filemode)) if entry is not None else None
