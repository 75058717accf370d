"""refs/notes/peer in one clone: what its hooks recorded, the union with what others have, and whose a commit is.

git's own writers of notes (`git notes append` in the hook, the copying at an amend or a rebase) do not compare the
ref with what they read, so each of two at once may undo the other's. Nothing rests on them: the hooks append to a
file first, git-peer keeps what is noted in a ref of its own, and brings both together.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pygit2

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.note import Note
from git_peer.store import files
from git_peer.store.git import durable, note_trees, refs
from git_peer.store.git.durable import Written

_ROW = re.compile(r"([0-9a-f]{40,64}) (\S+) (\S+) (\S+) (\S+) (\d{1,12}) ([a-z-]+) (-|[0-9a-f]{40,64}) (.*)")
_REWRITE = re.compile(r"> \S+ ([0-9a-f]{40,64}) ([0-9a-f]{40,64})")
_TRIES = 20  # at a ref that hooks write at the same time


class Made(NamedTuple):
    """A commit that the post-commit hook saw: `words` tell the session, `of` the commit it was made from."""

    commit: str
    words: tuple[str, str, str, str]
    at: int
    how: str
    of: str
    line: str  # its provenance, where the hook could say it; else ""


class Rewritten(NamedTuple):
    """A commit that an amend or a rebase has replaced."""

    old: str
    new: str


Row = Made | Rewritten


# -- what the hooks recorded ------------------------------------------------------------------------
def rows(folder: Path, start: int = 0) -> tuple[list[Row], int]:
    """(what the hooks recorded from byte `start` on, in order; where whole lines end). `folder` is the clone's."""
    try:
        with open(folder / layout.F_COMMITS, "rb") as file:
            if start > file.seek(0, 2):  # another file has taken its place
                start = 0
            file.seek(start)
            raw = file.read()
    except OSError:
        return [], start
    raw = raw[: raw.rfind(b"\n") + 1]
    found = (_row(line) for line in raw.decode("utf-8", "surrogateescape").split("\n"))
    return [row for row in found if row is not None], start + len(raw)


def _row(text: str) -> Row | None:
    if text.startswith(">"):
        told = _REWRITE.fullmatch(text)
        return Rewritten(told[1], told[2]) if told else None
    found = _ROW.fullmatch(text)
    if found is None:
        return None
    commit, *words, at, how, of, line = found.groups()
    known = notes.line_of(line)
    said = line if known is not None and known.id == commit and known.kind == "commit" else ""
    return Made(commit, (words[0], words[1], words[2], words[3]), int(at), how, "" if of == "-" else of, said)


class Origins(NamedTuple):
    """Whose commits are, by the hooks' record: the words of the session that made one, and which one it was made of."""

    words: dict[str, list[str]]
    of: dict[str, str]


def origins(folder: Path) -> Origins:
    """What the hooks recorded of who made which commit here, and of which one an amend, a pick or a rebase made it."""
    found = Origins({}, {})
    try:
        text = (folder / layout.F_COMMITS).read_text("utf-8", "surrogateescape")
    except OSError:
        return found
    for line in text.split("\n"):
        commit, *words = line.split(" ")
        if commit == ">" and len(words) == 3:
            found.of.setdefault(words[2], words[1])
        elif commit != ">" and len(words) >= 4:
            found.words[commit] = words[:4]
            if words[6:7] not in ([], ["-"]):
                found.of[commit] = words[6]
    return found


