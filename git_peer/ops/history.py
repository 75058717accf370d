"""The history: events from the newest back as the contract tells them, and which paths each is about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from git_peer import layout
from git_peer.core.debate import record as debates
from git_peer.core.delta import record as deltas
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockTake
from git_peer.core.lock.landing import PushLand
from git_peer.core.log.record import LogRepair
from git_peer.core.log.state import Event, State, encode
from git_peer.core.plan.task import record as tasks
from git_peer.core.rules import subject
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.store.clone import refusals
from git_peer.store.git import work
from git_peer.store.git.chain import Entry
from git_peer.store.git.objects import Missing

Row = dict[str, Any]
REFUSED = refusals.KIND  # the one kind of which there is nothing in the log


def events(peer: Peer, tip: str, stop: str | None = None) -> Iterator[tuple[Entry, int]]:
    """(commit, index of an event in it) from the newest back; ends before commit `stop`."""
    for entry in peer.chain.history(tip):
        if entry.commit == stop:
            return
        for index in reversed(range(len(entry.events))):
            yield entry, index


def row(entry: Entry, event: Event) -> Row:
    """An event as the contract tells it, with `says`, the same for people."""
    fields = json.loads(encode(event))
    return {
        "id": event.id,
        "kind": fields.pop("kind"),
        "v": event.v,
        "at": locks.rfc3339(event.at),
        "by": event.by,
        "sid": event.sid,
        "height": entry.height,
        "log_commit": entry.commit,
        "says": f"{event.by} {subject.said(event)}",
        **{k: v for k, v in fields.items() if k not in ("id", "v", "at", "by", "sid")},
    }


class Paths:
    """Whether events are about paths: by their own word, or by that of what they speak of, as it was before them."""

    def __init__(self, peer: Peer, among: Sequence[Target]) -> None:
        self._peer = peer
        self._among = among
        self._folds = peer.state.log.folds

    def concern(self, entry: Entry, index: int) -> bool:
        """Whether the event is about one of them: itself, what it lies in, what lies in it, or what a glob takes in."""
        try:
            about = self._of(entry, index)
        except Missing:  # what it speaks of is in a part of the log that this clone does not have
            return False
        return any(targets.overlap(own, wanted, self._folds) for own in about for wanted in self._among)

    def _of(self, entry: Entry, index: int) -> Sequence[Target]:
        event = entry.events[index]
        own = _own(event)
        if own:
            return own
        if isinstance(event, PushLand):
            return self._landed(entry, event)
        for earlier in reversed(entry.events[:index]):  # what it speaks of may have come in the same commit
            if _names(event, earlier):
                return _own(earlier)
        return self._spoken_of(event, self._before(entry))

    def _before(self, entry: Entry) -> State:
        first = entry.events[0]
        return self._peer.chain.state(first.good if isinstance(first, LogRepair) else entry.parent)

    def _spoken_of(self, event: Event, state: State) -> Sequence[Target]:
        ident = getattr(event, "lock", "")
        if ident:
            holder = getattr(event, "holder", event.by)
            names = [holder, *(name for name in state.entries(layout.T_HELD) or () if name != holder)]
            found = (locks.by_pointer(state, name, ident) for name in names)
            return next(((lock.target,) for lock in found if lock is not None), ())
        if wait := state.get(waits.place(event.wait), waits.Wait) if isinstance(event, waits.LockUnwait) else None:
            return wait.targets
        if debate := debates.get(state, ident) if (ident := getattr(event, "debate", "")) else None:
            return debate.paths or _paths_of(deltas.get(state, debate.delta) if debate.delta else None)
        if delta := deltas.get(state, ident) if (ident := getattr(event, "delta", "")) else None:
            return delta.paths
        return _paths_of(tasks.get(state, ident) if (ident := getattr(event, "task", "")) else None)

    def _landed(self, entry: Entry, event: PushLand) -> Sequence[Target]:
        """What a landing changed that does not say so: as far as this clone has its commits."""
        branch = f"refs/heads/{self._peer.chain.state(entry.commit).log.integration}"
        found: list[Target] = []
        for update in event.refs:
            if update.ref == branch:
                changed = work.changed(self._peer.repo.handle, update.old, update.new)
                found += [targets.of_path("file", path) for path in changed]
        return found


def _own(event: Event) -> Sequence[Target]:
    """The targets that an event has itself."""
    if isinstance(event, LockTake):
        return (event.target,)
    for name in ("targets", "paths"):
        given = getattr(event, name, ())
        if given:
            return tuple(given)
    for name in ("spec", "changes", "work"):
        given = getattr(getattr(event, name, None), "paths", ())
        if given:
            return tuple(given)
    return ()


def _paths_of(record: Any) -> Sequence[Target]:
    return tuple(record.paths) if record is not None else ()


def _names(event: Event, earlier: Event) -> bool:
    """Whether an event speaks of what an earlier one began, by its id, or of the same task."""
    spoken = {getattr(event, name, None) for name in ("lock", "wait", "delta", "debate")}
    task = getattr(event, "task", "")
    began = earlier.id in spoken or (bool(task) and getattr(earlier, "task", "") == task)
    return began and bool(_own(earlier))
