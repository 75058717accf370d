"""What an integration came to, in words: the answer of `git peer integrate` as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_peer.core import text
from git_peer.core.text import count

_FILES = 30  # that are listed


def in_words(done: Mapping[str, Any]) -> list[str]:
    """The whole answer, in lines; what strangers wrote is quoted or framed."""
    lines = [*_merged(done), *_refused(done)]
    summary = done["summary"]
    if summary["built"]:
        lines += ["", "Built:", *(f"  {one['task']}  {text.line(one['title'])}" for one in summary["built"])]
    if summary["files"]:
        lines += ["", f"Files ({len(summary['files'])}):"]
        lines += [f"  {one['status']}  {_path(one['path'])}" for one in summary["files"][:_FILES]]
        more = len(summary["files"]) - _FILES
        lines += [f"  and {more} more"] if more > 0 else []
    lines += _tests(summary["tests"])
    if done["head"]:
        lines += ["", "To run it:", *(f"  {text.line(one)}" for one in summary["run"])]
    if summary["pull_request"] and summary["files"]:
        opened = summary["pull_request"]
        lines += ["", "To open a pull request:"] if opened["url"] else ["", "To take it in:"]
        lines += [f"  {opened['url']}"] if opened["url"] else [f"  {one}" for one in opened["commands"]]
    return lines


def problem(done: Mapping[str, Any]) -> str:
    """What was not merged or accepted, in a line; "" where everything was."""
    parts = []
    for key, what in (("conflicts", "in conflict"), ("failed", "failed"), ("stopped", "held up"), ("left", "left")):
        names = ", ".join(one["task"] for one in done[key][:5])
        more = f" and {len(done[key]) - 5} more" if len(done[key]) > 5 else ""
        parts += [f"{names}{more} {what}"] if done[key] else []
    return "; ".join(parts)


def _merged(done: Mapping[str, Any]) -> list[str]:
    count, where = len(done["merged"]), done["into"] + (f" ({done['head'][:12]})" if done["head"] else "")
    head = f"Merged {', '.join(done['merged'])} into {where}." if count else f"Nothing new to merge into {where}."
    also = [one for one in done["accepted"] if one not in done["merged"]]
    lines = [head, *([f"Accepted {', '.join(also)}, which it has already."] if also else [])]
    return [*lines, *([f"Deleted the branches of {', '.join(done['pruned'])}."] if done["pruned"] else [])]


def _refused(done: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in done["conflicts"]:
        other = f" with {', '.join(one['with'])}" if one["with"] else ""
        lines.append(f"{one['task']} conflicts{other}: {', '.join(_path(path) for path in one['paths'][:9])}")
    for one in done["failed"]:
        lines.append(text.line(one["message"]))
        lines += text.framed(one["output"])[-12:] if one.get("output") else []
    lines += [f"{one['task']} is held up: {text.line(one['why'])}" for one in done["stopped"]]
    lines += [f"{one['task']} is not accepted: {text.line(one['why'])}" for one in done["left"]]
    lines += [f"{ident} was merged before, and its acceptance fails now." for ident in done["broken"]]
    return lines


def _tests(tests: Mapping[str, Any] | None) -> list[str]:
    if tests is None or not tests["commands"]:
        return []
    good = sum(one["passed"] for one in tests["commands"])
    said = f"{good} of {count(len(tests['commands']), 'acceptance command')} {'passes' if good == 1 else 'pass'} on it"
    counted = (
        f"; {count(tests['passed'], 'test')} passed, {tests['failed']} failed"
        if tests["passed"] + tests["failed"]
        else ""
    )
    return ["", f"{said}{counted}."]


def _path(path: str) -> str:
    return text.line(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
