"""Following lines from one version of a file to another: by cases, by an oracle, and by git merge-file."""

from __future__ import annotations

import itertools
import random
import subprocess
from pathlib import Path

import pytest

from git_peer.core.target import lines as ranges
from git_peer.core.target.target import Spans
from tests.core import lines_oracle as oracle

AT_ONCE = 300  # of the cases that `python -m tests.core.lines_oracle` looks at


def text(lines: str) -> bytes:
    """A letter a line; the last is finished unless a `$` follows it."""
    return "".join(f"{letter}\n" for letter in lines).encode().replace(b"\n$\n", b"")


@pytest.mark.parametrize(
    ("old", "new", "spans", "there"),
    [
        ("abcde", "abcde", (2, 3), (2, 3)), ("abcde", "xabcde", (2, 3), (3, 4)), ("abcde", "bcde", (2, 3), (1, 2)),
        ("abcde", "axbcde", (2, 3), (3, 4)),  # exactly before the first
        ("abcde", "abcxde", (2, 3), (2, 3)),  # exactly behind the last
        ("abcde", "abxcde", (2, 3), None), ("abcde", "abde", (2, 3), None), ("abcde", "abxde", (2, 3), None),
        ("abcde", "xbcde", (2, 3), (2, 3)), ("abcde", "abcxe", (2, 3), (2, 3)), ("abcde", "", (2, 3), None),
        ("abcde", "de", (2, 3), None), ("abcde", "xyzde", (2, 3), None), ("abcde", "abc", (2, 3), (2, 3)),
        ("abc$", "abc", (1, 3), None),  # the last line gets its line feed: it is another line
        ("abc$", "abc", (1, 2), (1, 2)), ("abc", "abc$", (3, 3), None), ("abc", "abcd$", (3, 3), (3, 3)),
        # Lines alike: the shortest script counts that leaves the range alone.
        ("{a}", "{a}{a}", (1, 3), (1, 3)), ("{a}{b}", "{a}{x}{b}", (1, 3), (1, 3)),
        ("{a}{b}", "{a}{x}{b}", (4, 6), (7, 9)), ("aba", "a", (1, 1), (1, 1)), ("ab", "ba", (1, 1), (2, 2)),
        ("ab", "ba", (2, 2), (1, 1)), ("ab", "ba", (1, 2), None), ("abcL", "Labc", (4, 4), None),
    ],
)  # fmt: skip
def test_where_lines_stand(old: str, new: str, spans: tuple[int, int], there: tuple[int, int] | None) -> None:
    assert ranges.kept(text(old), text(new), [(spans,)]) == [(there,) if there else None]


def test_no_line_stands_for_two() -> None:
    """One of two like lines is gone: either may be it, both are not left."""
    found = ranges.kept(text("xsx"), text("x"), [((1, 1),), ((3, 3),)])
    assert sorted(one is None for one in found) == [False, True]


def test_a_section_is_violated_with_any_of_its_parts() -> None:
    old = text("abcdefg")
    assert ranges.kept(old, text("abcxdefg"), [((1, 2), (5, 7))]) == [((1, 2), (6, 8))]
    assert ranges.kept(old, text("abcdexfg"), [((1, 2), (5, 7))]) == [None]
    assert ranges.kept(old, text("abefg"), [((1, 2), (5, 7))]) == [((1, 5),)]


def test_line_ends_and_odd_bytes_are_part_of_a_line() -> None:
    old = b"a\r\nb\tc\r\n\xff\x00\r\n"
    assert ranges.kept(old, old.replace(b"\r\n", b"\n"), [((1, 1),)]) == [None]
    assert ranges.kept(old, b"new\r\n" + old, [((1, 3),)]) == [((2, 4),)]
    assert ranges.split(b"a\rb\x0bc\n\nd") == [b"a\rb\x0bc\n", b"\n", b"d"]
    assert [ranges.count(raw) for raw in (b"", b"\n", b"a", b"a\n", b"a\nb")] == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "spans", "there", "around"),
    [
        ("abcde", "xabcde", (2, 3), (3, 4), None), ("abcde", "aBcde", (2, 3), (2, 3), None),
        ("abcde", "abxyde", (2, 3), (2, 4), None), ("abcde", "axyzde", (3, 3), (2, 4), None),
        ("abcde", "abxcde", (2, 3), (2, 4), None), ("abcde", "axbcde", (2, 3), (3, 4), None),
        ("abcde", "ade", (2, 3), None, (1, 2)), ("abcde", "de", (1, 3), None, (1, 1)),
        ("abcde", "abc", (4, 5), None, (3, 3)), ("abcde", "x", (2, 3), (1, 1), None), ("abcde", "", (2, 3), None, None),
    ],
)  # fmt: skip
def test_what_has_come_of_lines(
    old: str, new: str, spans: tuple[int, int], there: tuple[int, int] | None, around: tuple[int, int] | None
) -> None:
    assert ranges.image(text(old), text(new), (spans,)) == ((there,) if there else ())
    around = around or there
    assert ranges.enclosing(text(old), text(new), (spans,)) == ((around,) if around else None)


