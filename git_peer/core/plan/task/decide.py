"""Working: how a task goes from being begun to being done. Commands and decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Command, Outcome, envelope
from git_peer.core.log.state import Event, State
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import its_locks, may_force
from git_peer.core.plan.task.record import OVER, WORKED_ON, Task
from git_peer.core.rules.opening import opened, proven
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Me, Scene, Session


class Move(Command, tag="task-move", frozen=True, kw_only=True):
    """Another status for a task; `commit` is what is handed in for review, for any other move what was seen of it."""

    task: str
    status: str
    note: str = ""
    commit: str = ""
    force: str | None = None


class Progress(Command, tag="task-progress", frozen=True, kw_only=True):
    """How far one's own task is; `check` and `uncheck` name items by number (from 1) or by text."""

    task: str
    percent: int | None = None
    note: str | None = None
    check: tuple[str, ...] = ()
    uncheck: tuple[str, ...] = ()


class Record(Command, tag="task-result", frozen=True, kw_only=True):
    """What the acceptance command of a task said of a commit; `seen` is the command that was run."""

    task: str
    commit: str
    passed: bool
    seen: str = ""
    output: str = ""


def _told(events: list[Event], ident: str, freed: list[dict[str, Any]]) -> Outcome:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        task = tasks.get(after, ident)
        assert task is not None
        return {"task": tasks.describe(task), "released": freed}

    return Outcome(events, answer, stateful=True)


def decide_move(state: State, command: Move, scene: Scene) -> Outcome:
    """By the status machine; locks that were taken for a task end with it."""
    session, opening = opened(state, command.me, scene)
    task = tasks.find(state, command.task)
    if task.status == command.status and not (command.status == "review" and command.commit != task.commit):
        if command.status in (*OVER, "blocked", "todo"):
            return _told([], task.id, [])
        raise PeerError("invalid", f"{task.id} is {task.status} already", "`git peer task show` tells by whom")
    events = _lapses(state, task, command, session, scene)
    proven(state, events, scene, len(opening))
    task = tasks.find(state, task.id)
    if events and task.status == command.status:  # what a dead session left is there again
        return _told(opening + events, task.id, [])
    _may(state, task, command, session, scene)
    moves: list[Event] = []
    freed: list[locks.Lock] = []
    for one in with_children(state, task) if command.status == "dropped" else [task]:
        what = {**envelope(session, scene), "task": one.id, "status": command.status}
        commit = command.commit if command.status == "review" else ""
        moves.append(tasking.TaskMove(**what, note=command.note, commit=commit, force=command.force or ""))
        freed += its_locks(state, one) if command.status in (*OVER, "blocked", "todo") else []
    views = [locks.describe(state, lock, scene, "") for lock in freed]
    events += proven(state, moves, scene, len(opening) + len(events))
    ends: list[Event] = []
    for lock in freed:
        if command.status in OVER:
            ends.append(locking.LockRelease(**envelope(session, scene), lock=lock.id))
        else:
            ends += locking.release(state, [lock], session, command.me, scene, command.force)
    events += proven(state, ends, scene, len(opening) + len(events))
    return _told(opening + events, task.id, views)


def _lapses(state: State, task: Task, command: Move, session: Session, scene: Scene) -> list[Event]:
    """The ends of dead sessions' claims that stand in the way of blocking, dropping or reopening."""
    if command.status not in ("blocked", "dropped", "todo"):
        return []
    among = with_children(state, task) if command.status == "dropped" else [task]
    return [
        ended
        for one in among
        if one.status == "in_progress" and not one.children and not _mine(state, one, session, command.me)
        if (ended := tasking.lapse(state, one, session, scene)) is not None
    ]


def _mine(state: State, task: Task, session: Session, me: Me) -> bool:
    holder = tasks.assignee_of(state, task)
    return holder is not None and sessions.owns(session, me, holder)


def with_children(state: State, task: Task) -> list[Task]:
    """A task and the unfinished ones below it, itself first: its end is not that of its subtasks."""
    found = [task]
    for ident in task.children:
        child = tasks.get(state, ident)
        if child is not None and child.status not in OVER:
            found += with_children(state, child)
    return found


