"""Telling: how deltas come, are answered, and leave the tree. Events and apply(), and when one has settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.delta.record import Ack, Delta
from git_peer.core.errors import Malformed
from git_peer.core.log.command import envelope
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan import record as plan
from git_peer.core.session import expiry, naming
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

SWEPT = 20  # deltas that one command may take out of the tree on its way


class DeltaPush(Event, tag="delta.push", frozen=True, kw_only=True):
    """News. The event's id is the delta's."""

    type: str
    severity: str = "info"
    summary: str
    body: str = ""
    paths: tuple[Target, ...] = ()
    contracts: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    commit: str = ""
    to: tuple[str, ...] = ()
    allowed: str = ""


class DeltaAck(Event, tag="delta.ack", frozen=True, kw_only=True):
    """A session's answer; `why` it concerned it, as its own state and branch told."""

    delta: str
    note: str = ""
    why: tuple[str, ...] = ()


class DeltaSupersede(Event, tag="delta.supersede", frozen=True, kw_only=True):
    """A delta leaves the tree, for another one says it better."""

    delta: str
    new: str


class DeltaSettle(Event, tag="delta.settle", frozen=True, kw_only=True):
    """A delta leaves the tree: all have answered whom it concerned, but those who are dead, with the evidence.

    Or the debate about it has come to an end.
    """

    delta: str
    gone: dict[str, Evidence] = msgspec.field(default_factory=dict)
    debate: str = ""


class DeltaLapse(Event, tag="delta.lapse", frozen=True, kw_only=True):
    """A delta leaves the tree that has been open for 14 days."""

    delta: str


class Work(Record, frozen=True, kw_only=True):
    """What the writer's clone knows of a session's branch: with `head`, its unlanded work touches these deltas."""

    head: str
    deltas: tuple[str, ...] = ()


# -- settling -------------------------------------------------------------------------------------
def missing(state: State, delta: Delta, works: Mapping[str, Work]) -> Iterator[Session]:
    """The sessions whose answer a delta still waits for. `works`: sid → what is known of its branch."""
    folds = state.log.folds
    about_files = any(target.kind != "name" for target in delta.paths)
    for session in sessions.all_of(state):
        who = deltas.reader(state, session.name, session.sid)
        if deltas.answered(delta, who):
            continue
        work = works.get(session.sid)
        known = not session.head or (work is not None and work.head == session.head)
        if (about_files and (not known or (work is not None and delta.id in work.deltas))) or deltas.concerns(
            delta, who, folds
        ):
            yield session


def settled(
    state: State, delta: Delta, works: Mapping[str, Work], session: Session, scene: Scene
) -> DeltaSettle | None:
    """The event by which a delta settles, if somebody whom it concerned has answered and nobody alive is missing."""
    if delta.debate or not any(ack.why for ack in delta.acks):
        return None
    heard = {ack.session for ack in delta.acks} | {delta.session}
    if any(name not in heard and sessions.get(state, name) is None for name in delta.to):
        return None  # a letter waits for who is not there now
    gone: dict[str, Evidence] = {}
    for other in missing(state, delta, works):
        proof = expiry.evidence(other, other.ttl, scene)
        if proof is None:
            return None
        gone[other.name] = proof
    return DeltaSettle(**envelope(session, scene), delta=delta.id, gone=gone)


def swept(state: State, session: Session, works: Mapping[str, Work], scene: Scene) -> list[Event]:
    """Whoever tells or answers sweeps a little: what has settled since the last answer, and what is 14 days old."""
    events: list[Event] = []
    for ident in islice(sorted(state.entries(f"{layout.T_ABOUT}/answered") or ()), SWEPT):
        delta = deltas.get(state, ident)
        settle = settled(state, delta, works, session, scene) if delta is not None else None
        if settle is not None:
            events.append(settle)
    done = {event.delta for event in events if isinstance(event, DeltaSettle)}
    return events + [event for event in lapsed(state, session, scene) if event.delta not in done]


def lapsed(state: State, session: Session, scene: Scene) -> list[DeltaLapse]:
    """The events by which deltas go that are 14 days old, not too many at once."""
    events: list[DeltaLapse] = []
    if not scene.clock_trusted:
        return events
    root, last = f"{layout.T_ABOUT}/days", deltas.day(scene.now - deltas.KEEP - scene.skew)
    for name in sorted(state.entries(root) or ()):
        if name > last or len(events) >= SWEPT:
            break
        for ident in sorted(state.entries(f"{root}/{name}") or ()):
            old = deltas.get(state, ident)
            if old is not None and _is_old(old, scene.now - scene.skew):
                events.append(DeltaLapse(**envelope(session, scene), delta=old.id))
    return events[:SWEPT]


def _is_old(delta: Delta, now: int) -> bool:
    return now > delta.at + deltas.KEEP and not delta.debate


