"""Reviews: what is handed in goes where another clone can have it, and whoever may review it is told how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.log.state import State
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.decide import Move
from git_peer.core.plan.task.record import Task
from git_peer.core.rules import decide as commands
from git_peer.ops.peer import Peer

if TYPE_CHECKING:
    from git_peer.ops.gate_runs import Outcomes


def hand_in(peer: Peer, ident: str, commit: str, note: str, read: Outcomes) -> dict[str, Any]:
    """Hand one's task in at a commit, which goes to its branch on the remote: {task, released, pending?, pushed}.

    PeerError `failed` or `unknown` where a gate that the project requires holds it; `read` is for quality_gates.hold().
    """
    from git_peer.ops import (
        quality_gates,
        unlanded,  # who only reads what waits has nothing to land
    )

    peer.writable()
    command = Move(me=peer.me, task=ident, status="review", note=note, commit=commit, **unlanded.for_end(peer))
    pushed: list[dict[str, Any]] = []
    granted = _would_do(peer, command)
    quality_gates.hold(peer, granted or ident, commit, read=read)
    if granted:  # first, so that whoever hears of it finds it there
        pushed = _publish(peer, granted, commit)
    done = peer.run(command)
    if not granted:
        pushed = _publish(peer, str(done["task"]["id"]), commit)
    return {**done, "pushed": pushed}


def accept(peer: Peer, ident: str, note: str, read: Outcomes) -> dict[str, Any]:
    """Accept a task that is in review: {task, released}. PeerError as hand_in() has it."""
    from git_peer.ops import quality_gates

    command = Move(me=peer.me, task=ident, status="merge_point", note=note)
    if quality_gates.requires(peer):
        task = peer.look_up(lambda state: tasks.find(state, ident))
        if task.status == "review" and task.commit and _would_do(peer, command):
            from git_peer.ops import task_branches

            if not task_branches.bring(peer, task, peer.settings.get("retryTimeout")):
                message = f"{task.commit[:12]}, which {task.id} has under review, is not to be had: no gate judges it"
                raise PeerError("unknown", message, f"ask {task.assignee} to push it")
            quality_gates.hold(peer, task.id, task.commit, read=read)
            command = msgspec.structs.replace(command, commit=task.commit)  # what was judged, and no other
    return peer.run(command)


def _would_do(peer: Peer, command: Move) -> str:
    """The id of the task, where this clone's copy of the log lets it be handed in; "" where that is to be seen."""
    at = peer.engine.look()
    try:
        commands.decide(State(at.state), command, at.scene)
        return tasks.find(at.state, command.task).id
    except PeerError:
        return ""


def _publish(peer: Peer, task: str, commit: str) -> list[dict[str, Any]]:
    """Have the remote's branch of a task stand on a commit, as `git peer push` pushes; what was pushed.

    Where the remote takes it not, a notice says that it has to be pushed, and how.
    """
    if peer.remote is None:
        return []
    from git_peer.ops.push import Push  # who only reads what waits pushes nothing

    to = f"refs/heads/{layout.WORK}{task}"
    try:
        pushed: list[dict[str, Any]] = Push(peer, peer.remote.name, [f"+{commit}:{to}"]).run(False, True)["pushed"]
    except PeerError as why:
        if why.status == 3:  # what follows needs the remote, too
            raise
        message = f"{commit[:12]} is not on {peer.remote.name}: no other clone can review it ({why.message})"
        hint = f"`git push {peer.remote.name} {commit}:{to}`"
        peer.warned.append({"code": "unpushed", "message": message, "task": task, "commit": commit, "hint": hint})
        return []
    return pushed


def waiting(peer: Peer) -> Iterator[dict[str, Any]]:
    """The tasks in review that this run may accept: {task, title, by, commit, branch, result, command}, as added.

    `branch` is where a remote has the commit; `command` what comes next.
    """
    session = peer.session()
    for task in sorted(tasks.claimed(peer.state), key=lambda one: one.order):
        mine = peer.name in task.workers or (session is not None and session.sid == task.sid)
        if task.status == "review" and not mine and not task.children:
            passed = task.result.passed if task.result is not None and task.result.commit == task.commit else None
            run = bool(task.accept) and passed is None
            yield {
                "task": task.id,
                "title": task.title,
                "by": task.assignee,
                "commit": task.commit,
                "branch": f"{layout.WORK}{task.id}" if peer.remote is not None else None,
                "result": None if passed is None else "passed" if passed else "failed",
                "command": _next(task, run, passed is False),
            }


def _next(task: Task, run: bool, failed: bool) -> str:
    if run:
        return f"git peer task result {task.id} --run"
    return f'git peer task reject {task.id} --note "WHY"' if failed else f"git peer task merge-point {task.id}"


def how_to_see(peer: Peer, view: dict[str, Any]) -> str:
    """The command that shows what is to be reviewed."""
    fetch = f"git fetch {peer.remote.name} {view['branch']} && " if peer.remote is not None else ""
    return f"{fetch}git show {view['commit'][:12]}"


def warn_of_unlanded(peer: Peer, ident: str) -> None:
    """Have a notice say that a task which is done has a commit that is not on the integration branch."""
    from git_peer.ops import merge_points, task_branches
    from git_peer.store.git import work

    task = tasks.get(peer.state, ident)
    if task is None or not task.commit:
        return
    branch, commit = peer.state.log.integration, task.commit[:12]
    patience: int = peer.settings.get("retryTimeout")
    try:
        with peer.clone.writing(patience):
            head = merge_points.integration_head(peer)
        here = task_branches.bring(peer, task, patience)
    except PeerError as why:
        if why.code not in ("not_found", "invalid"):
            message = f"whether {commit} of {task.id} has landed is not known: {why.message}"
            peer.warned.append({"code": "unlanded", "message": message, "task": task.id, "commit": task.commit})
            return
        head, here = "", True
    if here and work.has_landed(peer.repo.handle, task.commit, head):
        return
    message = f"{task.id} is done, and its commit {commit} has not landed on {branch or 'an integration branch'}"
    hint = f"`git peer integrate --into {branch}` lands what was accepted" if branch else "merge and push it"
    peer.warned.append({"code": "unlanded", "message": message, "task": task.id, "commit": task.commit, "hint": hint})
