"""What a push may make of a place that somebody else has locked: its content, compared with clean merges. Pure.

What stands at a place is opaque here: values that are equal or are not. Of a file it is (mode, object id), or None
where there is none; of a range it can be the mapped lines. Whoever asks hands in how three of them are merged.
docs/decisions/0019-push-by-content.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

Content = tuple[str, ...] | None
Merge = Callable[[Content, Content, Content], Collection[Content]]
"""(base, ours, theirs), all different → what a clean merge may come to; nothing where they conflict."""

FREE = "free"
BURIED = "buried"  # the holder's work is in the push, and is not what the ref ends with
BEHIND = "behind"  # nothing was changed, but what has landed since would be gone
CHANGED = "changed"
ORDERS = 3  # pieces of work up to which every order of merging is tried


class Piece(NamedTuple):
    """Work that a ref may take in: what stood where it began, what it made of it.

    There may be several bases (criss-cross merges), or none that is known, which frees nothing. `later`: what stood
    where it and another piece part, a base once that one is in. `whole`: what a merge of the whole commit into the
    ref's old one makes of the place, which sees renames.
    """

    bases: tuple[Content, ...]
    content: Content
    later: tuple[Content, ...] = ()
    whole: tuple[Content, ...] = ()


class Change(NamedTuple):
    """What an update makes of one place. `owed` is the holder's work in it, `offers` other work that is free to take.

    `fork` is what stood where the old and the new commit part, where that is known; `forward`: nothing is dropped.
    """

    old: Content
    new: Content
    owed: tuple[Piece, ...] = ()
    offers: tuple[Piece, ...] = ()
    fork: tuple[Content, ...] = ()
    forward: bool = True


def judge(change: Change, merge: Merge) -> str:
    """FREE, or why a change is not."""
    if change.owed:
        # Whoever brings the holder's work may bring what has landed with it.
        beside = ((), *((offer,) for offer in change.offers))
        if any(change.new in results(change.old, (*change.owed, *more), merge) for more in beside):
            return FREE
        return BURIED
    if change.new == change.old or any(change.new in results(change.old, (one,), merge) for one in change.offers):
        return FREE
    return BEHIND if not change.forward and change.new in change.fork else CHANGED


def merged(base: Content, ours: Content, theirs: Content, merge: Merge) -> Collection[Content]:
    """What merging `theirs` into `ours` may come to; empty where they conflict."""
    if theirs in (base, ours):
        return (ours,)
    return (theirs,) if ours == base else merge(base, ours, theirs)


def results(old: Content, pieces: Sequence[Piece], merge: Merge) -> set[Content]:
    """All that merging the pieces into `old` may come to, one after the other."""
    orders: Iterable[Sequence[Piece]] = (pieces, pieces[::-1])
    if len(pieces) <= ORDERS:
        orders = permutations(pieces)
    found: set[Content] = set()
    for order in orders:
        at: set[Content] = {old}
        for number, piece in enumerate(order):
            bases = {*piece.bases, *(piece.later if number else ())}
            made = {one for ours in at for base in bases for one in merged(base, ours, piece.content, merge)}
            at = made | ({*piece.whole} if number == 0 else set())
        found |= at
    return found


def newest(commits: Collection[str], parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of `commits` that are no ancestors of another. `parents`: children come first, in order."""
    if len(commits) < 2:
        return list(commits)
    below: set[str] = set()
    found, left = [], len(commits)
    for commit, above in parents.items():
        if commit in commits:
            left -= 1
            if commit not in below:
                found.append(commit)
            below.update(above)
            if not left:
                break
        elif commit in below:
            below.update(above)
    return found


def reached(tips: Collection[str], parents: Mapping[str, Sequence[str]]) -> set[str]:
    """The commits of `parents` (children come first) that are `tips` or their ancestors."""
    found = {tip for tip in tips if tip in parents}
    for commit, above in parents.items() if found else ():
        if commit in found:
            found.update(one for one in above if one in parents)
    return found
