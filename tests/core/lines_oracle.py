"""Random edits of files whose every line is known by where it came from: the oracle for lines.kept(). At length:

python -m tests.core.lines_oracle [CASES] [SEED]
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import NamedTuple

from git_peer.core.target import lines as ranges


class Script(NamedTuple):
    """An edit: the old lines, the new ones, and of each new one the number of the old one that it is, or -1."""

    old: list[bytes]
    new: list[bytes]
    origin: list[int]


def script(rng: random.Random, repeated: bool, most: int = 2000) -> Script:
    """A file of up to `most` lines and what edits make of it. `repeated`: from few words, so that lines are alike.

    Not repeated, a new line is like no other, as the old ones are.
    """
    size = rng.choice((rng.randint(1, 12), rng.randint(1, 200), rng.randint(1, most)))
    words = rng.randint(1, 8)
    fresh = iter(range(10**9))

    def line() -> bytes:
        text = b"w%d" % rng.randrange(words) if repeated else b"n%d" % next(fresh)
        return text + rng.choice((b"\n", b"\r\n", b"\t\n"))

    old = [line() for _ in range(size)]
    if rng.random() < 0.2:
        old[-1] = old[-1].rstrip(b"\n") or b"x"  # no line feed at the end
    new, origin = list(old), list(range(size))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8, 20))):
        at, count = rng.randint(0, len(new)), rng.choice((1, 1, 1, 2, 3, 10, 50))
        what = rng.random()
        if what < 0.6:  # a deletion, or the first half of a change
            del new[at : at + count]
            del origin[at : at + count]
        if what > 0.3:
            new[at:at] = [line() for _ in range(count)]
            origin[at:at] = [-1] * count
    for at in range(len(new) - 1):  # an unfinished line that is not the last any more is another line
        if not new[at].endswith(b"\n"):
            new[at] += b"\n"
            origin[at] = -1
    return Script(old, new, origin)


def span(rng: random.Random, size: int) -> tuple[int, int]:
    """A range of a file, mostly a short one."""
    first = rng.randint(1, size)
    return first, min(size, first + rng.choice((0, 0, 1, 2, 5, 20, 200, size)))


def truth(made: Script, first: int, last: int) -> tuple[int, int] | None:
    """Where the lines stand in the new file; None where one was changed or deleted, or one inserted between two."""
    try:
        at = made.origin.index(first - 1)
    except ValueError:
        return None
    count = last - first + 1
    return (at + 1, at + count) if made.origin[at : at + count] == list(range(first - 1, last)) else None


def shortest(made: Script) -> bool:
    """Whether no shorter edit script leads from the old to the new."""
    same = sum(number >= 0 for number in made.origin)
    return common(made.old, made.new) == same


def common(old: Sequence[object], new: Sequence[object]) -> int:
    """The length of the longest common subsequence, by the book."""
    row = [0] * (len(new) + 1)
    for line in old:
        above = row[:]
        for at, other in enumerate(new):
            row[at + 1] = above[at] + 1 if line == other else max(row[at], above[at + 1])
    return row[-1]


def wrong(seed: int) -> str:
    """What lines.kept() gets wrong about one random edit with several ranges; "" for nothing."""
    rng = random.Random(seed)
    repeated = rng.random() < 0.5
    made = script(rng, repeated, 60 if repeated else 2000)
    asked = [span(rng, len(made.old)) for _ in range(rng.choice((1, 2, 5)))]
    old, new = b"".join(made.old), b"".join(made.new)
    found = ranges.kept(old, new, [(one,) for one in asked])
    plain = repeated and shortest(made)
    stands: dict[int, int] = {}
    for (first, last), there in zip(asked, found, strict=True):
        told = there[0] if there else None
        want = truth(made, first, last)
        if not repeated and told != want:
            return f"seed {seed}: lines {first}-{last} are at {told}, and should be at {want}"
        if told is None:
            # With lines alike, who kept to a shortest edit is never refused for what they left alone.
            alone = ranges.kept(old, new, [((first, last),)])[0]
            if plain and want is not None and alone is None:
                return f"seed {seed}: lines {first}-{last} were left alone, and are refused"
            continue
        if made.new[told[0] - 1 : told[1]] != made.old[first - 1 : last]:
            return f"seed {seed}: lines {first}-{last} were changed, and are let through"
        for at in range(last - first + 1):
            stands[first + at] = told[0] + at
            if stands.setdefault(first + at, told[0] + at) != told[0] + at:
                return f"seed {seed}: line {first + at} stands in two places"
    places = [place for _, place in sorted(stands.items())]
    if sorted(set(places)) != places:
        return f"seed {seed}: one line stands for two, or they have changed places"
    return ""


def main(cases: int = 10_000, seed: int = 0) -> int:
    """Look at so many edits; exit status 1 if anything is wrong."""
    found = [one for at in range(seed, seed + cases) if (one := wrong(at))]
    print("\n".join([*found[:20], f"{cases} edits, {len(found)} wrong"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
