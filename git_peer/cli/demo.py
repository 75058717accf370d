"""git peer demo."""

from __future__ import annotations

import click

from git_peer.cli._output import Call, Reply, write
from git_peer.cli.main import command
from git_peer.ops import demo


@command("demo")
@click.option("--keep", metavar="DIR", help="Play in DIR, and leave it there.")
def demo_command(call: Call, keep: str | None) -> Reply:
    """A real run in a scratch folder: a bare remote, two clones, a lock, a refused commit, an atomic push."""
    silent = call.json or call.quiet
    played = demo.run(keep, (lambda line: None) if silent else write)
    lines = ["", f"Shown, in {len(played.steps)} real commands:", *(f"  - {what}" for what in played.shown)]
    return Reply({"steps": played.steps, "shown": played.shown}, lines)
