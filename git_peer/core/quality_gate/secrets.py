"""The secrets gate: no commit of the range brings in what looks like a key, a token or a password."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from git_peer.core import secret
from git_peer.core.quality_gate.change import Change
from git_peer.core.quality_gate.verdict import Finding, Verdict, judged


def judge(
    commits: Iterable[tuple[str, Iterable[Change]]],
    chosen: Sequence[str] = (),
    allowed: str = "",
    given: Sequence[str] = (),
) -> Verdict:
    """Of each commit (id, what it changes): what a later one takes out again is in the history all the same."""
    found = [
        one
        for commit, changes in commits
        for change in changes
        for one in _found(commit, change, chosen, allowed, given)
    ]
    return judged(found, "no secrets", "secrets: {}")


def _found(commit: str, change: Change, chosen: Sequence[str], allowed: str, given: Sequence[str]) -> Iterator[Finding]:
    text = change.new
    if text is None or not change.added:
        return
    at, last = 1, 0
    for one in secret.find(text, chosen, allowed, given):
        at += text.count("\n", last, one.start)
        last = one.start
        if not change.added.isdisjoint(range(at, at + text.count("\n", one.start, one.end) + 1)):
            yield Finding(f"{one.kind}, in commit {commit[:12]}", change.path, at)