# -- applying -------------------------------------------------------------------------------------
def find(state: State, ident: str) -> Delta:
    """The open delta of that very id; Malformed where there is none."""
    delta = deltas.get(state, ident)
    if delta is None:
        raise Malformed(f"there is no open delta {text.line(ident, 64)}", "not_found", "`git peer deltas` lists them")
    return delta


def apply_push(state: State, event: DeltaPush, height: int, index: int) -> None:
    """Within bounds, clean, and with an id that no open delta has."""
    sessions.touch(state, event, height)
    if event.type not in deltas.TYPES or event.severity not in deltas.SEVERITIES:
        raise Malformed("a delta has a type and a severity")
    if not plan.is_id(event.id) or deltas.get(state, event.id) is not None:
        raise Malformed(f"no new delta: {event.id!r}")
    text.check_line(event.summary)
    text.check(event.body, text.BODY)
    text.check(event.allowed, text.MESSAGE)
    text.check(event.commit, 64)
    for names in (event.paths, event.contracts, event.tasks, event.to):
        if len(names) > deltas.MOST or len(set(names)) != len(names):
            raise Malformed(f"at most {deltas.MOST} of a kind, and each once")
    for target in event.paths:
        targets.check(target)
    if not all(map(plan.is_id, (*event.contracts, *event.tasks))) or not all(map(naming.is_name, event.to)):
        raise Malformed("a name that is none")
    delta = Delta(
        id=event.id,
        height=height,
        type=event.type,
        severity=event.severity,
        summary=event.summary,
        body=event.body,
        paths=event.paths,
        contracts=event.contracts,
        tasks=event.tasks,
        commit=event.commit,
        to=event.to,
        sid=event.sid,
        session=event.by,
        at=event.at,
        allowed=event.allowed,
    )
    deltas.put(state, delta)


def apply_ack(state: State, event: DeltaAck, height: int, index: int) -> None:
    """Once for each run, and not by who told it."""
    sessions.touch(state, event, height)
    delta = find(state, event.delta)
    if delta.session == event.by:
        raise Malformed(f"{delta.id[:8]} is your own", "not_allowed", "`push-delta --supersedes` says it better")
    if any(ack.sid == event.sid for ack in delta.acks):
        raise Malformed(f"{event.by} has answered {delta.id[:8]} already")
    text.check(event.note, text.MESSAGE)
    if len(event.why) > deltas.MOST:
        raise Malformed("too many reasons")
    for reason in event.why:
        text.check(reason, text.MESSAGE)
    answer(state, delta, Ack(sid=event.sid, session=event.by, at=event.at, note=event.note, why=event.why))


def answer(state: State, delta: Delta, ack: Ack) -> None:
    """Keep a delta with one more answer."""
    deltas.put(state, msgspec.structs.replace(delta, acks=(*delta.acks, ack)), delta)


def apply_supersede(state: State, event: DeltaSupersede, height: int, index: int) -> None:
    """One's own, or of a session that is gone, by one's own that is there."""
    actor = sessions.touch(state, event, height)
    old, new = find(state, event.delta), find(state, event.new)
    if new.sid != event.sid or new.id == old.id:
        raise Malformed("a delta is superseded by another one of one's own")
    if not may_replace(state, old, actor):
        raise Malformed(f"{old.id[:8]} is of {old.session}", "not_yours", f"ask {old.session}, or answer it")
    deltas.put(state, msgspec.structs.replace(new, supersedes=old.id), new)
    deltas.remove(state, old)


def may_replace(state: State, delta: Delta, actor: Session) -> bool:
    """Whether a session may take a delta back: its own, its work tree's as the person there, or of one that is gone."""
    author = sessions.get(state, delta.session)
    if author is None or actor.sid in (author.sid, delta.sid):
        return True
    return actor.default and (author.clone, author.gitdir) == (actor.clone, actor.gitdir)


def apply_settle(state: State, event: DeltaSettle, height: int, index: int) -> None:
    """What decide() concluded; here that there was an answer, and that the dead are dead."""
    sessions.touch(state, event, height)
    delta = find(state, event.delta)
    if delta.debate != event.debate:
        raise Malformed(f"there is a debate about {delta.id[:8]}")
    if not event.debate and not any(ack.why for ack in delta.acks):
        raise Malformed(f"nobody has answered {delta.id[:8]}")
    for name, proof in event.gone.items():
        session = sessions.get(state, name)
        expiry.check(proof, session, session.ttl if session else 0, event, state)
    deltas.remove(state, delta)


def apply_lapse(state: State, event: DeltaLapse, height: int, index: int) -> None:
    """By the event's own clock; what is debated stays."""
    sessions.touch(state, event, height)
    delta = find(state, event.delta)
    if not _is_old(delta, event.at):
        raise Malformed(f"{delta.id[:8]} is not 14 days old")
    deltas.remove(state, delta)
