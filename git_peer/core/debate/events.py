"""What happens to debates: one opens, goes on, and ends."""

from __future__ import annotations

from msgspec.structs import replace

from git_peer.core import text
from git_peer.core.debate import record as debates
from git_peer.core.debate.record import Debate, Escalation, Resolution, Side, Turn
from git_peer.core.delta import events as telling
from git_peer.core.delta import record as deltas
from git_peer.core.delta.record import Ack
from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, State, alike
from git_peer.core.plan import record as plan
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

MAX_IDLE = 30 * 86400


class DebateOpen(Event, tag="debate.open", frozen=True, kw_only=True):
    """A debate begins. The event's id is its id and that of the first turn; `sides` are the others invited."""

    example = {"topic": "t", "position": "p"}

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

    def apply(self, state: State, height: int, index: int) -> None:
        """The opening is its side's turn of round 1; a delta that it is about counts as answered by it."""
        sessions.touch(state, self, height)
        if not plan.is_id(self.id) or debates.get(state, self.id) is not None:
            raise Malformed(f"no new debate: {self.id!r}")
        text.check_line(self.topic)
        text.check(self.position, text.MESSAGE)
        _check_lists(self.constraints, self.alternatives, self.evidence)
        names = (self.by, *self.sides)
        if len(set(names)) != len(names) or len(names) > debates.SIDES or not all(map(naming.is_name, names)):
            raise Malformed(f"a debate has at most {debates.SIDES} sides, each once")
        if not self.position or not 0 < self.idle <= MAX_IDLE or len(self.paths) > deltas.MOST:
            raise Malformed("a debate needs a position, and a time after which it is idle")
        if self.contract and not plan.is_id(self.contract):
            raise Malformed("a name that is none")
        for target in self.paths:
            targets.check(target)
        sides = (
            Side(session=self.by, position=self.position, constraints=self.constraints, alternatives=self.alternatives),
            *(Side(session=name) for name in self.sides),
        )
        turn = Turn(id=self.id, session=self.by, round=1, message=self.position, at=self.at)
        given = alike(self, Debate) | {"sides": sides}
        debate = Debate(**given, height=height, turns=(turn,), session=self.by, last=self.at)
        if self.delta:
            delta = telling.find(state, self.delta)
            if delta.debate:
                raise Malformed(
                    f"there is a debate about {delta.id[:8]} already",
                    "exists",
                    f"`git peer debate respond {delta.debate[:8]}` takes a side in it",
                )
            deltas.put(state, replace(delta, debate=self.id), delta)
        debates.put(state, debate)
        _answered(state, debate, self)

    def says(self) -> str:
        return f"opened a debate: {self.topic}"


class DebateTurn(Event, tag="debate.turn", frozen=True, kw_only=True):
    """A side speaks. The event's id is the turn's; a verdict is on the proposal of the turn `proposal`."""

    example = {"debate": "d", "round": 1, "message": "m"}

    debate: str
    round: int
    message: str = ""
    propose: str = ""
    verdict: str = ""
    proposal: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """By the rules of the machine; a debate that is idle by the event's own clock waits for a person."""
        sessions.touch(state, self, height)
        debate = find(state, self.debate)
        text.check(self.message, text.MESSAGE)
        text.check(self.propose, text.MESSAGE)
        _check_lists(self.constraints, self.alternatives)
        if not (self.message or self.propose or self.verdict):
            raise Malformed("a turn that says nothing", "usage")
        if debates.turn_of(debate, self.id) is not None:
            raise Malformed("a turn that was there already")
        turn = Turn(**alike(self, Turn) | {"proposal": self.proposal if self.verdict else ""}, session=self.by)
        debates.put(state, debates.spoken(debate, turn, self.constraints, self.alternatives), debate)
        _answered(state, debate, self)

    def says(self) -> str:
        does = {"accept": "accepted", "reject": "rejected"}
        if self.verdict:
            return f"{does.get(self.verdict, self.verdict)} proposal {self.proposal[:8]} in debate {self.debate[:8]}"
        return f"{'proposed' if self.propose else 'spoke'} in debate {self.debate[:8]}: {self.propose or self.message}"


