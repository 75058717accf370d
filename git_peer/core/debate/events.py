"""Debating: how a debate opens, goes on and ends. Events and apply(), and what whoever writes records on the way."""

from __future__ import annotations

from itertools import islice

from msgspec.structs import replace

from git_peer import layout
from git_peer.core import text
from git_peer.core.debate import record as debates
from git_peer.core.debate.record import Debate, Escalation, Resolution, Side, Turn
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.record import Ack
from git_peer.core.errors import Malformed
from git_peer.core.log.command import envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

SWEPT = 20  # debates that one command may move on its way
MAX_IDLE = 30 * 86400


class DebateOpen(Event, tag="debate.open", frozen=True, kw_only=True):
    """A debate begins. The event's id is its id and that of the first turn; `sides` are the others invited."""

    topic: str
    position: str
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    delta: str = ""
    contract: str = ""
    evidence: tuple[str, ...] = ()
    paths: tuple[Target, ...] = ()
    idle: int = debates.IDLE


class DebateTurn(Event, tag="debate.turn", frozen=True, kw_only=True):
    """A side speaks. The event's id is the turn's; a verdict is on the proposal of the turn `proposal`."""

    debate: str
    round: int
    message: str = ""
    propose: str = ""
    verdict: str = ""
    proposal: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


class DebateEscalate(Event, tag="debate.escalate", frozen=True, kw_only=True):
    """A person has to decide: a side `asked`, the `rounds` are over, or nobody spoke (`idle`)."""

    debate: str
    how: str
    reason: str = ""
    paths: tuple[Target, ...] = ()


class DebateResolve(Event, tag="debate.resolve", frozen=True, kw_only=True):
    """The end: every side accepted that proposal (`agreed`), or a person `decided`. `version`: of the contract."""

    debate: str
    how: str
    decision: str
    proposal: str = ""
    asserted: bool = False
    version: int = 0
    tasks: tuple[str, ...] = ()


class DebateLapse(Event, tag="debate.lapse", frozen=True, kw_only=True):
    """A debate that was resolved 14 days ago leaves the tree."""

    debate: str


# -- what is concluded before it is recorded --------------------------------------------------------
def about(state: State, debate: Debate) -> tuple[Target, ...]:
    """What cannot land while a debate is escalated: its paths, and those of the tasks that provide its contract."""
    found = dict.fromkeys(debate.paths)
    if debate.contract:
        for task in tasks.all_of(state):
            if debate.contract in task.provides and task.status != "dropped":
                found.update(dict.fromkeys(task.paths))
    return tuple(islice((target for target in found if target.kind != "name"), deltas.MOST))


def escalation(state: State, debate: Debate, how: str, reason: str, session: Session, scene: Scene) -> DebateEscalate:
    """The event that puts a debate before a person."""
    paths = about(state, debate)
    return DebateEscalate(**envelope(session, scene), debate=debate.id, how=how, reason=reason, paths=paths)


def swept(state: State, session: Session, scene: Scene) -> list[Event]:
    """Whoever writes records which debates nobody has spoken in for too long, and lets go of old ones."""
    events: list[Event] = []
    if not scene.clock_trusted:
        return events
    for ident in sorted(state.entries(f"{layout.T_ABOUT}/debated") or ()):
        debate = debates.get(state, ident)
        if debate is not None and debates.is_idle(debate, scene.now - scene.skew):
            events.append(escalation(state, debate, "idle", "", session, scene))
    root, last = f"{layout.T_ABOUT}/over", deltas.day(scene.now - debates.KEEP - scene.skew)
    for name in sorted(state.entries(root) or ()):
        if name > last:
            break
        for ident in sorted(state.entries(f"{root}/{name}") or ()):
            debate = debates.get(state, ident)
            if debate is not None and _is_old(debate, scene.now - scene.skew):
                events.append(DebateLapse(**envelope(session, scene), debate=debate.id))
    return events[:SWEPT]


def _is_old(debate: Debate, now: int) -> bool:
    return debate.resolution is not None and now > debate.resolution.at + debates.KEEP


# -- applying -------------------------------------------------------------------------------------
def find(state: State, ident: str) -> Debate:
    """The debate of that very id; Malformed where there is none."""
    debate = debates.get(state, ident)
    if debate is None:
        raise Malformed(f"there is no debate {text.line(ident, 64)}", "not_found", "`git peer debate list`")
    return debate


def _check_lists(*lists: tuple[str, ...]) -> None:
    for entries in lists:
        if len(entries) > text.ITEMS:
            raise Malformed(f"a list of over {text.ITEMS} entries")
        for entry in entries:
            text.check_line(entry, text.ITEM)


