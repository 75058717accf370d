"""Landings: which code reached which refs, and which locks that releases."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from git_peer.core import locking, locks, sessions
from git_peer.core.globs import covers
from git_peer.core.locks import Lock
from git_peer.core.sessions import Me, Scene, Session
from git_peer.core.state import Event, State


class RefUpdate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One ref of a push; an empty id stands for no ref."""

    ref: str
    old: str = ""
    new: str = ""


class PushLand(Event, tag="push.land", frozen=True, kw_only=True):
    """Code landed on the remote in the same atomic push as this event (or, `atomic` false, just before it)."""

    refs: tuple[RefUpdate, ...]
    atomic: bool = True


def apply_land(state: State, event: PushLand, height: int, index: int) -> None:
    """A sign of life; the releases that go with it are events of their own."""
    sessions.touch(state, event, height)


def released(state: State, changed: Iterable[str], dirty: Iterable[str], session: Session, me: Me) -> list[Lock]:
    """One's own held locks of which a push to the integration branch changed a path, and no path is unfinished."""
    folds = state.log.folds
    paths, unfinished = list(changed), list(dirty)

    def touches(lock: Lock, among: list[str]) -> bool:
        return any(covers(lock.target.kind, lock.target.real, path, folds) for path in among)

    owners = [s for s in sessions.all_of(state) if sessions.owns(session, me, s)]
    held = [lock for owner in owners for lock in locks.held_by(state, owner.name) if lock.sid == owner.sid]
    return [lock for lock in held if touches(lock, paths) and not touches(lock, unfinished)]


def events(
    refs: tuple[RefUpdate, ...], freed: list[Lock], landed: str, atomic: bool, session: Session, scene: Scene
) -> list[Event]:
    """The landing and the releases it brings."""
    envelope = {"at": scene.now, "by": session.name, "sid": session.sid}
    land = PushLand(id=scene.ident(), **envelope, refs=refs, atomic=atomic)  # type: ignore[arg-type]
    return [
        land,
        *(locking.LockRelease(id=scene.ident(), **envelope, lock=lock.id, landed=landed) for lock in freed),  # type: ignore[arg-type]
    ]
