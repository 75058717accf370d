"""Fences: what a session lost without its own word, and who has held it since. A stale holder is refused by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.lock.record import OF_LINES, rfc3339
from git_peer.core.log.state import Record, State, decode
from git_peer.core.target import target as targets
from git_peer.core.target import tree_index as trie
from git_peer.core.target.target import Spans, Target

KEEP = 30 * 86400  # seconds after its last token that a fence stays in the tree


class Holder(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Who took it since, newest."""

    sid: str
    session: str
    token: int


class Fence(Record, frozen=True, kw_only=True):
    """A lost lock: `sid` and `session` lost it, `holder` has had it since, `landed` is the commit it landed with."""

    id: str
    target: Target
    sid: str
    session: str
    token: int
    at: int
    holder: Holder | None = None
    landed: str = ""


def place(ident: str, target: Target) -> str:
    """The tree path of the fence of lock `ident`."""
    return layout.record(layout.T_FENCES, targets.root_path(target), ident)


def all_of(state: State) -> Iterator[Fence]:
    """Every fence."""
    for _, raw in state.walk(layout.T_FENCES):
        yield decode(raw, Fence)


def lost(state: State, ident: str, target: Target, sid: str, session: str, token: int, at: int) -> None:
    """A lock ended without its holder's word. Names are not fenced: no commit can touch one."""
    if target.kind != "name":
        fence = Fence(id=ident, target=target, sid=sid, session=session, token=token, at=at)
        state.put(place(ident, target), fence)


def taken(state: State, target: Target, sid: str, session: str, token: int, at: int, maps: Mapping[str, Spans]) -> None:
    """A grant: its taker's own fences there fall, the others' learn who has it now, old ones go.

    `maps`: id of a fence on lines of the file → what has come of them on the grant's blob.
    """
    for where, fence in _overlapping(state, target, maps):
        if (fence.sid == sid and _covered(target, fence, maps)) or at - fence.at > KEEP:
            state.delete(where)
        elif fence.sid != sid:
            holder = Holder(sid=sid, session=session, token=token)
            state.put(where, msgspec.structs.replace(fence, holder=holder, landed="", at=max(at, fence.at)))


def landed(state: State, target: Target, sid: str, commit: str) -> None:
    """The newer holder's work has landed as `commit`: who contains it may go on."""
    for where, fence in _overlapping(state, target):
        if fence.holder is not None and fence.holder.sid == sid:
            state.put(where, msgspec.structs.replace(fence, landed=commit))


def awaits(state: State, target: Target, sid: str) -> bool:
    """Whether somebody who lost a path there waits for what `sid`, who has had it since, will land."""
    lost = (fence for _, fence in _overlapping(state, target))
    return any(fence.holder is not None and fence.holder.sid == sid and not fence.landed for fence in lost)


def of_lines(state: State, target: Target) -> dict[str, Target]:
    """The ids of the fences on lines of the file of which `target` is lines, and what they are on."""
    found = (decode(raw, Fence) for _, raw in trie.near(state, layout.T_FENCES, target.real, state.log.folds))
    return {fence.id: fence.target for fence in found if targets.of_one_file(fence.target, target)}


def _covered(target: Target, fence: Fence, maps: Mapping[str, Spans]) -> bool:
    """Whether a grant of `target` has all that was lost."""
    if fence.id in maps:
        return targets.covers(target.region, maps[fence.id])
    return targets.contains(target, fence.target)


def _overlapping(state: State, target: Target, maps: Mapping[str, Spans] | None = None) -> list[tuple[str, Fence]]:
    if target.kind == "name":
        return []
    folds = state.log.folds
    near = trie.near(state, layout.T_FENCES, targets.root_path(target), folds)
    fences = [(where, decode(raw, Fence)) for where, raw in near]
    state.spend(sum(targets.work(fence.target, target) for _, fence in fences))
    if target.region and state.log.format >= OF_LINES:
        on = maps or {}
        return [(where, one) for where, one in fences if targets.meet(one.target, target, on.get(one.id), folds)]
    return [(where, fence) for where, fence in fences if targets.overlap(fence.target, target, folds)]


# -- showing ------------------------------------------------------------------------------------
def describe_end(end: Mapping[str, Any]) -> dict[str, Any]:
    """How a lock ended that was lost, for JSON: {how, by, reason, at}; `end` is as the clone keeps it."""
    reason = text.line(end["reason"]) if end.get("reason") else None
    return {"how": end["how"], "by": end["by"], "reason": reason, "at": rfc3339(end["at"])}


def how_it_ended(end: Mapping[str, Any] | None) -> str:
    """The same as a clause to "was lost"; "" where it is not known. `end` may be what describe_end() gave."""
    if not end:
        return ""
    by = text.word(end["by"])
    if end["how"] == "forced":
        return f": {by} broke it, {text.quoted(end['reason'])}"
    if end["how"] == "preempted":
        return f": {by} outranked it"
    if end["how"] == "outrun":
        return f": it was this clone's word alone, and {by} came first"
    if end["how"] == "taken_over":
        return f": another run of the name {by} took this session's place"
    return f": its lease had run out, and {by} ended it"
