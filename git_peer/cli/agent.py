"""git peer agent install|remove|list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from git_peer.agents import install as installing
from git_peer.agents.entries import HOOKS
from git_peer.agents.install import Change
from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command, group
from git_peer.core.errors import PeerError

_user = click.option("--user", is_flag=True, help="In the user's settings, for all projects, instead of the project's.")
_dry = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")


@group("agent")
def agent_command() -> None:
    """Set git-peer up for a coding agent (claude-code, codex, gemini, any other), or take it out again."""


@command("install")
@click.argument("name")
@_user
@_dry
def install(call: Call, name: str, user: bool, dry_run: bool) -> Reply:
    """Merge git-peer's hooks into the settings of agent NAME. Again: the same result."""
    return _change(call, name, user, dry_run, installing.install)


@command("remove")
@click.argument("name")
@_user
@_dry
def remove(call: Call, name: str, user: bool, dry_run: bool) -> Reply:
    """Take out of the settings of agent NAME exactly what was put in."""
    return _change(call, name, user, dry_run, installing.remove)


def _change(
    call: Call, name: str, user: bool, dry_run: bool, plan: Callable[[str, Path | None], list[Change]]
) -> Reply:
    changes = plan(name, None if user else _top(call))
    data: dict[str, Any] = {
        "agent": name,
        "scope": "user" if user else "project",
        "changed": [str(change.path) for change in changes],
    }
    if dry_run:
        diff = "".join(change.diff() for change in changes)
        return Reply({**data, "dry_run": True, "diff": diff}, diff or "Nothing would change.")
    installing.write(changes)
    lines = [f"{_verb(change)} {change.path}." for change in changes] or ["Nothing to change."]
    note = installing.NOTES.get(name, "")
    if note and changes and plan is installing.install:
        data["note"] = note
        lines.append(note)
    return Reply(data, "\n".join(lines))


def _verb(change: Change) -> str:
    return "Removed" if change.after is None else "Made" if change.before is None else "Changed"


def _top(call: Call) -> Path:
    top = call.parts().repo.top
    if top is None:
        raise PeerError("usage", "a bare repository has no project's settings", "--user changes the user's")
    return top


@command("list")
def list_agents(call: Call) -> Reply:
    """Which agents git-peer is set up for, here and for the user."""
    top = _top(call)
    found = []
    for name in HOOKS:
        where = {scope: _state(name, place) for scope, place in (("project", top), ("user", None))}
        found.append({"agent": name, **where})
    rows = [[str(row["agent"]), str(row["project"]), str(row["user"])] for row in found]
    return Reply({"agents": found}, table(rows, ["AGENT", "PROJECT", "USER"]))


def _state(name: str, place: Path | None) -> str:
    try:
        changed = installing.is_installed(name, place)
        return "no" if not changed else "yes" if not installing.install(name, place) else "outdated"
    except PeerError:
        return "unreadable"


for _one in (install, remove, list_agents):
    agent_command.add_command(_one)
