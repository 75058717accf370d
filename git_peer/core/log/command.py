"""What every command is: data that asks for something, and the outcome of deciding it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from git_peer.core.log.state import Event, Record, State
from git_peer.core.session.record import Me, Scene, Session


class Command(Record, tag_field="do", frozen=True, kw_only=True):
    """Something to be decided for `me`."""

    me: Me


class Outcome(msgspec.Struct, frozen=True):
    """What a decision comes to: events to publish, and the answer as the state after them tells it.

    `large`: the events may need several commits, published together. `stateful`: that there is nothing to do is true
    of this state only, as a refusal is.
    """

    events: list[Event]
    answer: Callable[[State, Scene], dict[str, Any]]
    large: bool = False
    stateful: bool = False


def envelope(session: Session, scene: Scene) -> dict[str, Any]:
    """What every event of `session` carries."""
    return {"id": scene.ident(), "at": scene.now, "by": session.name, "sid": session.sid}
