"""Answering: commands that tell news and answer it, and their decide()."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import Work
from git_peer.core.delta.record import Delta, Reader
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan.task import record as tasks
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session.record import Scene, Session
from git_peer.core.target.target import Target


class News(Record, frozen=True, kw_only=True):
    """What a delta is to say: its text is clean and bounded already. `supersedes` is an id, or the beginning of one."""

    type: str
    severity: str = "info"
    summary: str
    body: str = ""
    paths: tuple[Target, ...] = ()
    contracts: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    commit: str = ""
    to: tuple[str, ...] = ()
    supersedes: str = ""
    allowed: str = ""


class Tell(Command, tag="delta-push", frozen=True, kw_only=True):
    """Push a delta. `ident` is given by who asks, so that it is one delta however often this is decided."""

    ident: str
    news: News
    works: dict[str, Work] = msgspec.field(default_factory=dict)


class Answer(Command, tag="delta-ack", frozen=True, kw_only=True):
    """Answer deltas, all or none. `changed`: what one's own branch has changed and not landed."""

    deltas: tuple[str, ...]
    note: str = ""
    changed: tuple[str, ...] = ()  # percent-encoded paths
    works: dict[str, Work] = msgspec.field(default_factory=dict)


def decide_tell(state: State, command: Tell, scene: Scene) -> Outcome:
    """The delta, the one that it supersedes, and what has settled meanwhile."""
    session, opening = opened(state, command.me, scene)
    known = deltas.get(state, command.ident)
    if known is not None and known.session == session.name:  # it was sent, and that was not noted
        return Outcome([], lambda after, scene: {"delta": _view(after, command.ident, session)})
    given = {name: getattr(command.news, name) for name in News.__struct_fields__ if name != "supersedes"}
    given["tasks"] = tuple(dict.fromkeys(tasks.find(state, ident).id for ident in command.news.tasks))
    push = telling.DeltaPush(**{**envelope(session, scene), "id": command.ident}, **given)
    events: list[Event] = []
    if command.news.supersedes:
        old = deltas.find(state, command.news.supersedes)
        events.append(telling.DeltaSupersede(**envelope(session, scene), delta=old.id, new=push.id))
    events = proven(state, [push, *events], scene, len(opening))
    events += swept(state, session, command.works, scene, len(opening) + len(events))
    return Outcome([*opening, *events], lambda after, scene: {"delta": _view(after, command.ident, session)})


def swept(state: State, session: Session, works: dict[str, Work], scene: Scene, before: int) -> list[Event]:
    """The events of telling.swept(), folded into `state` behind `before` others."""
    return proven(state, telling.swept(state, session, works, scene), scene, before)


def decide_answer(state: State, command: Answer, scene: Scene) -> Outcome:
    """An answer to each delta; whom it concerned last settles it."""
    from git_peer.layout import unpercent

    session, opening = opened(state, command.me, scene)
    found = list({delta.id: delta for delta in (deltas.find(state, ident) for ident in command.deltas)}.values())
    who = deltas.reader(state, session.name, session.sid, map(unpercent, command.changed))
    events: list[Event] = []
    for delta in found:
        if delta.session == session.name:
            raise PeerError(
                "not_allowed", f"{delta.id[:8]} is your own delta", "`git peer push-delta --supersedes` replaces it"
            )
        if not deltas.answered(delta, who):
            events.append(_ack(state, delta, who, command.note, session, scene))
    acked = {"acked": [delta.id for delta in found]}
    if not events:
        return Outcome([], lambda after, scene: acked)
    proven(state, events, scene, len(opening))
    events += swept(state, session, command.works, scene, len(opening) + len(events))
    return Outcome([*opening, *events], lambda after, scene: acked)


def _ack(state: State, delta: Delta, who: Reader, note: str, session: Session, scene: Scene) -> Event:
    why = tuple(text.line(one) for one in deltas.concerns(delta, who, state.log.folds)[: deltas.MOST])
    return telling.DeltaAck(**envelope(session, scene), delta=delta.id, note=note, why=why)


def _view(state: State, ident: str, session: Session) -> dict[str, Any]:
    delta = deltas.get(state, ident)
    assert delta is not None
    return deltas.describe(delta, Reader(session.name, session.sid))
