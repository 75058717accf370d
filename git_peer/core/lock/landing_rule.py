"""When work has landed: hunk by hunk, by what merging it would still change, and by whose commit brought it. Pure.

What stands at a path is (mode, object id), or None where there is none, as in push_rule. Whoever asks hands in the
commits of the integration branch and a way to the texts. docs/decisions/0031-landing-by-content.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from git_peer.core.lock.push_rule import Content
from git_peer.core.target import lines as ranges
from git_peer.core.target.target import Spans

NOTHING = "nothing"  # the work comes to no change
LANDED = "landed"
CHANGED = "changed"  # merged by id, and its content is not what the merge alone would have made
OTHER = "other"  # another's commit brought the same content, and nobody took it back
LOOK = "look"  # something much like it has landed: its holder decides
PARTLY = "partly"
BURIED = "buried"  # merged by id, and the merge took nothing of it
ABANDONED = "abandoned"  # its branch is gone, and the work has not landed
PENDING = "pending"
UNKNOWN = "unknown"  # what is needed to tell is not here

ENDS = frozenset({NOTHING, LANDED, CHANGED, OTHER})
"""The verdicts by which a lock ends."""

_WORDS = 4  # letters and digits from which a line is told from others

Edit = tuple[int, int, int, int]  # lines [a, b) of the old text became lines [c, d) of the new one
Lines = tuple[bytes, ...]


class Texts(Protocol):
    """The way to what stands at a path."""

    def lines(self, content: Content) -> Lines | None:
        """The lines of a text, with their ends; None for what is compared as a whole: a link, a binary file."""

    def edits(self, old: Content, new: Content) -> Sequence[Edit]:
        """What turns one text into another, in order."""


class Step(NamedTuple):
    """A commit of the integration branch: path → what stood there before and after it, along first parents.

    `ours`: its trailers, its message or its author say that it has the session's work.
    """

    commit: str
    changes: Mapping[str, tuple[Content, Content]]
    ours: bool = False


class Found(NamedTuple):
    """Where a hunk landed. `before` is what stood at its path then; `look`: only something like it did."""

    commit: str
    ours: bool = False
    before: Content = None
    look: bool = False


class Verdict(NamedTuple):
    """What became of some work: how, by which commit, how many of its hunks, and whether it is gone again."""

    how: str
    commit: str = ""
    done: int = 0
    of: int = 0
    reverted: bool = False


class Hunk(NamedTuple):
    """A part of the work: lines [start, end) of the old text became `lines`; or, without lines, a mode or a whole."""

    kind: str  # lines, mode, whole
    start: int = 0
    end: int = 0
    lines: Lines = ()
    at: int = 0  # where they begin in the new text


Tally = dict[str, list["Found | None"]]  # path → where each of its hunks landed


class Search:
    """The search for some work, path → what stood there before and after it, in what the integration branch has."""

    def __init__(
        self,
        paths: Mapping[str, tuple[Content, Content]],
        texts: Texts,
        within: Mapping[str, Spans | None] | None = None,
    ) -> None:
        """`within`: path → the lines of its text before the work that alone count."""
        self._texts = texts
        found = {path: self._hunks(*both) for path, both in paths.items() if both[0] != both[1]}
        for path, spans in (within or {}).items():
            if spans and path in found:  # a mode is none of the lines
                found[path] = [
                    one
                    for one in found[path]
                    if one.kind == "whole" or (one.kind == "lines" and ranges.meets(spans, one.start, one.end))
                ]
        self.hunks = {path: hunks for path, hunks in found.items() if hunks}
        self.paths = {path: paths[path] for path in self.hunks}
        self._holds: dict[tuple[str, int, Content], bool] = {}
        # By these a file is known that has moved.
        self._wanted = {after[1] for _, after in self.paths.values() if after is not None and self._is_distinct(after)}

    def _hunks(self, before: Content, after: Content) -> list[Hunk]:
        old, new = self._texts.lines(before), self._texts.lines(after)
        if before is None or after is None or old is None or new is None:
            return [Hunk("whole")]
        edits = self._texts.edits(before, after) if before[1] != after[1] else ()
        found = [Hunk("lines", a, b, new[c:d], c) for a, b, c, d in edits]
        return found if before[0] == after[0] else [Hunk("mode"), *found]

    def concerns(self, paths: AbstractSet[str], objects: AbstractSet[str]) -> bool:
        """Whether a commit that changes these paths, to these objects, can have anything of the work."""
        return not (self.paths.keys().isdisjoint(paths) and self._wanted.isdisjoint(objects))

    def empty(self) -> Tally:
        """Nothing has landed."""
        return {path: [None] * len(hunks) for path, hunks in self.hunks.items()}

    def holds(self, path: str, number: int, there: Content) -> bool:
        """Whether merging a hunk into what stands at its path changes nothing."""
        key = path, number, there
        if key not in self._holds:
            self._holds[key] = self._is_in(self.paths[path], self.hunks[path][number], there)
        return self._holds[key]

    def _is_in(self, both: tuple[Content, Content], hunk: Hunk, there: Content) -> bool:
        before, after = both
        if there == after:
            return True
        if there == before or there is None or after is None or hunk.kind == "whole":
            return False
        if hunk.kind == "mode":
            return there[0] == after[0]
        return self._adds_nothing(before, hunk.start, hunk.end, hunk.lines, there)

    def _adds_nothing(self, old: Content, start: int, end: int, lines: Lines, there: Content) -> bool:
        """Whether lines in place of [start, end) of a text, merged into another text of it, change nothing there.

        A three-way merge of one hunk: it meets those changes of the other side that touch it, and is the same as they
        are, or conflicts; where it meets none, it goes in.
        """
        text, base = self._texts.lines(there), self._texts.lines(old)
        if text is None or base is None or not set(lines).issubset(text):
            return False
        near = [one for one in self._texts.edits(old, there) if one[0] <= end and start <= one[1]]
        if not near:
            return False
        low, high = min(start, near[0][0]), max(end, near[-1][1])
        stands = text[near[0][2] - (near[0][0] - low) : near[-1][3] + (high - near[-1][1])]
        return stands == base[low:start] + lines + base[end:high]

    # -- looking for it ---------------------------------------------------------------------------------
    def begin(self, tally: Tally, commit: str, there: Callable[[str], Content]) -> None:
        """Note what stands already where the look begins: nobody's commit brought it."""
        for path, found in tally.items():
            for number, one in enumerate(found):
                if one is None and self.holds(path, number, there(path)):
                    found[number] = Found(commit, before=self.paths[path][0])

    def follow(self, tally: Tally, steps: Iterable[Step]) -> None:
        """Note what each commit brings, oldest first."""
        for step in steps:
            touched = [path for path in self.paths if path in step.changes]
            for path in touched:
                for number, had in enumerate(tally[path]):
                    unsigned = had is not None and not had.ours and not had.look
                    if unsigned and self._is_gone(path, number, step.changes[path][1]):
                        tally[path][number] = None
            came: dict[tuple[str, int], Found] = {}
            for path in touched:
                before, after = step.changes[path]
                for number in range(len(self.hunks[path])):
                    if self.holds(path, number, after) and not self.holds(path, number, before):
                        came[path, number] = Found(step.commit, step.ours, before)
            # Several paths that come to be just so in one commit are no accident.
            total = sum(len(hunks) for hunks in self.hunks.values())
            crossed = len(self.paths) > 1 and len(came) == total
            for (path, number), one in came.items():
                had = tally[path][number]
                if had is None or had.look or not had.ours:
                    tally[path][number] = one._replace(ours=one.ours or crossed)
            for path in self.paths:
                for number, had in enumerate(tally[path]):
                    if had is None and self._is_like(step, path, number):
                        tally[path][number] = Found(step.commit, look=True)

    def _is_like(self, step: Step, path: str, number: int) -> bool:
        """Whether a commit brings something much like a hunk: moved, reformatted, or amid other lines."""
        before, after = self.paths[path]
        hunk = self.hunks[path][number]
        if after is not None and path not in step.changes:
            return after[1] in self._wanted and any(
                new is not None and new[1] == after[1] and (old is None or old[1] != after[1])
                for other, (old, new) in step.changes.items()
                if other not in self.paths
            )
        if path not in step.changes or hunk.kind == "mode" or after is None:
            return False
        was, now = step.changes[path]
        text, old = self._texts.lines(now), self._texts.lines(was)
        wanted = hunk.lines if hunk.kind == "lines" else self._texts.lines(after)
        if text is None or not wanted:
            return False
        base = set(self._texts.lines(before) or ()) if hunk.kind == "lines" else set()
        distinct = [line for line in wanted if _is_distinct(line) and line not in base]
        if not distinct:
            return False
        bare = [_bare(line) for line in wanted if line.strip()]
        for _, _, start, end in self._texts.edits(was, now) if old is not None else [(0, 0, 0, len(text))]:
            if _contains([_bare(line) for line in text[start:end] if line.strip()], bare):
                return True
        return False

    def _is_gone(self, path: str, number: int, there: Content) -> bool:
        """Whether what another brought was taken back; later work on top of it leaves its lines in place."""
        if self.holds(path, number, there):
            return False
        before, after = self.paths[path]
        hunk = self.hunks[path][number]
        text, base = self._texts.lines(there), self._texts.lines(before)
        if hunk.kind == "mode" or text is None or after is None:
            return True
        if there == before:
            return True
        if hunk.kind == "lines" and base is not None:
            old = base[hunk.start : hunk.end]
            if self._adds_nothing(after, hunk.at, hunk.at + len(hunk.lines), old, there):
                return True
        wanted = hunk.lines if hunk.kind == "lines" else self._texts.lines(after) or ()
        distinct = {line for line in wanted if _is_distinct(line) and line not in (base or ())}
        return not distinct.issubset(text) or (hunk.kind == "whole" and not distinct)

    def _is_distinct(self, content: Content) -> bool:
        lines = self._texts.lines(content)
        return lines is None or any(_is_distinct(line) for line in lines)

    # -- the verdict ------------------------------------------------------------------------------------
    def verdict(self, tally: Tally, there: Callable[[str], Content]) -> Verdict:
        """What became of the work, by what was found and what stands there now."""
        if not self.paths:
            return Verdict(NOTHING)
        every = [(path, one) for path, found in tally.items() for one in found]
        done = [(path, one) for path, one in every if one is not None and not one.look]
        commit = done[-1][1].commit if done else ""
        if len(done) == len(every):
            gone = all(there(path) == one.before for path, one in done)
            ours = any(one.ours for _, one in done)
            return Verdict(LANDED if ours else OTHER, commit, len(done), len(every), reverted=ours and gone)
        looks = [one for _, one in every if one is not None and one.look]
        if looks and len(looks) + len(done) == len(every):
            return Verdict(LOOK, looks[-1].commit, len(done), len(every))
        return Verdict(PARTLY if done else PENDING, commit, len(done), len(every))


