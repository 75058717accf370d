"""What stands at locked lines in versions of a file, for the push rule: the text that has come of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from git_peer.core.lock import push_rule as rule
from git_peer.core.lock import rule as locking
from git_peer.core.target import lines as ranges
from git_peer.core.target.target import Spans

Read = Callable[[str], "bytes | None"]
MergeTexts = Callable[[bytes, bytes, bytes], "bytes | None"]

_LINES = "lines"
_BETWEEN = b"\0\n"  # two parts of a section


class Stretch:
    """Lines counted on `taken_on`, followed to other versions. What cannot be followed is all of the file."""

    def __init__(self, taken_on: bytes, spans: Spans, read: Read, merge: MergeTexts) -> None:
        self._taken_on, self._spans = taken_on, spans
        self._read, self._merge = read, merge
        self._regions: dict[tuple[rule.Content, rule.Content], Spans | None] = {}

    def at(self, content: rule.Content, near: rule.Content = None) -> rule.Content:
        """The lines' text in a version; `near` is one that it was made of: what is untouched since is what it was."""
        raw = self._raw(content)
        if raw is None:
            return content
        region = self._region(content, near)
        if region is None:
            return content
        lines = ranges.split(raw)
        parts = [b"".join(lines[first - 1 : last]) for first, last in region]
        return _LINES, _BETWEEN.join(parts).decode("latin-1")

    def piece(self, piece: rule.Piece) -> rule.Piece:
        """Work on the file as work on these lines."""
        near = next(iter(piece.bases), None)
        return rule.Piece(
            tuple(map(self.at, piece.bases)),
            self.at(piece.content, near),
            tuple(map(self.at, piece.later)),
            tuple(self.at(one, piece.content) for one in piece.whole if self._raw(one) is not None),
        )

    def merges(self, base: rule.Content, ours: rule.Content, theirs: rule.Content) -> Collection[rule.Content]:
        """What merging the texts comes to: a rule.Merge."""
        sides = [one[1].encode("latin-1") for one in (base, ours, theirs) if one is not None and one[0] == _LINES]
        made = self._merge(sides[0], sides[1], sides[2]) if len(sides) == 3 else None
        return () if made is None else ((_LINES, made.decode("latin-1")),)

    def _region(self, content: rule.Content, near: rule.Content) -> Spans | None:
        if (content, near) not in self._regions:
            self._regions[content, near] = self._followed(content, near)
        return self._regions[content, near]

    def _followed(self, content: rule.Content, near: rule.Content) -> Spans | None:
        raw, before = self._raw(content), self._raw(near)
        assert raw is not None
        there = self._region(near, None) if before is not None else None
        if before is not None and there is not None:
            still = ranges.kept(before, raw, [there])[0]
            if still is not None:
                return still
        return ranges.image(self._taken_on, raw, self._spans)

    def _raw(self, content: rule.Content) -> bytes | None:
        """The text of a file; None for what has no lines."""
        if content is None or not content[0].startswith("100"):
            return None
        return self._read(content[1])


def of(record: dict[str, Any], read: Read, merge: MergeTexts) -> Stretch | None:
    """The lines that a lock or a fence is on; None where that is a whole file, or their version is not to be had."""
    target = record.get("target", {})
    spans = locking.spans_of(target)
    taken_on = read(target["blob"]) if spans else None
    return None if taken_on is None else Stretch(taken_on, spans, read, merge)
