"""Merge points: does this work tree stand on the integration head? If so, it is said in the log."""

from __future__ import annotations

from typing import Any

import pygit2

from git_peer.core.errors import PeerError
from git_peer.core.plan.phases import Sync
from git_peer.ops.peer import Peer


def sync(peer: Peer, phase: str) -> dict[str, Any]:
    """Say that HEAD holds the integration branch's head, as the remote has it now; closes the phase if it can.

    {phase, status, closed, head, waiting_for, open}. PeerError `changed` where HEAD is behind.
    """
    head = integration_head(peer)
    if not _contains(peer, head):
        branch = peer.state.log.integration
        raise PeerError(
            "changed",
            f"this work tree does not stand on {branch}: it lacks {head[:12]}",
            f"merge or rebase onto {branch} first, then say it again",
            head=head,
        )
    return peer.run(Sync(me=peer.me, phase=phase, head=head))


def integration_head(peer: Peer) -> str:
    """The commit that the integration branch stands on: the remote's, fetched now, or in local mode this clone's."""
    branch = peer.state.log.integration
    if not branch:
        raise PeerError("invalid", "the log names no integration branch", "`git config peer.integration BRANCH`")
    if peer.remote is not None:
        found = peer.remote.branch_head(branch, peer.settings.get("retryTimeout"))
    else:
        ref = peer.repo.git.references.get(f"refs/heads/{branch}")
        found = str(ref.peel(pygit2.Commit).id) if ref is not None else None
    if found is None:
        raise PeerError("not_found", f"there is no integration branch {branch} yet", f"push {branch} first")
    return found


def _contains(peer: Peer, commit: str) -> bool:
    head = peer.repo.head
    return bool(head) and peer.chain.descends(head, commit)
