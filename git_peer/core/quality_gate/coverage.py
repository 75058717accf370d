"""The coverage gate: changed lines are run by tests, and in all no less is than before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from git_peer.core.quality_gate.change import Change
from git_peer.core.quality_gate.verdict import Finding, Verdict

CHANGED = 80  # per cent of the changed lines that can be run, unless a project says otherwise
DROP = 0.5  # points that the whole may lose: a removed test file moves it without anybody's fault

Lines = Mapping[str, Mapping[int, int]]
"""path → line that can be run → how often it was."""


def total(lines: Lines) -> float | None:
    """Per cent of the lines that can be run which were; None where there are none."""
    hits = [hit > 0 for file in lines.values() for hit in file.values()]
    return 100 * sum(hits) / len(hits) if hits else None


def judge(
    changes: Iterable[Change], after: Lines, before: Lines | None, changed: int = CHANGED, drop: float = DROP
) -> Verdict:
    """`before` is the baseline's, None where it is not known: then the whole is not compared, and nothing passes."""
    missed, able = [], 0
    for change in changes:
        known = after.get(change.path, {})
        for line in sorted(change.added & known.keys()):
            able += 1
            if not known[line]:
                missed.append(Finding("no test runs this line", change.path, line))
    now, was = total(after), total(before) if before is not None else None
    if now is None:
        return Verdict("unknown", "the report has no lines")
    told = f"{able - len(missed)} of {able} changed lines, {now:.1f} % in all"
    if able and 100 * (able - len(missed)) < changed * able:
        return Verdict("fail", f"{told}: at least {changed} % of the changed lines", tuple(missed))
    if before is None:
        return Verdict("unknown", f"{told}; the baseline's coverage is not known", tuple(missed))
    if was is not None and now < was - drop:
        return Verdict("fail", f"{told}: it was {was:.1f} %", tuple(missed))
    return Verdict("pass", told, tuple(missed))
