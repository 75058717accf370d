"""git peer init, uninstall."""

from __future__ import annotations

import sys
from typing import Any

import click

from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command
from git_peer.core.errors import PeerError


@command("init")
@click.option("--remote", metavar="NAME", help="Join the log on this remote, or publish the local one to it.")
@click.option("--local", is_flag=True, help="Start without a remote: this clone and its work trees.")
@click.option("--branch", metavar="NAME", help="The log's branch on the remote (default: peer/coordination).")
@click.option("--no-hooks", is_flag=True, help="Leave the hooks alone.")
def init_command(call: Call, remote: str | None, local: bool, branch: str | None, no_hooks: bool) -> Reply:
    """Set git-peer up in this repository: join the log that the remote has, else start a local one.

    Installs the hooks beside your own. Run again it repairs, and changes nothing else. --remote publishes a
    local log.
    """
    from git_peer.hooks import install as hooks
    from git_peer.hooks import rewriting
    from git_peer.ops import gate
    from git_peer.ops import notes as noting
    from git_peer.ops import sync as tentative

    if local and remote is not None:
        raise PeerError("usage", "--local and --remote exclude each other", "git peer help init")
    if branch is not None:
        from git_peer.store.settings import branch_name

        try:
            branch_name(branch)
        except ValueError as why:
            raise PeerError("usage", str(why), "as git names branches: peer/coordination") from None
    parts = call.parts()
    setup = parts.setup()
    done = setup.init(remote, local, branch)
    states = [] if no_hooks else hooks.install(parts.repo.common, parts.repo.top)
    if not no_hooks:
        gate.notices(parts.repo, mend=True)  # from here on a glance tells whether it still stands
    rewriting.add(parts.clone)
    call._parts = None  # what init wrote is read anew
    peer = call.peer()
    noting.begin(peer)
    lost = tentative.sync(peer)["lost"] if peer.clone.tentative() and done["mode"] == "remote" else []
    shown = [{"name": s.name, "path": str(s.path), "state": s.state, "detail": s.detail} for s in states]
    text = _told(done, len(states)) + [f"Lost: {one['command']}: {one['why']}" for one in lost]
    return Reply({**done, "hooks": shown, "lost": lost}, text, network=True)


def _told(done: dict[str, Any], hooks: int) -> list[str]:
    lines = []
    if done["mode"] == "remote":
        verb = "Published the log to" if done["created"] else "Follows the log on"
        lines.append(f"{verb} {done['remote']} ({done['branch']}), id {done['log_id']}.")
        if not done["writable"]:
            lines.append("You may not push there: this clone is a reader.")
    else:
        verb = "Started a local log" if done["created"] else "Has a local log"
        lines.append(f"{verb} for this clone and its work trees, id {done['log_id']}.")
        lines.append("`git peer init --remote origin` shares it through a remote.")
    if hooks:
        lines.append(f"{hooks} hooks guard commits, merges and pushes; your own go on running.")
    return lines


@command("uninstall")
@click.option("--purge", is_flag=True, help="Delete the refs too, here and on the remote.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall_command(call: Call, purge: bool, yes: bool) -> Reply:
    """Take the hooks and this clone's settings out. --purge deletes the log as well."""
    from git_peer.ops.init import uninstall

    parts = call.parts()
    if not parts.clone.folder.exists() and parts.repo.git.references.get("refs/peer/coordination") is None:
        raise PeerError("not_set_up", "git-peer is not set up in this repository", "")
    remote = parts.remote
    if purge and not yes:
        where = f" and {remote.ref} on {remote.name}, for everybody" if remote else ""
        if not sys.stdin.isatty():
            raise PeerError("not_allowed", f"--purge deletes refs/peer/*{where}", "say --yes if that is meant")
        if not click.confirm(f"Delete refs/peer/* here{where}?", err=True):
            raise PeerError("failed", "nothing was deleted", "")

    done = uninstall(parts.repo, parts.clone, purge, remote, parts.settings.get("retryTimeout"))
    lines = ["Took the hooks and this clone's settings out.", *(f"Stayed: {what}" for what in done["stayed"])]
    lines += [f"Deleted {name}." for name in done["deleted"]]
    return Reply(done, lines)
