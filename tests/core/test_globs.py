"""Globs against the real git, and their overlap against brute force."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.core.target import glob as globs
from git_peer.layout import from_bytes, to_bytes

TOKENS = ("a", "b", "/", "*", "?", "**", "[ab]", "[!a]")


# -- match, as git does -------------------------------------------------------------------------


class Index:
    """Names that git lists: an index a depth, for one index cannot hold both `a` and `a/b`."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.env = {**os.environ, "GIT_DIR": str(folder / ".git"), "GIT_WORK_TREE": str(folder)}
        subprocess.run(["git", "init", "-q", str(folder)], check=True, stdout=subprocess.DEVNULL)
        self.indexes: list[Path] = []
        self.folder = folder
        for depth, group in itertools.groupby(sorted(set(names), key=_depth), key=_depth):
            index = folder / f"index-{depth}"
            lines = b"".join(b"100644 " + b"1" * 40 + b"\t" + to_bytes(name) + b"\0" for name in group)
            self._git(index, "update-index", "-z", "--index-info", feed=lines)
            self.indexes.append(index)

    def _git(self, index: Path, *args: str, feed: bytes = b"") -> bytes:
        command = ["git", "-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", *args]
        env = {**self.env, "GIT_INDEX_FILE": str(index)}
        return subprocess.run(command, env=env, cwd=self.folder, input=feed, check=True, stdout=subprocess.PIPE).stdout

    def listed(self, pattern: str) -> set[str]:
        """What `git ls-files` says for the glob."""
        raw = b"".join(self._git(index, "ls-files", "-z", "--", f":(glob){pattern}") for index in self.indexes)
        return {from_bytes(name) for name in raw.split(b"\0") if name}


def _depth(name: str) -> int:
    return name.count("/")


def _is_path(text: str) -> bool:
    return all(text.split("/")) and "\0" not in text and not {".", ".."} & set(text.split("/"))


def _differs_on_purpose(pattern: str, name: str) -> bool:
    """Where git reads the glob's own spelling as a path or a directory and we do not (see the module)."""
    spelled = name == pattern or name.startswith(pattern if pattern.endswith("/") else pattern + "/")
    return spelled and ("\\" in pattern or (name != pattern and globs.is_glob(pattern)))


HARD = """
a a/b * ** a* *a ? a? [ab] [!a] [^a] [a-c] [!a-c] a/* a/** **/a **/a/b a/**/b a/**/** **/** a** **a a**/b b/a**
*/a */* */** **/* a*/**/b ?**/b a/?** a/b** a/**b [a]**/b \\a** \\a/**/b *** a/***/b a/x**/b **/*/b */**/a a**b
[]a] [!]a] [^]a] [a-] [-a] [a-c-e] [b-a] [a\\-c] [\\a-\\c] [a-\\c] [[] [[]a] [[:] [[:]] [[:a]] [[:a [[:alpha:] [a
[[:alpha:]] [[:alnum:]] [[:blank:]] [[:cntrl:]] [[:digit:]] [[:graph:]] [[:lower:]] [[:print:]] [[:punct:]] [[:space:]]
[[:upper:]] [[:xdigit:]] [![:alpha:]] [[:foo:]] [[:alpha:]-z] [[:ALPHA:]] [^[:space:][:alpha:]]
[!!] [^^] [!^] [a!] [\\]] [\\!a] [/] a[/]b a[!x]b a?b [--a] [!--a] [+--] [a\\ a\\ \\* \\[ \\? \\\\ a\\/b
a/**\\/b **\\/b *\\/b \\[ab\\] é ?? [é] [\\é] [à-é] ?[¡-¿] a/[!b]/ */ **/ a/*/ [[:alpha:]/] [[.a.]] [[=a=]] !a
{a,b} (a) a+ $ ^a .* a. *.py **/*.py [!.]* a-b - ]
""".split()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(tmp_path_factory.mktemp("globs"), names())


@cache
def names() -> list[str]:
    """Every single byte, all short paths over `ab`, and others at random."""
    made = {from_bytes(bytes([byte])) for byte in range(1, 256)} - {"/", "."}
    for size in range(1, 6):
        made |= {"".join(parts) for parts in itertools.product("ab/", repeat=size)}
    chance = random.Random(5)
    made |= {"".join(chance.choices("ab-]*?[!\\/é.", k=chance.randint(2, 7))) for _ in range(1500)}
    made |= {"a.py", "b/a.py", "a/b/c.py", ".x", "a\nb", "a b", "[[:", "a**/b", "{a,b}", "é", "á", "¡", "a/x/y/b"}
    return sorted(name for name in made if _is_path(name))