@pytest.mark.parametrize(
    ("held", "before", "after", "alone"),
    [
        ("abcde", ["abcde"], "xabcde", True), ("abcde", ["abcde"], "abxcde", False), ("abcde", ["abcde"], None, False),
        ("abcde", ["abxcde"], "abxcdeY", True),  # what the holder has put between is there already
        ("abcde", ["abxcde"], "abcde", False),  # and is taken out again
        ("abcde", ["ade"], "aDe", True),  # a branch that has not these lines yet
        ("abcde", [None], "abcde", True), ("abcde", [None], "abXde", False),  # moved here, then committed
        (None, ["abcde"], "xabcde", False),  # what it was taken on is not to be had
        ("abcde", ["abcde", "abCde"], "abCde", True), ("abcde", ["abcde", "abCde"], "abZde", False),  # a merge
        ("abcde", ["vwxyz", "abCde"], "abCdeQ", True),
    ],
)  # fmt: skip
def test_what_a_change_leaves_alone(held: str | None, before: list[str | None], after: str | None, alone: bool) -> None:
    def raw(lines: str | None) -> bytes | None:
        return None if lines is None else text(lines)

    assert ranges.untouched([((2, 3),)], [raw(held)], list(map(raw, before)), raw(after)) == [alone]


def test_beyond_what_can_be_compared_only_equal_ends_are_known() -> None:
    rng = random.Random(1)
    middle = [b"%d\n" % number for number in range(3000)]
    mixed = rng.sample(middle, len(middle))
    old, new = b"".join([b"a\n", b"b\n", *middle, b"y\n"]), b"".join([b"a\n", b"b\n", *mixed, b"x\n", b"y\n"])
    assert ranges.kept(old, new, [((1, 2),), ((1, 3),), ((50, 60),), ((3003, 3003),)]) == [
        ((1, 2),), None, None, ((3004, 3004),)
    ]  # fmt: skip
    assert ranges.image(old, new, ((50, 60),)) is None


def test_the_oracle() -> None:
    assert [found for seed in range(AT_ONCE) if (found := oracle.wrong(seed))] == []


def test_it_is_the_shortest_script_that_counts() -> None:
    """Every file of up to five lines of two kinds, every range: kept if, and only if, a shortest script keeps it."""
    files = ["".join(made) for size in range(1, 6) for made in itertools.product("ab", repeat=size)]
    rng = random.Random(3)
    for old, new in rng.sample(list(itertools.product(files, repeat=2)), 1000):
        common = oracle.common(list(old), list(new))
        for first, last in itertools.combinations(range(len(old) + 1), 2):
            size = last - first
            fits = [
                at
                for at in range(len(new) - size + 1)
                if new[at : at + size] == old[first:last]
                and oracle.common(list(old[:first]), list(new[:at])) + size
                + oracle.common(list(old[last:]), list(new[at + size :])) == common
            ]  # fmt: skip
            (found,) = ranges.kept(text(old), text(new), [((first + 1, last),)])
            assert (found[0][0] - 1 in fits) if found else not fits, (old, new, first, last)


# -- beside each other ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("other", "touches", "overlaps"),
    [
        (((9, 9),), True, False), (((1, 4),), True, False), (((21, 21),), True, True), (((10, 18),), False, False),
        (((1, 3), (10, 18), (24, 99)), False, False), (((8, 8),), True, True), (((9, 19),), True, False),
        (((1, 1), (22, 30)), True, True), ((), False, False),
    ],
)  # fmt: skip
def test_touching(other: Spans, touches: bool, overlaps: bool) -> None:
    for one, two in itertools.permutations((((5, 8), (20, 22)), other)):
        assert (ranges.touch(one, two), ranges.overlap(one, two)) == (touches, overlaps)


@pytest.mark.parametrize("seed", range(30))
def test_what_may_be_granted_to_two_merges(seed: int, tmp_path: Path) -> None:
    """Two who change what they like in lines that do not touch, and put lines at their edges: git merges it."""
    rng = random.Random(seed)
    upper, lower = rng.randint(1, 10), rng.randint(1, 10)
    base = [f"{number}\n" for number in range(upper + 1 + lower)]
    assert not ranges.touch(((1, upper),), ((upper + 2, len(base)),))
    sides = [_edited(rng, base, 0, upper - 1, "u"), _edited(rng, base, upper + 1, len(base) - 1, "l")]
    for name, lines in zip(("base", "ours", "theirs"), (base, *sides), strict=True):
        (tmp_path / name).write_text("".join(lines))
    ran = subprocess.run(["git", "merge-file", "-q", "ours", "base", "theirs"], cwd=tmp_path, check=False)
    assert ran.returncode == 0, (base, sides)


def _edited(rng: random.Random, base: list[str], first: int, last: int, who: str) -> list[str]:
    """The file with lines `first` to `last` edited, and lines put before and behind them."""
    made = []
    for number in range(first, last + 1):
        if rng.random() < 0.4:
            made.append(f"{who} before {number}\n")
        if rng.random() < 0.6:
            made.append(base[number] if rng.random() < 0.3 else f"{who} for {number}\n")
    return [*base[:first], *made, f"{who} behind\n", *base[last + 1 :]]


def test_neighbours_do_not_merge(tmp_path: Path) -> None:
    """Why lines that touch are not granted to two."""
    for name, lines in (("base", "abcd"), ("ours", "aBcd"), ("theirs", "abCd")):
        (tmp_path / name).write_bytes(text(lines))
    ran = subprocess.run(["git", "merge-file", "-q", "ours", "base", "theirs"], cwd=tmp_path, check=False)
    assert ran.returncode == 1
