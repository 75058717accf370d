"""How a task goes from being begun to being done: the commands, and how each is decided."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as locking
from git_peer.core.lock import landing
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockRelease, named
from git_peer.core.lock.record import Work
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import end_lapsed, is_mine, its_locks
from git_peer.core.plan.task.record import OVER, WORKED_ON, Task
from git_peer.core.session import record as sessions


class Move(Command, tag="task-move", frozen=True, kw_only=True):
    """Another status for a task; `commit` is what is handed in for review, for any other move what was seen of it.

    `work` is what the branch of who hands it in has that has not landed: locks that cover some of it wait for that.
    """

    stateful = True

    task: str
    status: str
    note: str = ""
    commit: str = ""
    force: str | None = None
    work: tuple[Work, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """By the status machine; locks that were taken for a task end with it."""
        txn.begin()  # where it begins here, what it sweeps may be this task
        task = tasks.find(txn.state, self.task)
        if task.status == self.status and not (self.status == "review" and self.commit != task.commit):
            if self.status in (*OVER, "blocked", "todo"):
                return _shown(task.id, [])
            raise PeerError(
                "invalid", f"{task.id} is {task.status} already", f"`git peer task show {task.id}` says more"
            )
        lapsed = self._end_lapsed(txn, task)
        task = tasks.find(txn.state, task.id)
        if lapsed and task.status == self.status:  # what a dead session left is there again
            return _shown(task.id, [])
        _may(txn, task, self)
        freed: dict[str, locks.Lock] = {}  # two subtasks may share one
        for member in with_children(txn.state, task) if self.status == "dropped" else [task]:
            if self.status in (*OVER, "blocked", "todo"):
                freed |= {lock.id: lock for lock in its_locks(txn.state, member)}
            commit = self.commit if self.status == "review" else ""
            txn.emit(
                tasking.TaskMove,
                task=member.id,
                status=self.status,
                note=self.note,
                commit=commit,
                force=self.force or "",
            )
            self._keep_result(txn, member)
        if self.status == "review":
            held = its_locks(txn.state, task)
            freed = {
                lock.id: lock for lock in held if landing.of_any(txn.state, txn.scene, lock, self.work) is not None
            }
        views = {ident: locks.describe(txn.state, lock, txn.scene, "") for ident, lock in freed.items()}
        handed = set()
        for lock in freed.values():
            if self.status in ("review", "done"):
                handed |= {lock.id} if landing.hand_over(txn, lock, self.work) else set()
            elif self.status in OVER:
                txn.emit(LockRelease, lock=lock.id, paths=named(lock, freed.values()))
            else:
                locking.release(txn, [lock], self.force)
        return _shown(
            task.id,
            [view for ident, view in views.items() if ident not in handed],
            [view | {"state": "pending"} for ident, view in views.items() if ident in handed],
        )

    def _keep_result(self, txn: Txn, task: Task) -> None:
        """What was said of a commit holds for it: a move that sends a task back forgets it, so it is recorded again."""
        result = task.result
        if self.status == "in_progress" and result is not None and result.command == task.accept:
            txn.emit(
                tasking.TaskResult,
                task=task.id,
                commit=result.commit,
                passed=result.passed,
                command=result.command,
                output=result.output,
            )

    def _end_lapsed(self, txn: Txn, task: Task) -> bool:
        """End dead sessions' claims that stand in the way of blocking, dropping or reopening; whether any did."""
        if self.status not in ("blocked", "dropped", "todo"):
            return False
        among = with_children(txn.state, task) if self.status == "dropped" else [task]
        ended = False
        for member in among:
            if member.status == "in_progress" and not member.children and not is_mine(txn, member):
                ended = end_lapsed(txn, member) or ended
        return ended


