"""Which targets overlap, which contain which, and where their records stand."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from git_peer.core.target import glob as globs
from git_peer.core.target.target import Target, contains, of_path, overlap, root_path

ONE, TWO = "1" * 40, "2" * 40


def lines(first: int, last: int, blob: str = ONE, path: str = "a") -> Target:
    return Target("lines", path, lines=(first, last), blob=blob)


@pytest.mark.parametrize(
    ("a", "b", "yes"),
    [
        (Target("file", "a"), Target("file", "a"), True), (Target("file", "a"), Target("file", "ab"), False),
        (Target("file", "a"), Target("file", "a/b"), True), (Target("file", "a/b"), Target("dir", "a"), True),
        (Target("file", "a"), Target("dir", "a"), True), (Target("file", "a"), Target("dir", "a/b"), True),
        (Target("dir", ""), Target("file", "x"), True), (Target("dir", "a"), Target("dir", "a/b"), True),
        (Target("dir", "a"), Target("dir", "ab"), False), (Target("file", "A"), Target("file", "a"), False),
        (Target("file", "%FF", "percent"), Target("file", "%FF"), False),
        (Target("dir", "%FF", "percent"), Target("file", "%FF/a", "percent"), True),
        (Target("glob", "src/*"), Target("file", "src/a"), True),
        (Target("glob", "src/*"), Target("file", "src/a/b"), False),
        (Target("glob", "src/*"), Target("file", "src"), True), (Target("glob", "*"), Target("dir", "src"), False),
        (Target("glob", "**"), Target("dir", "src"), True), (Target("glob", "src/*"), Target("dir", ""), True),
        (Target("glob", "*.py"), Target("glob", "a*"), True), (Target("glob", "*.py"), Target("glob", "*.c"), False),
        (Target("glob", "src/*"), Target("glob", "src/*/**"), False),
        (Target("glob", "*/a"), lines(1, 2, path="x/a"), True),
        (Target("name", "a"), Target("file", "a"), False), (Target("name", "a"), Target("name", "a"), True),
        (Target("name", "a"), Target("dir", ""), False),
        (Target("name", "a"), Target("name", "a/b"), False), (Target("name", "a"), Target("glob", "**"), False),
        (lines(1, 5), lines(6, 9), False), (lines(1, 5), lines(5, 9), True), (lines(1, 5), lines(6, 9, TWO), True),
        (lines(1, 5, ""), lines(6, 9, ""), True), (lines(1, 5), Target("file", "a"), True),
        (lines(1, 5), lines(1, 5, path="b"), False),
        (lines(1, 5), Target("section", "a", section="x", blob=ONE), True), (lines(1, 2), Target("file", "a/b"), True),
    ],
)  # fmt: skip
def test_overlap(a: Target, b: Target, yes: bool) -> None:
    assert overlap(a, b) is yes
    assert overlap(b, a) is yes


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Target("file", "A"), Target("file", "a")), (Target("file", "É"), Target("file", "e\u0301")),
        (Target("dir", "SRC"), Target("file", "src/x")),
        (Target("glob", "SRC/*"), Target("file", "src/x")), (Target("glob", "*.PY"), Target("glob", "a.*y")),
        (Target("glob", "S*/x"), Target("dir", "src")),
        (lines(1, 2), lines(3, 4, path="A")), (Target("file", "Straße"), Target("file", "STRASSE")),
    ],
)  # fmt: skip
def test_overlap_where_a_clone_folds_case(a: Target, b: Target) -> None:
    assert not overlap(a, b)
    assert overlap(a, b, True)
    assert overlap(b, a, True)


FILES = ["a", "b", "a/b", "a/b/a", "b/a", "A"]
GLOBS = ["*", "**", "a/*", "a/**", "*/b", "**/a", "a/b/?", "[!a]/**", "a*/**", "?"]
SMALL = st.one_of(
    st.builds(of_path, st.sampled_from(["file", "dir"]), st.sampled_from(FILES)),
    st.builds(of_path, st.just("glob"), st.sampled_from(GLOBS)),
    st.builds(lines, st.integers(1, 3), st.integers(3, 5), st.sampled_from(["", ONE, TWO]), st.sampled_from(FILES[:3])),
    st.sampled_from([Target("dir", ""), Target("name", "a"), Target("section", "a", section="x")]),
)
SPOTS = st.lists(st.sampled_from("abA"), min_size=1, max_size=4).map("/".join)


def _covers(target: Target, path: str, fold: bool, by_glob: bool = False) -> bool:
    itself = path == target.path or (fold and globs.fold_key(path) == globs.fold_key(target.path))
    if target.kind == "dir" and itself:
        return False  # against a glob, a directory is what is inside it
    if by_glob and target.kind not in ("dir", "glob", "name"):
        return itself  # and a file is itself
    return globs.covers(target.kind, target.real, path, fold)


@given(SMALL, SMALL, SPOTS, st.booleans())
def test_who_share_a_path_overlap(a: Target, b: Target, path: str, fold: bool) -> None:
    ranges = a.kind == b.kind == "lines" and a.blob == b.blob != ""
    by_glob = "glob" in (a.kind, b.kind)
    if not ranges and _covers(a, path, fold, by_glob) and _covers(b, path, fold, by_glob):
        assert overlap(a, b, fold)
    assert overlap(a, b, fold) == overlap(b, a, fold)


@given(SMALL, SMALL, st.booleans())
def test_records_of_what_overlaps_stand_in_one_line(a: Target, b: Target, fold: bool) -> None:
    assume("name" not in {a.kind, b.kind})
    if overlap(a, b, fold):
        one, two = (globs.fold_key(root_path(target)) if fold else root_path(target) for target in (a, b))
        assert globs.covers("dir", one, two) or globs.covers("dir", two, one)


@given(SMALL, SMALL, SPOTS)
def test_what_is_contained_is_covered(a: Target, b: Target, path: str) -> None:
    assert contains(a, a)
    if contains(a, b):
        assert overlap(a, b)
        exact = path == b.path or b.kind in {"dir", "glob"}
        if _covers(b, path, False) and exact:
            assert globs.covers(a.kind, a.real, path)


@pytest.mark.parametrize(
    ("a", "b", "yes"),
    [
        (Target("dir", "a"), Target("file", "a/b"), True), (Target("file", "a/b"), Target("dir", "a"), False),
        (Target("glob", "a/*"), Target("file", "a/b"), True), (Target("glob", "a/**"), Target("dir", "a/b"), True),
        (Target("glob", "a/**"), Target("glob", "a/b/*.c"), True), (Target("glob", "a/*"), Target("dir", "a"), False),
        (Target("dir", ""), Target("glob", "*.c"), True), (Target("dir", "a"), Target("glob", "*.c"), False),
        (Target("dir", "a"), Target("glob", "a/*.c"), True), (lines(1, 9), lines(2, 3), True),
        (lines(1, 9), lines(2, 3, TWO), False),
        (lines(1, 9), lines(2, 10), False), (lines(1, 9), Target("file", "a"), False),
        (Target("file", "a"), lines(1, 9), True),
        (Target("name", "a"), Target("name", "a"), True), (Target("dir", ""), Target("name", "a"), False),
        (Target("glob", "*"), Target("glob", "*.c"), False), (Target("section", "a", section="x"), lines(1, 2), False),
    ],
)  # fmt: skip
def test_contains(a: Target, b: Target, yes: bool) -> None:
    assert contains(a, b) is yes


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target("file", "a/b"), "a/b"), (Target("dir", ""), ""), (Target("glob", "a/\\[b/c*"), "a/[b"),
        (Target("glob", "*"), ""),
        (Target("name", "issue/42"), "issue/42"), (Target("file", "%FF", "percent"), "\udcff"), (lines(1, 2), "a"),
    ],
)  # fmt: skip
def test_root_path(target: Target, path: str) -> None:
    assert root_path(target) == path
