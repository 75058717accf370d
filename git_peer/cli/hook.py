"""git peer hook NAME: what git's hooks call (plumbing)."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click
import msgspec

from git_peer import layout
from git_peer.agents import quick
from git_peer.cli._output import Call, Reply, remark, warn
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.session import record as sessions
from git_peer.core.session.decide import Start
from git_peer.ops import destination, gate, outgoing
from git_peer.ops import sync as tentative
from git_peer.ops.destination import HEADS
from git_peer.ops.peer import Peer


@command("hook", hidden=True)
@click.argument("name")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
def hook_command(call: Call, name: str, rest: tuple[str, ...]) -> Reply | int:
    """Run one of git-peer's hooks: pre-commit, pre-merge-commit, pre-push, refresh, send, or one of an agent."""
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
    if name == "send":
        from git_peer.agents import sender

        return sender.main(call.peer(writing=True), int(rest[0]) if rest and rest[0].isdigit() else -1)
    hint = f"pre-commit, pre-merge-commit, pre-push, refresh, send, {', '.join(quick.AGENTS)}"
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
    from git_peer.publish.attempts import is_recorded

    if is_recorded(peer.engine.attempts, env.get(layout.PUSHING, "")):
        return 0  # `git peer push` makes this push, and has checked it; it also has the kernel lock, so do not wait
    to = destination.Place(remote, url) if url else destination.place_of(peer, remote)
    outgoing.refuse_ours(peer, updates, to)
    branches = [one.remote_ref for one in updates if one.remote_ref.startswith(destination.HEADS)]
    fetched = False
    if peer.remote is not None and branches:
        gates = destination.Gates(peer, to)
        if not gates.elsewhere:  # another place takes what it gets, also while the log's remote is out of reach
            fetched = _fetch(peer, any(map(gates.gated, branches)))
    for line in outgoing.refuse(peer, updates, to):
        warn(line)
    for notice in peer.warned:
        warn(notice["message"])
    if fetched:
        _tell_branch(call, peer, updates)
    return 0


def _tell_branch(call: Call, peer: Peer, updates: Sequence[outgoing.Update]) -> None:
    """Have the log know the branch on which a holder's work goes out: by it others know whose the work is.

    A push of its own, only where a session of this work tree holds locks and the log has another branch of it. What
    keeps it from being told keeps no code from being pushed.
    """
    here = ("HEAD", f"{HEADS}{peer.me.branch}")
    at = next((one for one in updates if one.local_ref in here and one.remote_ref.startswith(HEADS)), None)
    if at is None or peer.remote is None:
        return
    branch = at.remote_ref.removeprefix(HEADS)
    mine = peer.session()
    owned = [one for one in sessions.all_of(peer.state) if sessions.owns(mine, peer.me, one)]
    holding = [one for one in owned if sessions.holds(peer.state, one.name)]
    if not holding or any(branch == one.branch for one in (*holding, *filter(None, [mine]))):
        return
    with contextlib.suppress(PeerError):
        writer = call.parts().peer(writing=True)
        writer.writable()
        writer.run(Start(me=msgspec.structs.replace(writer.me, branch=branch)))


def _fetch(peer: Peer, gated: bool) -> bool:
    """A push is checked on the newest state; where newer releases write the log, on the newest that can be verified.

    What is tentative in this clone is arbitrated first, unless it only follows the log. Where nothing can be refused
    (no branch is `gated`), there is no waiting for a log whose remote, or whose other writers here, take their time.
    Whether the log was reached.
    """
    patience = peer.settings.get("retryTimeout") if gated else destination.PATIENCE
    try:
        if gated and peer.clone.tentative() and peer.clone.facts.get("writable") is not False:
            tentative.settle(peer)
            return True
        with peer.clone.writing(patience):
            peer.engine.advance(patience)
        return True
    except PeerError as why:
        if why.code != "newer_format" and (gated or why.code not in ("busy", "unreachable")):
            raise
        remark(f"note: {why.message}; the push is checked by an older state of the log")
        return False


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