class Progress(Command, tag="task-progress", frozen=True, kw_only=True):
    """How far one's own task is; `check` and `uncheck` name items by number (from 1) or by text."""

    stateful = True

    task: str
    percent: int | None = None
    note: str | None = None
    check: tuple[str, ...] = ()
    uncheck: tuple[str, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """The assignee's own."""
        txn.begin()
        task = tasks.find(txn.state, self.task)
        _own(txn, task)
        if task.status not in WORKED_ON:
            raise PeerError("invalid", f"{task.id} is {task.status}", f"`git peer task claim {task.id}`")
        if self.percent is not None and not 0 <= self.percent <= 100:
            raise PeerError("invalid", f"not a percentage: {self.percent}", "0 to 100")
        txn.emit(
            tasking.TaskProgress,
            task=task.id,
            percent=self.percent,
            note=self.note,
            check=tuple(_item(task, text) for text in self.check),
            uncheck=tuple(_item(task, text) for text in self.uncheck),
        )
        return _shown(task.id, [])


class Record(Command, tag="task-result", frozen=True, kw_only=True):
    """What the acceptance command of a task said of a commit; `seen` is the command that was run."""

    stateful = True

    task: str
    commit: str
    passed: bool
    seen: str = ""
    output: str = ""

    def decide(self, txn: Txn) -> Answer:
        """A result is of the acceptance command as the plan has it now."""
        txn.begin()
        task = tasks.find(txn.state, self.task)
        if task.status not in ("in_progress", "review"):
            raise PeerError(
                "invalid", f"{task.id} is {task.status}: nothing of it is to be accepted", "`git peer task show`"
            )
        if task.accept != self.seen:
            raise PeerError(
                "changed",
                f"the acceptance of {task.id} is now {task.accept!r}, not {self.seen!r}",
                "look at it with `git peer task show`, and run that",
            )
        if task.status == "review" and self.commit != task.commit:
            raise PeerError(
                "changed",
                f"{task.id} has {task.commit[:12]} under review, not {self.commit[:12]}",
                "the result must be of that very commit",
            )
        txn.emit(
            tasking.TaskResult,
            task=task.id,
            commit=self.commit,
            passed=self.passed,
            command=self.seen,
            output=self.output,
        )
        return _shown(task.id, [])


def _shown(ident: str, freed: list[dict[str, Any]], pending: list[dict[str, Any]] | None = None) -> Answer:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        task = tasks.get(after, ident)
        assert task is not None
        return {"task": tasks.describe(task), "released": freed, **({"pending": pending} if pending else {})}

    return answer


def with_children(state: State, task: Task) -> list[Task]:
    """A task and the unfinished ones below it, itself first: its end is not that of its subtasks."""
    family = [task]
    for ident in task.children:
        child = tasks.get(state, ident)
        if child is not None and child.status not in OVER:
            family += with_children(state, child)
    return family


def _may(txn: Txn, task: Task, command: Move) -> None:
    """PeerError where the move is not this session's, in words that help; what apply() refuses stays refused."""
    holder, mine, session = tasks.assignee_of(txn.state, task), is_mine(txn, task), txn.session
    to, at = command.status, task.status
    if to != "review" and command.commit not in ("", task.commit):
        raise PeerError(
            "changed",
            f"{task.id} has {task.commit[:12] or 'no commit'} handed in now, not {command.commit[:12]}",
            f"look at it again with `git peer task show {task.id}`",
        )
    if command.force is not None:
        sessions.may_force(session, txn.me, txn.scene, "end another's work on a task")
    if task.children and to != "dropped" and (at, to) != ("dropped", "todo"):
        raise PeerError("invalid", f"{task.id} is done by its subtasks", f"they are {', '.join(task.children[:9])}")
    if to not in tasks.MOVES[at]:
        raise PeerError(
            "invalid",
            f"{task.id} is {at}: it cannot become {to}",
            _way(task.id, at, to),
        )
    if to == "merge_point":
        if session.name in task.workers or session.sid == task.sid:
            raise PeerError(
                "not_allowed",
                f"{session.name} worked on {task.id}: another session accepts it",
                f"ask another session to review it: `git peer task merge-point {task.id}`",
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


def _way(ident: str, at: str, to: str) -> str:
    """The next step towards a status that a task cannot reach from where it is."""
    if to in ("merge_point", "done") and at in WORKED_ON:
        if at == "review":
            return f"another session accepts it first: `git peer task merge-point {ident}`"
        if at != "merge_point":
            return f"hand it in first: `git peer task review {ident}`; another session then accepts it"
    if at == "todo" and to in ("review", "merge_point", "done"):
        return f"claim it first: `git peer task claim {ident}`"
    if to == "in_progress":
        return "a task can be sent back once it was handed in"
    if at in OVER or at == "blocked":
        return f"take it up again first: `git peer task reopen {ident}`"
    return f"from {at} it may become {', '.join(tasks.MOVES[at])}"


def _accepted(task: Task) -> None:
    """PeerError unless the acceptance of the very commit under review is on record; without a command a word does."""
    if not task.accept:
        return
    result, commit = task.result, task.commit[:12]
    if result is None or result.commit != task.commit:
        why = f"no result of its acceptance ({task.accept}) is on record for commit {commit}"
    elif not result.passed:
        why = f"its acceptance ({task.accept}) failed on commit {commit}"
    else:
        return
    raise PeerError(
        "invalid",
        f"{task.id} cannot be accepted: {why}",
        f"`git peer task result {task.id} --run` in a work tree at that commit runs it and records what it says",
    )


def _own(txn: Txn, task: Task) -> None:
    if not is_mine(txn, task):
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
