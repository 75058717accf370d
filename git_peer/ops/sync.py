"""Tentative commands: taken offline, kept on the session's own ref, arbitrated by `sync`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.decide import Answer, Tell
from git_peer.core.errors import PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Take, Wish
from git_peer.core.log.command import Command
from git_peer.core.log.state import Event, State, encode
from git_peer.core.plan.edits import EditPlan
from git_peer.core.plan.task.decide import Progress
from git_peer.core.rules import decide as commands
from git_peer.core.rules.decide import Release
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.text import count
from git_peer.ops.peer import Peer
from git_peer.store import files
from git_peer.store.clone import times
from git_peer.store.git import refs

_LOCK = "lock "  # begins a lost lock in words; notices tell its session of it
KINDS = (Take, Tell, Answer, Progress, EditPlan)  # commands that may wait for their arbiter


def take(peer: Peer, wish: Wish, patience: float | None = None) -> dict[str, Any]:
    """Grant locks tentatively, by the local copy: {acquired, locks}. Nobody has arbitrated them.

    Waits for no push; at most `patience` seconds for others that take tentatively.
    """
    command = peer.admitted(Take(me=peer.me, wish=peer.with_blobs(wish)))
    with peer.clone.changing_tentative(peer.settings.get("retryTimeout") if patience is None else patience):
        against = peer.tentative_conflict(wish)
        if against is not None:
            raise against
        return _rebuild(peer, peer.name, _commands(_marker(peer, peer.name)), command)


def send(peer: Peer, command: Command, offline: bool = False) -> dict[str, Any]:
    """Publish a command that needs no arbiter; where the remote does not answer it is kept until `sync`.

    Its answer has `guarantee: tentative` then.
    """
    if offline and peer.remote is not None:
        return keep(peer, command)
    try:
        return peer.run(command)
    except PeerError as why:
        if why.code != "unreachable" or peer.remote is None:
            raise
        try:
            return keep(peer, command)
        except PeerError:
            raise why from None


def keep(peer: Peer, command: Command) -> dict[str, Any]:
    """Decide a command by the local copy and keep it for `sync`; its answer, as nobody has arbitrated it."""
    assert isinstance(command, KINDS)
    command = peer.admitted(command)
    with peer.clone.changing_tentative(peer.settings.get("retryTimeout")):
        answer = _rebuild(peer, peer.name, _commands(_marker(peer, peer.name)), command)
    return {**answer, "guarantee": "tentative"}


def kept(peer: Peer) -> bool:
    """Whether this session has commands that nobody has arbitrated."""
    return bool(_marker(peer, peer.name).get("commands"))


def untold(peer: Peer) -> list[deltas.Delta]:
    """The deltas of this clone's sessions that wait for `sync`, oldest first."""
    found: list[deltas.Delta] = []
    for sid in peer.clone.tentative():
        commit = refs.read(peer.repo.git, layout.TENTATIVE + sid)
        if commit is None:
            continue
        state = peer.chain.state(commit)
        told = [e.id for e in peer.chain.entry(commit).events if isinstance(e, telling.DeltaPush)]
        found += [one for one in (deltas.get(state, ident) for ident in told) if one is not None]
    return found


def drop(peer: Peer, chosen: list[str], everything: bool, name: str = "") -> list[dict[str, Any]]:
    """Give back one's own tentative locks on these targets (as shown); nobody else ever saw them.

    `name`: those of a session that one has ended.
    """
    name = name or peer.name
    marker = _marker(peer, name)
    if not marker:
        return []
    patience = peer.settings.get("retryTimeout")
    with peer.clone.writing(patience), peer.clone.changing_tentative(patience):  # not while `sync` has them under way
        kept: list[Command] = []
        dropped: list[dict[str, Any]] = []
        for command in _commands(_marker(peer, name)):
            if not isinstance(command, Take):
                kept.append(command)
                continue
            gone = [t for t in command.wish.targets if everything or targets.show(t) in chosen]
            dropped.extend(
                v for v in peer.locks() if v["guarantee"] == "tentative" and v["target"] in map(targets.show, gone)
            )
            left = tuple(t for t in command.wish.targets if t not in gone)
            if left:
                kept.append(msgspec.structs.replace(command, wish=msgspec.structs.replace(command.wish, targets=left)))
        if kept:
            _rebuild(peer, name, kept)
        else:
            _finish(peer, name, everything=True)
        return dropped