class DebateEscalate(Event, tag="debate.escalate", frozen=True, kw_only=True):
    """A person has to decide: a side `asked`, the `rounds` are over, or nobody spoke (`idle`)."""

    example = {"debate": "d", "how": "asked"}

    debate: str
    how: str
    reason: str = ""
    paths: tuple[Target, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """Once, of a debate that goes on; a side may ask for it, or a person."""
        actor = sessions.touch(state, self, height)
        debate = find(state, self.debate)
        ident = debate.id[:8]
        if debate.status != "active" or debates.agreed(debate):
            raise Malformed(f"debate {ident} is {debate.status}", "not_allowed", f"`git peer debate show {ident}`")
        if self.how == "asked" and debates.side_of(debate, self.by) is None and actor.agent:
            raise Malformed(
                f"{self.by} has no side in debate {ident}", "not_allowed", "its sides, or a person, may ask"
            )
        if self.how == "rounds" and not debates.exhausted(debate):
            raise Malformed("its rounds are not over")
        if self.how == "idle" and not debates.is_idle(debate, self.at):
            raise Malformed("it is not idle")
        if self.how not in ("asked", "rounds", "idle") or len(self.paths) > deltas.MOST:
            raise Malformed("a debate is escalated because somebody asks, by its rounds, or by time")
        text.check(self.reason, text.MESSAGE)
        for target in self.paths:
            targets.check(target)
        why = Escalation(**alike(self, Escalation))
        debates.put(state, replace(debate, status="escalated", escalation=why), debate)

    def says(self) -> str:
        why = {"asked": "a person is asked for", "rounds": "its rounds are over", "idle": "nobody spoke"}
        return f"escalated debate {self.debate[:8]}: {self.reason or why.get(self.how, self.how)}"


class DebateResolve(Event, tag="debate.resolve", frozen=True, kw_only=True):
    """The end: every side accepted that proposal (`agreed`), or a person `decided`. `version`: of the contract."""

    example = {"debate": "d", "how": "decided", "decision": "so"}

    debate: str
    how: str
    decision: str
    proposal: str = ""
    asserted: bool = False
    version: int = 0
    tasks: tuple[str, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """Agreed: the very proposal that every side has accepted. Decided: a person's word on an escalated one."""
        actor = sessions.touch(state, self, height)
        debate = find(state, self.debate)
        text.check(self.decision, text.MESSAGE)
        if self.how == "agreed":
            standing = debates.turn_of(debate, debate.proposal)
            if debate.status != "active" or not debates.agreed(debate) or standing is None:
                raise Malformed("not every side has accepted")
            if (self.proposal, self.decision) != (standing.id, standing.propose):
                raise Malformed("another proposal than the one that was accepted")
        elif self.how == "decided":
            if debate.status != "escalated":
                raise Malformed(f"debate {debate.id[:8]} is {debate.status}", "not_allowed")
            if actor.agent or self.proposal or not self.decision:
                raise Malformed("a person decides what is escalated", "not_allowed")
        else:
            raise Malformed("a debate is agreed or decided")
        if len(self.tasks) > text.ITEMS or not all(map(plan.is_id, self.tasks)):
            raise Malformed("tasks that are none")
        if self.version and not debate.contract:
            raise Malformed("it is about no contract")
        debates.put(state, replace(debate, status="resolved", resolution=Resolution(**alike(self, Resolution))), debate)

    def says(self) -> str:
        return f"resolved debate {self.debate[:8]} ({self.how}): {self.decision}"


class DebateLapse(Event, tag="debate.lapse", frozen=True, kw_only=True):
    """A debate that was resolved 14 days ago leaves the tree."""

    example = {"debate": "d"}

    debate: str

    def apply(self, state: State, height: int, index: int) -> None:
        """By the event's own clock."""
        sessions.touch(state, self, height)
        debate = find(state, self.debate)
        if not is_old(debate, self.at):
            raise Malformed(f"debate {debate.id[:8]} was not resolved 14 days ago")
        debates.remove(state, debate)

    def says(self) -> str:
        return f"took out debate {self.debate[:8]}, resolved 14 days ago"


def is_old(debate: Debate, now: int) -> bool:
    """Whether a debate was resolved 14 days ago."""
    return debate.resolution is not None and now > debate.resolution.at + debates.KEEP


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


def _answered(state: State, debate: Debate, event: Event) -> None:
    """Who speaks in a debate about a delta has answered the delta."""
    delta = deltas.get(state, debate.delta) if debate.delta else None
    if delta is not None and delta.session != event.by and not any(ack.sid == event.sid for ack in delta.acks):
        telling.answer(state, delta, Ack(sid=event.sid, session=event.by, at=event.at, debate=debate.id))
