"""git peer map."""

from __future__ import annotations

import click

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command
from git_peer.ops import map as mapping


@command("map")
@click.argument("given", nargs=-1, metavar="[PATH...]")
@click.option(
    "--max", "most", type=click.IntRange(mapping.LEAST), default=mapping.MOST, metavar="N",
    help=f"At most N characters of text (default: {mapping.MOST}).",
)  # fmt: skip
def map_command(call: Call, given: tuple[str, ...], most: int) -> Reply:
    """A map of what is committed at HEAD: folders, languages, public symbols with signatures.

    With PATHs of these files and folders only. It reads git's objects, not the work tree, and needs no set-up.
    """
    repo = call.parts().repo
    found = mapping.make(repo, _targets.paths(repo, given), most)
    return Reply(found.data, found.text.removesuffix("\n").split("\n"))
