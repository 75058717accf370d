"""Claims: what a command needs to know of this clone before it asks the log for a task."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec

from git_peer.core.plan.task import claim as claiming
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import Avoid, Claim, Next
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer

LOOKED_AT = 64  # ready tasks whose files are looked up for the locks that `task next` may take


def claim(peer: Peer, ident: str, lock: bool, ttl: int | None) -> dict[str, Any]:
    """Claim a task: {task, locks}. PeerError held, invalid, locked."""
    task = peer.look_up(lambda state: tasks.find(state, ident))
    blobs = _blobs(peer, claiming.lockable(task)) if lock else {}
    command = Claim(me=peer.me, task=ident, lock=lock, ttl=ttl, blobs=blobs, avoid=_tentative(peer))
    return peer.run(command)


def take_next(peer: Peer, lock: bool, ttl: int | None) -> dict[str, Any]:
    """Claim the ready task that fits best: {task, locks}. PeerError not_found where there is none."""
    blobs: dict[str, str] = {}
    if lock:
        ready = Board(peer.state).ready(peer.scene(peer.state))
        blobs = _blobs(peer, (one for task in islice(ready, LOOKED_AT) for one in claiming.lockable(task)))
    return peer.run(Next(me=peer.me, lock=lock, ttl=ttl, blobs=blobs, avoid=_tentative(peer)))


def _blobs(peer: Peer, wanted: Iterable[Target]) -> dict[str, str]:
    found = {target.path: peer.repo.blob_at_head(target.real) for target in wanted if target.kind == "file"}
    return {path: blob for path, blob in found.items() if blob}


def _tentative(peer: Peer) -> tuple[Avoid, ...]:
    """What other sessions of this clone hold tentatively."""
    found: list[Avoid] = []
    mine = peer.session()
    for marker in peer.clone.tentative().values():
        holder = msgspec.convert(marker.get("session"), Session)
        if holder.name == peer.name or sessions.owns(mine, peer.me, holder):
            continue
        held = (msgspec.convert(raw["target"], Target) for raw in marker.get("locks", ()))
        found.extend(Avoid(target=target, session=holder.name) for target in held)
    return tuple(found)
