"""Arguing: commands that open a debate, speak in it and end it, and their decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core.debate import events as debating
from git_peer.core.debate import record as debates
from git_peer.core.debate import view as moderating
from git_peer.core.debate.record import Debate
from git_peer.core.delta import decide as answering
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Spec
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Me, Scene
from git_peer.core.target.target import Target


class Open(Command, tag="debate-open", frozen=True, kw_only=True):
    """Open a debate; its text is clean and bounded already. `delta` may be the beginning of an id."""

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


class Speak(Command, tag="debate-turn", frozen=True, kw_only=True):
    """A turn. `seen` is the proposal (a turn's id) that stood in the copy which the user read."""

    debate: str
    message: str = ""
    propose: str = ""
    verdict: str = ""
    seen: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()  # titles, for the case that this turn makes it agreed


class Escalate(Command, tag="debate-escalate", frozen=True, kw_only=True):
    """Put a debate before a person."""

    debate: str
    reason: str = ""


class Resolve(Command, tag="debate-resolve", frozen=True, kw_only=True):
    """A person's word. `definition` of the contract's new version, where it is not the decision itself."""

    debate: str
    decision: str
    definition: str = ""
    asserted: bool = False
    tasks: tuple[str, ...] = ()


def _refused(message: str, hint: str) -> PeerError:
    """What may not be done now: later it may."""
    refusal = PeerError("not_allowed", message, hint)
    refusal.stateful = True
    return refusal


class _Bench:
    """The state with one's events folded in as they come."""

    def __init__(self, state: State, me: Me, scene: Scene) -> None:
        self.state = state
        self.scene = scene
        self.session, opening = opened(state, me, scene)
        self.events: list[Event] = list(opening)

    def what(self) -> dict[str, Any]:
        """The envelope of one event."""
        return envelope(self.session, self.scene)

    def fold(self, *events: Event) -> None:
        """Take events on; PeerError where the rules refuse them."""
        proven(self.state, list(events), self.scene, len(self.events))
        self.events += events

    def done(self, ident: str) -> Outcome:
        """The events, with what was swept on the way; the answer is the debate."""
        self.fold(*debating.swept(self.state, self.session, self.scene))
        self.events += answering.swept(self.state, self.session, {}, self.scene, len(self.events))

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            debate = debates.get(after, ident)
            assert debate is not None
            return {"debate": moderating.describe(debate, scene)}

        return Outcome(self.events, answer)


def decide_open(state: State, command: Open, scene: Scene) -> Outcome:
    """A debate, maybe about a delta or a contract; the delta's author is a side of it."""
    bench = _Bench(state, command.me, scene)
    delta = deltas.find(state, command.delta) if command.delta else None
    contract = command.contract
    sides = [name for name in command.sides if name != bench.session.name]
    paths = command.paths
    if delta is not None:
        sides += [delta.session] if delta.session not in (*sides, bench.session.name) else []
        paths = tuple(dict.fromkeys((*paths, *delta.paths)))[: deltas.MOST]
        contract = contract or (delta.contracts[0] if len(delta.contracts) == 1 else "")
    if command.contract:
        contracts.find(state, command.contract)
    opening = debating.DebateOpen(
        **bench.what(),
        topic=command.topic,
        position=command.position,
        constraints=command.constraints,
        alternatives=command.alternatives,
        sides=tuple(dict.fromkeys(sides)),
        delta=delta.id if delta is not None else "",
        contract=contract,
        evidence=command.evidence,
        paths=paths,
        idle=command.idle,
    )
    bench.fold(opening)
    return bench.done(opening.id)


def decide_speak(state: State, command: Speak, scene: Scene) -> Outcome:
    """A turn, and what it leads to: the agreement of all, or the end of the rounds."""
    bench = _Bench(state, command.me, scene)
    debate = debates.find(state, command.debate)
    if debates.status(debate, scene) != debate.status:
        raise _refused(
            f"nobody has spoken in debate {debate.id[:8]} for too long: a person has to decide it",
            f"`git peer debate show {debate.id[:8]}`",
        )
    turn = debating.DebateTurn(
        **bench.what(),
        debate=debate.id,
        round=debate.round,
        message=command.message,
        propose=command.propose,
        verdict=command.verdict,
        proposal=command.seen if command.verdict else "",
        constraints=command.constraints,
        alternatives=command.alternatives,
    )
    bench.fold(turn)
    debate = debating.find(state, debate.id)
    if debates.agreed(debate):
        standing = debates.turn_of(debate, debate.proposal)
        assert standing is not None
        _resolve(bench, debate, "agreed", standing.propose, standing.propose, False, command.tasks)
    elif command.tasks:
        raise _refused("not every side agrees yet: there is nothing to make tasks of", "leave out --task")
    elif debates.exhausted(debate):
        bench.fold(debating.escalation(state, debate, "rounds", "", bench.session, scene))
    return bench.done(debate.id)


def decide_escalate(state: State, command: Escalate, scene: Scene) -> Outcome:
    """At the wish of a side or of a person."""
    bench = _Bench(state, command.me, scene)
    debate = debates.find(state, command.debate)
    idle = debates.is_idle(debate, scene.now - scene.skew)
    if not any(isinstance(event, debating.DebateEscalate) and event.debate == debate.id for event in bench.events):
        how = "idle" if idle else "asked"  # where the session's own beginning has not recorded it
        bench.fold(debating.escalation(state, debate, how, command.reason, bench.session, scene))
    return bench.done(debate.id)


def decide_resolve(state: State, command: Resolve, scene: Scene) -> Outcome:
    """A person's word on an escalated debate; what is idle is recorded as escalated first."""
    session = sessions.find(state, command.me)
    if not command.me.person or (session is not None and session.agent):
        raise PeerError("not_allowed", "an agent may not decide a debate", "ask a person")
    bench = _Bench(state, command.me, scene)
    debate = debates.find(state, command.debate)
    if debates.status(debate, scene) == "active":
        raise _refused(
            f"debate {debate.id[:8]} goes on: its sides may still agree",
            f"`git peer debate escalate {debate.id[:8]}` puts it before a person",
        )
    if debate.status == "active":
        bench.fold(debating.escalation(state, debate, "idle", "", bench.session, scene))
        debate = debating.find(state, debate.id)
    definition = command.definition or command.decision
    _resolve(bench, debate, "decided", command.decision, definition, command.asserted, command.tasks)
    return bench.done(debate.id)


def _resolve(
    bench: _Bench, debate: Debate, how: str, decision: str, definition: str, asserted: bool, titles: tuple[str, ...]
) -> None:
    """The end, and what it brings: the contract's new version, the delta settled, tasks."""
    state = bench.state
    contract = contracts.get(state, debate.contract) if debate.contract else None
    version = contract.version + 1 if contract is not None else 0
    names = _free_ids(state, len(titles))
    end = debating.DebateResolve(
        **bench.what(),
        debate=debate.id,
        how=how,
        decision=decision,
        proposal=debate.proposal if how == "agreed" else "",
        asserted=asserted,
        version=version,
        tasks=names,
    )
    bench.fold(end)
    if contract is not None:
        bench.fold(
            contracts.ContractChange(
                **bench.what(), contract=contract.name, version=version, definition=definition, debate=debate.id
            )
        )
    delta = deltas.get(state, debate.delta) if debate.delta else None
    if delta is not None:
        bench.fold(telling.DeltaSettle(**bench.what(), delta=delta.id, debate=debate.id))
    uses = (contract.name,) if contract is not None else ()
    for name, title in zip(names, titles, strict=True):
        bench.fold(tasking.TaskAdd(**bench.what(), task=name, spec=Spec(title=title, uses=uses)))


def _free_ids(state: State, count: int) -> tuple[str, ...]:
    """So many ids of new tasks, given in turn as the plan gives them."""
    taken = {name.casefold() for name in tasks.names(state)}
    found: list[str] = []
    number = plan.get(state).count
    while len(found) < count:
        number += 1
        if f"t{number}" not in taken:
            found.append(f"t{number}")
    return tuple(found)
