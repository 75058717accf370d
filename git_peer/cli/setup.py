"""git peer init, uninstall."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from git_peer import layout
from git_peer.cli._output import Call, Reply, remark
from git_peer.cli.main import command
from git_peer.core.errors import PeerError

if TYPE_CHECKING:
    from git_peer.ops.uninstall import Left
    from git_peer.ops.wiring import Parts


@command("init")
@click.option("--remote", metavar="NAME", help="Join the log on this remote, or publish the local one to it.")
@click.option("--local", is_flag=True, help="Start without a remote: this clone and its work trees.")
@click.option("--branch", metavar="NAME", help="The log's branch on the remote (default: peer/coordination).")
@click.option("--no-hooks", is_flag=True, help="Leave the hooks alone.")
@click.option(
    "--strict", is_flag=True, help="Let the gate look at every move of a branch: --no-verify is no way round."
)
def init_command(
    call: Call, remote: str | None, local: bool, branch: str | None, no_hooks: bool, strict: bool
) -> Reply:
    """Set git-peer up in this repository: join the log that the remote has, else start a local one.

    Installs the hooks beside your own. Run again it repairs, and changes nothing else. --remote publishes a
    local log.
    """
    from git_peer.hooks import install as hooks
    from git_peer.hooks import mirrors, rewriting, strictness
    from git_peer.hooks.site import HookState
    from git_peer.ops import gate, marks
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

    if strict and no_hooks:
        raise PeerError("usage", "--strict and --no-hooks exclude each other", "git peer help init")

    made_strict = False

    def guard() -> list[HookState]:
        nonlocal made_strict
        if strict or (not no_hooks and parts.settings.get("strict")):
            made_strict = strictness.add(parts.repo.common)
        return [] if no_hooks else hooks.install(parts.repo.common, parts.repo.top)

    done = parts.setup().init(remote, local, branch, guard)
    if made_strict:
        parts.clone.set_up(strict=True)
    rewriting.add(parts.clone)
    mirrors.guard(parts.clone)
    if not no_hooks:  # after all that writes git's settings: from here on a glance tells whether the gate still stands
        gate.notices(parts.repo, mend=True)
    call.forget()
    peer = call.peer()
    noting.begin(peer)
    marks.note(peer)
    lost = tentative.sync(peer)["lost"] if peer.clone.tentative() and done["mode"] == "remote" else []
    tentative.named(peer, lost)
    text = _told(done, len(done["hooks"])) + [f"Lost: {one['command']}: {one['why']}" for one in lost]
    return Reply({**done, "lost": lost}, text, network=True)


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
        lines.append("`git peer init --remote origin` shares it through a remote, or joins the log there.")
    if hooks:
        lines.append(f"{hooks} hooks guard commits, merges and pushes; your own go on running.")
    return lines


@command("uninstall")
@click.option("--purge", is_flag=True, help="Delete the log too, here and on the remote, for everybody.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall_command(call: Call, purge: bool, yes: bool) -> Reply:
    """Take git-peer out of this clone: hooks, settings, refs; its sessions end and their locks are free.

    What stays is named. --purge deletes the log for everybody, and says first from whom it takes what.
    """
    from git_peer.ops import uninstall as leaving

    parts = call.parts()
    left, chain = leaving.Left(), parts.chain
    known = parts.clone.folder.exists() or chain.tip is not None
    remote = parts.remote if parts.clone.is_set_up or not purge else parts.setup().find_remote()
    patience = parts.settings.get("retryTimeout")
    loss = leaving.loss_of(chain, parts.clone, remote, patience) if purge and remote is not None else None
    if not known and loss is None:
        raise PeerError("not_set_up", "git-peer is not set up in this repository", "")
    if purge and not yes:
        what = f"deletes refs/peer/* and {layout.NOTES} here"
        if loss is not None and remote is not None:
            what += f", and {loss.told(remote)}"
        if not sys.stdin.isatty():
            raise PeerError("not_allowed", f"--purge {what}", "say --yes if that is meant")
        remark(f"This {what}.")
        if not click.confirm("Go on?", err=True):
            raise PeerError("failed", "nothing was deleted", "")
    if loss is not None and remote is not None:
        leaving.delete_remote(parts.clone, remote, loss, patience, left)
    elif not purge and remote is not None:  # a local log refuses nobody once the hooks are out
        leaving.give_back(call.peer(), left)
        call.forget()
    _agents_out(parts, left)
    leaving.take_out(parts.repo, parts.clone, purge, left)
    lines = ["Took git-peer out of this clone."]
    lines += [f"Unlocked {target}." for target in left.released] + [f"Deleted {name}." for name in left.deleted]
    lines += [f"Stays: {what}" for what in left.stayed]
    affected = {"clones": loss.clones, "sessions": loss.sessions, "locks": loss.locks} if loss is not None else None
    return Reply({**left.told(), "affected": affected}, lines)


def _agents_out(parts: Parts, left: Left) -> None:
    """What `agent install` wrote into this work tree; what is committed is everybody's, and stays."""
    from git_peer.agents import install as agents
    from git_peer.ops.uninstall import tracked

    top = parts.repo.top
    for row in agents.states(top) if top is not None else []:
        name = row["agent"]
        try:
            changes = agents.remove(name, top) if row["project"] != "no" else []
        except PeerError as why:
            left.stayed.append(f"the settings of {name}: {why.message}")
            continue
        inner = {change: os.path.relpath(change.path, top) for change in changes}
        shared = tracked(parts.repo, list(inner.values()))
        agents.write([change for change in changes if inner[change] not in shared])
        left.stayed += [
            f"{path}: it is committed, for everybody; `git peer agent remove {name}` takes ours out of it"
            for path in inner.values()
            if path in shared
        ]
        if row["user"] in ("yes", "outdated"):
            left.stayed.append(f"your own settings of {name}: `git peer agent remove {name} --user`")