def differences(index: Index, pattern: str) -> list[str]:
    listed = index.listed(pattern)
    return [
        f"{pattern!r} on {name!r}: git says {name in listed}"
        for name in names()
        if globs.match(pattern, name) != (name in listed) and not _differs_on_purpose(pattern, name)
    ]


@pytest.mark.parametrize("pattern", HARD)
def test_matches_what_git_lists(index: Index, pattern: str) -> None:
    assert differences(index, pattern) == []


def test_matches_what_git_lists_for_globs_at_random(index: Index) -> None:
    parts = (*TOKENS, "***", "\\", "\\/", "\\*", "[", "]", "-", "!", "[a-", "[[:alpha:]]", "[[:", ":]", "**/", "/**")
    chance = random.Random(7)
    found: list[str] = []
    tried = 0
    while tried < 250:
        pattern = "".join(chance.choices(parts, k=chance.randint(1, 6)))
        if pattern.startswith("/") or "//" in pattern:  # git normalises these first; so does targets.parse
            continue
        tried += 1
        found += differences(index, pattern)
    assert found == []


def test_a_glob_also_is_the_path_spelled_like_it() -> None:
    assert globs.match("app/[id]/page.tsx", "app/[id]/page.tsx")
    assert not globs.match("app/[id]", "app/[id]/page.tsx"), "but never a directory of that spelling"
    assert not globs.overlap("src/*", "src/*/**")
    assert globs.overlap("app/[id].ts", "app/[[]*")


# -- overlap, by brute force --------------------------------------------------------------------


def reference(pattern: str) -> re.Pattern[str]:
    """The glob as a regular expression, by another way than the code's; only for what TOKENS spell."""
    out: list[str] = []
    special = re.search(r"[*?\[]", pattern)
    for part in re.finditer(r"\*+|\?|\[ab\]|\[!a\]|.", pattern):
        text, start, rest = part.group(), part.start(), pattern[part.end() :]
        if text[0] != "*":
            out.append({"?": "[^/]", "[!a]": "[^a/]"}.get(text, text))
        elif len(text) > 1 and (not start or start == (special and special.start()) or pattern[start - 1] == "/"):
            out.append("(?:.*/)?" if rest[:1] == "/" else "[^/]*" if rest else ".*")
        else:
            out.append("[^/]*")
    text = "".join(out).replace("(?:.*/)?/", "(?:.*/)?")
    return re.compile(f"(?:{text})|{re.escape(pattern)}" if special else f"{text}(?:/.*)?")


def universe(length: int) -> list[str]:
    """All paths up to `length` over a and b, the slash, and c for every other byte."""
    strings = ("".join(made) for size in range(1, length + 1) for made in itertools.product("abc/", repeat=size))
    return [text for text in strings if _is_path(text)]


def matched(patterns: list[str], paths: list[str]) -> dict[str, int]:
    """For each glob the paths that it matches, as a bit mask."""
    found = {}
    for pattern in patterns:
        fits = reference(pattern).fullmatch
        found[pattern] = sum(1 << at for at, path in enumerate(paths) if fits(path))
    return found


def disagreements(patterns: list[str], length: int) -> list[tuple[str, str]]:
    # a glob's own spelling is a path, too, whatever it is made of
    paths = universe(length) + [text for text in patterns if _is_path(text) and set(text) - set("abc/")]
    masks = matched(patterns, paths)
    return [
        (one, two)
        for one, two in itertools.combinations_with_replacement(patterns, 2)
        if globs.overlap(one, two) != bool(masks[one] & masks[two])
    ]


def spelled(size: int) -> set[str]:
    return {"".join(parts) for parts in itertools.product(TOKENS, repeat=size)}


def test_overlap_is_exact_for_all_globs_of_three_tokens() -> None:
    # Complete with 7: in a shortest common path a byte is eaten by a fixed position of one glob (beside a `*` each
    # has two at most, one of them a slash), or it stands alone in one of the three components that these make.
    patterns = sorted(spelled(1) | spelled(2) | spelled(3))
    assert disagreements(patterns, 7) == []


