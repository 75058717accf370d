"""Debates: how sessions that disagree come to an end. The record, its rounds, whose turn it is, how it is told.

The machine is here, as functions from a debate to the next one: decide() and apply() go by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import Malformed
from git_peer.core.lock import rule as verdict
from git_peer.core.log.command import Scene
from git_peer.core.log.state import Kept, Record, State, decode
from git_peer.core.target.target import Target, root_path

ROUNDS = 5
SIDES = 16
IDLE = verdict.IDLE  # seconds without a turn after which a debate is escalated, if its opener's settings say no other
KEEP = 14 * 86400  # seconds that a resolved debate stays in the tree


class Side(Record, frozen=True, kw_only=True):
    """One of those who debate: a session's name. `position` is empty until it has spoken."""

    session: str
    position: str = ""
    constraints: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


class Turn(Record, frozen=True, kw_only=True):
    """What a side said. `verdict` (accept or reject) is on the proposal that the turn `proposal` made."""

    id: str
    session: str
    round: int
    message: str
    propose: str = ""
    verdict: str = ""
    proposal: str = ""
    at: int


class Escalation(Record, frozen=True, kw_only=True):
    """Why a person has to decide: `how` is asked, rounds or idle. `paths` cannot land meanwhile."""

    how: str
    by: str
    at: int
    reason: str = ""
    paths: tuple[Target, ...] = ()


class Resolution(Record, frozen=True, kw_only=True):
    """How it ended: `agreed` on the proposal of that turn, or `decided` by a person."""

    how: str
    decision: str
    by: str
    at: int
    proposal: str = ""
    asserted: bool = False  # the person's word was given without a terminal, by --as-human
    version: int = 0  # of the contract, that it made
    tasks: tuple[str, ...] = ()


class Debate(Kept, frozen=True, kw_only=True):
    """debates/<id>.json. Times are epoch seconds."""

    id: str
    height: int
    topic: str
    status: str = "active"  # active, escalated, resolved
    round: int = 1
    sides: tuple[Side, ...]
    turns: tuple[Turn, ...]
    proposal: str = ""  # the turn whose proposal stands
    accepted: tuple[str, ...] = ()  # by these sides
    delta: str = ""
    contract: str = ""
    evidence: tuple[str, ...] = ()
    paths: tuple[Target, ...] = ()  # what it is about
    idle: int = IDLE
    session: str
    at: int
    last: int  # when the last turn was
    escalation: Escalation | None = None
    resolution: Resolution | None = None


# -- places ---------------------------------------------------------------------------------------
def place(ident: str) -> str:
    """The tree path of a debate's record."""
    return f"{layout.T_DEBATES}/{ident}.json"


def _pointers(debate: Debate) -> set[str]:
    about = layout.T_ABOUT
    pointers = {f"{about}/sides/{layout.component(side.session)}/{debate.id}" for side in debate.sides}
    if debate.status == "active":
        pointers.add(f"{verdict.DEBATED}/{debate.id}")
    if debate.status == "escalated" and debate.contract:
        pointers.add(f"{about}/disputed/{layout.component(debate.contract)}/{debate.id}")
    if debate.resolution is not None:
        pointers.add(f"{about}/over/{_day(debate.resolution.at)}/{debate.id}")
    return pointers


def _day(at: int) -> str:
    return f"{max(0, min(at // 86400, 999_999)):06}"


def _disputes(debate: Debate) -> dict[str, bytes]:
    """Tree path → record of what the gate reads: what cannot land while a debate is escalated."""
    if debate.status != "escalated" or debate.escalation is None:
        return {}
    disputes = {}
    for number, target in enumerate(debate.escalation.paths):
        where = layout.record(layout.T_DISPUTES, root_path(target), f"{debate.id}.{number}")
        record = {"id": debate.id, "target": target, "topic": debate.topic}
        disputes[where] = msgspec.json.encode(record, order="sorted") + b"\n"
    return disputes


def put(state: State, debate: Debate, old: Debate | None = None) -> None:
    """Keep a debate, the index that leads to it, and what is in dispute by it."""
    before = _files(old) if old is not None else {}
    now = _files(debate)
    for where in before.keys() - now.keys():
        state.delete(where)
    for where in sorted(now.keys() - before.keys()):
        state.write(where, now[where])
    state.put(place(debate.id), debate)


def _files(debate: Debate) -> dict[str, bytes]:
    return {**dict.fromkeys(_pointers(debate), b""), **_disputes(debate)}


def remove(state: State, debate: Debate) -> None:
    """A debate leaves the tree."""
    for where in _files(debate):
        state.delete(where)
    state.delete(place(debate.id))


# -- reading --------------------------------------------------------------------------------------
def get(state: State, ident: str) -> Debate | None:
    """The debate of that very id."""
    return state.get(place(ident), Debate)


def all_of(state: State) -> list[Debate]:
    """Every debate in the tree, oldest first."""
    debates = [decode(raw, Debate) for _, raw in state.walk(layout.T_DEBATES)]
    return sorted(debates, key=lambda debate: (debate.height, debate.id))


def find(state: State, prefix: str) -> Debate:
    """The one debate whose id begins with `prefix`."""
    from git_peer.core import near  # hot commands look nothing up by a part of its id

    names = [name.removesuffix(".json") for name in state.entries(layout.T_DEBATES) or ()]
    debate = get(state, near.begun(names, prefix, "debate", "`git peer debate list` shows them"))
    assert debate is not None
    return debate


def of_side(state: State, name: str) -> list[Debate]:
    """The debates in the tree in which that session is a side, oldest first."""
    folder = f"{layout.T_ABOUT}/sides/{layout.component(name)}"
    held = [get(state, ident) for ident in state.entries(folder) or ()]
    return sorted((debate for debate in held if debate is not None), key=lambda debate: (debate.height, debate.id))


