"""Expiry: what proves that a session's lease has run out, so that another may take what it had."""

from __future__ import annotations

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.command import Scene
from git_peer.core.log.state import Event, State
from git_peer.core.session import clock as clocks
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Why a lease is held to have run out: the holder's last event, and the wall clock, a watch, or no session.

    `left`: the clone that the session is of finds its work tree or process gone.
    """

    how: str  # wall | watch | gone | left
    height: int = 0
    at: int = 0
    watched: int = 0


def evidence(session: Session | None, ttl: int, scene: Scene) -> Evidence | None:
    """The evidence that a lease of `ttl` seconds of that session ran out; None while it must be taken for alive."""
    if session is None:
        return Evidence(how="gone")
    if session.sid in scene.left:
        return Evidence(how="left", height=session.height, at=session.at)
    watched, longest = scene.watched.get(session.sid), scene.at_most.get(session.sid)
    how = clocks.proof(scene.now, session.at, ttl, scene.skew, watched, longest, session.skewed, scene.clock_trusted)
    if not how:
        return None
    return Evidence(how=how, height=session.height, at=session.at, watched=(watched or 0) if how == "watch" else 0)


def check(proof: Evidence, session: Session | None, ttl: int, event: Event, state: State) -> None:
    """Malformed unless the evidence fits what the log knows of the holder when `event` is written."""
    if session is None:
        if proof.how != "gone":
            raise Malformed("the holder's session is gone")
    elif (proof.height, proof.at) != (session.height, session.at):
        raise Malformed(f"{session.name} has given a sign of life since")
    elif proof.how == "left":
        if sessions.acting(state, event).clone != session.clone:
            raise Malformed(f"{session.name} is of another clone")
    elif proof.how == "watch":
        if proof.watched <= ttl:
            raise Malformed("watched for less than the TTL")
    elif proof.how != "wall" or session.skewed or event.at <= session.at + ttl:
        raise Malformed("the lease has not run out")
