"""git peer conflicts."""

from __future__ import annotations

import click

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, table
from git_peer.cli.main import command


@command("conflicts")
@click.argument("given", nargs=-1, metavar="[PATH...]")
@click.option("--mine", is_flag=True, help="Only what this work tree's work collides with.")
@click.option("--matrix", is_flag=True, help="Who collides with whom, in how many places.")
@click.option("--diff", "diffs", is_flag=True, help="With each what the others made of that part.")
@click.option("--no-fetch", is_flag=True, help="By what was fetched of others' published work before.")
def conflicts_command(
    call: Call, given: tuple[str, ...], mine: bool, matrix: bool, diffs: bool, no_fetch: bool
) -> Reply:
    """What would collide if everybody committed and merged now: work trees, published work, the integration branch.

    Uncommitted changes count. Nothing is merged, and no index or work tree is touched.
    """
    from git_peer.ops import conflicts

    peer = call.peer(once=True)
    paths = _targets.paths(peer.repo, given)
    found, sides = conflicts.find(peer, mine, diffs, paths, fetch=not no_fetch)
    if matrix:
        head, *rows = conflicts.matrix(found, sides)
        text = table(rows, head)
    else:
        text = [line for view in found for line in conflicts.in_words(view, peer.name)]
    return Reply({"conflicts": found, "sides": sides}, text or "Nothing collides.", network=True)
