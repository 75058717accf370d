"""What git's pre-push hook does with the log around its judgement: fetch it before, tell it the branch afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import msgspec

from git_peer.core.errors import PeerError
from git_peer.core.session import record as sessions
from git_peer.core.session.decide import Start
from git_peer.ops import destination
from git_peer.ops import sync as tentative
from git_peer.ops.destination import HEADS, Place
from git_peer.ops.outgoing import Update
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from git_peer.publish.attempts import is_recorded


def is_ours(peer: Peer, candidate: str) -> bool:
    """Whether `git peer push` makes this push: what it says of itself is recorded here as an attempt."""
    return is_recorded(peer.engine.attempts, candidate)


def fetched(peer: Peer, updates: Sequence[Update], to: Place, note: Callable[[str], None]) -> bool:
    """Bring the log up to date for a push to `to`; whether that was called for and done.

    `note` is told why an older state has to do. Another place takes what it gets, also while the log's remote is out
    of reach. PeerError where the log cannot be reached and a branch that goes out is gated.
    """
    branches = [one.remote_ref for one in updates if one.remote_ref.startswith(HEADS)]
    if peer.remote is None or not branches:
        return False
    gates = destination.Gates(peer, to)
    return not gates.elsewhere and _fetch(peer, any(map(gates.gated, branches)), note)


def _fetch(peer: Peer, gated: bool, note: Callable[[str], None]) -> bool:
    """A push is checked on the newest state; where newer releases write the log, on the newest that can be verified.

    What is tentative in this clone is arbitrated first, unless it only follows the log. Where nothing can be refused
    (no branch is `gated`), there is no waiting for a log whose remote, or whose other writers here, take their time.
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
        note(f"note: {why.message}; the push is checked by an older state of the log")
        return False


def tell_branch(parts: Parts, peer: Peer, updates: Sequence[Update]) -> None:
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
        writer = parts.peer(writing=True)
        writer.writable()
        writer.run(Start(me=msgspec.structs.replace(writer.me, branch=branch)))
