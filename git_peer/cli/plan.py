"""git peer plan: the plan as a whole."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli import plan_files, plan_text, planner
from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command, group
from git_peer.core.plan import quality
from git_peer.core.plan.task.board import Board
from git_peer.core.text import count


@group("plan")
def plan_command() -> None:
    """The plan as a whole: one for a log."""


def whole(call: Call) -> dict[str, Any]:
    """The plan as the contract tells it, by the local copy of the log."""
    peer = call.peer()
    return Board(peer.state).whole(peer.scene(peer.state))


@command("show")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="1 is phases, 2 their tasks, 3 subtasks, and so on.")
def show(call: Call, depth: int | None) -> Reply:
    """The plan as a tree: how far it is, and who is on what."""
    every = whole(call)
    found = plan_text.pruned(every, depth)
    if not (found["goal"] or found["phases"] or found["tasks"] or found["contracts"]):
        return Reply(found, "There is no plan. `git peer task add`, `plan import` or `plan new` begins one.")
    return Reply(found, plan_text.tree(every, depth))


@command("check")
def check(call: Call) -> Reply:
    """What there is to say of the plan: the critical path, the width, where tasks would collide, what is missing."""
    peer = call.peer()
    found = quality.report(Board(peer.state))
    hours = f", {found['critical_seconds'] / 3600:.1f} h" if found["critical_seconds"] else ""
    lines = [f"{count(found['open'], 'task')} to do."]
    if found["open"]:
        least = "" if found["width_exact"] else "at least "
        lines.append(
            f"Critical path ({count(len(found['critical_path']), 'task')}{hours}): {' → '.join(found['critical_path'])}"
        )
        lines.append(f"Width: {least}{found['width']} could be worked on at once.")
    lines += [
        f"warning: {' and '.join(pair['tasks'])} may run together and touch {', '.join(pair['paths'])}"
        for pair in found["collisions"]
    ]
    if found["without_acceptance"]:
        lines.append(f"warning: no acceptance: {', '.join(found['without_acceptance'])}")
    lines += [f"warning: {one['task']} uses {one['contract']}: {one['problem']}" for one in found["contracts"]]
    lines += [f"warning: {one['task']} waits for {one['on']}, which was dropped" for one in found["depends_on_dropped"]]
    return Reply(found, lines)


for _each in (show, check, plan_files.import_, plan_files.export, *planner.COMMANDS):
    plan_command.add_command(_each)
