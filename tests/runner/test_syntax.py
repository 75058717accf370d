"""Syntax is checked in a child: what crashes or hangs a parser does so there."""

from __future__ import annotations

import pytest

from git_peer.runner import syntax

GOOD = "def f(x):\n    return x\n"


def test_good_files_and_others() -> None:
    assert syntax.check({"a.py": GOOD, "b.pyi": "def f() -> int: ...\n", "c.txt": "def (", "": "("}) == []
    assert syntax.check({}) == []
    assert syntax.parses(GOOD)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def f(:\n", 1),
        ("x = 1\n  y = 2\n", 2),
        ("x = (1,\n", 1),
        ('x = """\n', 1),
        ("\n\nreturn 1\n", 3),
        ("class A:\n", 1),
        ("x = 1\nprint 'x'\n", 2),
        ("def f():\n\tx = 1\n        y = 2\n", 3),
    ],
)
def test_what_is_wrong_is_told_with_its_line(source: str, line: int) -> None:
    [told] = syntax.check({"good.py": GOOD, "pkg/bad.py": source, "also.py": GOOD})
    assert told.startswith(f"pkg/bad.py:{line}: ")
    assert "\n" not in told
    assert not syntax.parses(source)


HOSTILE = {
    "brackets": "(" * 50_000,
    "unary": "x = " + "-" * 400_000 + "1",
    "not": "x = " + "not " * 100_000 + "1",
    "attributes": "x" + ".a" * 200_000,
    "sums": "x = " + "1+" * 200_000 + "1",
    "calls": "f" + "()" * 200_000,
    "lambdas": "x = " + "lambda: " * 50_000 + "1",
    "indents": "".join(" " * n + "if x:\n" for n in range(700)),
    "powers": "x = 9" + "**9" * 50_000,
    "long number": "x = " + "9" * 400_000,
    "strings": "x = " + "'a' " * 100_000,
    "f-strings": "x = " + "f'{" * 200 + "1" + "}'" * 200,
    "NUL": "x = 1\0\n",
    "half a character": "x = '\ud800'\n",
    "encoding": "# -*- coding: no-such -*-\n",
}


def test_hostile_sources_do_no_harm() -> None:
    """All at once, each among good ones: every line is of a file that is there, and the broken one is still told."""
    files = {f"{name.replace(' ', '_')}.py": source for name, source in HOSTILE.items()}
    told = syntax.check({"first.py": GOOD, **files, "last.py": "def f(:\n"})
    assert told[-1].startswith("last.py:1: ")
    assert len(told) == len({one.split(":")[0] for one in told})
    assert {one.split(":")[0] for one in told} <= {*files, "last.py"}
    assert {"brackets.py", "NUL.py", "half_a_character.py", "indents.py"} <= {one.split(":")[0] for one in told}
    assert all(len(one) < 1_000 for one in told)


def test_a_child_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in which it hangs is named, and those behind it are looked at."""
    monkeypatch.setattr(syntax, "SECONDS", 1)
    slow = syntax._CHILD.replace("found = None", "found = None\n    while 'hang' in text: pass")
    monkeypatch.setattr(syntax, "_CHILD", slow)
    told = syntax.check({"a.py": GOOD, "b.py": "hang = 1\n", "c.py": "def f(:\n"})
    assert len(told) == 2
    assert told[0].startswith("b.py: Python's parser")
    assert told[1].startswith("c.py:1: ")


def test_a_child_that_crashes_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = syntax._CHILD.replace("found = None", "found = None\n    if 'crash' in text: import os; os.abort()")
    monkeypatch.setattr(syntax, "_CHILD", broken)
    told = syntax.check({"a.py": "crash = 1\n", "b.py": "def f(:\n", "c.py": GOOD})
    assert told[0] == "a.py: Python's parser crashes on it"
    assert told[1].startswith("b.py:1: ")
    assert len(told) == 2


def test_large_files_are_not_parsed() -> None:
    [told] = syntax.check({"a.py": "x = 1\n" * 100_000})
    assert told.startswith("a.py: more than")


def test_nothing_is_run_or_written() -> None:
    assert syntax.check({"a.py": "import os\nos.abort()\n", "../b.py": "open('x', 'w')\n"}) == []
