"""The size gate: a diff that a reviewer can read."""

from __future__ import annotations

from collections.abc import Iterable

from git_peer.core.quality_gate.change import Change
from git_peer.core.quality_gate.verdict import Finding, Verdict

LINES, FILES = 800, 40  # what is taken unless a project says otherwise


def judge(changes: Iterable[Change], lines: int = LINES, files: int = FILES) -> Verdict:
    """At most so many changed lines in so many files; what is generated, vendored or binary does not count."""
    counted = [one for one in changes if not one.state and (one.added or one.removed)]
    total = sum(len(one.added) + one.removed for one in counted)
    told = f"{total} changed lines in {len(counted)} files"
    if total <= lines and len(counted) <= files:
        return Verdict("pass", told)
    largest = sorted(counted, key=lambda one: (-len(one.added) - one.removed, one.path))[:10]
    found = tuple(Finding(f"{len(one.added)} lines added, {one.removed} removed", one.path) for one in largest)
    return Verdict("fail", f"{told}: at most {lines} in {files}", found)
