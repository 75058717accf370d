"""git peer sections."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import Place
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.target import target as targets


@command("sections")
@click.argument("given", metavar="PATH", type=Place())
def sections_command(call: Call, given: str) -> Reply:
    """The sections of a file as it stands in the work tree, with their lines and who has which.

    `git peer lock PATH::NAME` locks one. The first row, without a name, is what stands outside all of them: `PATH::`.
    """
    from git_peer.ops import sections

    repo = call.parts().repo
    target = _targets.parsed(repo, [given if given.startswith(":") else f":(literal){given}"])[0]
    if target.kind == "dir":
        raise PeerError("usage", f"{given} is a folder", "sections are of a file")
    _, found = sections.in_work_tree(repo, target.real)
    rows = sections.listed(found, _locks(call, target))
    shown = [
        [
            f"{row['lines'][0]}-{row['lines'][1]}" if row["lines"] else "-",
            row["kind"],
            row["name"],
            ", ".join(dict.fromkeys(lock["session"] for lock in row["locks"])),
        ]
        for row in rows
    ]
    view = {"path": target.path, "by": found.tool, "sections": rows}
    if target.encoding:
        view["path_encoding"] = target.encoding
    text = table(shown, ["LINES", "KIND", "NAME", "HELD BY"])
    return Reply(view, text if found.tool else sections.missing(given, "", found).message)


def _locks(call: Call, target: targets.Target) -> list[dict[str, Any]]:
    """The live locks on a file; none where nothing is set up."""
    try:
        peer = call.peer(once=True)
        found = [lock for lock in peer.locks([target]) if lock["live"] and lock["state"] == "held"]
        if any(lock.get("blob") for lock in found):
            from git_peer.ops import lines

            lines.shown_here(peer, found)
        return found
    except PeerError as why:
        if why.code != "not_set_up":
            raise
        return []