def _path(peer: Peer, name: str) -> Path:
    """The marker of the session `name` of this run."""
    for sid, marker in peer.clone.tentative().items():
        if marker.get("session", {}).get("name") == name:
            return peer.clone.folder / layout.D_TENTATIVE / f"{sid}.json"
    return peer.clone.folder / layout.D_TENTATIVE / "new.json"


def _marker(peer: Peer, name: str) -> dict[str, Any]:
    return files.read_json(_path(peer, name))


def _commands(marker: dict[str, Any]) -> list[Command]:
    return [_decoded(raw) for raw in marker.get("commands", ())]


def _rebuild(peer: Peer, name: str, old: list[Command], new: Command | None = None) -> dict[str, Any]:
    """Decide the session's tentative commands on the present tip, as one commit on its own ref.

    An `old` one that has been lost meanwhile is passed over and stays for `sync` to name; `new` is refused at once.
    """
    tip = peer.engine.tip()
    state = peer.chain.state(tip)
    scene = peer.scene(state)
    events: list[Event] = []
    commit = ""
    answer: dict[str, Any] = {}
    for command in [*old, *([new] if new else [])]:
        try:
            outcome = commands.decide(State(state), command, scene)  # a refused one may have got half-way
        except PeerError as why:
            if command is new or why.status != 1:
                raise
            continue
        if not outcome.events:
            if command is new:
                return outcome.answer(state, scene)
            continue
        fresh = [e for e in outcome.events if not (isinstance(e, sessions.SessionStart) and sessions.get(state, e.by))]
        events.extend(fresh if events else outcome.events)
        commit = peer.chain.append(tip, events, scene.now)
        state = peer.chain.state(commit)
        answer = outcome.answer(state, scene) if command is new else {}
    path, marker = _path(peer, name), _marker(peer, name)
    session = sessions.get(state, name) if commit else msgspec.convert(marker["session"], sessions.Session)
    assert session is not None
    ids = {event.id for event in events if isinstance(event, locking.LockTake)}
    held = [msgspec.structs.replace(k, token=0) for k in locks.held_by(state, name) if k.id in ids]
    ref = layout.TENTATIVE + session.sid
    if commit:
        refs.swap(peer.repo.git, ref, commit, refs.read(peer.repo.git, ref))
    peer.clone.hold_tentatively(session, held, [*old, *([new] if new else [])], marker.get("lost", []))
    if path.stem != session.sid:
        _remove(peer, path)
    views = [locks.describe(state, k, scene, "tentative") for k in held]
    if not isinstance(new, Take):
        return answer
    asked = set(new.wish.targets)
    found = [v for v, k in zip(views, held, strict=True) if k.target in asked]
    # What it has from the arbiter already: as it stands there, for the renewal is not arbitrated yet.
    before = peer.chain.state(tip)
    mine = [k for k in locks.held_by(before, name) if k.sid == session.sid and k.target in asked]
    return {"acquired": True, "locks": [*found, *(locks.describe(before, k, peer.scene(before), "") for k in mine)]}


def _plain(record: Any) -> Any:
    return json.loads(encode(record))


