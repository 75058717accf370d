"""git peer brief."""

from __future__ import annotations

import click

from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.ops import brief as briefing


@command("brief")
@click.option("--max", "most", type=int, default=briefing.MOST, metavar="N", help="Characters of it (2000).")
def brief_command(call: Call, most: int) -> Reply:
    """What an agent should know now, as text: what needs action, tasks, locks, who is here, how to say things."""
    if most < briefing.LEAST:
        raise PeerError("usage", f"a briefing of {most} characters", f"at least {briefing.LEAST}")
    told = briefing.brief(call.peer(news=True), most)
    return Reply({"brief": told}, told.split("\n"))