def test_overlap_is_exact_for_globs_of_four_tokens_at_random() -> None:
    # complete with 8: three fixed positions each, and two components at most that have none of them
    patterns = random.Random(11).sample(sorted(spelled(4)), 200)
    assert disagreements(patterns, 8) == []


def test_the_reference_agrees_with_match() -> None:
    patterns = random.Random(13).sample(sorted(spelled(3) | spelled(4)), 300)
    for pattern in patterns:
        fits = reference(pattern).fullmatch
        for path in universe(4):
            assert globs.match(pattern, path) == bool(fits(path)), (pattern, path)


GLOBS = st.lists(
    st.sampled_from((*TOKENS, "\\*", "\\a", "c", "[a-c]", "[[:alpha:]]", "A", "é", "É", "[", "***", "x/")), max_size=8
).map("".join)
PATHS = (
    st.lists(st.text(st.sampled_from("abcA*é[\\\udcff"), min_size=1, max_size=3), min_size=1, max_size=4)
    .map("/".join)
)  # fmt: skip


@given(GLOBS, GLOBS, PATHS, st.booleans())
def test_a_common_path_is_an_overlap(one: str, two: str, path: str, fold: bool) -> None:
    if globs.match(one, path, fold) and globs.match(two, path, fold):
        assert globs.overlap(one, two, fold)


@given(GLOBS, PATHS, st.booleans())
def test_a_path_as_a_glob(pattern: str, path: str, fold: bool) -> None:
    """An escaped path is a glob for that path (and what lies under it never comes in by a backslash)."""
    quoted = globs.escape(path)
    assert globs.match(quoted, path, fold)
    if "\\" in quoted:
        assert globs.overlap(quoted, pattern) == globs.match(pattern, path)
    parent = path.rpartition("/")[0]
    if globs.match(pattern, path, fold):
        assert globs.overlaps_dir(pattern, parent, fold)
        assert globs.overlaps_dir(pattern, "", fold)


@given(GLOBS, GLOBS, st.booleans())
def test_overlap_is_symmetric(one: str, two: str, fold: bool) -> None:
    assert globs.overlap(one, two, fold) == globs.overlap(two, one, fold)
    if globs.overlap(one, two):
        assert globs.overlap(one, two, True)
    if not globs.problem(one):
        assert globs.overlap(one, one)


@given(GLOBS, PATHS)
def test_overlaps_dir_is_overlap_with_all_that_is_inside(pattern: str, directory: str) -> None:
    inside = globs.escape(directory) + "/**"
    assert globs.overlaps_dir(pattern, directory) == globs.overlap(pattern, inside)


@given(GLOBS, PATHS)
def test_all_matches_lie_in_the_literal_directory(pattern: str, path: str) -> None:
    if globs.match(pattern, path):
        assert globs.covers("dir", globs.literal_dir(pattern), path)


@given(GLOBS, PATHS)
def test_folding_only_adds(pattern: str, path: str) -> None:
    if globs.match(pattern, path):
        assert globs.match(pattern, path, True)
        assert globs.match(pattern.upper(), path, True) or "[" in pattern


@pytest.mark.parametrize(
    ("one", "two", "meet", "fits"),
    [
        ("*a" * 100, "*b" * 100, False, True),
        ("*a" * 100 + "*", "*b" * 100 + "*", True, True),
        ("**/a" * 100, "**/b" * 100, False, False),
        ("**/" * 60 + "*a" * 100 + "x", "*a" * 160 + "y", False, False),
        ("*" + "?" * 510, "*" + "a" * 509 + "/", False, True),
        ("*" + "?[ab]" * 80 + "x", "?*" * 200 + "y", False, False),
        ("**/x/" * 90 + "?" * 50, "*/" * 50 + "*x" * 200 + "y", False, False),
    ],
)
def test_hostile_globs_end_soon(one: str, two: str, meet: bool, fits: bool) -> None:
    code = (
        "from git_peer.core.target import glob as globs; "
        f"print(globs.overlap({one!r}, {two!r}), globs.match({one!r}, 'a' * 4000))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=10)
    assert done.stdout == f"{meet} {fits}\n"


# -- the small ones -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "directory", "glob"),
    [
        ("*.py", "", True), ("src/*.py", "src", True), ("src/a/b?", "src/a", True), ("src/a*/b", "src", True),
        (r"a\[b/*", "a[b", True), (r"\*/x/[y]", "*/x", True), ("src/a", "src", False), (r"w\[1\]", "", False),
        ("a\\", "", False), ("**", "", True), ("a/**/b", "a", True),
    ],
)  # fmt: skip
def test_literal_dir(pattern: str, directory: str, glob: bool) -> None:
    assert globs.literal_dir(pattern) == directory
    assert globs.is_glob(pattern) is glob