def _remove(peer: Peer, path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.stem != "new":
        refs.delete(peer.repo.git, layout.TENTATIVE + path.stem)


def sync(peer: Peer) -> dict[str, Any]:
    """Fetch, verify, arbitrate every tentative command of this clone in order: {fetched, pushed, landed, lost}.

    All together, in as few pushes as hold them. What is taken tentatively meanwhile waits for the next one.
    Whoever names what is `lost` says so by named(): until then each `sync` tells it again.
    """
    from git_peer.publish import combine, recovery  # late: `status` asks here what is untold, and writes nothing

    pushed = 0
    patience = peer.settings.get("retryTimeout")
    with peer.clone.writing(patience):
        peer.refuse_half()
        if peer.remote is not None:
            peer.engine.advance(patience)
        if peer.clone.tentative():
            peer.writable()  # a reader fetches all the same
        recovery.recover(peer.engine)
        with peer.clone.changing_tentative(patience):
            markers = sorted(peer.clone.tentative().items())
        names = [str(marker.get("session", {}).get("name", "")) for _, marker in markers]
        rest = [(name, raw) for name, (_, marker) in zip(names, markers, strict=True) for raw in marker["commands"]]
        for ends in combine.together(peer.engine, [_of_now(peer, _decoded(raw)) for _, raw in rest]):
            done, rest = rest[: len(ends)], rest[len(ends) :]
            with peer.clone.changing_tentative(patience):
                _decided(peer, [(name, raw, end) for (name, raw), end in zip(done, ends, strict=True)])
            peer.engine.told()  # their places in the markers are what tells
            pushed += sum(not isinstance(end, PeerError) for end in ends)
        with peer.clone.changing_tentative(patience):
            for name in names:
                _finish(peer, name)
    return {"fetched": peer.engine.fetched, "pushed": pushed, "landed": _landed(peer), "lost": _unnamed(peer)}


def _landed(peer: Peer) -> list[dict[str, Any]]:
    """Locks that end because their work has landed; where the code's remote does not tell, none."""
    from git_peer.ops import landing

    if not landing.is_due(peer):
        return []
    try:
        found = landing.settle(peer, peer.settings.get("retryTimeout"), write=landing.may_write(peer))
    except PeerError as why:
        if why.status == 1 and why.code not in ("not_allowed", "rejected", "failed"):
            raise
        peer.warned.append({"code": "landing", "message": f"what has landed cannot be told: {why.message}"})
        return []
    peer.warned += found["notices"]
    return found["released"] if landing.may_write(peer) else []


def settle(peer: Peer) -> None:
    """The same for who names no losses: what the notices do not tell their sessions stays for a `sync` to name."""
    _name(peer, [loss for loss in sync(peer)["lost"] if loss["command"].startswith(_LOCK)])


def named(peer: Peer, lost: list[dict[str, Any]]) -> None:
    """An answer names these losses: they are forgotten as it goes out."""

    def forget() -> None:
        with contextlib.suppress(PeerError):  # where that is not to be had they are named once more
            _name(peer, lost)

    peer.engine.when_told(forget)


def _unnamed(peer: Peer) -> list[dict[str, Any]]:
    """What was lost and has been named by no command."""
    found: list[dict[str, Any]] = files.read_json(peer.clone.folder / layout.F_LOST).get("lost", [])
    return found


def _name(peer: Peer, lost: list[dict[str, Any]]) -> None:
    """These losses were named, or will be: nobody else need do so."""
    if not lost:
        return
    path = peer.clone.folder / layout.F_LOST
    with peer.clone.changing_tentative(peer.settings.get("retryTimeout")):
        left = [loss for loss in _unnamed(peer) if loss not in lost]
        if left:
            files.write_json(path, {"lost": left})
        else:
            path.unlink(missing_ok=True)


def _decided(peer: Peer, ends: list[tuple[str, dict[str, Any], dict[str, Any] | PeerError]]) -> None:
    """Forget commands (session, record, what came of it) that were arbitrated, and note what was lost by them."""
    for name in dict.fromkeys(name for name, _, _ in ends):
        path, marker = _path(peer, name), _marker(peer, name)
        mine = [(raw, end) for whose, raw, end in ends if whose == name]
        # On record before the command is forgotten: whoever is killed here, the loss is told.
        for raw, end in mine:
            if isinstance(end, PeerError):
                command = _decoded(raw)
                loss = _loss(command, end)
                peer.clone.lost(marker["session"], _gone(marker, raw, command), loss["holder"])
                marker.setdefault("lost", []).append(loss)
        left = list(marker.get("commands", ()))  # what was taken meanwhile stands behind them
        for raw, _ in mine:
            if raw in left:
                left.remove(raw)
        targets_left = [target for raw in left for target in _asked(_decoded(raw))]
        marker["commands"] = left
        marker["locks"] = [k for k in marker.get("locks", ()) if k["target"] in targets_left]
        files.write_json(path, marker)


def _gone(marker: dict[str, Any], raw: dict[str, Any], command: Command) -> list[dict[str, Any]]:
    """The locks that a lost command had come to; of one that was passed over meanwhile there is no record left."""
    held: list[dict[str, Any]] = marker.get("locks", [])

    def made(target: Any) -> dict[str, Any]:
        what = json.dumps([raw, target], sort_keys=True).encode()
        from hashlib import sha256  # hot commands do without it

        return {"id": sha256(what).hexdigest()[:16], "target": target}  # after a kill the same again

    return [next((k for k in held if k["target"] == target), made(target)) for target in _asked(command)]


def _finish(peer: Peer, name: str, everything: bool = False) -> None:
    """Put what a session has lost where it is named from; its marker goes, unless it has taken more meanwhile.

    `everything`: it goes in any case.
    """
    path, marker = _path(peer, name), _marker(peer, name)
    found: list[dict[str, Any]] = marker.pop("lost", [])
    if found:  # first, so that a kill leaves it in both places, and not in none
        before = _unnamed(peer)
        fresh = [loss for loss in found if loss not in before]
        files.write_json(peer.clone.folder / layout.F_LOST, {"lost": [*before, *fresh]})
    if everything or not marker.get("commands"):
        _remove(peer, path)
    elif found:
        files.write_json(path, marker)


def _of_now(peer: Peer, command: Command) -> Command:
    """A command that was kept, asked from where its session stands now: its record follows no old word."""
    me = command.me
    if (me.name, me.clone, me.gitdir) == (peer.me.name, peer.me.clone, peer.me.gitdir):
        now = {"branch": peer.me.branch, "head": peer.me.head}
    else:
        session = sessions.find(peer.state, me)
        now = {"branch": session.branch, "head": session.head} if session is not None else {}
    return msgspec.structs.replace(command, me=msgspec.structs.replace(me, **now))


def _decoded(raw: dict[str, Any]) -> Command:
    return commands.decode(json.dumps(raw).encode())


def _asked(command: Command) -> list[Any]:
    """The targets of a tentative command, as records."""
    if not isinstance(command, Take):
        return []
    return [_plain(target) for target in command.wish.targets]


def _loss(command: Command, why: PeerError) -> dict[str, Any]:
    first: dict[str, Any] = next(iter(why.extra.get("conflicts") or ()), {})
    return {
        "command": _spelled(command),
        "session": command.me.name,
        "why": why.message,
        # Without a lock it is somebody who waits for it and comes first.
        "holder": first["lock"]["session"] if first.get("lock") else first.get("waiter") or why.extra.get("holder"),
        "at": locks.rfc3339(times.now()),
    }


def _spelled(command: Command) -> str:
    """A tentative command in words."""
    if isinstance(command, Tell):
        return f"push-delta --summary {text.quoted(command.news.summary, 60)}"
    if isinstance(command, Answer):
        return "ack " + " ".join(command.deltas)
    if isinstance(command, EditPlan):
        return f"plan, {count(len(command.edits), 'edit')}"
    if isinstance(command, Progress):
        return f"task progress {command.task}" + (f" {command.percent}" if command.percent is not None else "")
    asked = (
        command.wish.targets if isinstance(command, Take) else command.targets if isinstance(command, Release) else ()
    )
    return _LOCK + " ".join(targets.show(target) for target in asked)
