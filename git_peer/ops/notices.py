"""What a run should know beside its answer: locks it lost, news for it, another session in its work tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from git_peer.core.debate import view as moderating
from git_peer.core.delta import record as deltas
from git_peer.core.lock import fence as fences
from git_peer.core.plan import questions
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.publish.snapshot import Snapshot
from git_peer.store import files
from git_peer.store.clone import times, told


def of(peer: Peer) -> list[dict[str, Any]]:
    """{code, message, hint?, ...} of each, as the contract tells them."""
    at = peer.engine.look()
    return [*_losses(peer), *_neighbours(peer, at), *_news(peer, at), *_of_this_copy(peer), *peer.warned]


def are_told(peer: Peer, shown: list[dict[str, Any]]) -> None:
    """Mark the losses among what was shown to this run, and the ends of its debates, as told: only writers do."""
    told.note(peer.clone.folder, peer.name, [moderating.key(one) for one in moderating.news(peer.state, peer.name)])
    seen = {one["lock"] for one in shown if one["code"] == "lost"}  # another process may note one at any time
    if not seen:
        return
    with peer.clone.changing_tentative(peer.settings.get("retryTimeout")):
        for path, marker in list(_my_losses(peer)):
            key = _told_by(peer, marker)
            marker["targets"] = [e | ({key: True} if e["lock"] in seen else {}) for e in marker.get("targets", ())]
            files.write_json(path, marker)


def _neighbours(peer: Peer, at: Snapshot) -> Iterator[dict[str, Any]]:
    mine = peer.session()
    for other in at.sessions:
        near = sessions.same_run(other, peer.me) and sessions.is_live(other, at.scene)
        if near and mine and other.sid != mine.sid and other.agent and mine.agent:
            text = f"two agents work in this work tree: {other.name} and {mine.name}"
            yield {"code": "shared_worktree", "message": text, "session": other.name}


def _news(peer: Peer, at: Snapshot) -> Iterator[dict[str, Any]]:
    state, scene = at.state, at.scene
    yield from deltas.notices(state, peer.reader())
    yield from moderating.notices(state, peer.name, told.known(peer.clone.folder, peer.name), scene)
    yield from questions.notices(state, peer.name)


def _of_this_copy(peer: Peer) -> Iterator[dict[str, Any]]:
    if peer.clone.stale_for:
        age = times.span(peer.clone.stale_for + peer.settings.get("maxStaleness"))
        text = f"the copy of the log is {age} old"
        yield {"code": "stale", "message": text, "hint": "`git peer sync` fetches it"}
    yield from ({"code": "setting", "message": text} for text in peer.settings.warnings)


# -- losses ---------------------------------------------------------------------------------------
def _losses(peer: Peer) -> Iterator[dict[str, Any]]:
    for _, marker in _my_losses(peer):
        key = _told_by(peer, marker)
        yield from (_loss(peer, entry) for entry in marker.get("targets", ()) if not entry.get(key))


def _my_losses(peer: Peer) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, marker in peer.clone.losses():
        session = marker.get("session", {})
        owner = (session.get("clone"), session.get("gitdir", "")) == (peer.me.clone, peer.me.gitdir)
        if owner and peer.me.name in (None, session.get("name")):
            yield path, marker


def _loss(peer: Peer, entry: Mapping[str, Any]) -> dict[str, Any]:
    target = msgspec.convert(entry["target"], Target)
    fence = peer.state.get(fences.place(entry["lock"], target), fences.Fence)
    shown = targets.show(target)
    holder = fence.holder.session if fence and fence.holder else entry.get("holder")
    since = f"; {holder} has held it since" if holder else ""
    return {
        "code": "lost",
        "message": f"the lock on {shown} was lost{since}",
        "target": shown,
        "lock": entry["lock"],
        "holder": holder,
        "hint": "bring in what was landed there and lock it again before changing it",
    }


def _told_by(peer: Peer, marker: Mapping[str, Any]) -> str:
    """The note of who was told: its person's knowing of a session's loss does not tell that session."""
    return "told" if marker["session"].get("name") == peer.name else "person_told"