# -- the notes --------------------------------------------------------------------------------------
class Notes:
    """The notes of one clone. `git` is the repository, `folder` the clone's."""

    def __init__(self, git: pygit2.Repository, folder: Path) -> None:
        self.git = git
        self.folder = folder

    @property
    def known(self) -> dict[str, Any]:
        """noted.json: `row` (bytes of the hooks' record that are noted), `log`, `landed`, `refused`."""
        return files.read_json(self.folder / layout.F_NOTED)

    def know(self, **facts: Any) -> None:
        """Change noted.json. It is no promise: what it forgets is done again, to the same end."""
        old = self.known
        if any(old.get(key) != value for key, value in facts.items()):
            files.write_json(self.folder / layout.F_NOTED, {**old, **facts}, durable=False)

    def _tree(self, commit: str | None) -> pygit2.Tree | None:
        try:
            return self.git[commit].peel(pygit2.Tree) if commit else None
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def stored(self, commit: str) -> bytes:
        """What our refs have noted on a commit."""
        found = []
        for ref in (layout.NOTES_KEPT, layout.NOTES, layout.NOTES_INCOMING):
            try:
                found.append(note_trees.note(self._tree(refs.read(self.git, ref)), commit))
            except (KeyError, pygit2.GitError):
                continue  # not here: a partial clone
        return notes.union(found)

    def note(self, commit: str, more: Mapping[str, Sequence[str]]) -> Note:
        """What is noted on a commit, here and in `more`."""
        return notes.parse(notes.union([self.stored(commit), "\n".join(more.get(commit, ())).encode()]))

    def pending(self, unnamed: Mapping[str, str], everything: bool = False) -> tuple[dict[str, list[str]], int]:
        """(commit → lines that the hooks recorded and that may not be noted yet, where the record ends).

        `unnamed`: git directory → the session name of its unnamed person. With `everything` what counted as noted
        is looked at once more, for something has come from elsewhere that a rewritten commit should have.
        """
        found, end = rows(self.folder, 0 if everything else int(self.known.get("row", 0)))
        more: dict[str, list[str]] = {}

        def along(old: str, new: str) -> Note:
            has, had = self.note(new, more), self.note(old, more)
            known = {line.id for line in has.lines}
            raw = [line.raw for line in had.lines if line.id not in known]
            raw += [f"\n{text}\n" for text in had.texts if text not in has.texts]
            if raw:
                more.setdefault(new, []).extend(raw)
            return had

        for row in found:
            if isinstance(row, Rewritten):
                along(row.old, row.new)
                continue
            before = along(row.of, row.commit) if row.how in ("amend", "rebase") and row.of else None
            line = notes.line_of(row.line or self._said(row, unnamed))
            if row.how == "rebase" or line is None:
                continue  # whose it was it stays
            if before is not None and any(notes.is_same(line, one) for one in notes.makers(before)):
                continue  # one's own amend tells nothing new
            if all(line.id != one.id for one in self.note(row.commit, more).lines):
                more.setdefault(row.commit, []).append(line.raw)
        return more, end

    @staticmethod
    def _said(row: Made, unnamed: Mapping[str, str]) -> str:
        """The provenance of a commit whose session had not written to the log then."""
        gitdir, name = notes.who(row.words)
        name = name or unnamed.get(gitdir)
        if not name:
            return ""
        return notes.provenance(notes.encode({"session": name})[1:-1], row.commit, row.at, row.how, row.of)

    def settle(self, more: Mapping[str, Sequence[str]]) -> str | None:
        """Bring all our refs and the lines of `more` (commit → lines) together; the commit that has them all.

        Under the kernel lock. Raises PeerError("failed") where the disk takes no writes.
        """
        for turn in range(_TRIES):
            tips = {ref: refs.commit(self.git, ref) for ref in (layout.NOTES_INCOMING, layout.NOTES_KEPT, layout.NOTES)}
            made = self._united(list(tips.values()), more)
            if made is None:
                return None
            if made != tips[layout.NOTES_KEPT]:
                refs.swap(self.git, layout.NOTES_KEPT, made, tips[layout.NOTES_KEPT])
            if made == tips[layout.NOTES]:
                return made
            try:
                refs.swap(self.git, layout.NOTES, made, tips[layout.NOTES])
                return made
            except refs.Lost:
                continue
            except PeerError as why:
                if why.code != "busy" or turn >= 5:  # somebody's lock file: what is kept is kept, and shown next time
                    return made
                time.sleep(0.02 * (turn + 1))
        return refs.read(self.git, layout.NOTES_KEPT)

    def _united(self, given: Sequence[str | None], more: Mapping[str, Sequence[str]]) -> str | None:
        """A commit on top of all that are given, with what they and `more` have; None for nothing at all."""
        tips = list(dict.fromkeys(tip for tip in given if tip and self._tree(tip) is not None))
        if not tips and not any(more.values()):
            return None
        # The first tree gives the union its fan-out: who stands on all the others' commits, that clones come to one.
        tips.sort(key=lambda tip: not all(tip == other or self._descends(tip, other) for other in tips))
        trees = [tree for tip in tips if (tree := self._tree(tip)) is not None]
        made, objects = note_trees.united(self.git, trees, more)
        for tip, has in zip(tips, trees, strict=True):
            if str(has.id) == made and all(tip == other or self._descends(tip, other) for other in tips):
                return tip
        parents = [tip for tip in tips if not any(o != tip and self._descends(o, tip) for o in tips)]
        return self._commit(objects, made, parents, int(time.time()), b"Notes of git-peer, united\n")

    def _commit(self, objects: Written, tree: str, parents: Sequence[str], at: int, message: bytes) -> str:
        commit = durable.commit(("git-peer", "git-peer@localhost"), at, tree, parents, message)
        ident = durable.ident_of(durable.COMMIT, commit)
        durable.pack(self.git, {**objects, ident: (durable.COMMIT, commit)})
        return ident

    def _descends(self, commit: str, ancestor: str) -> bool:
        try:
            return self.git.descendant_of(commit, ancestor)
        except (KeyError, ValueError, pygit2.GitError):
            return False

    def is_empty(self, commit: str) -> bool:
        """Whether a commit of the notes has none."""
        tree = self._tree(commit)
        return tree is None or len(tree) == 0

    def begin(self) -> None:
        """Make the ref where there is none, the same empty root in every clone: git warns of one that is missing."""
        if refs.read(self.git, layout.NOTES) is not None:
            return
        made = refs.read(self.git, layout.NOTES_KEPT)
        if made is None:
            tree = durable.ident_of(durable.TREE, b"")
            made = self._commit({tree: (durable.TREE, b"")}, tree, (), 0, b"Notes of git-peer\n")
        try:
            refs.swap(self.git, layout.NOTES, made, None)
        except refs.Lost:
            return  # a hook was faster
