"""A log commit's message: a subject for people, a blank line, one event a line."""

from __future__ import annotations

from collections.abc import Sequence

from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, encode
from git_peer.core.rules import fold


def message(subject: str, events: Sequence[Event]) -> bytes:
    """The message of a commit that holds these events."""
    return b"\n".join([subject.encode(), b"", *(encode(event) for event in events), b""])


def events(raw: bytes) -> list[Event]:
    """The events in a commit's message; Malformed where it is not one of the log's."""
    lines = raw.split(b"\n")
    if len(lines) < 4 or lines[1] or lines[-1]:
        raise Malformed("not a commit of the log")
    return [fold.parse(line) for line in lines[2:-1]]
