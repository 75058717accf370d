"""git peer agent install|remove|list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from git_peer.agents import health
from git_peer.agents import install as installing
from git_peer.agents.install import Change
from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command, group
from git_peer.core.errors import PeerError

_user = click.option("--user", is_flag=True, help="In the user's settings, for all projects, instead of the project's.")
_mcp = click.option(
    "--mcp/--no-mcp",
    default=None,
    help="With `git peer mcp` among its MCP servers; --no-mcp: without it, as agents with hooks begin.",
)
_dry = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")


@group("agent")
def agent_command() -> None:
    """Set git-peer up for a coding agent (claude-code, codex, gemini, any other), or take it out again."""


@command("install")
@click.argument("name")
@_user
@_mcp
@_dry
def install(call: Call, name: str, user: bool, mcp: bool | None, dry_run: bool) -> Reply:
    """Merge git-peer into the settings of agent NAME: its hooks, or a block in AGENTS.md. Again: the same result."""
    changes = installing.install(name, None if user else _top(call), mcp)

    def note() -> str:
        wrong = health.codex(call.parts().repo) if name == "codex" and not user else ()
        usual = installing.NOTES.get(name, "") if changes else ""
        return " ".join(filter(None, [usual, *(f"{text}: {hint}." for _, text, hint in wrong)]))

    return _change(changes, name, user, dry_run, note)


@command("remove")
@click.argument("name")
@_user
@_dry
def remove(call: Call, name: str, user: bool, dry_run: bool) -> Reply:
    """Take out of the settings of agent NAME exactly what was put in."""
    return _change(installing.remove(name, None if user else _top(call)), name, user, dry_run)


def _change(changes: list[Change], name: str, user: bool, dry_run: bool, note: Callable[[], str] = str) -> Reply:
    data: dict[str, Any] = {
        "agent": name,
        "scope": "user" if user else "project",
        "changed": [str(change.path) for change in changes],
    }
    if dry_run:
        diff = "".join(change.diff() for change in changes)
        return Reply({**data, "dry_run": True, "diff": diff}, diff.splitlines() or "Nothing would change.")
    installing.write(changes)
    lines = [f"{_verb(change)} {change.path}." for change in changes] or ["Nothing to change."]
    if told := note():
        data["note"] = told
        lines.append(told)
    return Reply(data, lines)


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
    found = installing.states(top)
    rows = [[row["agent"], row["project"], row["user"], ", ".join(row["mcp"]) or "-"] for row in found]
    return Reply({"agents": found}, table(rows, ["AGENT", "PROJECT", "USER", "MCP"]))


for _one in (install, remove, list_agents):
    agent_command.add_command(_one)
