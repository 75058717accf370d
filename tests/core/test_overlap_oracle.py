"""Overlap against brute force: globs with `**` in each place, files, folders; and one rule for all who ask."""

from __future__ import annotations

import itertools
import re
from functools import cache

import pytest

from git_peer.core.lock import rule
from git_peer.core.target import glob as globs
from git_peer.core.target.target import Target, of_path, overlap

NAMES = ("a", "a.m", "b.m")  # of which paths are made: enough to tell all of the parts below apart
DEEP = 6  # components: two globs of three parts that share a path share one as short as that
PARTS = ("a", "*", "**", "*.m", "b*")


@cache
def paths() -> list[str]:
    """Every path."""
    return ["/".join(made) for depth in range(1, DEEP + 1) for made in itertools.product(NAMES, repeat=depth)]


@cache
def patterns() -> list[str]:
    """Every glob of one to three components, `**` in each place among them."""
    made = {"/".join(parts) for depth in range(1, 4) for parts in itertools.product(PARTS, repeat=depth)}
    return sorted(one for one in made if globs.is_glob(one))


@cache
def expression(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression, component by component."""
    out = ""
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            out += ".+" if last else "(?:[^/]+/)*"
        else:
            out += part.replace(".", r"\.").replace("*", "[^/]*") + ("" if last else "/")
    return re.compile(out)


@cache
def matched(pattern: str) -> frozenset[str]:
    """The paths that a glob matches."""
    return frozenset(filter(expression(pattern).fullmatch, paths()))


def test_match() -> None:
    wrong = [
        (pattern, path)
        for pattern in patterns()
        for path in paths()
        if globs.match(pattern, path) != (path in matched(pattern))
    ]
    assert wrong == []


def test_two_globs() -> None:
    """They overlap exactly where one path is matched by both."""
    wrong = [
        (one, two)
        for one, two in itertools.combinations_with_replacement(patterns(), 2)
        if overlap(of_path("glob", one), of_path("glob", two)) != bool(matched(one) & matched(two))
    ]
    assert wrong == []


def test_a_glob_and_a_file_or_a_folder() -> None:
    """A file is itself, or where the folder is that all matches lie in; a folder is what is inside it."""
    short = [path for path in paths() if path.count("/") < 2]
    wrong = []
    for pattern in patterns():
        stem = pattern[: re.search(r"[*]", pattern).start()].rpartition("/")[0]  # type: ignore[union-attr]
        for path in short:
            below = any(found.startswith(path + "/") for found in matched(pattern))
            inside = bool(stem) and f"{stem}/".startswith(f"{path}/")
            answers = {"file": path in matched(pattern) or inside, "dir": below}
            for kind, answer in answers.items():
                one, two = Target("glob", pattern), Target(kind, path)  # type: ignore[arg-type]
                wrong += [(pattern, kind, path)] if {overlap(one, two), overlap(two, one)} != {answer} else []
            wrong += [("gate", pattern, path)] if rule.touches("glob", pattern, path, False) != answers["file"] else []
    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("src/**/*.md", "src/main.py"), ("**/a.md", "main.py"), ("**/a.md", "src/x/main.py"), ("*/x", "src"),
        ("src/*/x", "src/main.py"), ("**/*.md", "a/b.py"), ("src/**/[a-z].md", "src/a.py"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fold", [False, True])
def test_a_glob_leaves_other_files_alone(pattern: str, path: str, fold: bool) -> None:
    """Nor does it take them where the name of a file could be that of a folder."""
    assert not overlap(of_path("glob", pattern), of_path("file", path), fold)
    assert not overlap(of_path("file", path), of_path("glob", pattern), fold)
    assert not rule.touches("glob", pattern, path, fold)


KINDS = [of_path("file", "a"), of_path("file", "a/b"), of_path("dir", "a"), of_path("dir", ""), of_path("name", "a")]


@pytest.mark.parametrize("fold", [False, True])
def test_the_gate_grants_what_locks_grant(fold: bool) -> None:
    """A change of a file is refused exactly where a lock on that file would be."""
    held = [*KINDS, *(of_path("glob", pattern) for pattern in patterns())]
    for target in held:
        for path in (*paths()[:40], "A", "A/b"):
            said = rule.touches(target.kind, target.real, path, fold)
            assert said == overlap(target, of_path("file", path), fold), (target, path)
