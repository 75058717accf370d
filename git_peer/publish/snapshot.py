"""What an attempt stands on: the tip, its state, the sessions, what this clone has seen, and the scene.

It is read once and handed on through decide, answer and notices; what a commit of one's own changes about it is
worked out, not read again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from git_peer import layout
from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.session import clock as clocks
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.store.clone.clone import Clone, Seen


class World(msgspec.Struct, frozen=True):
    """What decisions are made by that is the same for all of a run: a scene without time and place; whose clone."""

    scene: Scene
    clone: str


class Snapshot(NamedTuple):
    """One look at the log. `state` is not to be changed: who decides on it lays another State over it."""

    tip: str
    state: State
    sessions: tuple[Session, ...]
    seen: Seen
    scene: Scene


def look(clone: Clone, world: World, tip: str, state: State) -> Snapshot:
    """Read what belongs to `state`, which is that of `tip`."""
    seen, among = clone.seen, tuple(sessions.all_of(state))
    return Snapshot(tip, state, among, seen, scene_of(clone, world, state, among, seen))


def after(clone: Clone, world: World, before: Snapshot, tip: str, state: State) -> Snapshot:
    """The snapshot that a commit of one's own on `before` leads to: only sessions that it changed are read."""
    old, new = before.state.entries(layout.T_SESSIONS) or {}, state.entries(layout.T_SESSIONS) or {}
    known = {layout.session(one.name).rpartition("/")[2]: one for one in before.sessions}
    among = tuple(
        one
        for name, ident in sorted(new.items())
        if (one := known[name] if old.get(name) == ident else sessions.get(state, name.removesuffix(".json")))
    )
    return Snapshot(tip, state, among, before.seen, scene_of(clone, world, state, among, before.seen))


def seen_anew(clone: Clone, world: World, at: Snapshot, seen: Seen) -> Snapshot:
    """The same, where what this clone has seen has come to be `seen`."""
    return at._replace(seen=seen, scene=scene_of(clone, world, at.state, at.sessions, seen))


def scene_of(clone: Clone, world: World, state: State, among: Sequence[Session], seen: Seen) -> Scene:
    """The world as a decision on `state` sees it now."""
    now = int(time.time())
    return replace(
        world.scene,
        now=now,
        height=state.log.height + 1,
        seen=seen,
        watched=clone.watched(among, seen),
        at_most=clone.at_most(among, seen),
        clock_trusted=clocks.may_prove(now, among, seen, world.clone),
    )
