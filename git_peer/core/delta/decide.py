"""How news is told and answered, and when it has settled: the commands, and how each is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import DeltaAck, DeltaLapse, DeltaPush, DeltaSettle, DeltaSupersede, is_old
from git_peer.core.delta.record import Delta, News, Reader
from git_peer.core.errors import PeerError
from git_peer.core.log import command
from git_peer.core.log.command import Command, Scene
from git_peer.core.log.state import Record, State, alike
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Session

SWEPT = 20  # deltas that one command may take out of the tree on its way


class Work(Record, frozen=True, kw_only=True):
    """What the writer's clone knows of a session's branch: with `head`, its unlanded work touches these deltas."""

    head: str
    deltas: tuple[str, ...] = ()


class Tell(Command, tag="delta-push", frozen=True, kw_only=True):
    """Push a delta. `ident` is given by who asks, so that it is one delta however often this is decided."""

    ident: str
    news: News
    works: dict[str, Work] = msgspec.field(default_factory=dict)

    def decide(self, txn: Txn) -> command.Answer:
        """The delta, the one that it supersedes, and what has settled meanwhile."""
        session = txn.session
        known = deltas.get(txn.state, self.ident)
        if known is None or known.session != session.name:  # else it was sent, and that was not noted
            self._push(txn)
            sweep(txn, self.works)

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            delta = deltas.get(after, self.ident)
            assert delta is not None
            return {"delta": deltas.describe(delta, Reader(session.name, session.sid))}

        return answer

    def _push(self, txn: Txn) -> None:
        given = alike(self.news, DeltaPush)
        given["tasks"] = tuple(dict.fromkeys(tasks.find(txn.state, ident).id for ident in self.news.tasks))
        old = deltas.find(txn.state, self.news.supersedes) if self.news.supersedes else None
        push = txn.emit(DeltaPush, id=self.ident, **given)
        if old is not None:
            txn.emit(DeltaSupersede, delta=old.id, new=push.id)


class Answer(Command, tag="delta-ack", frozen=True, kw_only=True):
    """Answer deltas, all or none. `changed`: what one's own branch has changed and not landed."""

    deltas: tuple[str, ...]
    note: str = ""
    changed: tuple[str, ...] = ()  # percent-encoded paths
    works: dict[str, Work] = msgspec.field(default_factory=dict)

    def decide(self, txn: Txn) -> command.Answer:
        """An answer to each delta; whom it concerned last settles it."""
        session = txn.session
        asked = [deltas.find(txn.state, ident) for ident in self.deltas]
        reader = deltas.reader(txn.state, session.name, session.sid, map(layout.unpercent, self.changed))
        unanswered = []
        for delta in {delta.id: delta for delta in asked}.values():
            if delta.session == session.name:
                raise PeerError(
                    "not_allowed", f"{delta.id[:8]} is your own delta", "`git peer push-delta --supersedes` replaces it"
                )
            if not deltas.answered(delta, reader):
                unanswered.append(delta)
        for delta in unanswered:
            why = deltas.concerns(delta, reader, txn.state.log.folds)[: deltas.MOST]
            txn.emit(DeltaAck, delta=delta.id, note=self.note, why=tuple(text.line(reason) for reason in why))
        if unanswered:
            sweep(txn, self.works)
        acked = {"acked": list(dict.fromkeys(delta.id for delta in asked))}
        return lambda after, scene: acked


# -- settling -------------------------------------------------------------------------------------
def missing(state: State, delta: Delta, works: Mapping[str, Work]) -> Iterator[Session]:
    """The sessions whose answer a delta still waits for. `works`: sid → what is known of its branch."""
    folds = state.log.folds
    about_files = any(target.kind != "name" for target in delta.paths)
    for session in sessions.all_of(state):
        reader = deltas.reader(state, session.name, session.sid)
        if deltas.answered(delta, reader):
            continue
        work = works.get(session.sid)
        known = not session.head or (work is not None and work.head == session.head)
        if (about_files and (not known or (work is not None and delta.id in work.deltas))) or deltas.concerns(
            delta, reader, folds
        ):
            yield session


def settled(state: State, delta: Delta, works: Mapping[str, Work], scene: Scene) -> dict[str, Evidence] | None:
    """Who is dead of those whose answer is missing, where a delta has settled; else None.

    It has if somebody whom it concerned has answered and nobody alive is missing.
    """
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
    return gone


def sweep(txn: Txn, works: Mapping[str, Work]) -> None:
    """Whoever tells or answers sweeps a little: what has settled since the last answer, and what is 14 days old."""
    for ident in list(islice(sorted(txn.state.entries(f"{layout.T_ABOUT}/answered") or ()), SWEPT)):
        delta = deltas.get(txn.state, ident)
        gone = settled(txn.state, delta, works, txn.scene) if delta is not None else None
        if gone is not None:
            txn.emit(DeltaSettle, delta=ident, gone=gone)
    sweep_old(txn)


def sweep_old(txn: Txn) -> None:
    """Deltas that are 14 days old leave the tree, not too many at once."""
    if not txn.scene.clock_trusted:
        return
    now = txn.scene.now - txn.scene.skew
    root, last = f"{layout.T_ABOUT}/days", deltas.day(now - deltas.KEEP)
    days = [name for name in sorted(txn.state.entries(root) or ()) if name <= last]
    old = (ident for day in days for ident in sorted(txn.state.entries(f"{root}/{day}") or ()))
    lapsed = (delta.id for ident in old if (delta := deltas.get(txn.state, ident)) is not None and is_old(delta, now))
    for ident in list(islice(lapsed, SWEPT)):
        txn.emit(DeltaLapse, delta=ident)
