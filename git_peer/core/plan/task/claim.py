"""Claiming: how a session gets a task, keeps it, hands it over and gives it back. Commands and decide()."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock import events as locking
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import Wish
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, Record, State
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Task
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Me, Scene, Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target


class Avoid(Record, frozen=True, kw_only=True):
    """What another session of this clone holds tentatively: nobody has arbitrated it, but here it counts."""

    target: Target
    session: str


class Claim(Command, tag="task-claim", frozen=True, kw_only=True):
    """Work on a task; with `lock`, its paths too, or neither. `blobs`: path → blob at HEAD, for the locks' records."""

    task: str
    lock: bool = False
    ttl: int | None = None
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    avoid: tuple[Avoid, ...] = ()


class Next(Command, tag="task-next", frozen=True, kw_only=True):
    """Work on the best task that is ready and fits: by skills, and with paths that nobody else has."""

    lock: bool = False
    ttl: int | None = None
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    avoid: tuple[Avoid, ...] = ()


class GiveUp(Command, tag="task-release", frozen=True, kw_only=True):
    """Give a task back; `force` is a person's reason for taking another's away."""

    task: str
    note: str = ""
    force: str | None = None


class Assign(Command, tag="task-assign", frozen=True, kw_only=True):
    """Keep a task for a session, or hand one's own over to it; `to` "": for whoever comes."""

    task: str
    to: str = ""


# -- claiming -------------------------------------------------------------------------------------
def decide_claim(state: State, command: Claim, scene: Scene) -> Outcome:
    """The task named, or the reason why not."""
    session, opening = opened(state, command.me, scene)
    board = Board(state)
    task = board[tasks.find(state, command.task).id]
    if _is_mine(state, task, session, command.me) and task.status == "in_progress":
        events, held = _paths(state, task, command, session, scene) if command.lock else ([], [])
        proven(state, events, scene, len(opening))
        return _told(opening + events if events else [], task.id, held)
    _refuse(board, task, session, scene)
    events = _claimed(state, board, task, session, scene)
    proven(state, events, scene, len(opening))
    held = []
    if command.lock:
        taken, held = _paths(state, task, command, session, scene)
        events += proven(state, taken, scene, len(opening) + len(events))
    return _told(opening + events, task.id, held)


def decide_next(state: State, command: Next, scene: Scene) -> Outcome:
    """The ready task with the highest priority that fits the session and whose paths are free."""
    session, opening = opened(state, command.me, scene)
    board = Board(state)
    able = {*session.capabilities, *command.me.capabilities}
    busy = [(target, who.name) for task, who in board.working(scene) if who.sid != session.sid for target in task.paths]
    why = Counter[str]()
    ready = board.ready(scene)
    for task in sorted(ready, key=lambda one: one.priority, reverse=True):
        keeper = board.kept_for(task, scene)
        lacking = [skill for skill in task.skills if skill not in able]
        if keeper not in ("", session.name):
            why[f"kept for {keeper}"] += 1
        elif lacking:
            why[f"needs {lacking[0]}"] += 1
        elif who := _occupied(state, task, busy):
            why[f"has paths that {who} works on"] += 1
        else:
            try:
                taken, held = _paths(state, task, command, session, scene)
            except PeerError as refusal:
                if refusal.code != "locked":
                    raise
                first = refusal.extra["conflicts"][0]
                why[f"has paths that {first['lock']['session'] if first['lock'] else first['waiter']} has"] += 1
                continue
            events = _claimed(state, board, task, session, scene)
            if command.lock:
                events += taken
            proven(state, events, scene, len(opening))
            return _told(opening + events, task.id, held if command.lock else [])
    raise _nothing(board, ready, why, session)


def _nothing(board: Board, ready: list[Task], why: Counter[str], session: Session) -> PeerError:
    todo = [task for task in board.tasks.values() if task.status == "todo" and not task.children]
    told = [f"{count} {what}" for what, count in why.most_common(3)]
    waiting = len(todo) - len([task for task in ready if task.status == "todo"])
    if waiting:
        told.append(f"{waiting} {'wait' if waiting > 1 else 'waits'} for other tasks or phases")
    left = f": {', '.join(told)}" if told else ": no task is to do" if board.tasks else ": there is no plan"
    return PeerError(
        "not_found",
        f"nothing is ready for {session.name}{left}",
        "`git peer task list` shows the plan, `git peer peers` who works on what",
        ready=len(ready),
        waiting=waiting,
    )


def _is_mine(state: State, task: Task, session: Session, me: Me) -> bool:
    holder = tasks.assignee_of(state, task)
    return holder is not None and sessions.owns(session, me, holder)


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
            f"{one} ({board[one].status}{', ' + board[one].assignee if board[one].assignee else ''})"
            if one in board.tasks
            else one
            for one in waits_for[:5]
        )
        raise PeerError(
            "invalid",
            f"{task.id} is not ready: it waits for {shown}",
            "`git peer task ready` shows what is",
            waits_for=waits_for,
        )


def _claimed(state: State, board: Board, task: Task, session: Session, scene: Scene) -> list[Event]:
    """Events that make the session its worker; a dead one's claim is ended first."""
    events: list[Event] = []
    if task.status == "in_progress":
        ended = tasking.lapse(state, task, session, scene)
        assert ended is not None  # board.lapsed() said so
        events.append(ended)
    events.append(tasking.TaskClaim(**envelope(session, scene), task=task.id))
    return events


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
        msgspec.structs.replace(one, kind="file", lines=None, section="", blob="")
        if one.kind in ("lines", "section")
        else one
        for one in task.paths
    )
    return tuple(dict.fromkeys(whole))