def apply_open(state: State, event: DebateOpen, height: int, index: int) -> None:
    """The opening is its side's turn of round 1; a delta that it is about counts as answered by it."""
    sessions.touch(state, event, height)
    if not plan.is_id(event.id) or debates.get(state, event.id) is not None:
        raise Malformed(f"no new debate: {event.id!r}")
    text.check_line(event.topic)
    text.check(event.position, text.MESSAGE)
    _check_lists(event.constraints, event.alternatives, event.evidence)
    names = (event.by, *event.sides)
    if len(set(names)) != len(names) or len(names) > debates.SIDES or not all(map(naming.is_name, names)):
        raise Malformed(f"a debate has at most {debates.SIDES} sides, each once")
    if not event.position or not 0 < event.idle <= MAX_IDLE or len(event.paths) > deltas.MOST:
        raise Malformed("a debate needs a position, and a time after which it is idle")
    if event.contract and not plan.is_id(event.contract):
        raise Malformed("a name that is none")
    for target in event.paths:
        targets.check(target)
    sides = (
        Side(session=event.by, position=event.position, constraints=event.constraints, alternatives=event.alternatives),
        *(Side(session=name) for name in event.sides),
    )
    turn = Turn(id=event.id, session=event.by, round=1, message=event.position, at=event.at)
    debate = Debate(
        id=event.id,
        height=height,
        topic=event.topic,
        sides=sides,
        turns=(turn,),
        delta=event.delta,
        contract=event.contract,
        evidence=event.evidence,
        paths=event.paths,
        idle=event.idle,
        session=event.by,
        at=event.at,
        last=event.at,
    )
    if event.delta:
        delta = telling.find(state, event.delta)
        if delta.debate:
            raise Malformed(
                f"there is a debate about {delta.id[:8]} already",
                "exists",
                f"`git peer debate respond {delta.debate[:8]}` takes a side in it",
            )
        deltas.put(state, replace(delta, debate=event.id), delta)
    debates.put(state, debate)
    _answered(state, debate, event)


def _answered(state: State, debate: Debate, event: Event) -> None:
    """Who speaks in a debate about a delta has answered the delta."""
    delta = deltas.get(state, debate.delta) if debate.delta else None
    if delta is not None and delta.session != event.by and not any(ack.sid == event.sid for ack in delta.acks):
        telling.answer(state, delta, Ack(sid=event.sid, session=event.by, at=event.at, debate=debate.id))


def apply_turn(state: State, event: DebateTurn, height: int, index: int) -> None:
    """By the rules of the machine; a debate that is idle by the event's own clock waits for a person."""
    sessions.touch(state, event, height)
    debate = find(state, event.debate)
    text.check(event.message, text.MESSAGE)
    text.check(event.propose, text.MESSAGE)
    _check_lists(event.constraints, event.alternatives)
    if not (event.message or event.propose or event.verdict):
        raise Malformed("a turn that says nothing", "usage")
    if debates.turn_of(debate, event.id) is not None:
        raise Malformed("a turn that was there already")
    turn = Turn(
        id=event.id,
        session=event.by,
        round=event.round,
        message=event.message,
        propose=event.propose,
        verdict=event.verdict,
        proposal=event.proposal if event.verdict else "",
        at=event.at,
    )
    debates.put(state, debates.spoken(debate, turn, event.constraints, event.alternatives), debate)
    _answered(state, debate, event)


def apply_escalate(state: State, event: DebateEscalate, height: int, index: int) -> None:
    """Once, of a debate that goes on; a side may ask for it, or a person."""
    actor = sessions.touch(state, event, height)
    debate = find(state, event.debate)
    ident = debate.id[:8]
    if debate.status != "active" or debates.agreed(debate):
        raise Malformed(f"debate {ident} is {debate.status}", "not_allowed", f"`git peer debate show {ident}`")
    if event.how == "asked" and debates.side_of(debate, event.by) is None and actor.agent:
        raise Malformed(f"{event.by} has no side in debate {ident}", "not_allowed", "its sides, or a person, may ask")
    if event.how == "rounds" and not debates.exhausted(debate):
        raise Malformed("its rounds are not over")
    if event.how == "idle" and not debates.is_idle(debate, event.at):
        raise Malformed("it is not idle")
    if event.how not in ("asked", "rounds", "idle") or len(event.paths) > deltas.MOST:
        raise Malformed("a debate is escalated because somebody asks, by its rounds, or by time")
    text.check(event.reason, text.MESSAGE)
    for target in event.paths:
        targets.check(target)
    why = Escalation(how=event.how, by=event.by, at=event.at, reason=event.reason, paths=event.paths)
    debates.put(state, replace(debate, status="escalated", escalation=why), debate)


def apply_resolve(state: State, event: DebateResolve, height: int, index: int) -> None:
    """Agreed: the very proposal that every side has accepted. Decided: a person's word on an escalated one."""
    actor = sessions.touch(state, event, height)
    debate = find(state, event.debate)
    text.check(event.decision, text.MESSAGE)
    if event.how == "agreed":
        standing = debates.turn_of(debate, debate.proposal)
        if debate.status != "active" or not debates.agreed(debate) or standing is None:
            raise Malformed("not every side has accepted")
        if (event.proposal, event.decision) != (standing.id, standing.propose):
            raise Malformed("another proposal than the one that was accepted")
    elif event.how == "decided":
        if debate.status != "escalated":
            raise Malformed(f"debate {debate.id[:8]} is {debate.status}", "not_allowed")
        if actor.agent or event.proposal or not event.decision:
            raise Malformed("a person decides what is escalated", "not_allowed")
    else:
        raise Malformed("a debate is agreed or decided")
    if len(event.tasks) > text.ITEMS or not all(map(plan.is_id, event.tasks)):
        raise Malformed("tasks that are none")
    if event.version and not debate.contract:
        raise Malformed("it is about no contract")
    end = Resolution(
        how=event.how,
        decision=event.decision,
        by=event.by,
        at=event.at,
        proposal=event.proposal,
        asserted=event.asserted,
        version=event.version,
        tasks=event.tasks,
    )
    debates.put(state, replace(debate, status="resolved", resolution=end), debate)


def apply_lapse(state: State, event: DebateLapse, height: int, index: int) -> None:
    """By the event's own clock."""
    sessions.touch(state, event, height)
    debate = find(state, event.debate)
    if not _is_old(debate, event.at):
        raise Malformed(f"debate {debate.id[:8]} was not resolved 14 days ago")
    debates.remove(state, debate)
