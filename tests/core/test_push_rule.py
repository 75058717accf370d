"""The rule of what a push may make of a locked place, on values alone: merges are of rows of slots."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from git_peer.core.lock import push_rule as rule
from git_peer.core.lock.push_rule import BEHIND, BURIED, CHANGED, FREE, Change, Content, Piece


def merge(base: Content, ours: Content, theirs: Content) -> Collection[Content]:
    """Slot by slot; a file that one side deleted and the other changed conflicts."""
    if base is None or ours is None or theirs is None:
        return ()
    row = []
    for was, mine, other in zip(base, ours, theirs, strict=True):
        if was not in (mine, other) and mine != other:
            return ()
        row.append(other if mine == was else mine)
    return [tuple(row)]


def row(text: str | None) -> Content:
    """A file of as many slots as the text has letters."""
    return None if text is None else tuple(text)


def piece(base: str | None, content: str | None, *later: str) -> Piece:
    return Piece((row(base),), row(content), tuple(row(one) for one in later))


def verdict(
    old: str | None, new: str | None, owed: Collection[Piece] = (), offers: Collection[Piece] = (),
    fork: str | None = "", forward: bool = True,
) -> str:  # fmt: skip
    stood = () if fork == "" else (row(fork),)
    return rule.judge(Change(row(old), row(new), tuple(owed), tuple(offers), stood, forward), merge)


HERS = piece("abc", "Abc")  # the holder made an A of the a


@pytest.mark.parametrize(
    ("old", "new", "owed", "offers", "said"),
    [
        ("abc", "abc", [], [], FREE),
        ("abc", "abX", [], [], CHANGED),
        ("abc", None, [], [], CHANGED),
        (None, "abc", [], [], CHANGED),
        (None, None, [], [], FREE),
        ("abc", "Abc", [HERS], [], FREE),
        ("abc", "abc", [HERS], [], BURIED),  # -s ours
        ("abc", "AbX", [HERS], [], BURIED),  # an evil merge
        ("abC", "AbC", [HERS], [], FREE),  # beside what has landed
        ("abC", "Abc", [HERS], [], BURIED),  # -s theirs: what has landed is gone
        ("Xbc", "Abc", [HERS], [], BURIED),  # a conflict that the pusher resolved
        ("Xbc", "Xbc", [HERS], [], BURIED),
        ("abc", None, [piece("abc", None)], [], FREE),  # the holder deleted it
        ("abc", "abc", [piece("abc", None)], [], BURIED),
        ("abc", "ABc", [HERS, piece("abc", "aBc")], [], FREE),
        ("abc", "aBc", [HERS, piece("abc", "aBc")], [], BURIED),
        ("abc", "Abc", [], [HERS], FREE),  # a squash
        ("abC", "AbC", [], [HERS], FREE),
        ("abc", "AbX", [], [HERS], CHANGED),
        ("abc", "AbC", [HERS], [piece("abc", "abC")], FREE),  # and main with it
        ("abc", "Abc", [HERS], [piece("abc", "abC")], FREE),
        ("abc", "abC", [HERS], [piece("abc", "abC")], BURIED),
        ("abc", "Abc", [Piece((), row("Abc"))], [], BURIED),  # a base that is not to be had frees nothing
        ("abc", "abC", [], [Piece((), row("abC"))], CHANGED),
        ("abc", "abC", [], [Piece((row("xyz"), row("abc")), row("abC"))], FREE),  # one of two bases
        ("abc", "Zbc", [], [Piece((row("abc"),), row("Abc"), whole=(row("Zbc"),))], FREE),  # with its renames
    ],
)  # fmt: skip
def test_judge(
    old: str | None, new: str | None, owed: list[Piece], offers: list[Piece], said: str
) -> None:  # fmt: skip
    assert verdict(old, new, owed, offers) == said


def test_two_pieces_that_share_what_is_before_them() -> None:
    """The holder's A is in both; side by side they would conflict, were it not for the base that they share."""
    one, two = piece("abc", "ABc", "Abc"), piece("abc", "AbC", "Abc")
    assert verdict("abc", "ABC", [one, two]) == FREE
    assert verdict("abc", "aBC", [one, two]) == BURIED
    # What stands where two pieces part is a base only once one of them is in.
    assert verdict("abc", "aBc", [one]) == BURIED


def test_behind() -> None:
    assert verdict("Abc", "abc", fork="abc", forward=False) == BEHIND
    assert verdict("Abc", "abc", fork="abc", forward=True) == CHANGED  # a revert
    assert verdict("Abc", "aXc", fork="abc", forward=False) == CHANGED
    assert verdict("Abc", "abc", forward=False) == CHANGED  # no base that is known
    assert verdict("abc", "abc", fork="abc", forward=False) == FREE


def test_newest_and_reached() -> None:
    #    e     children come first
    #   / \
    #  c   d
    #   \ / \
    #    a   b
    parents = {"e": ("c", "d"), "c": ("a",), "d": ("a", "b"), "a": ("x",), "b": ()}
    assert rule.newest({"a", "b", "c"}, parents) == ["c", "b"]
    assert rule.newest({"e", "a", "b"}, parents) == ["e"]
    assert rule.newest({"c", "d"}, parents) == ["c", "d"]
    assert rule.newest(["a"], parents) == ["a"]
    assert rule.newest([], parents) == []
    assert rule.reached({"d"}, parents) == {"d", "a", "b"}
    assert rule.reached({"x", "elsewhere"}, parents) == set()
    assert rule.reached({"c", "b"}, parents) == {"c", "a", "b"}
