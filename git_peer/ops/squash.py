"""Work that has landed under other commit ids, by a squash or a rebase elsewhere: its notes go along.

What a branch of this clone changed and what stands on the integration branch are compared by content, as landing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pygit2

from git_peer.core.note import Note
from git_peer.core.session import record as sessions
from git_peer.ops.peer import Peer
from git_peer.store.git import work

HEADS = 500  # branches that are compared; who keeps more of them finds the notes on the commits that were squashed
COMMITS = 1000  # of a range

Lines = dict[str, list[str]]


def along(peer: Peer, old: str, new: str, note: Callable[[str], Note]) -> Lines:
    """Commit that landed → lines of the commits whose work it brought, when the integration branch went `old` → `new`.

    `note` tells what is noted on a commit. Only branches and sessions of this clone are known here.
    """
    git = peer.repo.git
    landed = list(_between(git, new, [old]))
    found: Lines = {}
    if not landed or len(landed) >= COMMITS:
        return found
    by_author = {_author(commit): commit for commit in reversed(landed)}
    by_path: dict[bytes, pygit2.Commit] = {}
    for commit in reversed(landed):  # the newest has the last word
        by_path.update(dict.fromkeys(_paths(commit), commit))
    for head in _heads(peer):
        if _has(git, new, head) or work.unlanded(git, head, new) != [] or work.unlanded(git, head, old) == []:
            continue
        for made in _between(git, head, [new]):
            to = by_author.get(_author(made)) or _most(made, by_path)
            lines = [line.raw for line in note(str(made.id)).lines]
            if to is not None and lines and to.id != made.id:
                found.setdefault(str(to.id), []).extend(lines)
    return found


def _heads(peer: Peer) -> list[str]:
    """Where this clone's branches and its sessions' work stand."""
    git = peer.repo.git
    names = [name for name in git.references if name.startswith("refs/heads/")]
    if len(names) > HEADS:
        return []
    found = dict.fromkeys(str(git.references[name].target) for name in names)
    found.update(dict.fromkeys(s.head for s in sessions.all_of(peer.state) if s.clone == peer.me.clone and s.head))
    return [head for head in found if head in git]


def _between(git: pygit2.Repository, new: str, hidden: list[str]) -> Iterator[pygit2.Commit]:
    """The commits that `new` has and `hidden` have not, without merges, newest first; not too many."""
    try:
        walker = git.walk(new)
        for one in hidden:
            walker.hide(one)
        for number, commit in enumerate(walker):
            if number >= COMMITS:
                return
            if len(commit.parent_ids) < 2:
                yield commit
    except (KeyError, ValueError, pygit2.GitError):  # not here: a shallow clone
        return


def _has(git: pygit2.Repository, commit: str, ancestor: str) -> bool:
    try:
        return commit == ancestor or git.descendant_of(commit, ancestor)
    except (KeyError, ValueError, pygit2.GitError):
        return True  # not to be told: nothing is moved


def _author(commit: pygit2.Commit) -> tuple[str, int, bytes]:
    """What a rebase keeps of a commit."""
    who = commit.author
    return who.email or "", who.time, commit.raw_message


def _paths(commit: pygit2.Commit) -> set[bytes]:
    """The paths that a commit changes; none where its parent is not here."""
    try:
        if commit.parents:
            diff = commit.parents[0].tree.diff_to_tree(commit.tree, context_lines=0)
        else:
            diff = commit.tree.diff_to_tree(swap=True, context_lines=0)
        return {file.raw_path for delta in diff.deltas for file in (delta.old_file, delta.new_file)}
    except (KeyError, pygit2.GitError):
        return set()


def _most(made: pygit2.Commit, by_path: dict[bytes, pygit2.Commit]) -> pygit2.Commit | None:
    """The landed commit that changed most of what `made` did."""
    counts: dict[str, tuple[int, pygit2.Commit]] = {}
    for path in _paths(made):
        to = by_path.get(path)
        if to is not None:
            counts[str(to.id)] = (counts.get(str(to.id), (0, to))[0] + 1, to)
    return max(counts.values(), key=lambda one: (one[0], str(one[1].id)))[1] if counts else None
