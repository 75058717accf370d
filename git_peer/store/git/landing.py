"""The integration branch as landing is judged by it: its commits along first parents, and the texts they have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import pygit2

from git_peer.core.lock.landing_rule import Edit, Lines
from git_peer.core.lock.push_rule import Content
from git_peer.core.target import lines as ranges
from git_peer.core.target.target import Spans
from git_peer.store.git.history import RAW, History, Missing, raw_rows
from git_peer.store.git.repo import Repo

LARGEST = 1 << 20  # bytes of a text that is looked into; what is larger is compared as a whole
_POINTER = b"version https://git-lfs"
_FORM = ("%H", "%P", "%ae", "%(trailers:key=Peer-Session,valueonly,separator=%x20)", "%B", "")


class Commit(NamedTuple):
    """A commit of the integration branch; `changes` is path → (before, after) along its first parent."""

    commit: str
    parents: tuple[str, ...]
    author: str  # e-mail address
    sessions: tuple[str, ...]  # that its trailers name
    message: str
    changes: dict[str, tuple[Content, Content]]
    objects: frozenset[str]  # that it comes to


class Mainline(History):
    """The history of an integration branch. Missing where an object of it is not to be had."""

    def __init__(self, repo: Repo, patience: float = 60) -> None:
        super().__init__(repo, patience)
        self._lines: dict[str, Lines | None] = {}
        self._edits: dict[tuple[str, str], Sequence[Edit]] = {}

    def span(self, start: str, tip: str) -> list[Commit]:
        """The commits that `tip` has and `start` has not along first parents, oldest first; no paths: it costs less."""
        begin, end = os.urandom(12).hex(), os.urandom(12).hex()  # no message has these
        form = begin + end.join(_FORM)
        args = ["log", "--first-parent", "--diff-merges=first-parent", "--no-show-signature", f"--format={form}"]
        ran = self._run([*args, "--root", *RAW, tip, *([f"^{start}"] if start else []), "--"])
        if ran.status:
            raise Missing(ran.err.strip())
        found = []
        for chunk in ran.out.split(begin)[1:]:
            commit, parents, author, sessions, message, rows = chunk.split(end)
            changes = {path: (before, after) for _, path, before, after in raw_rows(rows.lstrip("\0\n"))}
            objects = frozenset(after[1] for _, after in changes.values() if after is not None)
            named = tuple(sessions.split())
            found.append(Commit(commit, tuple(parents.split()), author, named, message, changes, objects))
        return found[::-1]

    def brought(self, start: str, tip: str, span: Sequence[Commit]) -> dict[str, str]:
        """Commit that `tip` has and `start` has not → the one of its first parents' line that brought it."""
        line = [one.commit for one in span]
        found = {commit: commit for commit in line}
        if all(len(one.parents) < 2 for one in span):
            return found
        rows = [
            row.split()
            for row in self._git(["rev-list", "--parents", tip, *([f"^{start}"] if start else [])]).split("\n")
        ]
        parents = {row[0]: row[1:] for row in rows if row}
        for one in span:
            todo = [*one.parents[1:]]
            while todo:
                commit = todo.pop()
                if commit in parents and commit not in found:
                    found[commit] = one.commit
                    todo += parents[commit]
        return found

    def comes_after(self, tip: str, commit: str) -> bool:
        """Whether `tip` has `commit`; Missing where that is not known."""
        if not self.commit(commit):
            if self.shallow:
                raise Missing(commit)
            return False
        try:
            if tip == commit or self._repo.descendant_of(tip, commit):
                return True
        except (KeyError, ValueError, pygit2.GitError) as why:
            raise Missing(str(why)) from None
        if self.shallow:
            raise Missing(f"{commit} in a shallow clone")
        return False

    # -- texts ------------------------------------------------------------------------------------------
    def lines(self, content: Content) -> Lines | None:
        """The lines of a text; None for no file, a link, a submodule, a binary file, a pointer, or much text."""
        if content is None or not content[0].startswith("100"):
            return None
        if content[1] not in self._lines:
            self._lines[content[1]] = split(self._blob(content[1]))
        return self._lines[content[1]]

    def edits(self, old: Content, new: Content) -> Sequence[Edit]:
        """What turns one text into another, as git compares them."""
        if old is None or new is None or old[1] == new[1]:
            return ()
        key = old[1], new[1]
        if key not in self._edits:
            self._edits[key] = edits(self._blob(old[1]), self._blob(new[1]))
        return self._edits[key]

    def region(self, blob: str, there: Content, spans: Spans) -> Spans | None:
        """What has come in a text of lines of a blob; None where that cannot be told."""
        try:
            if self.lines(there) is None or there is None:
                return None
            return ranges.image(self._blob(blob), self._blob(there[1]), spans) or None
        except Missing:
            return None

    def meets(self, blob: str, old: Content, new: Content, spans: Spans) -> bool:
        """Whether a change of a text is in lines of a blob, or right beside them; where that cannot be told it is."""
        region = self.region(blob, old, spans)
        try:
            if region is None or self.lines(new) is None:
                return True
        except Missing:
            return True
        return any(ranges.meets(region, start, end) for start, end, _, _ in self.edits(old, new))

    def _blob(self, ident: str) -> bytes:
        try:
            return bytes(self._repo.odb.read(ident)[1])
        except (KeyError, ValueError, pygit2.GitError):
            pass
        ran = self._run(["cat-file", "blob", ident])  # a partial clone has git fetch it
        if ran.status:
            raise Missing(ident)
        return ran.out.encode("utf-8", "surrogateescape")


def split(raw: bytes) -> Lines | None:
    """The lines of a text, each with its end; None for what is none."""
    if len(raw) > LARGEST or b"\0" in raw[:8000] or raw.startswith(_POINTER):
        return None
    lines = raw.split(b"\n")
    return (
        (*(line + b"\n" for line in lines[:-1]), *lines[-1:])
        if lines[-1]
        else tuple(line + b"\n" for line in lines[:-1])
    )


def edits(old: bytes, new: bytes) -> list[Edit]:
    """What turns one text into another, by git's own comparison without any context."""
    patch = pygit2.Patch.create_from(
        old, new, context_lines=0, interhunk_lines=0, flag=pygit2.enums.DiffOption.FORCE_TEXT
    )
    found = []
    for hunk in patch.hunks:
        a = hunk.old_start - (hunk.old_lines > 0)  # of nothing the line before is told
        c = hunk.new_start - (hunk.new_lines > 0)
        found.append((a, a + hunk.old_lines, c, c + hunk.new_lines))
    return found
