"""What test runners and coverage tools write: LCOV, Go's profile, cargo's and Go's lines; and JUnit XML, written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

_CARGO = re.compile(r"^test (\S.*?) \.\.\. (ok|FAILED|ignored)", re.MULTILINE)
_ENDS = {
    "ok": "passed",
    "FAILED": "failed",
    "ignored": "skipped",
    "pass": "passed",
    "fail": "failed",
    "skip": "skipped",
}
_GO = re.compile(r"(\S+):(\d+)\.\d+,(\d+)\.\d+ \d+ (\d+)")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def outcomes(output: str) -> dict[str, str]:
    """Test → passed, failed or skipped, of what `cargo test` or `go test -json` said; none of any other output."""
    found = {name: _ENDS[end] for name, end in _CARGO.findall(output)}
    for line in output.split("\n"):
        if line.startswith("{") and '"Test"' in line:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("Action") in ("pass", "fail", "skip"):
                found[f"{event.get('Package', '')}::{event.get('Test', '')}"] = _ENDS[event["Action"]]
    return found


def coverage(report: bytes, paths: Iterable[str]) -> dict[str, dict[int, int]] | None:
    """Path of the tree → line → how often it was run; None for what is neither LCOV nor Go's profile.

    `paths`: those of the tree. A tool's own may be absolute, or begin with a module's name.
    """
    known = set(paths)
    text = report.decode("utf-8", "replace")
    found: dict[str, dict[int, int]] = {}
    if text.startswith("mode: "):
        for name, first, last, hits in _GO.findall(text):
            lines = found.setdefault(_in_tree(name, known), {})
            for line in range(int(first), min(int(last), int(first) + 10_000) + 1):
                lines[line] = max(lines.get(line, 0), int(hits))
    elif re.search(r"^SF:", text, re.MULTILINE):
        at = ""
        for row in text.splitlines():
            key, _, value = row.partition(":")
            if key == "SF":
                at = _in_tree(value.strip(), known)
            elif key == "DA" and (match := re.match(r"(\d+),(\d+)", value)):
                lines = found.setdefault(at, {})
                lines[int(match[1])] = max(lines.get(int(match[1]), 0), int(match[2]))
    else:
        return None
    found.pop("", None)
    return found


def _in_tree(name: str, known: set[str]) -> str:
    parts = name.replace("\\", "/").split("/")
    return next((path for at in range(len(parts)) if (path := "/".join(parts[at:])) in known), "")


class Case(NamedTuple):
    """A test case as JUnit has it: `outcome` is pass, fail or unknown."""

    name: str
    outcome: str
    why: str
    text: str
    seconds: float


def junit(suite: str, cases: Sequence[Case]) -> str:
    """JUnit XML of one suite; what is unknown is an error, for no reader takes that for a success."""
    failed, unknown = (sum(one.outcome == word for one in cases) for word in ("fail", "unknown"))
    rows = []
    for one in cases:
        head = f'<testcase classname={quoteattr(_xml(suite))} name={quoteattr(_xml(one.name))} time="{one.seconds:.3f}"'
        if one.outcome == "pass":
            rows.append(f"{head}/>")
            continue
        tag = "failure" if one.outcome == "fail" else "error"
        rows.append(f"{head}><{tag} message={quoteattr(_xml(one.why))}>{escape(_xml(one.text))}</{tag}></testcase>")
    counts = f'tests="{len(cases)}" failures="{failed}" errors="{unknown}"'
    lines = [f"<testsuite name={quoteattr(_xml(suite))} {counts}>", *rows, "</testsuite>"]
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', *lines, ""])


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
