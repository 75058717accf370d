"""How a session gets a task, keeps it, hands it over and gives it back: the commands, and how each is decided."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.decide import Wish
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import Record, State
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Task
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target


class Avoid(Record, frozen=True, kw_only=True):
    """What another session of this clone holds tentatively: nobody has arbitrated it, but here it counts."""

    target: Target
    session: str


class Claim(Command, tag="task-claim", frozen=True, kw_only=True):
    """Work on a task; with `lock`, its paths too, or neither. `blobs`: path → blob at HEAD, for the locks' records."""

    stateful = True

    task: str
    lock: bool = False
    ttl: int | None = None
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    avoid: tuple[Avoid, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """The task named, or the reason why not."""
        txn.begin()
        board = Board(txn.state)
        task = board[tasks.find(txn.state, self.task).id]
        if not (is_mine(txn, task) and task.status == "in_progress"):
            _refuse(board, task, txn.session, txn.scene)
            _claim(txn, task)
        held = taking.take(txn, _paths(txn, task, self)) if self.lock else []
        return _shown(task.id, held)


class Next(Command, tag="task-next", frozen=True, kw_only=True):
    """Work on the best task that is ready and fits: by skills, and with paths that nobody else has."""

    stateful = True

    lock: bool = False
    ttl: int | None = None
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    avoid: tuple[Avoid, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """The ready task with the highest priority that fits the session and whose paths are free."""
        session, board = txn.session, Board(txn.state)
        able = {*session.capabilities, *self.me.capabilities}
        busy = [
            (target, worker.name)
            for task, worker in board.working(txn.scene)
            if worker.sid != session.sid
            for target in task.paths
        ]
        why = Counter[str]()
        ready = board.ready(txn.scene)
        for task in sorted(ready, key=lambda task: task.priority, reverse=True):
            keeper = board.kept_for(task, txn.scene)
            lacking = [skill for skill in task.skills if skill not in able]
            if keeper not in ("", session.name):
                why[f"kept for {keeper}"] += 1
            elif lacking:
                why[f"needs {lacking[0]}"] += 1
            elif worker := _occupied(txn.state, task, busy):
                why[f"has paths that {worker} works on"] += 1
            else:
                try:
                    grant = _paths(txn, task, self)
                except PeerError as refusal:
                    if refusal.code != "locked":
                        raise
                    first = refusal.extra["conflicts"][0]
                    why[f"has paths that {first['lock']['session'] if first['lock'] else first['waiter']} has"] += 1
                    continue
                _claim(txn, task)
                return _shown(task.id, taking.take(txn, grant) if self.lock else [])
        raise _nothing(board, ready, why, session)


class GiveUp(Command, tag="task-release", frozen=True, kw_only=True):
    """Give a task back; `force` is a person's reason for taking another's away."""

    stateful = True

    task: str
    note: str = ""
    force: str | None = None

    def decide(self, txn: Txn) -> Answer:
        """The assignee's word, a person's force, or the evidence that its session is dead."""
        session, task = txn.session, tasks.find(txn.state, self.task)
        if task.status != "in_progress" or task.children:
            back = f"`git peer task reopen {task.id}` takes it back from there"
            hint = back if task.status in tasks.WORKED_ON else "`git peer task list`"
            raise PeerError("invalid", f"nobody works on {task.id}: it is {task.status}", hint)
        held = its_locks(txn.state, task)
        if is_mine(txn, task):
            txn.emit(tasking.TaskRelease, task=task.id, note=self.note)
            taking.release(txn, held, hand_over=True)  # what was pushed under them still lands, or does not
        elif self.force is not None:
            sessions.may_force(session, self.me, txn.scene, "take another's task away")
            txn.emit(tasking.TaskRelease, task=task.id, force=self.force)
            taking.release(txn, held, self.force)
        elif not end_lapsed(txn, task):
            raise PeerError(
                "not_yours",
                f"{task.id} is {task.assignee}'s, not {session.name}'s",
                f"ask {task.assignee} to release it",
                holder=task.assignee,
            )
        return _shown(task.id, [])


class Assign(Command, tag="task-assign", frozen=True, kw_only=True):
    """Keep a task for a session, or hand one's own over to it; `to` "": for whoever comes."""

    stateful = True

    task: str
    to: str = ""

    def decide(self, txn: Txn) -> Answer:
        """Kept while it is todo; handed over by who works on it, with its locks given back for the other to take."""
        txn.begin()
        task = tasks.find(txn.state, self.task)
        if task.status == "todo" and not task.children:
            if task.assignee != self.to:
                txn.emit(tasking.TaskAssign, task=task.id, session=self.to)
        elif task.status == "in_progress" and is_mine(txn, task):
            to = sessions.get(txn.state, self.to)
            if to is None or not sessions.is_live(to, txn.scene):
                raise PeerError(
                    "not_found",
                    f"there is no live session {self.to or '(none named)'} to hand {task.id} over to",
                    f"`git peer peers` shows who is here; `git peer task release {task.id}` gives it back to all",
                )
            taking.release(txn, its_locks(txn.state, task), hand_over=True)
            txn.emit(tasking.TaskAssign, task=task.id, session=to.name, to=to.sid)
        elif task.status == "in_progress" and not task.children:
            raise PeerError(
                "not_yours",
                f"{task.id} is {task.assignee}'s to hand over",
                f"ask {task.assignee}",
                holder=task.assignee,
            )
        else:
            raise PeerError(
                "invalid", f"{task.id} is {task.status}: only what is to do is assigned", "`git peer task list`"
            )
        return _shown(task.id, [])


# -- claiming -------------------------------------------------------------------------------------
def _nothing(board: Board, ready: list[Task], why: Counter[str], session: Session) -> PeerError:
    todo = [task for task in board.tasks.values() if task.status == "todo" and not task.children]
    reasons = [f"{count} {reason}" for reason, count in why.most_common(3)]
    waiting = len(todo) - len([task for task in ready if task.status == "todo"])
    if waiting:
        reasons.append(f"{waiting} {'wait' if waiting > 1 else 'waits'} for other tasks or phases")
    left = f": {', '.join(reasons)}" if reasons else ": no task is to do" if board.tasks else ": there is no plan"
    return PeerError(
        "not_found",
        f"nothing is ready for {session.name}{left}",
        "`git peer task list` shows the plan, `git peer peers` who works on what",
        ready=len(ready),
        waiting=waiting,
    )


def is_mine(txn: Txn, task: Task) -> bool:
    """Whether the session that acts works on a task, or an agent of its own does."""
    holder = tasks.assignee_of(txn.state, task)
    return holder is not None and sessions.owns(txn.session, txn.me, holder)


def _refuse(board: Board, task: Task, session: Session, scene: Scene) -> None:
    """PeerError unless the task is there to be claimed by this session."""
    if task.children:
        open_ones = [child for child in task.children if board[child].status not in tasks.OVER]
        raise PeerError(
            "invalid",
            f"{task.id} is done by its subtasks",
            f"claim one of them: {', '.join(open_ones) or 'all are done'}",
        )
    keeper = board.kept_for(task, scene)
    working = task.status in tasks.WORKED_ON and not board.lapsed(task, scene)
    if working or keeper not in ("", session.name):
        holder = task.assignee if working else keeper
        doing = {"in_progress": "works on it", "todo": "is to do it"}.get(task.status, "has handed it in")
        raise PeerError(
            "held",
            f"{task.id} ({text.quoted(task.title, 80)}) is {holder}'s, who {doing}",
            "`git peer task next` takes another one; `git peer task ready` shows what is there",
            holder=holder,
            task=board.describe(task, scene),
        )
    if task.status not in ("todo", "in_progress"):
        note = f": {text.quoted(task.note)}" if task.note and task.status == "blocked" else ""
        raise PeerError(
            "invalid",
            f"{task.id} is {task.status}{note}",
            f"`git peer task reopen {task.id}` makes it a task to do again",
        )
    waits_for = board.waits_for(task)
    if waits_for:
        shown = ", ".join(
            f"{ident} ({board[ident].status}{', ' + board[ident].assignee if board[ident].assignee else ''})"
            if ident in board.tasks
            else ident
            for ident in waits_for[:5]
        )
        raise PeerError(
            "invalid",
            f"{task.id} is not ready: it waits for {shown}",
            "`git peer task ready` shows what is",
            waits_for=waits_for,
        )


def _claim(txn: Txn, task: Task) -> None:
    """The session becomes its worker; a dead one's claim ends first."""
    if task.status == "in_progress":
        ended = end_lapsed(txn, task)
        assert ended  # board.lapsed() said so
    txn.emit(tasking.TaskClaim, task=task.id)


def lapse(state: State, task: Task, scene: Scene) -> Evidence | None:
    """The evidence that who works on a task is dead; None while its lease must be taken for running."""
    holder = tasks.assignee_of(state, task)
    return expiry.evidence(holder, holder.ttl if holder else 0, scene)


def end_lapsed(txn: Txn, task: Task) -> bool:
    """End a dead session's claim; whether it is dead."""
    evidence = lapse(txn.state, task, txn.scene)
    if evidence is not None:
        txn.emit(tasking.TaskLapse, task=task.id, evidence=evidence)
    return evidence is not None


def _occupied(state: State, task: Task, busy: list[tuple[Target, str]]) -> str:
    """Whose task in progress has a path in common with this one; "" for nobody's."""
    folds = state.log.folds
    return next(
        (who for mine in task.paths for other, who in busy if targets.overlap(mine, other, folds)),
        "",
    )


def lockable(task: Task) -> tuple[Target, ...]:
    """What `--lock` takes for a task: its paths, the whole file where a part of one is named."""
    whole = (
        msgspec.structs.replace(target, kind="file", lines=None, section="", blob="", spans=())
        if target.kind in ("lines", "section")
        else target
        for target in task.paths
    )
    return tuple(dict.fromkeys(whole))


def _paths(txn: Txn, task: Task, command: Claim | Next) -> taking.Grant:
    """How the paths of a task are locked for it; PeerError("locked") where somebody has one."""
    wanted = lockable(task)
    folds = txn.state.log.folds
    for avoid in command.avoid:
        met = next((target for target in wanted if targets.overlap(target, avoid.target, folds)), None)
        if met is not None:
            raise PeerError(
                "locked",
                f"{targets.show(met)} is locked tentatively by {avoid.session}, in this clone",
                f"ask {avoid.session}; `git peer sync` has its lock arbitrated",
                conflicts=[{"target": targets.show(met), "lock": None, "waiter": avoid.session}],
            )
    reason = f"{task.id}: {task.title}"[:200]
    wish = Wish(targets=wanted, ttl=command.ttl, task=task.id, reason=reason, blobs=command.blobs)
    return taking.judge(txn, wish, waits.own(txn.state, txn.session, wanted, wish.mode))


def _shown(ident: str, held: list[str]) -> Answer:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        task = tasks.get(after, ident)
        assert task is not None
        # A later command of the same batch may have ended one: an answer never fails.
        there = {
            ident
            for name in after.entries(layout.T_HELD) or ()
            for ident in after.entries(f"{layout.T_HELD}/{name}") or ()
        }
        views = [locks.describe(after, locks.by_id(after, lock), scene, "") for lock in held if lock in there]
        return {"task": tasks.describe(task), "locks": views}

    return answer


# -- giving back ----------------------------------------------------------------------------------
def its_locks(state: State, task: Task) -> list[locks.Lock]:
    """The locks that end with a task: those taken for it, but for what another task of its worker changes too.

    A path that two of its tasks change is locked once, for the first of them: the last of them ends it.
    """
    if not task.assignee:
        return []
    others = [other for other in tasks.claimed_by(state, task.assignee) if other.id != task.id]
    needed = {target for other in others if other.status in tasks.WORKED_ON for target in lockable(other)}
    mine = set(lockable(task))
    return [
        lock
        for lock in locks.held_by(state, task.assignee)
        if lock.target not in needed and (lock.task == task.id or (lock.target in mine and _is_over(state, lock.task)))
    ]


def _is_over(state: State, ident: str) -> bool:
    task = tasks.get(state, ident) if ident else None
    return task is not None and task.status in tasks.OVER
