"""git peer notes, blame."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command
from git_peer.core import note as notes
from git_peer.core import text
from git_peer.ops import blame as blaming
from git_peer.ops import notes as noting
from git_peer.ops.peer import shown_path
from git_peer.store.clone import times


@command("notes")
@click.argument("rev", default="HEAD")
def notes_command(call: Call, rev: str) -> Reply:
    """What is noted on the commit REV: who made it, what was told, debated and tried about it.

    `git log --notes=peer` shows the same lines as they are kept, one JSON object each.
    """
    peer = call.peer()
    commit = peer.repo.commit(rev)
    found = noting.Reader(peer).note(commit)
    views = [notes.describe(line) for line in found.lines]
    views += [{"kind": "text", "text": text.clean(one)} for one in found.texts]
    rows: list[str] = []
    for line in found.lines:
        first, *rest = notes.in_words(line)
        rows += [f"{times.when(line.at)}  {first}", *rest]
    for one in found.texts:
        rows += text.framed(one)
    return Reply({"commit": commit, "notes": views}, rows or f"Nothing is noted on {commit[:12]}.")


@command("blame")
@click.argument("path")
@click.option("-L", "spans", multiple=True, metavar="A,B", help="Only these lines, as git blame takes them.")
@click.option("--rev", metavar="REV", help="As of this commit; without it as it stands in the work tree.")
def blame_command(call: Call, path: str, spans: tuple[str, ...], rev: str | None) -> Reply:
    """Which session, task and debate each line of PATH came from.

    A line whose commit nobody has noted says only its author, as git blame does.
    """
    peer = call.peer()
    real = _targets.paths(peer.repo, [path])[0]
    lines = blaming.blame(peer, real, spans, peer.repo.commit(rev) if rev is not None else "")
    shown, encoding = shown_path(real)
    data: dict[str, Any] = {"path": shown, "lines": lines}
    if encoding:
        data["path_encoding"] = encoding
    width = max((len(_whose(row)) for row in lines), default=0)
    digits = len(str(lines[-1]["line"])) if lines else 0
    told = [
        f"{(row['commit'] or '0' * 12)[:12]} {_whose(row):{width}} {row['line']:{digits}}) {row['text']}"
        for row in lines
    ]
    return Reply(data, told)


def _whose(row: dict[str, Any]) -> str:
    """Who and what for, in a few words; the author alone in brackets, where there is no note."""
    if not row["session"]:
        return f"({row['author']})"
    task = f" {row['task']}" if row["task"] else ""
    debate = f" debate {row['debate'][:8]}" if row["debate"] else ""
    return f"{row['session']}{task}{debate}"
