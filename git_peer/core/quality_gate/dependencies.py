"""The dependency gate: whoever reviews sees what is new, and nothing comes in unasked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from git_peer.core.quality_gate.verdict import Finding, Verdict, judged

_ELSEWHERE = re.compile(
    r"(?:git\+|git:|https?:|file:|ssh:|github:|gitlab:|bitbucket:|link:|@ )|^\.{0,2}/|^[\w.-]+/[\w.-]+(?:#|$)"
)


class Manifest(NamedTuple):
    """A file that declares dependencies, before and after: name → the version that is asked for, or where from."""

    path: str
    old: Mapping[str, str]
    new: Mapping[str, str]
    lines: Mapping[str, int] = {}  # name → line, where that is known


def judge(manifests: Iterable[Manifest], allowed: Sequence[str] = (), agreed: Sequence[str] = ()) -> Verdict:
    """New ones fail, and so does one that now comes from a URL, a folder or git.

    Not so what `allowed` (names with `*`) lists, and what a contract of `agreed` (texts made since the base) names.
    """
    every = list(manifests)
    known = {name for one in every for name in one.old}  # moved from one group or file to another: not new
    found = []
    for one in every:
        for name, asked in one.new.items():
            if any(fnmatchcase(name, pattern.lower()) for pattern in allowed) or _named(name, agreed):
                continue
            if name not in known:
                what = f"{name} {asked}".strip()
                found.append(Finding(f"new dependency: {what}", one.path, one.lines.get(name, 0)))
            elif name in one.old and _ELSEWHERE.search(asked) and not _ELSEWHERE.search(one.old[name]):
                found.append(Finding(f"{name} comes from {asked} now", one.path, one.lines.get(name, 0)))
    return judged(found, "no new dependencies", "dependencies that nobody allowed: {}")


def _named(name: str, agreed: Sequence[str]) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) for text in agreed)