def _paths(
    state: State, task: Task, command: Claim | Next, session: Session, scene: Scene
) -> tuple[list[Event], list[str]]:
    """Events that lock the paths of a task, and the locks' ids; PeerError("locked") where somebody has one."""
    wanted = lockable(task)
    if not wanted:
        return [], []
    folds = state.log.folds
    for one in command.avoid:
        met = next((target for target in wanted if targets.overlap(target, one.target, folds)), None)
        if met is not None:
            raise PeerError(
                "locked",
                f"{targets.show(met)} is locked tentatively by {one.session}, in this clone",
                f"ask {one.session}; `git peer sync` has its lock arbitrated",
                conflicts=[{"target": targets.show(met), "lock": None, "waiter": one.session}],
            )
    reason = f"{task.id}: {task.title}"[:200]
    wish = Wish(targets=wanted, ttl=command.ttl, task=task.id, reason=reason, blobs=command.blobs)
    place = waits.own(state, session, wanted, wish.mode)
    return taking.granted(state, wish, session, command.me, place, scene)


def _told(events: list[Event], ident: str, held: list[str]) -> Outcome:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        task = tasks.get(after, ident)
        assert task is not None
        # A later command of the same batch may have ended one: an answer never fails.
        there = {
            ident
            for name in after.entries(layout.T_HELD) or ()
            for ident in after.entries(f"{layout.T_HELD}/{name}") or ()
        }
        views = [locks.describe(after, locks.by_id(after, one), scene, "") for one in held if one in there]
        return {"task": tasks.describe(task), "locks": views}

    return Outcome(events, answer, stateful=True)


# -- giving back ----------------------------------------------------------------------------------
def its_locks(state: State, task: Task) -> list[locks.Lock]:
    """The locks that end with a task: those taken for it, but for what another task of its worker changes too.

    A path that two of its tasks change is locked once, for the first of them: the last of them ends it.
    """
    if not task.assignee:
        return []
    others = [one for one in tasks.claimed_by(state, task.assignee) if one.id != task.id]
    needed = {target for one in others if one.status in tasks.WORKED_ON for target in lockable(one)}
    mine = set(lockable(task))
    return [
        lock
        for lock in locks.held_by(state, task.assignee)
        if lock.target not in needed and (lock.task == task.id or (lock.target in mine and _is_over(state, lock.task)))
    ]


def _is_over(state: State, ident: str) -> bool:
    task = tasks.get(state, ident) if ident else None
    return task is not None and task.status in tasks.OVER


def may_force(session: Session, me: Me, scene: Scene, what: str) -> None:
    """PeerError("not_allowed") unless this is a person, whose right it is."""
    if not sessions.is_person(session, me) and not scene.agents_may_force:
        raise PeerError("not_allowed", f"an agent may not {what}", "ask a person, or whoever has it")


def decide_give_up(state: State, command: GiveUp, scene: Scene) -> Outcome:
    """The assignee's word, a person's force, or the evidence that its session is dead."""
    session, opening = opened(state, command.me, scene)
    task = tasks.find(state, command.task)
    if task.status != "in_progress" or task.children:
        hint = f"`git peer task reopen {task.id}` takes it back from there" if task.status in tasks.WORKED_ON else ""
        raise PeerError("invalid", f"nobody works on {task.id}: it is {task.status}", hint or "`git peer task list`")
    events: list[Event] = []
    if _is_mine(state, task, session, command.me):
        events.append(tasking.TaskRelease(**envelope(session, scene), task=task.id, note=command.note))
        events += locking.release(state, its_locks(state, task), session, command.me, scene, None)
    elif command.force is not None:
        may_force(session, command.me, scene, "take another's task away")
        events.append(tasking.TaskRelease(**envelope(session, scene), task=task.id, force=command.force))
        events += locking.release(state, its_locks(state, task), session, command.me, scene, command.force)
    else:
        lapsed = tasking.lapse(state, task, session, scene)
        if lapsed is None:
            raise PeerError(
                "not_yours",
                f"{task.id} is {task.assignee}'s, not {session.name}'s",
                f"ask {task.assignee} to release it",
                holder=task.assignee,
            )
        events.append(lapsed)
    proven(state, events, scene, len(opening))
    return _told(opening + events, task.id, [])


def decide_assign(state: State, command: Assign, scene: Scene) -> Outcome:
    """Kept while it is todo; handed over by who works on it, with its locks given back for the other to take."""
    session, opening = opened(state, command.me, scene)
    task = tasks.find(state, command.task)
    events: list[Event] = []
    if task.status == "todo" and not task.children:
        if task.assignee == command.to:
            return _told([], task.id, [])
        events.append(tasking.TaskAssign(**envelope(session, scene), task=task.id, session=command.to))
    elif task.status == "in_progress" and _is_mine(state, task, session, command.me):
        to = sessions.get(state, command.to)
        if to is None or not sessions.is_live(to, scene):
            raise PeerError(
                "not_found",
                f"there is no live session {command.to or '(none named)'} to hand {task.id} over to",
                f"`git peer peers` shows who is here; `git peer task release {task.id}` gives it back to all",
            )
        events += locking.release(state, its_locks(state, task), session, command.me, scene, None)
        events.append(tasking.TaskAssign(**envelope(session, scene), task=task.id, session=to.name, to=to.sid))
    elif task.status == "in_progress" and not task.children:
        raise PeerError(
            "not_yours", f"{task.id} is {task.assignee}'s to hand over", f"ask {task.assignee}", holder=task.assignee
        )
    else:
        raise PeerError(
            "invalid", f"{task.id} is {task.status}: only what is to do is assigned", "`git peer task list`"
        )
    proven(state, events, scene, len(opening))
    return _told(opening + events, task.id, [])