def _may(state: State, task: Task, command: Move, session: Session, scene: Scene) -> None:
    """PeerError where the move is not this session's, in words that help; what apply() refuses stays refused."""
    holder, mine = tasks.assignee_of(state, task), _mine(state, task, session, command.me)
    to, at = command.status, task.status
    if to != "review" and command.commit not in ("", task.commit):
        raise PeerError(
            "changed",
            f"{task.id} has {task.commit[:12] or 'no commit'} handed in now, not {command.commit[:12]}",
            f"look at it again with `git peer task show {task.id}`",
        )
    if command.force is not None:
        may_force(session, command.me, scene, "end another's work on a task")
    if task.children and to != "dropped" and (at, to) != ("dropped", "todo"):
        raise PeerError("invalid", f"{task.id} is done by its subtasks", f"they are {', '.join(task.children[:9])}")
    if to not in tasks.MOVES[at]:
        raise PeerError(
            "invalid",
            f"{task.id} is {at}: it cannot become {to}",
            f"from {at} it may become {', '.join(tasks.MOVES[at])}",
        )
    if to == "merge_point":
        if session.name in task.workers or session.sid == task.sid:
            raise PeerError(
                "not_allowed",
                f"{session.name} worked on {task.id}: another session accepts it",
                "ask another session to review it",
            )
        _accepted(task)
        return
    ends_it = to in ("blocked", "dropped", "todo") and holder is not None and command.force is None
    if at in WORKED_ON and not mine and (to == "review" or ends_it):
        raise PeerError(
            "not_yours",
            f"{task.id} is {task.assignee}'s, not {session.name}'s",
            f"ask {task.assignee}; `git peer task claim {task.id}` once it is free",
            holder=task.assignee,
        )


def _accepted(task: Task) -> None:
    """PeerError unless the acceptance of the very commit under review is on record; without a command a word does."""
    if not task.accept:
        return
    result, commit = task.result, task.commit[:12]
    if result is None or result.commit != task.commit:
        said = f"no result of its acceptance ({task.accept}) is on record for commit {commit}"
    elif not result.passed:
        said = f"its acceptance ({task.accept}) failed on commit {commit}"
    else:
        return
    raise PeerError(
        "invalid",
        f"{task.id} cannot be accepted: {said}",
        f"`git peer task result {task.id} --run` in a work tree at that commit runs it and records what it says",
    )


def decide_progress(state: State, command: Progress, scene: Scene) -> Outcome:
    """The assignee's own."""
    session, opening = opened(state, command.me, scene)
    task = tasks.find(state, command.task)
    _own(state, task, session, command.me)
    if task.status not in WORKED_ON:
        raise PeerError("invalid", f"{task.id} is {task.status}", f"`git peer task claim {task.id}`")
    if command.percent is not None and not 0 <= command.percent <= 100:
        raise PeerError("invalid", f"not a percentage: {command.percent}", "0 to 100")
    event = tasking.TaskProgress(
        **envelope(session, scene),
        task=task.id,
        percent=command.percent,
        note=command.note,
        check=tuple(_item(task, text) for text in command.check),
        uncheck=tuple(_item(task, text) for text in command.uncheck),
    )
    proven(state, [event], scene, len(opening))
    return _told([*opening, event], task.id, [])


def _own(state: State, task: Task, session: Session, me: Me) -> None:
    if not _mine(state, task, session, me):
        whose = f"{task.assignee}'s" if task.assignee else "nobody's yet"
        raise PeerError(
            "not_yours", f"{task.id} is {whose}", f"`git peer task claim {task.id}`", holder=task.assignee or None
        )


def _item(task: Task, text: str) -> int:
    """The item of a task's checklist that `text` names, from 0."""
    listed = [item.text for item in task.checklist]
    if text.isdigit() and 1 <= int(text) <= len(listed):
        return int(text) - 1
    match = [at for at, item in enumerate(listed) if item == text]
    match = match or [at for at, item in enumerate(listed) if item.lower().startswith(text.lower())]
    if len(match) != 1 or not text:
        known = "; ".join(f"{at}. {item}" for at, item in enumerate(listed[:9], 1)) or "it has none"
        raise PeerError("not_found", f"the checklist of {task.id} has no item {text!r}", known)
    return match[0]


def decide_record(state: State, command: Record, scene: Scene) -> Outcome:
    """A result is of the acceptance command as the plan has it now."""
    session, opening = opened(state, command.me, scene)
    task = tasks.find(state, command.task)
    if task.status not in ("in_progress", "review"):
        raise PeerError(
            "invalid", f"{task.id} is {task.status}: nothing of it is to be accepted", "`git peer task show`"
        )
    if task.accept != command.seen:
        raise PeerError(
            "changed",
            f"the acceptance of {task.id} is now {task.accept!r}, not {command.seen!r}",
            "look at it with `git peer task show`, and run that",
        )
    if task.status == "review" and command.commit != task.commit:
        raise PeerError(
            "changed",
            f"{task.id} has {task.commit[:12]} under review, not {command.commit[:12]}",
            "the result must be of that very commit",
        )
    event = tasking.TaskResult(
        **envelope(session, scene),
        task=task.id,
        commit=command.commit,
        passed=command.passed,
        command=command.seen,
        output=command.output,
    )
    proven(state, [event], scene, len(opening))
    return _told([*opening, event], task.id, [])
