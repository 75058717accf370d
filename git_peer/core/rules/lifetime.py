"""A session's beginning, inside the transaction of its first command, and its end: what both mean for every noun."""

from __future__ import annotations

from itertools import islice
from typing import Any

from git_peer.core.debate import decide as debating
from git_peer.core.delta import decide as telling
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as locking
from git_peer.core.lock import landing
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockBreak, named
from git_peer.core.lock.record import Work
from git_peer.core.log.command import Answer, Command
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import claim as claiming
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.events import TaskLapse, TaskRelease
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import SessionEnd, SessionLapse, SessionRenew

SWEPT = 20  # silent sessions that one beginning may take out of the tree
MOST = 50  # locks and claims that may lapse with one of them

_GONE = Evidence(how="gone")


def begin(txn: Txn) -> None:
    """The session of the transaction goes on, or starts: then what the run before it had ends, and it sweeps.

    Either way it records which debates have become idle: who writes next, whatever it is.
    """
    session, start = sessions.ensure(txn.state, txn.me, txn.scene)
    txn.acts(session, start is not None)
    if start is None:
        debating.escalate_idle(txn)
        if session.branch != txn.me.branch:
            txn.emit(SessionRenew, branch=txn.me.branch, head=txn.me.head or None)
        return
    txn.fold(start)
    left = list(locks.held_by(txn.state, session.name))  # by the run that bore the name before
    for lock in left:
        end: dict[str, Any] = {"lock": lock.id, "holder": session.name, "paths": named(lock, left)}
        if txn.me.takeover:
            txn.emit(LockBreak, **end, reason="taken over")
        else:
            landing.lapsed(txn, lock, _GONE, left)
    for task in list(tasks.claimed_by(txn.state, session.name)):
        if task.status == "in_progress":
            txn.emit(TaskLapse, task=task.id, evidence=_GONE)
    telling.sweep_old(txn)  # what is news goes by sessions that may go
    debating.sweep(txn)
    _sweep(txn)
    txn.check()


def _sweep(txn: Txn) -> None:
    """Sessions that were silent for a week leave the tree, with what lapsed with them."""
    for gone in sessions.silent(txn.state, txn.scene, SWEPT):
        if gone.name == txn.session.name:
            continue
        held = list(islice(locks.held_by(txn.state, gone.name), MOST + 1))
        claims = [
            task for task in islice(tasks.claimed_by(txn.state, gone.name), MOST + 1) if task.status == "in_progress"
        ]
        alive = any(locking.lapse(txn.state, lock, txn.scene) is None for lock in held) or any(
            claiming.lapse(txn.state, task, txn.scene) is None for task in claims
        )
        if alive or len(held) + len(claims) > MOST:
            continue
        for lock in held:
            locking.expire(txn, lock)
        for task in claims:
            claiming.end_lapsed(txn, task)
        txn.emit(SessionLapse, name=gone.name, lapsed=gone.sid, height=gone.height, last=gone.at)


class End(Command, tag="session-end", frozen=True, kw_only=True):
    """End a session and give back what it holds; no name: one's own. What has `work` that has not landed waits."""

    name: str = ""
    work: tuple[Work, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """Its own run ends it, or its person, whose session may begin with that."""
        mine = sessions.find(txn.state, self.me)
        ended = sessions.get(txn.state, self.name) if self.name else mine
        if ended is None:
            from git_peer.core import near  # only where something is wrong

            here = (one.name for one in sessions.all_of(txn.state)) if self.name else ()
            hint = near.hint(self.name, here, "`git peer peers` shows who is here")
            raise PeerError("not_found", f"no session {self.name or 'of this work tree'} to end", hint)
        left = not sessions.owns(mine, self.me, ended)  # not one's own, unless it cannot go on
        if left and ended.sid not in txn.scene.left:
            raise PeerError("not_yours", f"{ended.name} is another's session", "its own run, or its person, ends it")
        txn.begin()
        if sessions.get(txn.state, ended.name) is None:  # silent for so long that the beginning swept it
            txn.opens()
            return lambda after, scene: {"ended": ended.name, "released": []}
        held = list(locks.held_by(txn.state, ended.name))
        views = [locks.describe(txn.state, lock, txn.scene, "") for lock in held]
        handed = locking.release(txn, held, work=self.work, hand_over=True)
        for task in list(tasks.claimed_by(txn.state, ended.name)):
            if task.status == "in_progress" and task.sid == ended.sid and left:
                txn.emit(TaskLapse, task=task.id, evidence=Evidence(how="left", height=ended.height, at=ended.at))
            elif task.status == "in_progress" and task.sid == ended.sid:
                txn.emit(TaskRelease, task=task.id, note="its session ended")
            elif task.status == "in_progress":  # of an earlier run of that name, sent back from review
                txn.emit(TaskLapse, task=task.id, evidence=_GONE)
        txn.emit(SessionEnd, name=ended.name, ended=ended.sid, left=left)
        released = [view for view in views if view["id"] not in handed]
        waiting = [view | {"state": "pending"} for view in views if view["id"] in handed]
        return lambda after, scene: {"ended": ended.name, "released": released, "pending": waiting}
