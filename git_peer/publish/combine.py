"""Combining: the writers of one clone share a transaction. Whoever has the kernel lock decides for all who wait.

A push costs a round trip, so twenty writers of one clone should cost one or two, not twenty. Every writer gets
its own answer; the batch fails together only where nothing can be known, and is split where a server rejects it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.log.command import Command, Outcome, Scene
from git_peer.core.log.state import State, encode
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold, grants
from git_peer.publish import inbox, recovery
from git_peer.publish.engine import Engine, Undelivered, is_final

MOST = 64  # commands of one batch
LEFT_FOR = 300  # seconds for which a renewal that was left is its session's word
_LEFT, _KEPT = "left:", "kept:"  # what marks commands in a batch that have no requester
_POLL, _LONGEST = 0.01, 0.1  # seconds between looks while another has the kernel lock: more and more


@dataclass(frozen=True)
class Member:
    """A command in a batch; `ident` is its request's, or inbox.OWN."""

    ident: str
    command: Command


def submit(engine: Engine, command: Command) -> dict[str, Any]:
    """Have `command` decided and published, by this process or by whoever holds the kernel lock: its answer."""
    folder = engine.clone.folder / layout.D_INBOX
    with engine.clone.try_writing() as mine:
        if mine:
            return _serve(engine, command)
    request = inbox.post(folder, encode(command))
    deadline = time.monotonic() + engine.patience
    known, pause = False, _POLL
    try:
        while True:
            with engine.clone.try_writing() as mine:
                answer = request.answer()
                if answer is None and mine:
                    _recover(engine, request)
                    answer = request.answer()  # by a combiner that died after its push
                if answer is not None:
                    known = True
                    engine.when_told(request.close)
                    return _opened(answer)
                if mine:
                    request.close()
                    engine.look_again()  # who had the kernel lock has written
                    return _serve(engine, command)
            if time.monotonic() > deadline and request.withdraw():
                raise PeerError(
                    "busy", f"other git-peer commands have been writing here for {engine.patience:.0f} s", "try again"
                )
            if time.monotonic() > deadline + engine.patience:
                raise _unknown("the command that took this one along has not come to its end")
            engine.options.waits("for the other writers of this clone")
            time.sleep(pause)
            pause = min(1.2 * pause, _LONGEST)
    finally:
        if not known:
            request.leave()


def _recover(engine: Engine, request: inbox.Request) -> None:
    """Settle what dead writers left. Where that fails, a request that one of them had taken is not settled either."""
    try:
        recovery.recover(engine)
    except PeerError as why:
        if request.withdraw():
            raise
        raise _unknown(why.message) from None


def _unknown(why: str) -> PeerError:
    return PeerError(
        "unknown",
        f"whether this was done is not known: {why}",
        "run any git-peer command later: it settles this, and gives back what you were not told of",
    )


def keep_alive(engine: Engine, renewal: commands.Renew, sid: str, age: int, ttl: int) -> bool:
    """Renew the leases of an idle session if that is due; whether something was published.

    `age` is seconds since its last event, `ttl` its shortest lease. Before a quarter of it nothing is due; up to half
    a renewal is left for whoever writes next; who first reaches half sends all that were left in this clone. Of two
    sessions that renew each half TTL one is within a quarter of the other, so all of a clone come together soon.
    """
    if age * 4 < ttl:
        return False
    if age * 2 < ttl:
        inbox.leave(engine.clone.folder / layout.D_INBOX, sid, encode(renewal))
        return False
    if engine.remote is not None:
        with engine.clone.try_writing() as mine:
            if mine:  # what was idle for so long stands on an old tip, and nobody waits: a fetch spares a lost push
                engine.advance(engine.patience)
    submit(engine, renewal)
    return True


def _serve(engine: Engine, own: Command) -> dict[str, Any]:
    """Under the kernel lock: settle what is left, decide one's own command and all that wait."""
    recovery.recover(engine)
    engine.remember()
    folder = engine.clone.folder / layout.D_INBOX
    members = [Member(inbox.OWN, own)]
    members += [Member(ident, commands.decode(raw)) for ident, raw in inbox.take(folder, MOST)]
    # A renewal is its session's word of the moment it was left; an old one proves nothing.
    left = inbox.left(folder, time.time() - LEFT_FOR)
    members += [Member(f"{_LEFT}{sid}", commands.decode(raw)) for sid, raw in left]
    answers = _decide(engine, members)
    return _opened(answers[inbox.OWN])


