"""What arriving commits mean for the sessions of this clone: how a lock of theirs ended, and what others told them.

It is read where the tip moves, and kept beside what the clone remembers, for the state says only what holds now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import DeltaAck
from git_peer.core.errors import Malformed
from git_peer.core.lock.events import LockBreak, LockExpire, LockPreempt, LockRelease
from git_peer.core.log.state import Event, State
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.events import TaskLapse, TaskMove, TaskRelease
from git_peer.core.session import record as sessions
from git_peer.core.session.record import SessionEnd, SessionStart
from git_peer.store.clone import told
from git_peer.store.git import codec
from git_peer.store.git.chain import Chain
from git_peer.store.git.objects import Missing


class Arrivals(NamedTuple):
    """What came: how locks ended, and letters by the name of the session that they are for."""

    ends: dict[str, dict[str, Any]]  # as Clone.saw takes them
    letters: dict[str, list[dict[str, Any]]]


def of(chain: Chain, ident: str, since: str, tip: str) -> Arrivals:
    """What the commits after `since` up to `tip` mean for the clone `ident`; nothing where that is not one history."""
    found = Arrivals({}, {})
    with contextlib.suppress(Missing):  # one that a shallow history has not: what can be told is
        goes_on = since not in ("", tip) and chain.descends(tip, since)
        commits = chain.path(since, tip) if goes_on else None
        for parent, commit in zip([since, *(commits or ())], commits or (), strict=False):
            if told.TELLING.search(raw := chain.message(commit)):
                with contextlib.suppress(Malformed):  # a void commit
                    _read(found, chain.state(parent), codec.events(raw), ident)
    return found


def _read(found: Arrivals, before: State, events: list[Event], ident: str) -> None:
    starts = {event.sid: (event.clone, event.gitdir) for event in events if isinstance(event, SessionStart)}
    for event in events:
        if isinstance(event, (LockBreak, LockExpire, LockPreempt, LockRelease)):
            found.ends[event.lock] = _end(event)
            continue
        for name, letter in _letters(before, event):
            session = sessions.get(before, name)
            if session is None or session.clone != ident or event.sid == session.sid:
                continue
            if starts.get(event.sid) != (ident, session.gitdir):  # else it follows itself in its work tree
                letter |= {"id": event.id, "by": event.by, "at": event.at, "gitdir": session.gitdir}
                found.letters.setdefault(name, []).append(letter)


def _end(event: LockBreak | LockExpire | LockPreempt | LockRelease) -> dict[str, Any]:
    end: dict[str, Any] = {"by": event.by, "at": event.at, "reason": ""}
    if isinstance(event, LockBreak):
        taken_over = event.holder == event.by  # by the next run of its name
        return end | ({"how": "taken_over"} if taken_over else {"how": "forced", "reason": event.reason})
    if isinstance(event, LockPreempt):
        return end | {"how": "preempted"}
    return end | {"how": "expired" if isinstance(event, LockExpire) else "released"}


def _letters(before: State, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """(session's name, what it is to be told) of what an event does to others than its author."""
    if isinstance(event, DeltaAck):
        delta = deltas.get(before, event.delta) if event.note else None
        if delta is not None:
            yield delta.session, {"code": "answer", "delta": delta.id, "about": delta.summary, "note": event.note}
    elif isinstance(event, SessionStart):
        if event.takeover:
            where = f"{event.host}:{event.worktree}"
            yield event.by, {"code": "session", "how": "taken_over", "where": where, "sid": event.takeover}
    elif isinstance(event, SessionEnd):
        yield event.name, {"code": "session", "how": "left" if event.left else "ended", "sid": event.ended}
    elif isinstance(event, (TaskLapse, TaskMove, TaskRelease)):
        task = tasks.get(before, event.task)
        if task is None or not task.assignee:
            return
        letter = {"code": "task", "task": task.id, "about": task.title}
        if isinstance(event, TaskLapse):
            yield task.assignee, {**letter, "how": "expired", "note": ""}
        elif isinstance(event, TaskRelease):
            yield task.assignee, {**letter, "how": "released", "note": event.force or event.note}
        elif event.status in ("in_progress", "blocked", "dropped", "todo"):
            how = "sent_back" if event.status == "in_progress" else event.status
            yield task.assignee, {**letter, "how": how, "note": event.force or event.note}
