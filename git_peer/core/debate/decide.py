"""How a debate is opened, held and ended: the commands, and how each is decided."""

from __future__ import annotations

from itertools import islice
from typing import Any

from git_peer import layout
from git_peer.core.debate import events as debating
from git_peer.core.debate import record as debates
from git_peer.core.debate import view
from git_peer.core.debate.events import DebateEscalate, DebateLapse, DebateOpen, DebateResolve, DebateTurn
from git_peer.core.debate.record import Debate
from git_peer.core.delta import decide as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import DeltaSettle
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State, alike
from git_peer.core.log.txn import Txn
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.events import TaskAdd
from git_peer.core.plan.task.record import Spec
from git_peer.core.session import record as sessions
from git_peer.core.target.target import Target

SWEPT = 20  # debates that one command may move on its way


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

    def decide(self, txn: Txn) -> Answer:
        """A debate, maybe about a delta or a contract; the delta's author is a side of it."""
        name = txn.session.name
        delta = deltas.find(txn.state, self.delta) if self.delta else None
        contract, paths = self.contract, self.paths
        sides = [side for side in self.sides if side != name]
        if delta is not None:
            sides += [delta.session] if delta.session not in (*sides, name) else []
            paths = tuple(dict.fromkeys((*paths, *delta.paths)))[: deltas.MOST]
            contract = contract or (delta.contracts[0] if len(delta.contracts) == 1 else "")
        if self.contract:
            contracts.find(txn.state, self.contract)
        found = {"sides": tuple(dict.fromkeys(sides)), "delta": delta.id if delta is not None else ""}
        opening = txn.emit(DebateOpen, **alike(self, DebateOpen) | found | {"contract": contract, "paths": paths})
        return _shown(txn, opening.id)


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

    def decide(self, txn: Txn) -> Answer:
        """A turn, and what it leads to: the agreement of all, or the end of the rounds."""
        txn.begin()  # where it begins here, what it sweeps may be this debate
        debate = debates.find(txn.state, self.debate)
        swept = any(isinstance(event, DebateEscalate) and event.debate == debate.id for event in txn.events)
        if swept or debates.status(debate, txn.scene) != debate.status:
            raise _refused(
                f"nobody has spoken in debate {debate.id[:8]} for too long: a person has to decide it",
                f"`git peer debate show {debate.id[:8]}`",
            )
        found = {"debate": debate.id, "round": debate.round, "proposal": self.seen if self.verdict else ""}
        txn.emit(DebateTurn, **alike(self, DebateTurn) | found)
        debate = debating.find(txn.state, debate.id)
        if debates.agreed(debate):
            standing = debates.turn_of(debate, debate.proposal)
            assert standing is not None
            _resolve(txn, debate, "agreed", standing.propose, standing.propose, False, self.tasks)
        elif self.tasks:
            raise _refused("not every side agrees yet: there is nothing to make tasks of", "leave out --task")
        elif debates.exhausted(debate):
            _escalate(txn, debate, "rounds")
        return _shown(txn, debate.id)


class Escalate(Command, tag="debate-escalate", frozen=True, kw_only=True):
    """Put a debate before a person."""

    debate: str
    reason: str = ""

    def decide(self, txn: Txn) -> Answer:
        """At the wish of a side or of a person."""
        txn.begin()
        debate = debates.find(txn.state, self.debate)
        if any(isinstance(event, DebateEscalate) and event.debate == debate.id for event in txn.events):
            txn.opens()  # the session's own beginning has recorded it
        else:
            how = "idle" if debates.status(debate, txn.scene) != debate.status else "asked"
            _escalate(txn, debate, how, self.reason)
        return _shown(txn, debate.id)


