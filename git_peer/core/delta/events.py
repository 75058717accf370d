"""What happens to deltas: they come, are answered, and leave the tree."""

from __future__ import annotations

import msgspec

from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.delta.record import Ack, Delta
from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, State, alike
from git_peer.core.plan import record as plan
from git_peer.core.session import expiry, naming
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target


class DeltaPush(Event, tag="delta.push", frozen=True, kw_only=True):
    """News. The event's id is the delta's."""

    example = {"type": "discovery", "summary": "s"}

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

    def apply(self, state: State, height: int, index: int) -> None:
        """Within bounds, clean, and with an id that no open delta has."""
        sessions.touch(state, self, height)
        if self.type not in deltas.TYPES or self.severity not in deltas.SEVERITIES:
            raise Malformed("a delta has a type and a severity")
        if not plan.is_id(self.id) or deltas.get(state, self.id) is not None:
            raise Malformed(f"no new delta: {self.id!r}")
        text.check_line(self.summary)
        text.check(self.body, text.BODY)
        text.check(self.allowed, text.MESSAGE)
        text.check(self.commit, 64)
        for names in (self.paths, self.contracts, self.tasks, self.to):
            if len(names) > deltas.MOST or len(set(names)) != len(names):
                raise Malformed(f"at most {deltas.MOST} of a kind, and each once")
        for target in self.paths:
            targets.check(target)
        if not all(map(plan.is_id, (*self.contracts, *self.tasks))) or not all(map(naming.is_name, self.to)):
            raise Malformed("a name that is none")
        deltas.put(state, Delta(**alike(self, Delta), height=height, session=self.by))

    def says(self) -> str:
        return f"told of a {self.type.replace('_', ' ')} ({self.severity}): {self.summary}"


class DeltaAck(Event, tag="delta.ack", frozen=True, kw_only=True):
    """A session's answer; `why` it concerned it, as its own state and branch told."""

    example = {"delta": "d"}

    delta: str
    note: str = ""
    why: tuple[str, ...] = ()

    def apply(self, state: State, height: int, index: int) -> None:
        """Once for each run, and not by who told it."""
        sessions.touch(state, self, height)
        delta = find(state, self.delta)
        if delta.session == self.by:
            raise Malformed(f"{delta.id[:8]} is your own", "not_allowed", "`push-delta --supersedes` says it better")
        if any(ack.sid == self.sid for ack in delta.acks):
            raise Malformed(f"{self.by} has answered {delta.id[:8]} already")
        text.check(self.note, text.MESSAGE)
        if len(self.why) > deltas.MOST:
            raise Malformed("too many reasons")
        for reason in self.why:
            text.check(reason, text.MESSAGE)
        answer(state, delta, Ack(sid=self.sid, session=self.by, at=self.at, note=self.note, why=self.why))

    def says(self) -> str:
        return f"answered delta {self.delta[:8]}" + (f": {self.note}" if self.note else "")


class DeltaSupersede(Event, tag="delta.supersede", frozen=True, kw_only=True):
    """A delta leaves the tree, for another one says it better."""

    example = {"delta": "d", "new": "d2"}

    delta: str
    new: str

    def apply(self, state: State, height: int, index: int) -> None:
        """One's own, or of a session that is gone, by one's own that is there."""
        actor = sessions.touch(state, self, height)
        old, new = find(state, self.delta), find(state, self.new)
        if new.sid != self.sid or new.id == old.id:
            raise Malformed("a delta is superseded by another one of one's own")
        if not may_replace(state, old, actor):
            raise Malformed(f"{old.id[:8]} is of {old.session}", "not_yours", f"ask {old.session}, or answer it")
        deltas.put(state, msgspec.structs.replace(new, supersedes=old.id), new)
        deltas.remove(state, old)

    def says(self) -> str:
        return f"replaced delta {self.delta[:8]} by {self.new[:8]}"


class DeltaSettle(Event, tag="delta.settle", frozen=True, kw_only=True):
    """A delta leaves the tree: all have answered whom it concerned, but those who are dead, with the evidence.

    Or the debate about it has come to an end.
    """

    example = {"delta": "d"}

    delta: str
    gone: dict[str, Evidence] = msgspec.field(default_factory=dict)
    debate: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """What decide() concluded; here that there was an answer, and that the dead are dead."""
        sessions.touch(state, self, height)
        delta = find(state, self.delta)
        if delta.debate != self.debate:
            raise Malformed(f"there is a debate about {delta.id[:8]}")
        if not self.debate and not any(ack.why for ack in delta.acks):
            raise Malformed(f"nobody has answered {delta.id[:8]}")
        for name, proof in self.gone.items():
            session = sessions.get(state, name)
            expiry.check(proof, session, session.ttl if session else 0, self, state)
        deltas.remove(state, delta)

    def says(self) -> str:
        how = f"debate {self.debate[:8]} about it is over" if self.debate else "all whom it concerns have answered"
        return f"settled delta {self.delta[:8]}: {how}"


class DeltaLapse(Event, tag="delta.lapse", frozen=True, kw_only=True):
    """A delta leaves the tree that has been open for 14 days."""

    example = {"delta": "d"}

    delta: str

    def apply(self, state: State, height: int, index: int) -> None:
        """By the event's own clock; what is debated stays."""
        sessions.touch(state, self, height)
        delta = find(state, self.delta)
        if not is_old(delta, self.at):
            raise Malformed(f"{delta.id[:8]} is not 14 days old")
        deltas.remove(state, delta)

    def says(self) -> str:
        return f"took out delta {self.delta[:8]}, open for 14 days"


def is_old(delta: Delta, now: int) -> bool:
    """Whether nobody has to answer a delta any more: it has been open for 14 days, and is not debated."""
    return now > delta.at + deltas.KEEP and not delta.debate


def find(state: State, ident: str) -> Delta:
    """The open delta of that very id; Malformed where there is none."""
    delta = deltas.get(state, ident)
    if delta is None:
        raise Malformed(f"there is no open delta {text.line(ident, 64)}", "not_found", "`git peer deltas` lists them")
    return delta


def answer(state: State, delta: Delta, ack: Ack) -> None:
    """Keep a delta with one more answer."""
    deltas.put(state, msgspec.structs.replace(delta, acks=(*delta.acks, ack)), delta)


def may_replace(state: State, delta: Delta, actor: Session) -> bool:
    """Whether a session may take a delta back: its own, its work tree's as the person there, or of one that is gone."""
    author = sessions.get(state, delta.session)
    if author is None or actor.sid in (author.sid, delta.sid):
        return True
    return actor.default and (author.clone, author.gitdir) == (actor.clone, actor.gitdir)
