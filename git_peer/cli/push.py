"""git peer sync, push."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from git_peer.cli._output import Call, Reply, pass_on
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.ops import notes as noting
from git_peer.ops import push as pushing
from git_peer.ops import sync as tentative


@command("sync")
def sync_command(call: Call) -> Reply:
    """Fetch and verify the log, arbitrate what is tentative. Exit 1 names what was lost."""
    peer = call.peer(writing=True)
    if peer.remote is not None:
        peer.remote.along = noting.ALONG
    done = tentative.sync(peer)
    noting.carry(peer)
    tentative.named(peer, done["lost"])
    lines = [f"{done['fetched']} new commits of the log, {done['pushed']} tentative commands pushed."]
    lines += [f"The work of {one['session']} on {one['target']} has landed: unlocked." for one in done["landed"]]
    if done["lost"]:
        names = "; ".join(f"{loss['command']}: {loss['why']}" for loss in done["lost"])
        raise PeerError("lost", names, "lock something else, or ask the holder", **done)
    return Reply(done, lines, network=True, wrote=True)


class _Push(click.Command):
    """--force-with-lease takes a value only behind `=`, as in git: what follows it is the remote."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give the bare form an empty value."""
        end = args.index("--") if "--" in args else len(args)
        options = [f"{arg}=" if arg == "--force-with-lease" else arg for arg in args[:end]]
        return super().parse_args(ctx, options + args[end:])


@command("push", cls=_Push)
@click.argument("remote", required=False)
@click.argument("refspecs", nargs=-1, metavar="[REFSPEC...]")
@click.option("-u", "--set-upstream", is_flag=True, help="As git push.")
@click.option("--force-with-lease", "lease", multiple=True, metavar="[=REF[:OID]]", help="As git push.")
@click.option("--dry-run", is_flag=True, help="Check, and say what would be pushed.")
@click.option("-o", "--push-option", "push_options", multiple=True, metavar="OPT", help="As git push.")
@click.option("--keep", is_flag=True, help="Keep the locks whose work lands.")
def push_command(
    call: Call,
    remote: str | None,
    refspecs: tuple[str, ...],
    set_upstream: bool,
    lease: tuple[str, ...],
    dry_run: bool,
    push_options: tuple[str, ...],
    keep: bool,
) -> Reply:
    """Push code and the log commit that records it, atomically; what lands is unlocked.

    Takes what `git push` takes. On the integration branch the locks are released whose paths the push changed
    and that have no uncommitted change left.
    """
    if any(spec.startswith("-") for spec in (remote or "", *refspecs)):
        raise PeerError("usage", "an option that `git peer push` does not have", "git peer help push")
    options = ["-u"] if set_upstream else []
    options += [f"--force-with-lease={value}" if value else "--force-with-lease" for value in lease]
    options += [f"--push-option={value}" for value in push_options]
    peer = call.peer(writing=True)
    done = pushing.Push(peer, remote, refspecs, options, pass_on).run(dry_run, keep)
    lines = [_pushed(row, dry_run) for row in done["pushed"]] or ["Everything up-to-date"]
    if done["pushed"] and done.get("atomic") is False and peer.remote is not None and not dry_run:
        lines.append("The log is elsewhere: code and log did not land in one step.")
    if not call.json:
        for line in done.get("messages", ()):
            call.progress(f"remote: {line}")
    lines += [f"Unlocked {view['target']}." for view in done["released"]]
    return Reply(done, lines, network=True, wrote=not dry_run)


def _pushed(row: Mapping[str, Any], dry_run: bool) -> str:
    """What a push did, or would do, to one ref."""
    done, planned = ("Pushed", "Would push") if row["new"] else ("Deleted", "Would delete")
    return f"{planned if dry_run else done} {row['ref']}"
