"""The fold: every event kind, and the one function that turns a state and events into the next state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

import git_peer.core.debate.events
import git_peer.core.delta.events
import git_peer.core.lock.events
import git_peer.core.lock.landing
import git_peer.core.lock.queue
import git_peer.core.log.record
import git_peer.core.plan.contracts
import git_peer.core.plan.phases
import git_peer.core.plan.questions
import git_peer.core.plan.task.events  # noqa: F401 - every module that has events: kinds() finds them then
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.state import Event, State, encode, kinds
from git_peer.core.log.txn import MAX_BATCH, MAX_EVENT
from git_peer.core.plan.task import graph
from git_peer.core.rules import bounds

KINDS: dict[str, type[Event]] = kinds(Event)


class _Head(msgspec.Struct):
    """What tells an event's kind."""

    kind: str


_HEAD = msgspec.json.Decoder(_Head)


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Event]:
    """For each kind its own: one for all takes as long to make as all these classes, and a command reads few kinds."""
    return msgspec.json.Decoder(KINDS[kind])


def parse(line: bytes) -> Event:
    """One event from its line; Malformed unless it is the canonical JSON of a known kind."""
    if len(line) > MAX_EVENT:
        raise Malformed("an event over 64 KiB")
    try:
        kind = _HEAD.decode(line).kind
        if kind not in KINDS:
            raise Malformed(f"not an event: {kind!r} is no kind of event")
        event = _decoder(kind).decode(line)
        canonical = encode(event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, PeerError) as why:
        raise Malformed(f"not an event: {why}") from None
    if canonical != line:
        raise Malformed("an event that is not canonical JSON")
    return event


def apply(state: State, events: Sequence[Event], height: int, start: int = 0) -> None:
    """Fold the events of one commit of that height into `state`; Malformed where they do not fit."""
    if not events:
        raise Malformed("a commit without events")
    for index, event in enumerate(events, start):
        bounds.check(event)
        if event.v > 1 and event.v > state.log.format:
            raise Malformed(f"{event.kind()} of version {event.v} in a log of format {state.log.format}")
        event.apply(state, height, index)
    graph.check(state)
    state.set_log(msgspec.structs.replace(state.log, height=height))


def split(events: Sequence[Event]) -> list[list[Event]]:
    """The events in parts that a commit takes, in order."""
    parts: list[list[Event]] = [[]]
    size = 0
    for event in events:
        length = len(encode(event)) + 1
        if parts[-1] and size + length > MAX_BATCH // 2:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += length
    return parts
