"""The regression gate: a test that passed may neither fail nor vanish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from git_peer.core.quality_gate.verdict import Finding, Verdict, judged


def judge(before: Mapping[str, str], after: Mapping[str, str]) -> Verdict:
    """Tests of the baseline and of the commit: name → passed, failed or skipped.

    One that has moved (its own name, in a file or class that did not have it before, passes) has not vanished.
    """
    fresh = Counter(_own(name) for name, end in after.items() if name not in before and end == "passed")
    found = []
    for name, end in sorted(before.items()):
        now = after.get(name)
        if end != "passed" or now == "passed":
            continue
        if now is None and fresh[_own(name)]:
            fresh[_own(name)] -= 1
            continue
        found.append(Finding(f"{name} passed, and {'is gone' if now is None else f'is {now} now'}"))
    passed = sum(end == "passed" for end in before.values())
    return judged(found, f"all {passed} tests that passed still do", "tests that passed, and do not any more: {}")


def _own(name: str) -> str:
    """A test's own name, without its file and class; parameters may have `::` in them."""
    head, bracket, rest = name.partition("[")
    return head.rpartition("::")[2] + bracket + rest