class Merged(NamedTuple):
    """What a merge by id made of one path: the work, what stood before the merge and after it, what a clean merge may
    come to (nothing where that conflicts), and what stands now."""

    work: Content
    before: Content
    after: Content
    clean: Collection[Content]
    now: Content


def of_merge(commit: str, paths: Sequence[Merged]) -> Verdict:
    """What became of work whose very commits were merged by `commit`."""
    lost = [one for one in paths if one.after == one.before != one.work and one.before not in one.clean]
    changed = [one for one in paths if one.after not in one.clean]
    gone = all(one.now == one.before != one.after for one in paths)
    how = BURIED if lost else CHANGED if changed else LANDED
    return Verdict(how, commit, len(paths) - len(lost), len(paths), reverted=gone and how != BURIED)


def _bare(line: bytes) -> bytes:
    """A line without what a formatter may move about."""
    return b"".join(line.split())


def _is_distinct(line: bytes) -> bool:
    return sum(char.isalnum() for char in line.decode("utf-8", "replace")) >= _WORDS


def _contains(text: Sequence[bytes], run: Sequence[bytes]) -> bool:
    """Whether `run` stands in `text`, one after the other."""
    return bool(run) and any(list(text[at : at + len(run)]) == list(run) for at in range(len(text) - len(run) + 1))
