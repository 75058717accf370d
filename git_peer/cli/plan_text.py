"""How a plan reads for people: a tree of phases, tasks and subtasks, with who is on what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_peer.core import text

_MARKS = {"done": "x", "in_progress": ">", "review": "?", "merge_point": "+", "blocked": "!", "dropped": "-"}


def tree(whole: dict[str, Any], depth: int | None) -> list[str]:
    """The plan in lines; `depth` 1 is phases and tasks outside of them, 2 the tasks in phases, more their subtasks."""
    first, _, more = text.clean(whole["goal"]).partition("\n")
    lines = [first or "(no goal)", *(text.framed(more) if more else []), ""]
    below: dict[str | None, list[dict[str, Any]]] = {}
    for view in whole["tasks"]:
        below.setdefault(view["parent"], []).append(view)
    top = below.get(None, [])
    for phase in whole["phases"]:
        inside = [view for view in top if view["phase"] == phase["id"]]
        everything = [view for view in whole["tasks"] if view["phase"] == phase["id"] and view["status"] != "dropped"]
        leaves = [view for view in everything if not view["children"]]
        done = sum(view["status"] == "done" for view in leaves)
        percent = sum(view["progress"] for view in leaves) // len(leaves) if leaves else 0
        lines.append(f"{phase['name']}  ({phase['status']}, {done}/{len(leaves)} done, {percent} %)")
        if depth is None or depth > 1:
            for view in inside:
                lines += _branch(view, below, 1, None if depth is None else depth - 1)
            lines.append("")
    loose = [view for view in top if not view["phase"]]
    for view in loose:
        lines += _branch(view, below, 0, depth)
    if whole["contracts"]:
        lines += [
            "",
            "Contracts: " + ", ".join(f"{c['name']}@{c['version']} ({c['status']})" for c in whole["contracts"]),
        ]
    return [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]


def _branch(
    view: dict[str, Any], below: dict[str | None, list[dict[str, Any]]], level: int, depth: int | None
) -> Iterator[str]:
    yield f"{'    ' * level}{line(view)}"
    if depth is None or depth > 1:
        for child in below.get(view["id"], ()):
            yield from _branch(child, below, level + 1, None if depth is None else depth - 1)


def line(view: dict[str, Any]) -> str:
    """A task: its mark, id, title, and what there is to say of it."""
    mark = _MARKS.get(view["status"], " " if view["ready"] else ".")
    told = []
    if view["assignee"] and view["status"] != "done":
        told.append(view["assignee"] if view["status"] != "todo" else f"for {view['assignee']}")
    if view["status"] in ("in_progress", "review", "merge_point") and (view["progress"] or view["children"]):
        told.append(f"{view['progress']} %")
    if view["status"] == "todo" and view["ready"]:
        told.append(f"ready, left by {view['left_by']}" if view["left_by"] else "ready")
    elif view["status"] == "todo" and view["waits_for"]:
        told.append(f"waits for {', '.join(view['waits_for'][:4])}{', …' * (len(view['waits_for']) > 4)}")
    if view["status"] in ("blocked", "review", "merge_point"):
        told.append({"blocked": view["note"] or "blocked", "review": "in review"}.get(view["status"], "accepted"))
    return f"[{mark}] {view['id']}  {view['title']}" + (f"  ({', '.join(told)})" if told else "")


def pruned(whole: dict[str, Any], depth: int | None) -> dict[str, Any]:
    """The plan with only the tasks that a tree of that depth shows."""
    if depth is None:
        return whole
    by_id = {view["id"]: view for view in whole["tasks"]}

    def level(view: dict[str, Any]) -> int:
        parent = by_id.get(view["parent"])
        return 1 + level(parent) if parent else 2 if view["phase"] else 1

    return {**whole, "tasks": [view for view in whole["tasks"] if level(view) <= depth]}
