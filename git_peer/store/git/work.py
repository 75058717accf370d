"""What a commit has that the integration branch has not: by content, so that a squash counts as landed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from git_peer import layout
from git_peer.store.git import refs
from git_peer.store.git.libgit2 import Commit, GitError, Repository, Tree

_MODES = (b"100644", b"100755", b"100664", b"120000", b"160000")  # a tree's own is a digit shorter
MOST = 1000  # commits of a branch that are looked through for what a squash has left of another


def integration(git: Repository, branch: str, remote: str) -> str:
    """The commit of the integration branch as this clone knows it (`remote` "": its own branch); "" for none."""
    return (fetched(git, branch, remote) if remote else "") or _tip(git, f"refs/heads/{branch}")


def fetched(git: Repository, branch: str, remote: str) -> str:
    """The commit of a remote's branch when it was fetched last; "" for none."""
    return _tip(git, f"refs/remotes/{remote}/{branch}")


def _tip(git: Repository, name: str) -> str:
    try:
        ref = refs.find(git, name)
        return "" if ref is None else str(ref.peel(Commit).id)
    except (KeyError, ValueError, GitError):
        return ""


def blob_at(git: Repository, commit: str, path: str) -> str:
    """The blob of a file of text in a commit; "" where there is none, or it is a link or a submodule."""
    try:
        found = _blob(_commit(git, commit).tree, path)
    except (KeyError, ValueError, GitError):
        return ""
    return found[0] if found is not None and found[1].startswith(b"100") else ""


def unlanded(git: Repository, head: str, onto: str) -> list[str] | None:
    """The paths that `head` changed since it left `onto` and that stand otherwise there; None where that is not known.

    Both are ids of commits; "" is no commit, and has changed nothing.
    """
    if not head or not onto:
        return []
    try:
        ours, theirs = _commit(git, head), _commit(git, onto)
        base: Any = git.merge_base(ours.id, theirs.id)
        if base is None:
            return None
        if base == ours.id:
            return []
        diff = _commit(git, str(base)).tree.diff_to_tree(ours.tree, context_lines=0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        found = [layout.from_bytes(raw) for raw in paths]
        return [path for path in found if _blob(ours.tree, path) != _blob(theirs.tree, path)]
    except (KeyError, ValueError, GitError):  # not here: a shallow or partial clone, or another's commit
        return None


_UNTRACKED = 8 | 16  # libgit2's flags: files that git does not track yet too, one by one


def uncommitted(git: Repository) -> list[str]:
    """The paths in which the work tree differs from HEAD, untracked ones too; what libgit2 cannot read has none."""
    try:
        head: Any = git.revparse_single("HEAD")
        diff = head.peel(Tree).diff_to_workdir(_UNTRACKED, 0, 0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        return [layout.from_bytes(raw) for raw in paths]
    except (KeyError, ValueError, GitError):
        return []


def changed(git: Repository, old: str, new: str) -> list[str]:
    """The paths in which two commits differ; "" is no commit, and what this clone cannot tell has none."""
    try:
        before, after = (_commit(git, one).tree if one else None for one in (old, new))
        there, other = (after, before) if after is not None else (before, None)
        if there is None:
            return []
        diff = there.diff_to_tree(other, context_lines=0) if other is not None else there.diff_to_tree(context_lines=0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        return [layout.from_bytes(raw) for raw in paths]
    except (KeyError, ValueError, GitError):
        return []


def behind(git: Repository, head: str, onto: str, paths: Sequence[str]) -> list[str]:
    """Those of `paths`, of files or folders, that `onto` has changed since `head` left it, and `head` has not so.

    Both are ids of commits, or ""; what this clone cannot tell is not.
    """
    if not head or not onto or not paths:
        return []
    try:
        base: Any = git.merge_base(head, onto)
        if base is None or str(base) == onto:
            return []
        old, ours, theirs = (_commit(git, str(one)).tree for one in (base, head, onto))
        there = {path: _blob(theirs, path) for path in paths}
        return [path for path, one in there.items() if one not in (_blob(old, path), _blob(ours, path))]
    except (KeyError, ValueError, GitError):
        return []


def has_landed(git: Repository, head: str, onto: str) -> bool:
    """Whether `onto`, or a commit on it since `head` left it, has all that `head` changed: by merge, squash or rebase.

    Both are ids of commits; what this clone cannot tell has not.
    """
    if not head or not onto:
        return False
    try:
        theirs = _commit(git, head)
        base: Any = git.merge_base(theirs.id, onto)
        if base is None or base == theirs.id:
            return base is not None
        diff = _commit(git, str(base)).tree.diff_to_tree(theirs.tree, context_lines=0)
        paths = dict.fromkeys(file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file))
        wanted = {path: _blob(theirs.tree, path) for path in map(layout.from_bytes, paths)}
        walker = git.walk(onto)
        walker.simplify_first_parent()
        walker.hide(base)
        since = islice(walker, MOST)
        return not wanted or any(all(_blob(c.tree, path) == had for path, had in wanted.items()) for c in since)
    except (KeyError, ValueError, GitError):
        return False


def _commit(git: Repository, ident: str) -> Commit:
    """A commit; KeyError where it is not here."""
    found: Any = git.git_object_lookup_prefix(ident)
    if found is None:
        raise KeyError(ident)
    commit: Commit = found.peel(Commit)
    return commit


def _blob(tree: Tree, path: str) -> tuple[str, bytes] | None:
    """(id, mode) of what stands at `path`."""
    node: Any = tree
    found: tuple[str, bytes] | None = None
    for part in path.split("/"):
        if not isinstance(node, Tree):
            return None
        name, above = layout.to_bytes(part), node
        try:
            node = above[part] if layout.is_utf8(part) else next(one for one in above if one.raw_name == name)
        except (KeyError, StopIteration):
            return None
        found = str(node.id), _mode(above.read_raw(), name, node.id.raw)
    return found


def _mode(tree: bytes, name: bytes, ident: bytes) -> bytes:
    """The mode of an entry in a raw tree: pygit2's own answer is an enum, which is not there without its Python."""
    end = tree.index(b" %s\0%s" % (name, ident))
    return tree[end - 6 : end] if tree[end - 6 : end] in _MODES else tree[end - 5 : end]
