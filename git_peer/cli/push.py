"""git peer sync, push."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from git_peer.cli._output import Call, Reply, hear, pass_on, remark, write
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.text import count
from git_peer.ops import marks
from git_peer.ops import notes as noting
from git_peer.ops import push as pushing
from git_peer.ops import sync as tentative
from git_peer.ops.destination import anonymous
from git_peer.ops.push_options import GIT, Options


@command("sync")
def sync_command(call: Call) -> Reply:
    """Fetch and verify the log, arbitrate what is tentative. Exit 1 names what was lost."""
    peer = call.peer(writing=True)
    if peer.remote is not None:
        peer.remote.along = noting.ALONG
    done = tentative.sync(peer)
    marks.note(peer)
    noting.carry(peer)
    if peer.settings.get("publishWork"):
        from git_peer.ops import wip

        wip.publish(peer)
        wip.fetch(peer)
    tentative.named(peer, done["lost"])
    sent = f", {count(done['pushed'], 'tentative command')} pushed" if done["pushed"] else ""
    lines = [f"{count(done['fetched'], 'new commit')} of the log{sent}." if done["fetched"] or sent else "Up to date."]
    lines += [f"The work of {one['session']} on {one['target']} has landed: unlocked." for one in done["landed"]]
    if done["lost"]:
        names = "; ".join(f"{loss['command']}: {loss['why']}" for loss in done["lost"])
        raise PeerError("lost", names, "lock something else, or ask the holder", **done)
    return Reply(done, lines, network=True, wrote=True)


class _Push(click.Command):
    """Reads a command line as git does: long names may be cut short, some values stand only behind `=`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spell out what git lets one leave out; `--no-X` of an option with a value takes back what was said before."""
        end = args.index("--") if "--" in args else len(args)
        valued = {f"--{option.name}": option for option in GIT if option.takes}
        names = sorted({name for param in self.params for name in (*param.opts, *param.secondary_opts)} | {"--exec"})
        names += [f"--no-{name[2:]}" for name in valued]
        found: list[str] = []
        for arg in args[:end]:
            name, mark, value = arg.partition("=")
            if name.startswith("--") and name not in names:
                near = [one for one in names if one.startswith(name)]
                name = near[0] if len(near) == 1 else name
            name = "--receive-pack" if name == "--exec" else name
            taken_back = f"--{name.removeprefix('--no-')}"
            if name.startswith("--no-") and taken_back in valued:
                found = [one for one in found if one.partition("=")[0] != taken_back]
                name, mark, value = {"--signed": (taken_back, "=", "no")}.get(taken_back, ("", "", ""))
                if taken_back == "--recurse-submodules":
                    name, mark, value = taken_back, "=", "no"
            elif name in valued and valued[name].bare and not mark:
                mark = "="
            if name:
                found.append(f"{name}{mark}{value}")
        return super().parse_args(ctx, found + args[end:])


def _gits(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of git's own."""
    for option in reversed(GIT):
        names = [*([f"-{option.short}"] if option.short else []), f"--{option.name}"]
        if option.takes:
            several = option.name in ("push-option", "force-with-lease")
            function = click.option(*names, metavar=option.takes, multiple=several, help=option.help)(function)
        elif option.name in ("ipv4", "ipv6"):
            function = click.option(*names, is_flag=True, default=None, help=option.help)(function)
        else:
            names[-1] += f"/--no-{option.name}"
            function = click.option(*names, default=None, help=option.help)(function)
    return function


@command("push", cls=_Push)
@click.argument("remote", required=False)
@click.argument("refspecs", nargs=-1, metavar="[REFSPEC...]")
@_gits
@click.option("--keep", is_flag=True, help="Keep the locks whose work lands.")
def push_command(call: Call, remote: str | None, refspecs: tuple[str, ...], keep: bool, **given: Any) -> Reply:
    """Push code and the log commit that records it, atomically; what lands is unlocked.

    Takes what `git push` takes. On the integration branch the locks are released whose paths the push changed
    and that have no uncommitted change left.
    """
    if any(spec.startswith("-") for spec in (remote or "", *refspecs)):
        raise PeerError("usage", "an option that `git peer push` does not have", "`git peer help push` shows how")
    if given["atomic"] is False:
        raise PeerError("usage", "code and log land in one step: a push is atomic", "push each ref by itself")
    live = not call.json
    progress = given["progress"] if given["progress"] is not None else sys.stderr.isatty() and not call.quiet
    dry_run = bool(given["dry_run"])
    options = Options.of(given, progress=bool(progress and live))
    peer = call.peer(writing=True)
    push = pushing.Push(peer, remote or given["repo"], refspecs, options, pass_on, hear if live else None)
    shown = _Table(push, porcelain=bool(given["porcelain"]), verbose=bool(given["verbose"]))
    try:
        done = push.run(dry_run, keep)
    except PeerError:
        if live and any(row.flag == "!" for row in push.rows):
            (write if shown.porcelain else remark)(shown.lines())
        raise
    lines = shown.lines()
    if done["pushed"] and done.get("atomic") is False and peer.remote is not None and not dry_run:
        lines.append("The log is elsewhere: code and log did not land in one step.")
    lines += push.remarks
    lines += [f"Unlocked {view['target']}." for view in done["released"]]
    return Reply(done, lines, network=True, wrote=not dry_run)


class _Table:
    """What became of each ref, as git shows it."""

    def __init__(self, push: pushing.Push, porcelain: bool, verbose: bool) -> None:
        self._push = push
        self.porcelain = porcelain
        self._same = porcelain or verbose  # what is up to date is shown, too

    def lines(self) -> list[str]:
        """Where to, and a line a ref."""
        rows = [row for row in self._push.rows if self._same or row.flag != "="]
        if not rows:
            return ["Everything up-to-date"]
        wide = max([17, *(len(row.summary.partition(" (")[0]) for row in rows if row.flag in " +")])
        shown = [_porcelain(row) if self.porcelain else _row(row, wide) for row in rows]
        nothing = [] if any(row.flag != "=" for row in rows) or self.porcelain else ["Everything up-to-date"]
        return [f"To {anonymous(self._push.to.url)}", *shown, *nothing, *(["Done"] if self.porcelain else [])]


def _porcelain(row: pushing.Row) -> str:
    return f"{row.flag}\t{row.local}:{row.there}\t{row.summary}"


def _row(row: pushing.Row, wide: int) -> str:
    what, _, why = row.summary.partition(" (")
    names = " -> ".join(_pretty(name) for name in (row.local, row.there) if name)
    return f" {row.flag} {what:<{wide}} {names}" + (f" ({why}" if why else "")


def _pretty(ref: str) -> str:
    for root in ("refs/heads/", "refs/tags/", "refs/remotes/"):
        ref = ref.removeprefix(root)
    return ref
