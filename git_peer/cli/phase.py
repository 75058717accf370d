"""git peer phase: the phases of the plan, and the merge points that close them."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command, group
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import AddPhase, CutPhase, EditPlan, NamePhase
from git_peer.core.plan.task.board import Board
from git_peer.core.text import count
from git_peer.ops import merge_points


@group("phase")
def phase_command() -> None:
    """The phases of the plan, and their merge points."""


def _views(call: Call) -> list[dict[str, Any]]:
    peer = call.peer()
    board, scene = Board(peer.state), peer.scene(peer.state)
    return [board.phase(phase, scene) for phase in board.plan.phases]


@command("add")
@click.argument("name")
@click.option("--id", "ident", metavar="ID", default="", help="Its id; made of the name without.")
def add(call: Call, name: str, ident: str) -> Reply:
    """Add a phase at the end of the plan. The first that is not closed is open."""
    peer = call.peer(writing=True)
    peer.run(EditPlan(me=peer.me, edits=(AddPhase(name=" ".join(name.split()), id=ident),)))
    views = _views(call)
    return Reply({"phase": views[-1], "phases": views}, f"Added phase {views[-1]['id']}.", network=True, wrote=True)


@command("rename")
@click.argument("phase")
@click.argument("name")
def rename(call: Call, phase: str, name: str) -> Reply:
    """Give a phase another name; its id stays."""
    peer = call.peer(writing=True)
    peer.run(EditPlan(me=peer.me, edits=(NamePhase(id=phase, name=" ".join(name.split())),)))
    return Reply({"phases": _views(call)}, f"Renamed {phase}.", network=True, wrote=True)


@command("remove")
@click.argument("phase")
def remove(call: Call, phase: str) -> Reply:
    """Take out a phase that has no tasks."""
    peer = call.peer(writing=True)
    peer.run(EditPlan(me=peer.me, edits=(CutPhase(id=phase),)))
    return Reply({"phases": _views(call)}, f"Removed {phase}.", network=True, wrote=True)


@command("list")
def list_(call: Call) -> Reply:
    """The phases in order, and what the open one waits for."""
    views = _views(call)
    rows = [[v["id"], v["status"], v["name"], waits(v["waiting_for"])] for v in views]
    return Reply({"phases": views}, table(rows, ["ID", "STATUS", "NAME", "WAITS FOR"]) or "The plan has no phases.")


def waits(what: dict[str, Any] | None) -> str:
    """Whom and what a phase waits for, in a line."""
    if what is None:
        return ""
    told = [f"{one['id']} ({one['status']})" for one in what["tasks"][:5]]
    told += [count(len(what["tasks"]) - 5, "more task")] if len(what["tasks"]) > 5 else []
    told += [f"{name} to stand on the integration head" for name in what["sessions"]]
    told += [f"(dead, not waited for: {', '.join(what['dead'])})"] if what["dead"] else []
    return ", ".join(told)


@command("sync")
@click.argument("phase", default="")
def sync(call: Call, phase: str) -> Reply:
    """Say that this work tree stands on the integration head. Who says so last closes the phase: its merge point."""
    peer = call.peer(writing=True)
    wanted = peer.look_up(lambda state: plan.find_phase(plan.get(state), phase)).id if phase else ""
    done = merge_points.sync(peer, wanted)
    if done["closed"]:
        text = f"Phase {done['phase']} is closed on {done['head'][:12]}."
        text += f" {done['open']} is open." if done["open"] else " It was the last one."
    else:
        text = f"You stand on {done['head'][:12]}. Phase {done['phase']} "
        text += f"waits for {wanting}." if (wanting := waits(done["waiting_for"])) else "stays open: it has no tasks."
    return Reply({**done, "phases": _views(call)}, text, network=True, wrote=True)


for _each in (add, rename, remove, list_, sync):
    phase_command.add_command(_each)
