"""What an attempt stands on: the tip, its state, the sessions, what this clone has seen, and the scene.

It is read once and handed on through decide, answer and notices; what a commit of one's own changes about it is
worked out, not read again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from git_peer import layout
from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.session import clock as clocks
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.store.clone import runs, times
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
    clock = clock_of(world, among, seen)
    known = [(one.sid, heard(one)) for one in among]
    return msgspec.structs.replace(
        world.scene,
        now=clock.now,
        height=state.log.height + 1,
        seen=seen,
        watched={sid: told for sid, one in known if (told := clock.watched(one)) is not None},
        at_most={sid: told for sid, one in known if (told := clock.longest(one)) is not None},
        clock_trusted=clock.is_trusted,
        clock_off=clock.is_off,
        left=_Left(clone, world.clone, among),
    )


def clock_of(world: World, among: Iterable[Session], seen: Seen) -> clocks.Clock:
    """This clone's clock, beside what it knows of the others'."""
    return clocks.Clock(
        times.now(), times.steady(), times.boot(), seen, world.clone, lambda: [heard(one) for one in among]
    )


def heard(session: Session) -> dict[str, Any]:
    """What a clock, and who looks whether a session can go on, ask of it."""
    keys = ("sid", "clone", "at", "height", "skewed", "name", "gitdir", "host")
    return {key: getattr(session, key) for key in keys}


class _Left(Container[str]):
    """The sids of this clone's sessions that cannot go on. Each is looked at when it is asked for: most never are."""

    def __init__(self, clone: Clone, ident: str, among: Iterable[Session]) -> None:
        self._common = str(clone.common)
        self._mine = {one.sid: one for one in among if ident and one.clone == ident}
        self._known: dict[object, bool] = {}

    def __contains__(self, sid: object) -> bool:
        if sid not in self._known:
            session = self._mine.get(str(sid))
            self._known[sid] = session is not None and runs.has_left(self._common, heard(session))
        return self._known[sid]
