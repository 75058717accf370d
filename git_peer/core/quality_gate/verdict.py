"""What a quality gate says of a commit: its verdict, and on what it rests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Word = Literal["pass", "fail", "unknown"]


class Finding(NamedTuple):
    """One thing that a gate found: a line of text, and where (path from the top, line from 1; "" and 0: nowhere)."""

    message: str
    path: str = ""
    line: int = 0


class Verdict(NamedTuple):
    """`unknown`: the gate could not be run, which never counts as a pass; `why` is one line, the rest is evidence."""

    word: Word
    why: str
    findings: tuple[Finding, ...] = ()
    output: str = ""  # what a command said


def judged(found: Iterable[Finding], good: str, bad: str) -> Verdict:
    """A fail with what was found, else a pass; `bad` has a place for the number."""
    findings = tuple(sorted(set(found), key=lambda one: (one.path, one.line, one.message)))
    return Verdict("fail", bad.format(len(findings)), findings) if findings else Verdict("pass", good)


def unknown(why: str, output: str = "") -> Verdict:
    """A gate that could not be run."""
    return Verdict("unknown", why, (), output)
