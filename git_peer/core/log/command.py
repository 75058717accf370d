"""What every command is: data that asks for something, who asks for it, and on what scene it is decided."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from git_peer.core.log.state import Event, Record, State
from git_peer.core.target.target import Carry, Meets, Spans

if TYPE_CHECKING:
    from git_peer.core.log.txn import Txn


class Me(Record, frozen=True, kw_only=True):
    """Who asks: what the environment says of this run."""

    name: str | None = None  # None: the unnamed person of the work tree
    lent: bool = False  # the name is one of the environment's: other work trees may have the same
    agent: str = ""
    clone: str
    gitdir: str = ""
    host: str = ""
    user: str = ""
    worktree: str = ""
    branch: str = ""
    head: str = ""
    doing: str = ""
    capabilities: tuple[str, ...] = ()
    takeover: bool = False
    also: tuple[str, ...] = ()  # names of this very run in other work trees of the clone, into which it reached

    @property
    def person(self) -> bool:
        """Whether a person runs this: TTL, priority and the right to force go by it."""
        return not self.agent


def _not_known(blob: str, other: str, spans: Spans) -> Spans | None:
    return None


def _may(blob: str, old: str, new: str, spans: Spans) -> bool:
    return True


class Scene(msgspec.Struct, frozen=True):
    """What a decision needs to know of the world, as arguments: clock, ids, what this clone has seen."""

    now: int
    ident: Callable[[], str]
    height: int = 0  # that the commit will have
    index: int = 0  # of the decision's first event in it
    skew: int = 60
    ttl_agent: int = 1800
    ttl_person: int = 28800
    ttl_max: int = 14 * 86400
    pending_ttl: int = 14 * 86400
    agents_may_force: bool = False
    when: Callable[[int], str] = str  # an epoch second as whoever reads takes it: "in 25 min (11:06)"
    clock_trusted: bool = True  # False: more than five minutes off the others; steals by watching only
    clock_off: bool = False  # whether it shows to be that; it may also be untrusted for want of evidence
    seen: Mapping[str, Mapping[str, int]] = msgspec.field(default_factory=dict)
    watched: Mapping[str, int] = msgspec.field(default_factory=dict)  # sid → seconds without news, monotonic
    left: Container[str] = frozenset()  # sids of this clone's sessions whose work tree or process is gone
    # sid → seconds that its silence cannot exceed, monotonic
    at_most: Mapping[str, int] = msgspec.field(default_factory=dict)
    carry: Carry = _not_known  # what has come of lines of one blob in another; None where that cannot be told
    meets: Meets = _may  # whether a change of a file is in lines of it, as far as that can be told


Answer = Callable[[State, Scene], dict[str, Any]]  # a decision's answer, as the state after its events tells it


class Command(Record, tag_field="do", frozen=True, kw_only=True):
    """Something to be decided for `me`. A kind of command is a class with a tag of its own, and says how it is decided.

    `large`: its events may need several commits, published together. `stateful`: another state might decide it
    otherwise, so neither its refusal nor that there is nothing to do is final.
    """

    large: ClassVar[bool] = False
    stateful: ClassVar[bool] = False

    me: Me

    def decide(self, txn: Txn) -> Answer:
        """Emit what this comes to; its answer, or PeerError where it is refused."""
        raise NotImplementedError


class Outcome(msgspec.Struct, frozen=True):
    """What a decision comes to: events to publish, and the answer. `large` and `stateful` are its command's."""

    events: list[Event]
    answer: Answer
    large: bool = False
    stateful: bool = False
