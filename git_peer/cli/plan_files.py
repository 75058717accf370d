"""git peer plan import, plan export."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from git_peer.cli._output import Call, Reply, remark
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.text import count
from git_peer.ops import plan_files


@command("import")
@click.argument("name", metavar="FILE")
@click.option("--as-format", "form", type=click.Choice(plan_files.READ), help="Whatever FILE is called.")
@click.option("--dry-run", is_flag=True, help="Say what would change, by the local copy; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def import_(call: Call, name: str, form: str | None, dry_run: bool, yes: bool) -> Reply:
    """Bring a plan in from FILE (TOML, JSON or Markdown; - is stdin), or what was edited in an export.

    An export of this log changes what was edited since, and nothing else. Any other file adds tasks and changes those
    of the same id; it takes nothing away. What changes is shown first; all of it is written, or nothing.
    """
    peer = call.peer(writing=not dry_run)
    found = plan_files.Import(peer, name, form)
    if not call.quiet:
        _show(found)
    asks = not (yes or dry_run) and bool(found.changes) and sys.stdin.isatty() and sys.stderr.isatty()
    if dry_run or asks:
        found.dry_run()
    if asks and not click.confirm("Write this?", err=True):
        raise PeerError("failed", "nothing was written", "")
    wrote = bool(found.changes) and not dry_run
    if wrote:
        found.run()
    counted = count(len(found.changes), "change")
    text = "Nothing to change." if not found.changes else f"{counted} would be made." if dry_run else f"{counted} made."
    data = {**plan_files.whole(peer), "changes": found.changes, "left_out": found.document.left_out}
    return Reply(data, text, network=not dry_run, wrote=wrote)


def _show(found: plan_files.Import) -> None:
    """The changes on stderr, and what of the file nothing was made of."""
    lines = found.lines()
    if left := found.left_out():
        lines.append(f"note: {found.name}: no part of a task, left out: line {left}")
    if lines:
        remark(lines)


@command("export")
@click.argument("name", metavar="[FILE]", default="-")
@click.option("--format", "form", type=click.Choice(plan_files.WRITE), help="Without it by FILE's suffix, else toml.")
def export(call: Call, name: str, form: str | None) -> Reply:
    """Write the plan to FILE, or to stdout, by the local copy of the log.

    TOML and JSON have all of it, Markdown what people edit; `git peer plan import` takes edited ones back. dot and
    mermaid draw it.
    """
    peer = call.peer()
    found = plan_files.form_of(name, form)
    text = plan_files.export(peer, found)
    data = {**plan_files.whole(peer), "format": found}
    if name != "-":
        try:
            plan_files.write(Path(name), text)
        except (OSError, ValueError) as why:
            raise PeerError("usage", f"cannot write {name}: {getattr(why, 'strerror', None) or why}", "") from None
        return Reply({**data, "file": name}, f"Wrote {name}.")
    if call.json:
        return Reply({**data, "text": text})
    return Reply(data, text.removesuffix("\n").split("\n"))
