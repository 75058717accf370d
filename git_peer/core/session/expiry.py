"""Expiry: what proves that a session's lease has run out, so that another may take what it had."""

from __future__ import annotations

import msgspec

from git_peer.core.errors import Malformed
from git_peer.core.log.command import Scene
from git_peer.core.log.state import Event
from git_peer.core.session.record import Session


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Why a lease is held to have run out: the holder's last event, and the wall clock, a watch, or no session."""

    how: str  # wall | watch | gone
    height: int = 0
    at: int = 0
    watched: int = 0


def evidence(session: Session | None, ttl: int, scene: Scene) -> Evidence | None:
    """The evidence that a lease of `ttl` seconds of that session ran out; None while it must be taken for alive."""
    if session is None:
        return Evidence(how="gone")
    watched = scene.watched.get(session.sid, 0)
    if watched > ttl:
        return Evidence(how="watch", height=session.height, at=session.at, watched=watched)
    # The wall clock is compared with the raw `at`: what apply() can check again on every clone.
    if scene.at_most.get(session.sid, ttl) + scene.skew < ttl:
        return None  # whatever the wall clock says, which may have been set since
    if scene.clock_trusted and not session.skewed and scene.now > session.at + ttl + scene.skew:
        return Evidence(how="wall", height=session.height, at=session.at)
    return None


def check(proof: Evidence, session: Session | None, ttl: int, event: Event) -> None:
    """Malformed unless the evidence fits what the log knows of the holder when `event` is written."""
    if session is None:
        if proof.how != "gone":
            raise Malformed("the holder's session is gone")
    elif (proof.height, proof.at) != (session.height, session.at):
        raise Malformed(f"{session.name} has given a sign of life since")
    elif proof.how == "watch":
        if proof.watched <= ttl:
            raise Malformed("watched for less than the TTL")
    elif proof.how != "wall" or session.skewed or event.at <= session.at + ttl:
        raise Malformed("the lease has not run out")
