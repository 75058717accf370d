"""What a run should know beside its answer: locks it lost, news for it, another session in its work tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.debate import view as moderating
from git_peer.core.delta import record as deltas
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import rfc3339
from git_peer.core.plan import questions
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.publish.snapshot import Snapshot
from git_peer.store import files
from git_peer.store.clone import times, told

LETTERS = ("answer", "session", "task")  # what others did to this session, told once


def of(peer: Peer) -> list[dict[str, Any]]:
    """{code, message, hint?, ...} of each, as the contract tells them."""
    at = peer.engine.look()
    theirs = (*_losses(peer), *_letters(peer), *_neighbours(peer, at), *_news(peer, at))
    return [*theirs, *_of_this_copy(peer), *peer.warned]


def are_told(peer: Peer, shown: list[dict[str, Any]]) -> None:
    """Mark the losses among what was shown to this run, and the ends of its debates, as told: only writers do."""
    told.note(peer.clone.folder, peer.name, moderating.news(peer.state, peer.name, peer.scene(peer.state)))
    seen = {one["lock"] for one in shown if one["code"] == "lost"}  # another process may note one at any time
    letters = {str(one["event"]) for one in shown if one["code"] in LETTERS}
    if not seen and not letters:
        return
    with peer.clone.changing_tentative(peer.settings.get("retryTimeout")):
        if letters:
            for name in _names(peer):
                told.read(peer.clone.folder, name, letters)
        for path, marker in list(_my_losses(peer)):
            key = _told_by(peer, marker)
            marker["targets"] = [e | ({key: True} if e["lock"] in seen else {}) for e in marker.get("targets", ())]
            files.write_json(path, marker)


def _neighbours(peer: Peer, at: Snapshot) -> Iterator[dict[str, Any]]:
    mine = peer.session()
    for other in at.sessions:
        near = sessions.same_run(other, peer.me) and sessions.is_live(other, at.scene)
        if near and mine and other.sid != mine.sid and other.agent and mine.agent:
            message = f"two agents work in this work tree: {other.name} and {mine.name}"
            yield {"code": "shared_worktree", "message": message, "session": other.name}


def _news(peer: Peer, at: Snapshot) -> Iterator[dict[str, Any]]:
    state, scene = at.state, at.scene
    yield from deltas.notices(state, peer.reader())
    yield from moderating.notices(state, peer.name, told.known(peer.clone.folder, peer.name), scene)
    yield from questions.notices(state, peer.name)


def _of_this_copy(peer: Peer) -> Iterator[dict[str, Any]]:
    if peer.clone.stale_for and not any(one["code"] == "stale" for one in peer.warned):
        age = times.span(peer.clone.stale_for + peer.settings.get("maxStaleness"))
        yield {"code": "stale", "message": f"the copy of the log is {age} old", "hint": "`git peer sync` fetches it"}
    yield from ({"code": "setting", "message": text} for text in peer.settings.warnings)


# -- losses ---------------------------------------------------------------------------------------
def _losses(peer: Peer) -> Iterator[dict[str, Any]]:
    for _, marker in _my_losses(peer):
        key = _told_by(peer, marker)
        yield from (_loss(peer, entry) for entry in marker.get("targets", ()) if not entry.get(key))


def losses(peer: Peer) -> Iterator[dict[str, Any]]:
    """Every loss of this run, those that it was told of too, each with the `kind` and `real` path of its target."""
    for _, marker in _my_losses(peer):
        for entry in marker.get("targets", ()):
            target = msgspec.convert(entry["target"], Target)
            yield {**_loss(peer, entry), "kind": target.kind, "real": target.real}


def _my_losses(peer: Peer) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, marker in peer.clone.losses():
        session = marker.get("session", {})
        owner = (session.get("clone"), session.get("gitdir", "")) == (peer.me.clone, peer.me.gitdir)
        if owner and peer.me.name in (None, session.get("name")):
            yield path, marker


def _loss(peer: Peer, entry: Mapping[str, Any]) -> dict[str, Any]:
    target = msgspec.convert(entry["target"], Target)
    fence = peer.state.get(fences.place(entry["lock"], target), fences.Fence)
    shown, end = targets.show(target), entry.get("end") or {}
    holder = fence.holder.session if fence and fence.holder else entry.get("holder")
    if holder is None and target.kind == "name":  # a name has no fence, and its next holder stands in the log
        holder = next((lock.session for lock in locks.near(peer.state, target) if lock.target == target), None)
    since = f"; {text.word(holder)} has held it since" if holder else ""
    view = {
        "code": "lost",
        "message": f"the lock on {shown} was lost{fences.how_it_ended(end)}{since}",
        "target": shown,
        "lock": entry["lock"],
        "holder": holder,
        **(fences.describe_end(end) if end else {}),
    }
    if target.kind == "name":
        return {**view, "hint": f"ask {text.word(end['by'])} about it, or lock it again" if end else "lock it again"}
    return {**view, "hint": "bring in what was landed there and lock it again before changing it"}


def _told_by(peer: Peer, marker: Mapping[str, Any]) -> str:
    """The note of who was told: its person's knowing of a session's loss does not tell that session."""
    return "told" if marker["session"].get("name") == peer.name else "person_told"


# -- letters --------------------------------------------------------------------------------------
_TASK = {
    "expired": "{by} ended your claim of {task}: your lease had run out",
    "released": "{by} took {task} from you",
    "sent_back": "{by} sent {task} back to you",
    "blocked": "{by} blocked {task}, which was yours",
    "dropped": "{by} dropped {task}, which was yours",
    "todo": "{by} took {task} from you: it is to be done anew",
}


def _letters(peer: Peer) -> Iterator[dict[str, Any]]:
    for name in _names(peer):
        for letter in told.waiting(peer.clone.folder, name):
            if letter["gitdir"] == peer.me.gitdir:
                yield {**_letter(letter), "event": letter["id"], "by": letter["by"], "at": rfc3339(letter["at"])}


def _names(peer: Peer) -> Iterable[str]:
    """The names that letters for this run may have: one that was taken over goes on by another."""
    return dict.fromkeys((peer.name, peer.me.name or peer.name))


def _letter(letter: Mapping[str, Any]) -> dict[str, Any]:
    by, note = text.word(letter["by"]), letter.get("note", "")
    said = f": {text.quoted(note, 400)}" if note else ""
    if letter["code"] == "answer":
        ident = letter["delta"]
        message = f"{by} answered your delta {ident[:8]}, {text.quoted(letter['about'], 60)}{said}"
        view = {"message": message, "delta": ident, "hint": f"`git peer delta show {ident[:8]}`"}
    elif letter["code"] == "session":
        if letter["how"] == "taken_over":
            why = f"another run of the name {by}, in {text.word(letter['where'])}, has taken this session's place"
        else:
            why = f"{by} ended this session" + (
                ": its work tree or its process was gone" if letter["how"] == "left" else ""
            )
        hint = "go on by another name, with --as" if letter["how"] == "taken_over" else "`git peer session start`"
        view = {"message": why, "how": letter["how"], "sid": letter["sid"], "hint": hint}
    else:
        named = f"task {text.word(letter['task'])}, {text.quoted(letter['about'], 60)}"
        message = _TASK[letter["how"]].format(by=by, task=named) + said
        hint = f"`git peer task show {letter['task']}`"
        view = {"message": message, "task": letter["task"], "how": letter["how"], "hint": hint}
    return {"code": letter["code"], **view, **({"note": text.clean(note)} if note else {})}