class Resolve(Command, tag="debate-resolve", frozen=True, kw_only=True):
    """A person's word. `definition` of the contract's new version, where it is not the decision itself."""

    debate: str
    decision: str
    definition: str = ""
    asserted: bool = False
    tasks: tuple[str, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """A person's word on an escalated debate; what is idle is recorded as escalated first."""
        session = sessions.find(txn.state, self.me)
        if not self.me.person or (session is not None and session.agent):
            raise PeerError("not_allowed", "an agent may not decide a debate", "ask a person")
        txn.begin()
        debate = debates.find(txn.state, self.debate)
        if debates.status(debate, txn.scene) == "active":
            raise _refused(
                f"debate {debate.id[:8]} goes on: its sides may still agree",
                f"`git peer debate escalate {debate.id[:8]}` puts it before a person",
            )
        if debate.status == "active":
            _escalate(txn, debate, "idle")
            debate = debating.find(txn.state, debate.id)
        definition = self.definition or self.decision
        _resolve(txn, debate, "decided", self.decision, definition, self.asserted, self.tasks)
        return _shown(txn, debate.id)


def _refused(message: str, hint: str) -> PeerError:
    """What may not be done now: later it may."""
    refusal = PeerError("not_allowed", message, hint)
    refusal.stateful = True
    return refusal


def _shown(txn: Txn, ident: str) -> Answer:
    """What is swept on the way, and the debate as the answer."""
    sweep(txn)
    telling.sweep(txn, {})

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        debate = debates.get(after, ident)
        assert debate is not None
        return {"debate": view.describe(debate, scene)}

    return answer


# -- escalation -----------------------------------------------------------------------------------
def about(state: State, debate: Debate) -> tuple[Target, ...]:
    """What cannot land while a debate is escalated: its paths, and those of the tasks that provide its contract."""
    named = dict.fromkeys(debate.paths)
    if debate.contract:
        for task in tasks.all_of(state):
            if debate.contract in task.provides and task.status != "dropped":
                named.update(dict.fromkeys(task.paths))
    return tuple(islice((target for target in named if target.kind != "name"), deltas.MOST))


def _escalate(txn: Txn, debate: Debate, how: str, reason: str = "") -> None:
    """Put a debate before a person."""
    txn.emit(DebateEscalate, debate=debate.id, how=how, reason=reason, paths=about(txn.state, debate))


def escalate_idle(txn: Txn) -> None:
    """Record which debates nobody has spoken in for too long: for every reader they are escalated already."""
    idle = debates.idle(txn.state, txn.scene) if txn.scene.clock_trusted else ()
    for debate in islice(idle, SWEPT):
        _escalate(txn, debate, "idle")


def sweep(txn: Txn) -> None:
    """Whoever writes records which debates nobody has spoken in for too long, and lets go of old ones."""
    escalate_idle(txn)
    if not txn.scene.clock_trusted:
        return
    state, now, moved = txn.state, txn.scene.now - txn.scene.skew, 0
    root, last = f"{layout.T_ABOUT}/over", deltas.day(now - debates.KEEP)
    days = [name for name in sorted(state.entries(root) or ()) if name <= last]
    for ident in [ident for day in days for ident in sorted(state.entries(f"{root}/{day}") or ())]:
        debate = debates.get(state, ident)
        if debate is not None and debating.is_old(debate, now) and moved < SWEPT:
            txn.emit(DebateLapse, debate=debate.id)
            moved += 1


# -- resolution -----------------------------------------------------------------------------------
def _resolve(
    txn: Txn, debate: Debate, how: str, decision: str, definition: str, asserted: bool, titles: tuple[str, ...]
) -> None:
    """The end, and what it brings: the contract's new version, the delta settled, tasks."""
    contract = contracts.get(txn.state, debate.contract) if debate.contract else None
    version = contract.version + 1 if contract is not None else 0
    names = _free_ids(txn.state, len(titles))
    txn.emit(
        DebateResolve,
        debate=debate.id,
        how=how,
        decision=decision,
        proposal=debate.proposal if how == "agreed" else "",
        asserted=asserted,
        version=version,
        tasks=names,
    )
    if contract is not None:
        txn.emit(
            contracts.ContractChange,
            contract=contract.name,
            version=version,
            definition=definition,
            debate=debate.id,
        )
    delta = deltas.get(txn.state, debate.delta) if debate.delta else None
    if delta is not None:
        txn.emit(DeltaSettle, delta=delta.id, debate=debate.id)
    uses = (contract.name,) if contract is not None else ()
    for name, title in zip(names, titles, strict=True):
        txn.emit(TaskAdd, task=name, spec=Spec(title=title, uses=uses))


def _free_ids(state: State, count: int) -> tuple[str, ...]:
    """So many ids of new tasks, given in turn as the plan gives them."""
    taken = {name.casefold() for name in tasks.names(state)}
    free: list[str] = []
    number = plan.get(state).count
    while len(free) < count:
        number += 1
        if f"t{number}" not in taken:
            free.append(f"t{number}")
    return tuple(free)
