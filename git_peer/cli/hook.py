"""git peer hook NAME: what git's hooks call (plumbing)."""

from __future__ import annotations

import contextlib
import os
import sys

import click

from git_peer import layout
from git_peer.agents import quick
from git_peer.cli._output import Call, Reply, remark, warn
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.ops import destination, gate, outgoing, pre_push


@command("hook", hidden=True)
@click.argument("name")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
def hook_command(call: Call, name: str, rest: tuple[str, ...]) -> Reply | int:
    """Run a hook of git-peer's: pre-commit, pre-merge-commit, pre-push, refresh, publish, send, or one of an agent."""
    if name in quick.AGENTS:
        return quick.main(name, rest)
    if name in ("pre-commit", "pre-merge-commit"):
        from git_peer.hooks.gate import main

        return main([name, *rest])
    if not call.parts().clone.is_set_up:
        return 0
    if name == "pre-push":
        return _pre_push(call, rest)
    if name == "refresh":
        return _refresh(call)
    if name == "publish":
        from git_peer.ops import wip

        return 0 if wip.publish(call.peer()) else 3
    if name == "send":
        from git_peer.agents import sender

        return sender.main(call.peer(writing=True), int(rest[0]) if rest and rest[0].isdigit() else -1)
    hint = f"pre-commit, pre-merge-commit, pre-push, refresh, publish, send, {', '.join(quick.AGENTS)}"
    raise PeerError("usage", f"no hook called {name}", hint)


def _pre_push(call: Call, rest: tuple[str, ...]) -> int:
    for notice in gate.notices(call.parts().repo, mend=True):
        warn(notice["message"], notice.get("hint", ""))
    peer = call.peer()
    peer.settings.check_promises()
    env = os.environ
    if "PRE_COMMIT_REMOTE_NAME" in env:
        # Under the pre-commit framework: one ref, in variables instead of stdin.
        remote, url = env["PRE_COMMIT_REMOTE_NAME"], env.get("PRE_COMMIT_REMOTE_URL", "")
        branch = env.get("PRE_COMMIT_LOCAL_BRANCH", "HEAD")
        new = env.get("PRE_COMMIT_TO_REF") or branch  # it is not told where a root commit is among the new ones
        old = env.get("PRE_COMMIT_FROM_REF", "")
        updates = [outgoing.Update(branch, new, env.get("PRE_COMMIT_REMOTE_BRANCH", ""), old.strip("0") and old)]
    else:
        remote, url = rest[0] if rest else "", rest[1] if len(rest) > 1 else ""
        updates = outgoing.parse(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))
    if pre_push.is_ours(peer, env.get(layout.PUSHING, "")):
        return 0  # it was checked; `git peer push` also has the kernel lock, so do not wait
    to = destination.Place(remote, url) if url else destination.place_of(peer, remote)
    outgoing.refuse_ours(peer, updates, to)
    is_new = pre_push.fetched(peer, updates, to, remark)
    for line in outgoing.refuse(peer, updates, to):
        warn(line)
    for notice in peer.warned:
        warn(notice["message"])
    if is_new:
        pre_push.tell_branch(call.parts(), peer, updates)
    return 0


def _refresh(call: Call) -> int:
    """The fetch that a commit on a stale copy starts, and that a refusal waits for."""
    peer = call.peer()
    if not peer.refreshed(peer.settings.get("retryTimeout")):
        return 3
    from git_peer.ops import landing

    if landing.is_due(peer) and landing.may_write(peer):
        with contextlib.suppress(PeerError):  # for the next who looks
            landing.settle(peer, destination.PATIENCE / 2)
    return 0
