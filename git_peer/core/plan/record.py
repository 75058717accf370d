"""The plan: its goal and its phases in order. Records, events, apply(), and when a phase may close."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from git_peer import layout
from git_peer.core import text as texts
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.state import Event, Kept, Record, State
from git_peer.core.session import record as sessions

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COUNTED = re.compile(r"t([0-9]{1,9})")
MAX_PHASES = 200
MAX_TEXT = 32 * 1024  # bytes of one text


class Phase(Kept, frozen=True, kw_only=True):
    """A phase. `status` is pending, open or closed; `synced`: session → the integration head that it stands on."""

    id: str
    name: str
    status: str = "pending"
    synced: dict[str, str] = msgspec.field(default_factory=dict)
    head: str = ""  # the integration head that it closed on


class Plan(Record, frozen=True, kw_only=True):
    """plan.json. `count` is the highest number that a task's id was given."""

    goal: str = ""
    phases: tuple[Phase, ...] = ()
    count: int = 0

    def phase(self, ident: str) -> Phase | None:
        """The phase of that id."""
        return next((phase for phase in self.phases if phase.id == ident), None)

    def order(self, ident: str) -> int:
        """The place of a phase among all, from 0; -1 for work outside of phases."""
        return next((at for at, phase in enumerate(self.phases) if phase.id == ident), -1)


class PlanEvent(Event, frozen=True, kw_only=True):
    """What happens to a plan. `does` is the verb of its subject; one without a verb is not told of by name."""

    part = "plan"
    does: ClassVar[str] = ""

    def line(self, state: State) -> str:
        """The noun, who did it, the verb, and what it was done to."""
        if not self.does:
            return super().line(state)
        return f"{self.kind().partition('.')[0]}: {self.by} {self.does} {self.named(state)}".rstrip()

    def named(self, state: State) -> str:
        """What it was done to, in a subject."""
        return ""


class PhaseEvent(PlanEvent, frozen=True, kw_only=True):
    """What happens to a phase."""

    phase: str

    def named(self, state: State) -> str:
        """The id of the phase."""
        return self.phase


class PlanSet(PlanEvent, tag="plan.set", frozen=True, kw_only=True):
    """The plan's goal, and the order of all its phases where that changes."""

    does = "set the goal"

    goal: str | None = None
    order: tuple[str, ...] | None = None

    def apply(self, state: State, height: int, index: int) -> None:
        """The goal and the order; a closed phase stays before every other."""
        sessions.touch(state, self, height)
        plan = get(state)
        if self.goal is not None:
            plan = msgspec.structs.replace(plan, goal=_text(self.goal, "a goal"))
        if self.order is not None:
            by_id = {phase.id: phase for phase in plan.phases}
            if sorted(self.order) != sorted(by_id):
                raise Malformed("an order that is not of the plan's phases")
            phases = tuple(by_id[ident] for ident in self.order)
            closed = [phase.status == "closed" for phase in phases]
            if closed != sorted(closed, reverse=True):
                raise Malformed("a closed phase stays before the others")
            plan = msgspec.structs.replace(plan, phases=opened_next(phases))
            state.relinked.add("")  # every task's place may have changed
        put(state, plan)

    def says(self) -> str:
        told = [f"set the goal: {self.goal}"] if self.goal is not None else []
        told += [f"put the phases in order: {', '.join(self.order)}"] if self.order is not None else []
        return "; ".join(told) or "left the plan as it is"


class PlanRevise(PlanEvent, tag="plan.revise", frozen=True, kw_only=True):
    """The plan was drawn up, brought in or changed as a whole, by the events before this one: how, and how much."""

    part = ""
    came = 2
    example = {"how": "replan", "v": 2}

    how: str  # new | replan | import
    added: int = 0
    changed: int = 0
    dropped: int = 0
    why: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """A sign of life: what changed, the other events have said."""
        sessions.touch(state, self, height)
        if self.how not in HOWS:
            raise Malformed(f"a plan is not revised by {self.how!r}")
        if self.why:
            texts.check_line(self.why)

    def says(self) -> str:
        does = {"new": "drew up the plan", "replan": "changed the plan", "import": "imported the plan"}
        counts = ((self.added, "added"), (self.changed, "changed"), (self.dropped, "dropped"))
        told = ", ".join(f"{texts.count(number, 'task')} {what}" for number, what in counts if number)
        return does.get(self.how, self.how) + (f" ({told})" if told else "") + (f": {self.why}" if self.why else "")


HOWS = ("new", "replan", "import")


