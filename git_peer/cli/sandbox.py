"""git peer sandbox build|check."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command, group
from git_peer.core.errors import EXIT, PeerError


@group("sandbox")
def sandbox_command() -> None:
    """The sandbox that commands are run in: make its image, try its limits."""


@command("build")
@click.option("--from", "base", metavar="IMAGE", default="", help="On top of IMAGE, which has Python and sh.")
@click.option("--tag", metavar="NAME", help="What to call it (default: what `run` looks for in this project).")
def build(call: Call, base: str, tag: str | None) -> Reply:
    """Make the image: this machine's own Python with pytest, and what this project declares that it needs.

    That is the dependencies of pyproject.toml, and requirements.txt. pip installs them, on this machine.
    """
    settings = call.parts().settings
    from git_peer.ops import sandboxes

    data = sandboxes.build(settings, tag or "", base, lambda what: call.progress(f"{what} …"))
    text, name = f"Made {data['image']}.", data["image"]
    if name != sandboxes.image(settings):
        text += f" `git config peer.sandboxImage {name}` has it used."
    return Reply(data, text)


@command("check")
def check(call: Call) -> Reply:
    """Try each limit from inside the sandbox, and say which hold."""
    settings = call.parts().settings
    from git_peer.ops import sandboxes
    from git_peer.runner import box_check

    limits = sandboxes.limits(settings)
    sandbox = sandboxes.open_sandbox("docker", settings, call.progress)
    try:
        call.progress("trying …")
        found = list(box_check.check(sandbox, limits.memory, limits.pids))
    finally:
        sandbox.close()
    rows = [["ok" if one.holds else "fail", one.name, one.detail] for one in found]
    shown = [{"name": one.name, "holds": one.holds, "detail": one.detail} for one in found]
    data: dict[str, Any] = {"image": sandboxes.image(settings), "limits": shown}
    bad = [one.name for one in found if not one.holds]
    if bad:
        why = PeerError("failed", f"does not hold: {', '.join(bad)}", "do not run strangers' code there")
        data["error"] = {"code": why.code, "message": why.message, "hint": why.hint}
    return Reply(data, table(rows, ["", "LIMIT", "SEEN"]), status=EXIT["failed"] if bad else 0)


sandbox_command.add_command(build)
sandbox_command.add_command(check)