def together(engine: Engine, given: Sequence[Command]) -> Iterator[list[dict[str, Any] | PeerError]]:
    """Under the kernel lock: decide commands that nobody waits for, in one transaction; an answer or a refusal each.

    They come in the order given, in several lists where one transaction does not hold them or a server refuses them
    together. Raises PeerError where nothing is known of those that have not come yet: unreachable, unknown, busy.
    """
    members = [Member(f"{_KEPT}{number}", command) for number, command in enumerate(given[:MOST])]
    if not members:
        return
    try:
        answers = engine.attempt(lambda state, scene, fresh: _batch(state, scene, fresh, members))["batch"]
    except PeerError as why:
        if why.status != 1 or isinstance(why, Undelivered):
            raise
        if len(members) == 1:
            yield [why]
        else:
            half = len(members) // 2
            yield from together(engine, given[:half])
            yield from together(engine, given[half : len(members)])
    else:
        yield [_told(answers[member.ident]) for member in members]
    yield from together(engine, given[MOST:])


def _told(sealed: dict[str, Any]) -> dict[str, Any] | PeerError:
    try:
        return _opened(sealed)
    except PeerError as why:
        return why


def _decide(engine: Engine, members: Sequence[Member]) -> dict[str, Any]:
    """ident → sealed answer; the engine leaves the others theirs in the inbox, a failure of all is left here."""
    try:
        answers = engine.attempt(lambda state, scene, fresh: _batch(state, scene, fresh, members))["batch"]
    except Undelivered:
        raise
    except PeerError as why:
        if len(members) > 1 and why.code in ("rejected", "invalid"):
            return _split(engine, members)
        answers = {member.ident: _sealed(why) for member in members}
        wait = {name: answer for name, answer in answers.items() if name != inbox.OWN and not name.startswith(_LEFT)}
        inbox.give_answers(engine.clone.folder / layout.D_INBOX, wait)
    return dict(answers)


def _split(engine: Engine, members: Sequence[Member]) -> dict[str, Any]:
    """The server, or the batch limit, does not take them together: each for itself, or in halves."""
    half = len(members) // 2
    return {**_decide(engine, members[:half]), **_decide(engine, members[half:])}


def _batch(state: State, scene: Scene, fresh: bool, members: Sequence[Member]) -> Outcome:
    """Decide each on what those before it made of the state. A refusal counts on a fresh tip only."""
    events: list[Any] = []
    parts: dict[str, Outcome | PeerError] = {}
    for member in members:
        at = replace(scene, index=len(events))
        try:
            outcome = commands.decide(State(state), member.command, at)
        except PeerError as why:
            if not fresh and not is_final(why):
                raise
            parts[member.ident] = why
            continue
        if outcome.events:
            fold.apply(state, outcome.events, scene.height, len(events))
        events.extend(outcome.events)
        parts[member.ident] = outcome

    def answer(after: State, scene: Scene) -> dict[str, Any]:
        sealed = {
            ident: _sealed(part)
            if isinstance(part, PeerError)
            else {"answer": part.answer(after, scene), "fresh": grants.fresh(part.events)}
            for ident, part in parts.items()
        }
        return {"batch": sealed}

    large = any(isinstance(part, Outcome) and part.large for part in parts.values())
    idle = any(isinstance(part, Outcome) and part.stateful and not part.events for part in parts.values())
    return Outcome(events, answer, large, idle)


def _sealed(why: PeerError) -> dict[str, Any]:
    return {"error": {"code": why.code, "message": why.message, "hint": why.hint, "extra": why.extra}}


def _opened(sealed: dict[str, Any]) -> dict[str, Any]:
    """A sealed answer as it is told: the answer, or the error raised."""
    why = sealed.get("error")
    if why is not None:
        raise PeerError(why["code"], why["message"], why["hint"], **why["extra"])
    answer: dict[str, Any] = sealed["answer"]
    return answer