@pytest.mark.parametrize(
    ("pattern", "part"),
    [("[a", "no ']'"), ("[[:x:]]", "class"), ("a*\\", "'\\'"), ("*/", "no path"), ("a//*", "no path"),
     ("[/]", "no path"), ("[[:alpha:", "no ']'"), ("*" * 513, "512 bytes")],
)  # fmt: skip
def test_problem(pattern: str, part: str) -> None:
    assert part in globs.problem(pattern)


@pytest.mark.parametrize("pattern", ["*", "**", "a/**/b*", "[]a]", "[!a-z]x", "*.py", "a/**"])
def test_no_problem(pattern: str) -> None:
    assert globs.problem(pattern) == ""


@pytest.mark.parametrize(
    ("kind", "target", "path", "fold", "yes"),
    [
        ("file", "a/b", "a/b", False, True), ("file", "a/b", "a/b/c", False, True), ("dir", "a", "ab/c", False, False),
        ("file", "a/b", "a", False, False), ("dir", "a", "a/b/c", False, True), ("dir", "a", "a", False, True),
        ("dir", "", "x", False, True), ("file", "a/b", "a/bc", False, False), ("lines", "a", "a", False, True),
        ("section", "a", "a", False, True), ("glob", "a/*", "a/b", False, True), ("glob", "a/*", "a/b/c", False, False),
        ("name", "a", "a", False, False), ("file", "A/É", "a/e\u0301", True, True), ("file", "A", "a", False, False),
        ("dir", "SRC", "src/x", True, True), ("glob", "SRC/*.Py", "src/a.pY", True, True),
        ("glob", "É*", "e\u0301x", True, True), ("glob", "[A-C]x", "bX", True, True), ("glob", "[!a]", "a", True, True),
    ],
)  # fmt: skip
def test_covers(kind: str, target: str, path: str, fold: bool, yes: bool) -> None:
    assert globs.covers(kind, target, path, fold) is yes


@given(st.text(min_size=1))
def test_fold_key_is_one_for_all_spellings(text: str) -> None:
    import unicodedata

    key = globs.fold_key(text)
    assert globs.fold_key(key) == key
    for form in ("NFC", "NFD"):
        assert globs.fold_key(unicodedata.normalize(form, text)) == key
    assert globs.fold_key(text.casefold()) == key


def test_the_gate_pays_for_nothing_but_this_module() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); "
        "from git_peer.core.target import glob as globs; "
        "globs.match('src/**/[a-z]*', 'src/a/b'); print(sorted(set(sys.modules) - before))"
    )
    root = str(Path(globs.__file__).parents[3])
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, root], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [
        "['__future__',", "'git_peer',", "'git_peer.core',", "'git_peer.core.target',", "'git_peer.core.target.glob',",
        "'git_peer.layout']",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("*a" * 250, "*b" * 250), ("**/a/" * 100 + "x", "**/b/" * 100 + "y"), ("?*" * 250, "*?" * 250 + "/z"),
        ("*" + "a" * 500, "*" + "a" * 499 + "b"), ("**/*a" * 80 + "x", "**/a*" * 80 + "y"),
    ],
)  # fmt: skip
def test_a_hostile_pair_is_bounded(one: str, two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each state of the one takes few steps, whatever the other has: there were some 10^6 of them, seconds a commit."""
    real, steps = globs._step, 0

    def counted(*args: Any) -> tuple[int, int]:
        nonlocal steps
        steps += 1
        return real(*args)

    monkeypatch.setattr(globs, "_step", counted)
    for left, right in ((one, two), (two, one)):
        steps = 0
        assert not globs.overlap(left[: globs.LIMIT], right[: globs.LIMIT])
        assert steps <= 4 * globs.LIMIT
