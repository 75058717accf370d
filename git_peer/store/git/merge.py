"""Three-way merges in the object store: no work tree, no index and no ref is touched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pygit2

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store.files import refused_by_disk


@dataclass(frozen=True)
class Merged:
    """What a merge came to: the commit that has it all, or "" and the paths that conflict, sorted, from the top.

    `stopped` is the commit at which merge_all() met the conflict.
    """

    commit: str
    conflicts: tuple[str, ...] = ()
    stopped: str = ""


def merged(
    git: pygit2.Repository,
    ours: str,
    theirs: str,
    message: str,
    signature: pygit2.Signature,
    trailers: Mapping[str, str] | None = None,
) -> Merged:
    """Merge the commit `theirs` into `ours`: a new commit with both as parents, first `ours`, where one is needed.

    `ours` itself where it has `theirs` already; `theirs` where that comes after `ours`. Renames are followed, several
    merge bases are merged first. PeerError `unavailable`: an object is not in this clone; `invalid`: entries of a tree
    that git would not check out.
    """
    try:
        mine, other = git[ours].peel(pygit2.Commit), git[theirs].peel(pygit2.Commit)
        base = git.merge_base(mine.id, other.id)
        if base == other.id:
            return Merged(str(mine.id))
        index = git.merge_commits(mine, other)
        if index.conflicts is not None:
            return Merged("", _paths(index))
        tree = index.write_tree(git)  # also of what only moves ahead: it looks at the names of what is new
        if base == mine.id:
            return Merged(str(other.id))
        text = with_trailers(message, trailers or {})
        made = git.create_commit(None, signature, signature, text, tree, [mine.id, other.id])
    except (KeyError, ValueError) as why:
        raise _missing(theirs, why) from None
    except pygit2.GitError as why:
        if "object not found" in str(why) or "not found - no match for id" in str(why):
            raise _missing(theirs, why) from None
        disk = refused_by_disk(why)
        if disk:
            raise PeerError("failed", f"cannot write a merge: {disk}", "is the disk full, or read-only?") from None
        raise PeerError(
            "invalid", f"{theirs[:12]} cannot be merged: {why}", "`git fsck` tells what is wrong with its tree"
        ) from None
    return Merged(str(made))


def merge_all(
    git: pygit2.Repository,
    base: str,
    commits: Iterable[str],
    message: Callable[[str], str],
    signature: pygit2.Signature,
    trailers: Mapping[str, str] | None = None,
) -> Merged:
    """Merge commits into `base`, one after the other; ends at the first that conflicts. `message` is asked for each."""
    head = base
    for commit in commits:
        step = merged(git, head, commit, message(commit), signature, trailers)
        if not step.commit:
            return Merged("", step.conflicts, commit)
        head = step.commit
    return Merged(head)


def signature(git: pygit2.Repository) -> pygit2.Signature:
    """Who merges: the user as git's settings name it, else git-peer."""
    try:
        return git.default_signature
    except (KeyError, pygit2.GitError):
        return pygit2.Signature("git-peer", "git-peer@localhost")


def base(git: pygit2.Repository, one: str, other: str) -> str:
    """The best common ancestor of two commits; "" where there is none, or where one of them is not here."""
    try:
        return str(git.merge_base(one, other) or "") if one and other else ""
    except (KeyError, ValueError, pygit2.GitError):
        return ""


def contains(git: pygit2.Repository, head: str, commit: str) -> bool:
    """Whether `commit` is `head` or comes before it, as far as this clone has them."""
    try:
        return head == commit or bool(git.descendant_of(head, commit))
    except (KeyError, ValueError, pygit2.GitError):
        return False


def with_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """A commit's message with trailers as its last paragraph, each on one line."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in trailers.items() if value.strip()]
    parts = [message.strip(), "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _paths(index: pygit2.index.Index) -> tuple[str, ...]:
    """The paths of an index's conflicts; of a rename the old and the new."""
    entries = (entry for three in index.conflicts or () for entry in three if entry is not None)
    return tuple(sorted({layout.from_bytes(os.fsencode(entry.path)) for entry in entries}))


def _missing(commit: str, why: Exception) -> PeerError:
    said = str(why).strip("'\"")
    return PeerError(
        "unavailable",
        f"{commit[:12]} cannot be merged here: an object is missing ({said})",
        "`git fetch` brings it, in a shallow clone with --unshallow, in a partial one with --refetch",
    )
