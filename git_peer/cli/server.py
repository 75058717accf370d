"""git peer server install|remove|status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from git_peer import layout
from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command, group

if TYPE_CHECKING:
    from git_peer.hooks.server_install import Served


@group("server")
def server_command() -> None:
    """Check every push in a repository that clones push to, and that you own."""


@command("install")
@click.argument("directory", metavar="DIR")
@click.option("--strict", is_flag=True, help="Integration branches take code only together with the log, in one step.")
@click.option("--branch", metavar="NAME", default=layout.BRANCH, help="The log's branch (default: peer/coordination).")
def install(call: Call, directory: str, strict: bool, branch: str) -> Reply:
    """Install the hooks in the repository DIR, beside those that it has; again: repair, or change --strict.

    They refuse a push that changes on an integration branch what somebody else has locked, whatever the clone's own
    hooks have let through, and one that would delete or rewrite the log.
    """
    from git_peer.ops import server

    served = server.install(directory, strict, branch)
    how = "takes code only together with the log" if strict else "refuses what is locked"
    return Reply(_view(served), f"{served.folder} {how}: {', '.join(served.hooks)}.")


@command("remove")
@click.argument("directory", metavar="DIR")
def remove(call: Call, directory: str) -> Reply:
    """Take the hooks out of the repository DIR again; its own hooks and its log stay."""
    from git_peer.ops import server

    served, stayed = server.remove(directory)
    return Reply({**_view(served), "stayed": stayed}, ["The hooks are out.", *stayed])


@command("status")
@click.argument("directory", metavar="DIR")
def status(call: Call, directory: str) -> Reply:
    """Whether the hooks are in the repository DIR, and which."""
    from git_peer.ops import server

    served = server.status(directory)
    if not served.installed:
        return Reply(_view(served), "The hooks are not installed there.")
    return Reply(_view(served), f"{'strict' if served.strict else 'checks'}: {', '.join(served.hooks)}")


def _view(served: Served) -> dict[str, Any]:
    return {
        "directory": str(served.folder),
        "installed": served.installed,
        "strict": served.strict,
        "branch": served.branch,
        "hooks": list(served.hooks),
    }


for one in (install, remove, status):
    server_command.add_command(one)
