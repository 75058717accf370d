"""git peer init, uninstall."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_peer import layout
from git_peer.cli._output import Call, Reply, remark
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.text import argument, count, word

if TYPE_CHECKING:
    from git_peer.ops.uninstall import Left
    from git_peer.ops.wiring import Parts


@command("init")
@click.option("--remote", metavar="NAME", help="Join the log on this remote, or publish the local one to it.")
@click.option("--local", is_flag=True, help="Start without a remote: this clone and its work trees.")
@click.option("--branch", metavar="NAME", help="The log's branch on the remote (default: peer/coordination).")
@click.option("--no-hooks", is_flag=True, help="Leave the hooks alone.")
@click.option("--upgrade", is_flag=True, help="Move the log to the newest format: older releases then only read it.")
@click.option(
    "--strict", is_flag=True, help="Let the gate look at every move of a branch: --no-verify is no way round."
)
def init_command(
    call: Call, remote: str | None, local: bool, branch: str | None, no_hooks: bool, upgrade: bool, strict: bool
) -> Reply:
    """Set git-peer up in this repository: join the log that the remote has, else start a local one.

    Installs the hooks beside your own. Run again it repairs, and changes nothing else. --remote publishes a
    local log.
    """
    from git_peer.ops import marks
    from git_peer.ops import notes as noting
    from git_peer.ops import sync as tentative

    if local and remote is not None:
        raise PeerError("usage", "--local and --remote exclude each other", "`git peer help init` shows how")
    if strict and no_hooks:
        raise PeerError("usage", "--strict and --no-hooks exclude each other", "`git peer help init` shows how")
    setup = call.parts().setup()
    done = setup.set_up(remote, local, branch, not no_hooks, strict)
    call.forget()
    peer = call.peer()
    noting.begin(peer)
    marks.note(peer)
    lost = tentative.sync(peer)["lost"] if peer.clone.tentative() and done["mode"] == "remote" else []
    tentative.named(peer, lost)
    form = peer.upgrade() if upgrade else peer.state.log.format
    alone = done["mode"] == "local" and not local
    done |= {"lost": lost, "format": form, "unshared": (alone and setup.remote_name(None)) or None}
    text = _told(done, len(done["hooks"])) + [f"Lost: {one['command']}: {one['why']}" for one in lost]
    if upgrade:
        text.append(f"The log has format {form}.")
    return Reply(done, text, network=True)


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
        if done["unshared"]:
            name = done["unshared"] if word(done["unshared"]) == done["unshared"] else argument(done["unshared"])
            lines.append(f"{name} has no log yet: clones of it do not see each other's locks until you run")
            lines.append(f"`git peer init --remote {name}` here, and then `git peer init` in each of them.")
        else:
            lines.append("`git peer init --remote NAME` shares it through a remote, or joins the log there.")
    if hooks:
        guard = "guards" if hooks == 1 else "guard"
        lines.append(f"{count(hooks, 'hook')} {guard} commits, merges and pushes; your own go on running.")
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
        raise PeerError("not_set_up", "git-peer is not set up in this repository", "there is nothing to take out")
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
    gone = _agents_out(parts, left)
    left.stayed += [*_elsewhere(parts), *_images(parts)]
    leaving.take_out(parts.repo, parts.clone, purge, left)
    lines = ["Took git-peer out of this clone."]
    lines += [f"Unlocked {target}." for target in left.released] + [f"Deleted {name}." for name in left.deleted]
    lines += [*gone, *(f"Stays: {what}" for what in left.stayed)]
    affected = {"clones": loss.clones, "sessions": loss.sessions, "locks": loss.locks} if loss is not None else None
    return Reply({**left.told(), "affected": affected}, lines)


def _elsewhere(parts: Parts) -> list[str]:
    """Agents' settings in this clone's other work trees."""
    from git_peer.agents import install as agents

    return [
        f"the settings of {row['agent']} in {top}: `git -C {shlex.quote(top)} peer agent remove {row['agent']}`"
        for top in sorted(set(parts.repo.tops()) - {str(parts.repo.top)})
        if os.path.isdir(top)
        for row in agents.states(Path(top))
        if row["project"] != "no"
    ]


def _images(parts: Parts) -> list[str]:
    """The sandbox's image, where an engine has it: other repositories may use it, which git-peer does not know."""
    if importlib.util.find_spec("docker") is None:
        return []
    from git_peer.ops.doctor import sandbox_image

    image, wrong = sandbox_image(parts.settings)
    return [f"the sandbox's image: `docker image rm {image}`, if no other repository uses it"] if wrong is None else []


def _agents_out(parts: Parts, left: Left) -> list[str]:
    """Take out what `agent install` wrote here, a line for each file; what is committed is everybody's, and stays."""
    from git_peer.agents import install as agents
    from git_peer.ops.uninstall import tracked

    top = parts.repo.top
    done: list[str] = []
    committed: dict[str, list[str]] = {}  # path → the commands that take ours out
    for row in agents.states(top) if top is not None else []:
        name = row["agent"]
        try:
            changes = agents.remove(name, top) if row["project"] != "no" else []
        except PeerError as why:
            left.stayed.append(f"the settings of {name}: {why.message}")
            continue
        inner = {change: os.path.relpath(change.path, top) for change in changes}
        shared = tracked(parts.repo, list(inner.values()))
        own = [change for change in changes if inner[change] not in shared]
        agents.write(own)
        done += [f"{'Removed' if one.after is None else 'Changed'} {inner[one]}." for one in own]
        for path in shared:
            committed.setdefault(path, []).append(f"`git peer agent remove {word(name)}`")
        if row["user"] in ("yes", "outdated"):
            left.stayed.append(f"your own settings of {name}: `git peer agent remove {name} --user`")
    left.stayed += [
        f"{path}: it is committed, for everybody; to take git-peer out of it: {', '.join(commands)}"
        for path, commands in sorted(committed.items())
    ]
    return done