class PhaseAdd(PhaseEvent, tag="phase.add", frozen=True, kw_only=True):
    """A phase at the end of the plan; `closed` where a file says so of it."""

    example = {"phase": "p", "name": "P"}
    does = "added phase"

    name: str
    closed: bool = False
    head: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """At the end; the first one that is not closed is open."""
        sessions.touch(state, self, height)
        plan = get(state)
        if not is_id(self.phase) or plan.phase(self.phase) is not None or len(plan.phases) >= MAX_PHASES:
            raise Malformed(f"no new phase: {self.phase!r}")
        if self.closed and any(phase.status != "closed" for phase in plan.phases):
            raise Malformed("a closed phase stays before the others")
        status = "closed" if self.closed else "pending"
        phase = Phase(id=self.phase, name=_text(self.name, "a name"), status=status, head=self.head)
        phases = (*plan.phases, phase)
        put(state, msgspec.structs.replace(plan, phases=opened_next(phases)))

    def says(self) -> str:
        return f"added phase {self.phase}: {self.name}"


class PhaseEdit(PhaseEvent, tag="phase.edit", frozen=True, kw_only=True):
    """Another name for a phase."""

    part = ""
    example = {"phase": "p", "name": "Q"}

    name: str

    def apply(self, state: State, height: int, index: int) -> None:
        """Only its name."""
        sessions.touch(state, self, height)
        change(state, msgspec.structs.replace(phase_of(state, self.phase), name=_text(self.name, "a name")))

    def says(self) -> str:
        return f"renamed phase {self.phase}: {self.name}"


# -- names ----------------------------------------------------------------------------------------
def is_id(text: str) -> bool:
    """Whether `text` may be the id of a task, a phase or a contract: part of a ref and of a file's name."""
    return _ID.fullmatch(text) is not None and ".." not in text and not text.endswith((".lock", ".", ".json"))


def check_id(text: str, what: str) -> None:
    """PeerError("invalid") unless `text` is an id."""
    if not is_id(text):
        raise PeerError(
            "invalid", f"not an id for a {what}: {text!r}", "letters, digits, '.', '_' and '-', at most 64 of them"
        )


def slug(name: str, taken: Mapping[str, object]) -> str:
    """An id made of a name, other than those taken."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or "phase"
    return next(one for n in range(1, 1 << 30) if (one := base if n == 1 else f"{base}-{n}") not in taken)


def counted(ident: str) -> int:
    """The number of an id that was given in turn (`t12`); 0 for any other."""
    found = _COUNTED.fullmatch(ident)
    return int(found[1]) if found else 0


# -- reading --------------------------------------------------------------------------------------
def get(state: State) -> Plan:
    """The plan; an empty one where there is none."""
    return state.get(layout.T_PLAN, Plan) or Plan()


def find_phase(plan: Plan, text: str) -> Phase:
    """The phase that `text` names by id, by name or by a unique prefix of either."""
    for match in (
        [p for p in plan.phases if p.id == text],
        [p for p in plan.phases if p.name == text],
        [p for p in plan.phases if p.id.startswith(text) or p.name.lower().startswith(text.lower())],
    ):
        if len(match) == 1:
            return match[0]
    from git_peer.core import near  # only where something is wrong

    names = ", ".join(phase.id for phase in plan.phases[:9]) or "none"
    known = [name for phase in plan.phases for name in (phase.id, phase.name)]
    hint = near.hint(text, known, f"the plan's phases: {names}; `git peer phase add` adds one")
    raise PeerError("not_found", f"no phase {text!r}", hint)


def put(state: State, plan: Plan) -> None:
    """Keep the plan."""
    state.put(layout.T_PLAN, plan)


def change(state: State, phase: Phase) -> None:
    """Keep a phase of the plan."""
    plan = get(state)
    put(state, msgspec.structs.replace(plan, phases=tuple(phase if p.id == phase.id else p for p in plan.phases)))


def opened_next(phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The phases with the first one open that is not closed."""
    at = next((i for i, phase in enumerate(phases) if phase.status != "closed"), None)
    return tuple(
        phase
        if phase.status == "closed"
        else msgspec.structs.replace(
            phase, status="open" if i == at else "pending", synced=phase.synced if i == at else {}
        )
        for i, phase in enumerate(phases)
    )


# -- applying -------------------------------------------------------------------------------------
def _text(text: str, what: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise Malformed(f"{what} over {MAX_TEXT // 1024} KiB")
    return text


def phase_of(state: State, ident: str) -> Phase:
    """The phase of that id; Malformed where there is none."""
    phase = get(state).phase(ident)
    if phase is None:
        raise Malformed(f"no phase {ident!r}")
    return phase
