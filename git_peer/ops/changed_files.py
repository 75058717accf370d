"""The files that commits change, as the quality gates see them."""

from __future__ import annotations

from collections.abc import Iterator

import pygit2
from pygit2.enums import FileMode, SortMode

from git_peer import layout
from git_peer.adapters import languages
from git_peer.core.quality_gate.change import Change
from git_peer.store.git import changes as texts

LARGE = 1024 * 1024  # bytes; a larger file is not read
_FILE = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)


def between(git: pygit2.Repository, base: str, tip: str) -> list[Change]:
    """What a commit has made of another one's files, renames followed; `base` "" is nothing at all."""
    there = git[tip].peel(pygit2.Tree)
    if base:
        diff = git[base].peel(pygit2.Tree).diff_to_tree(there, context_lines=0)
        diff.find_similar()
    else:
        diff = there.diff_to_tree(swap=True, context_lines=0)
    return [_of(git, delta) for delta in diff.deltas]


def of_each(git: pygit2.Repository, base: str, tip: str) -> Iterator[tuple[str, list[Change]]]:
    """Each commit that `tip` has and `base` has not, with what it changes; of a merge, what no parent of it has."""
    walk = git.walk(tip, SortMode.TOPOLOGICAL | SortMode.REVERSE)
    if base:
        walk.hide(base)
    for commit in walk:
        parents = [str(one) for one in commit.parent_ids if one in git]
        first, *others = [between(git, parent, str(commit.id)) for parent in parents or [""]]
        for rows in others:
            added = {one.path: one.added for one in rows}
            first = [
                Change(one.path, one.old, one.new, one.added & added[one.path]) for one in first if one.path in added
            ]
        yield str(commit.id), first


def _of(git: pygit2.Repository, delta: pygit2.DiffDelta) -> Change:
    letter = delta.status_char()
    old_path, path = (layout.from_bytes(file.raw_path) for file in (delta.old_file, delta.new_file))
    old = b"" if letter == "A" else _blob(git, delta.old_file)
    new = b"" if letter == "D" else _blob(git, delta.new_file)
    return change(path, None if letter == "A" else old, None if letter == "D" else new, old_path)


def _blob(git: pygit2.Repository, file: pygit2.DiffFile) -> bytes:
    """A file's content; for a link, a submodule and what is too large, something binary."""
    if file.mode not in _FILE or file.id not in git:
        return b"\0"
    if git.odb.read_header(file.id)[1] > LARGE:
        return b"\0"
    return git[file.id].peel(pygit2.Blob).data


def change(path: str, old: bytes | None, new: bytes | None, old_path: str = "") -> Change:
    """The change of a file from one content to another; None where it is not there."""
    state = languages.unwritten(path)
    if any(raw is not None and b"\0" in raw[:8000] for raw in (old, new)):
        return Change(path, None, None, language=languages.of(path), state="binary", old_path=old_path or path)
    added: set[int] = set()
    removed = shift = 0
    for hunk in texts.hunks(old or b"", new or b""):
        count = hunk.text.count(b"\n") + (hunk.text[-1:] not in (b"", b"\n"))
        added |= set(range(hunk.first + shift + 1, hunk.first + shift + count + 1))
        removed += hunk.lines
        shift += count - hunk.lines
    was, now = (raw.decode("utf-8", "replace") if raw is not None else None for raw in (old, new))
    return Change(
        path, was, now, frozenset(added), removed, languages.of(path), state, languages.is_test(path), old_path or path
    )
