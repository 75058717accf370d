"""Debates under Hypothesis: any order of turns by any number of sides, against a model that only looks back.

The model keeps the list of all that was said and works everything out of it anew, so it shares no step with the
machine, which goes from one record to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from git_peer import layout
from git_peer.core.debate import events as debating
from git_peer.core.debate import record as debates
from git_peer.core.debate.decide import Escalate, Open, Resolve, Speak
from git_peer.core.debate.record import Debate
from git_peer.core.delta.decide import Tell
from git_peer.core.delta.record import News
from git_peer.core.errors import PeerError
from git_peer.core.lock.decide import Release, Take, Wish
from git_peer.core.log.command import Command, Me
from git_peer.core.log.state import Event
from git_peer.core.session.decide import Renew, Start
from git_peer.core.target.target import of_path
from tests.core.bench import Bench, agent, person

SPEAKERS = [agent(name, f"c-{name}") for name in "abcde"]
DECIDER = person("c-p")
WRITER = agent("z", "c-z")  # who has no part in it
IDLE = 1000


@dataclass
class Said:
    """A turn as it was taken: who, what it proposed, and its verdict on which proposal."""

    who: str
    id: str
    propose: str = ""
    verdict: str = ""
    on: str = ""


@dataclass
class Model:
    """What was said, and who was invited before; the rest is worked out."""

    invited: list[str]
    said: list[Said] = field(default_factory=list)

    def sides(self, until: int | None = None) -> list[str]:
        return list(dict.fromkeys([self.said[0].who, *self.invited, *(one.who for one in self.said[:until])]))

    def rounds(self) -> tuple[int, set[str]]:
        """(the round that is open now, from 1, who has spoken in it)."""
        number, spoken = 1, set[str]()
        for at, one in enumerate(self.said, 1):
            spoken.add(one.who)
            if len(self.sides(at)) > 1 and spoken >= set(self.sides(at)):
                number, spoken = number + 1, set()
        return number, spoken

    def standing(self) -> Said | None:
        """The newest proposal that nobody has rejected since."""
        for at in range(len(self.said) - 1, -1, -1):
            if self.said[at].verdict == "reject":
                return None
            if self.said[at].propose:
                return self.said[at]
        return None

    def accepted(self) -> set[str]:
        standing = self.standing()
        return {one.who for one in self.said if standing and one.verdict == "accept" and one.on == standing.id}

    def agreed(self) -> bool:
        standing = self.standing()
        others = set(self.sides()) - {standing.who} if standing else set()
        return bool(others) and others <= self.accepted()


class Recorder(Bench):
    """A bench that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        super().__init__()

    def fold(self, events: list[Event]) -> None:
        super().fold(events)
        self.events += events