def is_idle(debate: Debate, now: int) -> bool:
    """Whether nobody has spoken for so long that a person has to decide."""
    return debate.status == "active" and now > debate.last + debate.idle


def status(debate: Debate, scene: Scene) -> str:
    """Its status as a reader computes it: idle debates are escalated before anybody has recorded that."""
    return "escalated" if is_idle(debate, scene.now) and not scene.clock_off else debate.status


def active(state: State) -> Iterator[Debate]:
    """The debates that nobody has decided, agreed on or escalated, in the order of their ids."""
    for ident in sorted(state.entries(verdict.DEBATED) or ()):
        debate = get(state, ident)
        if debate is not None:
            yield debate


def idle(state: State, scene: Scene) -> list[Debate]:
    """The debates that are escalated by the time that has passed, and of which nobody has recorded that yet."""
    return [debate for debate in active(state) if status(debate, scene) != debate.status]


# -- the machine ----------------------------------------------------------------------------------
def side_of(debate: Debate, name: str) -> Side | None:
    """The side that a session is."""
    return next((side for side in debate.sides if side.session == name), None)


def turn_of(debate: Debate, ident: str) -> Turn | None:
    """The turn of that id."""
    return next((turn for turn in debate.turns if turn.id == ident), None)


def proposer(debate: Debate) -> str:
    """Whose proposal stands; "" where none does."""
    turn = turn_of(debate, debate.proposal) if debate.proposal else None
    return turn.session if turn is not None else ""


def waited_for(debate: Debate) -> list[str]:
    """The sides that have not spoken in this round."""
    spoken = {turn.session for turn in debate.turns if turn.round == debate.round}
    return [side.session for side in debate.sides if side.session not in spoken]


def agreed(debate: Debate) -> bool:
    """Whether every side but the proposer has accepted the proposal that stands."""
    others = {side.session for side in debate.sides} - {proposer(debate)}
    return bool(debate.proposal) and bool(others) and others <= set(debate.accepted)


def exhausted(debate: Debate) -> bool:
    """Whether the last round is over."""
    return debate.round == ROUNDS and len(debate.sides) > 1 and not waited_for(debate)


def spoken(debate: Debate, turn: Turn, constraints: tuple[str, ...] = (), alternatives: tuple[str, ...] = ()) -> Debate:
    """`debate` after a turn; Malformed, with the code of a refusal, where the rules do not have it."""
    ident = debate.id[:8]
    if debate.status != "active":
        raise Malformed(f"debate {ident} is {debate.status}", "not_allowed", f"`git peer debate show {ident}`")
    if agreed(debate) or exhausted(debate):
        raise Malformed(f"debate {ident} has come to its end", "not_allowed")
    if turn.round != debate.round:
        raise Malformed(f"debate {ident} is in round {debate.round}, not {turn.round}", "changed")
    if side_of(debate, turn.session) is not None and turn.session not in waited_for(debate):
        others = ", ".join(waited_for(debate)) or "somebody who takes another side"
        raise Malformed(
            f"{turn.session} has spoken in round {debate.round} of debate {ident}",
            "not_allowed",
            f"it waits for {others}; one turn a round for each side",
        )
    debate = _judged(debate, turn) if turn.verdict else debate
    debate = _joined(debate, turn, constraints, alternatives)
    debate = replace(debate, turns=(*debate.turns, turn), last=max(debate.last, turn.at))
    if turn.propose:
        debate = replace(debate, proposal=turn.id, accepted=())
    over = len(debate.sides) > 1 and not waited_for(debate) and debate.round < ROUNDS and not agreed(debate)
    return replace(debate, round=debate.round + 1) if over else debate


def _judged(debate: Debate, turn: Turn) -> Debate:
    """A verdict is on the very proposal that was read."""
    if turn.verdict not in ("accept", "reject") or turn.propose:
        raise Malformed("a turn accepts, rejects or proposes")
    if turn.proposal != debate.proposal:
        raise Malformed(
            f"another proposal stands in debate {debate.id[:8]} than the one that you read"
            if debate.proposal
            else f"the proposal that you read stands no more in debate {debate.id[:8]}",
            "changed",
            f"`git peer debate show {debate.id[:8]}` shows what stands now",
        )
    if not debate.proposal:
        raise Malformed("nothing is proposed", "not_allowed", "`git peer debate respond --propose TEXT`")
    if proposer(debate) == turn.session:
        raise Malformed("the proposal is your own", "not_allowed", "another side accepts or rejects it")
    if turn.verdict == "reject":
        return replace(debate, proposal="", accepted=())
    return replace(debate, accepted=tuple(dict.fromkeys((*debate.accepted, turn.session))))


def _joined(debate: Debate, turn: Turn, constraints: tuple[str, ...], alternatives: tuple[str, ...]) -> Debate:
    """Who speaks is a side; its first message is its position."""
    side = side_of(debate, turn.session)
    if side is None:
        if len(debate.sides) >= SIDES:
            raise Malformed(f"a debate has at most {SIDES} sides", "not_allowed")
        side = Side(session=turn.session)
        debate = replace(debate, sides=(*debate.sides, side))
    grown = replace(
        side,
        position=side.position or turn.message or turn.propose,
        constraints=tuple(dict.fromkeys((*side.constraints, *constraints)))[: text.ITEMS],
        alternatives=tuple(dict.fromkeys((*side.alternatives, *alternatives)))[: text.ITEMS],
    )
    return replace(debate, sides=tuple(grown if other.session == turn.session else other for other in debate.sides))
