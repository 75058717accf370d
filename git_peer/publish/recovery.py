"""Recovery: what dead requesters left is settled by the next writer, and what nobody was told of is given back."""

from __future__ import annotations

import time
from collections.abc import Sequence

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Outcome, Scene
from git_peer.core.log.state import State
from git_peer.core.rules import grants
from git_peer.core.rules.grants import Fresh
from git_peer.publish import attempts, inbox
from git_peer.publish.attempts import Attempt
from git_peer.publish.engine import Engine


def recover(engine: Engine) -> None:
    """Under the kernel lock: settle every attempt and request whose maker is dead, or was told `unknown`."""
    folder = engine.clone.folder / layout.D_INBOX
    for attempt in attempts.orphans(engine.attempts):
        _settle(engine, attempt)
    for ident, answer in inbox.untold(folder):
        give_back(engine, answer.get("fresh", ()))
        inbox.drop(folder, ident)


def _settle(engine: Engine, attempt: Attempt) -> None:
    if attempt.base == engine.tip() and engine.remote is not None:
        engine.advance(engine.patience)
    if attempt.base == engine.tip() and engine.remote is not None:
        try:
            engine.settle([attempt], time.monotonic() + engine.patience)
        except PeerError as why:
            if why.code != "unknown":
                raise
            # It is the earlier command that is not known; this one has not begun.
            said = why.message.partition(": ")[2]
            raise PeerError("busy", f"an earlier command cannot be settled yet: {said}", "try again later") from None
    if engine.chain.descends(engine.tip(), attempt.candidate):  # now, too: a push outlives the program that began it
        give_back(engine, _untold(engine, attempt))
    attempt.close()  # where it has not landed: another commit stands on its base, or it never left this machine


def _untold(engine: Engine, attempt: Attempt) -> list[Fresh]:
    """What a landed attempt granted to requesters who do not know. Those who still wait get their answers."""
    granted = grants.fresh(engine.chain.events_between(attempt.base, attempt.candidate))
    batch = attempt.answer.get("batch")
    if batch is None:
        return granted
    folder, told = engine.clone.folder / layout.D_INBOX, set[str]()
    for ident, answer in batch.items():
        if inbox.is_known(folder, ident):
            if inbox.is_alive(folder, ident):
                inbox.give_answers(folder, {ident: answer})
                told.update(lock for _, _, lock in answer.get("fresh", ()))
        elif ident != inbox.OWN:  # it dropped its request when it told
            told.update(lock for _, _, lock in answer.get("fresh", ()))
    return [fresh for fresh in granted if fresh[2] not in told]


def give_back(engine: Engine, granted: Sequence[Fresh]) -> None:
    """Release locks and tasks in the name of the sessions that were never told of them."""

    def decide(state: State, scene: Scene, fresh: bool) -> Outcome:
        return Outcome(grants.back(state, granted, scene), lambda after, scene: {})

    if granted:
        engine.attempt(decide)