class Debating(RuleBasedStateMachine):
    """One debate from its opening on."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Recorder()
        self.escalated = self.decided = False
        self.last = 0

    @initialize(who=st.sampled_from(SPEAKERS), invited=st.sets(st.sampled_from("abcde")))
    def open(self, who: Me, invited: set[str]) -> None:
        others = sorted(invited - {str(who.name)})
        asked = Open(me=who, topic="t", position="p", sides=tuple(others), paths=(of_path("file", "f"),), idle=IDLE)
        self.ident: str = self.bench.do(asked)["debate"]["id"]
        self.model = Model(others, [Said(str(who.name), self.ident)])
        self.last = self.bench.now
        self.bench.do(Start(me=WRITER))

    # -- what the model says of now -----------------------------------------------------------------
    @property
    def debate(self) -> Debate:
        found = debates.get(self.bench.state, self.ident)
        assert found is not None
        return found

    @property
    def agreed(self) -> bool:
        return self.model.agreed() and not self.decided

    @property
    def over(self) -> bool:
        """Whether the fifth round is over without agreement."""
        return self.model.rounds()[0] > debates.ROUNDS and not self.model.agreed()

    @property
    def idle(self) -> bool:
        return self.bench.now > self.last + IDLE

    @property
    def goes_on(self) -> bool:
        return not (self.model.agreed() or self.over or self.escalated or self.decided)

    # -- what is done -------------------------------------------------------------------------------
    @rule(
        who=st.sampled_from(SPEAKERS),
        what=st.sampled_from(["say", "propose", "accept", "reject"]),
        seen=st.sampled_from(["standing", "standing", "standing", "older", "nothing"]),
    )
    def speak(self, who: Me, what: str, seen: str) -> None:
        name, standing = str(who.name), self.model.standing()
        made = [one.id for one in self.model.said if one.propose]
        read = {"standing": standing.id if standing else "", "older": made[0] if made else "", "nothing": ""}[seen]
        number, spoken = self.model.rounds()
        verdict = what if what in ("accept", "reject") else ""
        judges = not verdict or (standing is not None and standing.who != name and read == standing.id)
        may = self.goes_on and not self.idle and name not in spoken and judges
        before = len(self.bench.events)
        try:
            self.bench.do(
                Speak(
                    me=who,
                    debate=self.ident,
                    message="m",
                    propose="x" * (what == "propose"),
                    verdict=verdict,
                    seen=read,
                )
            )
        except PeerError as why:
            assert not may, why
            assert len(self.bench.events) == before
            stale = verdict and self.goes_on and not self.idle and name not in spoken
            if stale and read != (standing.id if standing else ""):
                assert why.code == "changed"
            else:
                assert why.code == "not_allowed"
            return
        assert may
        turn = self.debate.turns[-1]
        assert (turn.session, turn.round) == (name, number)
        self.model.said.append(Said(name, turn.id, turn.propose, verdict, read if verdict else ""))
        self.last = self.bench.now

    @rule(who=st.sampled_from([*SPEAKERS, DECIDER]), likely=st.integers(0, 5))
    def escalate(self, who: Me, likely: int) -> None:
        if likely:  # else hardly a debate would come to its end
            return
        entitled = who is DECIDER or str(who.name) in self.model.sides() or self.idle
        may = self.goes_on and entitled
        try:
            self.bench.do(Escalate(me=who, debate=self.ident))
            assert may
            self.escalated = True
        except PeerError as why:
            assert not may
            assert why.code == "not_allowed"

    @rule(who=st.sampled_from([*SPEAKERS, DECIDER]))
    def decide(self, who: Me) -> None:
        waits = self.escalated or self.over or (self.goes_on and self.idle)
        may = who is DECIDER and waits and not self.decided
        try:
            self.bench.do(Resolve(me=who, debate=self.ident, decision="d"))
            assert may
            self.decided = self.escalated = True
        except PeerError as why:
            assert not may
            assert why.code == "not_allowed"

    @rule(seconds=st.sampled_from([1, IDLE // 4, IDLE, IDLE + 1]))
    def time_passes(self, seconds: int) -> None:
        self.bench.now += seconds

    @precondition(lambda self: self.goes_on and self.idle)
    @rule(what=st.sampled_from(["debate", "lock", "delta", "renewal", "refused"]))
    def somebody_writes(self, what: str) -> None:
        """Whoever writes next records that this one is idle, whatever it is; a refusal writes nothing."""
        before = len(self.bench.events)
        asked: dict[str, Command] = {
            "debate": Open(me=WRITER, topic="other", position="p"),
            "lock": Take(me=WRITER, wish=Wish(targets=(of_path("file", f"g{before}"),))),
            "delta": Tell(me=WRITER, ident=f"d{before:015x}", news=News(type="discovery", summary="s")),
            "renewal": Renew(me=WRITER),
            "refused": Release(me=WRITER, targets=(of_path("file", "nobody's"),)),
        }
        if what == "refused":
            with pytest.raises(PeerError):
                self.bench.do(asked[what])
            assert len(self.bench.events) == before
        else:
            self.bench.do(asked[what])
            assert "debate.escalate" in [event.kind() for event in self.bench.events[before:]]
            self.escalated = True

    # -- what must hold -----------------------------------------------------------------------------
    @invariant()
    def the_record_is_what_was_said(self) -> None:
        if not hasattr(self, "model"):
            return
        debate, standing = self.debate, self.model.standing()
        assert [side.session for side in debate.sides] == self.model.sides()
        assert [turn.session for turn in debate.turns] == [one.who for one in self.model.said]
        assert debate.proposal == (standing.id if standing else "")
        assert set(debate.accepted) == self.model.accepted()
        if self.goes_on:
            assert debate.round == self.model.rounds()[0] <= debates.ROUNDS
            assert set(debates.waited_for(debate)) == set(self.model.sides()) - self.model.rounds()[1]
        ended = self.agreed or self.decided
        wanted = "resolved" if ended else "escalated" if self.escalated or self.over else "active"
        assert debate.status == wanted
        assert debates.status(debate, self.bench.scene) == ("escalated" if wanted == "active" and self.idle else wanted)

    @invariant()
    def it_ends_once_and_by_what_was_accepted(self) -> None:
        ends = [e for e in self.bench.events if isinstance(e, debating.DebateResolve) and e.debate == self.ident]
        assert len(ends) <= 1
        for end in ends:
            if end.how != "agreed":
                assert (end.how, end.by) == ("decided", "u-h-w")
                continue
            made = next(one for one in self.model.said if one.id == end.proposal)
            assert made.propose == end.decision
            others = [name for name in self.model.sides() if name != made.who]
            assert others
            for name in others:
                assert any(o.who == name and o.verdict == "accept" and o.on == end.proposal for o in self.model.said)
        if ends:
            at = self.bench.events.index(ends[0])
            late = [e for e in self.bench.events[at + 1 :] if getattr(e, "debate", "") == self.ident]
            assert late == []

    @invariant()
    def only_what_is_escalated_is_in_dispute(self) -> None:
        if hasattr(self, "model"):
            disputes = [path for path in self.bench.blobs if path.startswith(layout.T_DISPUTES)]
            assert len(disputes) == (self.debate.status == "escalated")


TestDebating = Debating.TestCase
TestDebating.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
