"""Landings: which code reached which refs, and which locks that releases."""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.lock import events as locking
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import Lock
from git_peer.core.log.command import Answer, Command, Me
from git_peer.core.log.state import Event, State
from git_peer.core.log.txn import Txn
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.glob import covers
from git_peer.core.target.target import Target
from git_peer.layout import unpercent

SUMMARY = 16 * 1024  # bytes of what a landing says of its paths


class RefUpdate(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One ref of a push; an empty id stands for no ref."""

    ref: str
    old: str = ""
    new: str = ""


class PushLand(Event, tag="push.land", frozen=True, kw_only=True):
    """Code landed on the remote in the same atomic push as this event (or, `atomic` false, just before it)."""

    example = {"refs": [{"ref": "refs/heads/main", "new": "1a"}]}
    part = "land"

    since = {"paths": 2}

    refs: tuple[RefUpdate, ...]
    atomic: bool = True
    kept: tuple[str, ...] = ()  # ids of locks that go on, and whose work in this push others have to bring in
    paths: tuple[Target, ...] = ()  # what changed on the integration branch; of very many, the folders that they are in

    def says(self) -> str:
        to = ", ".join(one.ref.removeprefix("refs/heads/") + ("" if one.new else " (deleted)") for one in self.refs)
        some = [targets.show(target) for target in self.paths[:3]]
        more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
        return f"landed work on {to}" + (f": {', '.join(some)}{more}" if some else "")

    def apply(self, state: State, height: int, index: int) -> None:
        """A sign of life. Releases that go with it are events of their own; what is kept has landed all the same."""
        for target in self.paths:
            if target.kind not in ("file", "dir"):
                raise Malformed("files and folders land")
        branch = f"refs/heads/{state.log.integration}"
        commit = next((update.new for update in self.refs if update.ref == branch), "")
        for ident in self.kept:
            lock = locking.owned(state, self, ident)
            if not commit:
                raise Malformed(f"nothing landed on {branch}")
            fences.landed(state, lock.target, lock.sid, commit)
        sessions.touch(state, self, height)


def summary(paths: Iterable[str], most: int = SUMMARY) -> tuple[Target, ...]:
    """The files of a landing, in order; of over `most` bytes the folders that they are in, as deep as fit."""
    found = sorted(set(paths))
    depth = max((path.count("/") for path in found), default=0)
    while sum(len(layout.percent(path)) + 40 for path in found) > most and depth >= 0:
        found = sorted({path if path.count("/") < depth else f"{'/'.join(path.split('/')[:depth])}/" for path in found})
        depth -= 1
    return tuple(targets.of_path("dir" if path.endswith("/") else "file", path.rstrip("/")) for path in found)


def ends(
    state: State,
    changed: Iterable[str],
    dirty: Iterable[str],
    session: Session,
    me: Me,
    apart: Container[str] = (),
    clean: Container[str] = (),
) -> tuple[list[Lock], list[Lock]]:
    """One's own held locks of which a push to the integration branch changed a path: (all done, unfinished).

    `apart` and `clean` are ids of locks on lines that the push, or the uncommitted work, on their file leaves alone.
    """
    folds = state.log.folds
    paths, unfinished = list(changed), list(dirty)

    def touches(lock: Lock, among: list[str]) -> bool:
        return any(covers(lock.target.kind, lock.target.real, path, folds) for path in among)

    owners = [s for s in sessions.all_of(state) if sessions.owns(session, me, s)]
    held = [lock for owner in owners for lock in locks.held_by(state, owner.name) if lock.sid == owner.sid]
    met = [lock for lock in held if lock.id not in apart and touches(lock, paths)]
    done = [lock for lock in met if lock.id in clean or not touches(lock, unfinished)]
    return done, [lock for lock in met if lock not in done]


class Land(Command, tag="push", frozen=True, kw_only=True):
    """Record code that lands in the same push, and release what it finishes."""

    refs: tuple[RefUpdate, ...]
    changed: tuple[str, ...] = ()  # percent-encoded paths that reach the integration branch
    dirty: tuple[str, ...] = ()  # percent-encoded paths with uncommitted change
    apart: tuple[str, ...] = ()  # ids of locks on lines that it does not change, though their file
    clean: tuple[str, ...] = ()  # and of those that the uncommitted change of their file leaves alone
    landed: str = ""  # the commit that the integration branch comes to stand on
    atomic: bool = True
    keep: bool = False  # release nothing

    def decide(self, txn: Txn) -> Answer:
        """The landing, and the releases that it brings; a kept lock of which others wait for the work is named."""
        changed, dirty = ([unpercent(path) for path in paths] for paths in (self.changed, self.dirty))
        given = txn.session, self.me, self.apart, self.clean
        done, going = ends(txn.state, changed, dirty, *given) if changed else ([], [])
        freed, kept = ([], done + going) if self.keep else (done, going)
        awaited = tuple(lock.id for lock in kept if fences.awaits(txn.state, lock.target, lock.sid))
        views = [locks.describe(txn.state, lock, txn.scene, "") for lock in freed]
        txn.emit(PushLand, refs=self.refs, atomic=self.atomic, kept=awaited, paths=summary(changed))
        for lock in freed:
            txn.emit(locking.LockRelease, lock=lock.id, landed=self.landed, paths=locking.named(lock, freed))
        return lambda after, scene: {"released": views}
