"""Accepting: the acceptance command of a task is run on a commit, and what it said is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygit2

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.decide import Record
from git_peer.core.plan.task.record import Task
from git_peer.ops import known
from git_peer.ops import notes as noting
from git_peer.ops.peer import Peer
from git_peer.store import shell
from git_peer.store.git.remote import run as run_git

KEPT = 3000  # characters of an output that are recorded: its end


def commit(peer: Peer, rev: str) -> str:
    """The id of the commit that `rev` names."""
    try:
        return str(peer.repo.git.revparse_single(rev).peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        hint = known.revision_hint(peer.repo, rev, "name a commit of this repository")
        raise PeerError("usage", f"no commit {rev!r}", hint) from None


def reopened(task: Task) -> str:
    """The status that a task takes when it is taken back."""
    return "in_progress" if task.status in ("review", "merge_point") else "todo"


def record(peer: Peer, ident: str, on: str, passed: bool, output: str) -> dict[str, Any]:
    """Record what somebody saw the acceptance command say of a commit: {task}."""
    task = peer.look_up(lambda state: tasks.find(state, ident))
    return recorded(peer, task, on, passed, output)


def run(peer: Peer, ident: str, timeout: int) -> dict[str, Any]:
    """Run the acceptance command in this work tree, which must be that of a commit: {task}. `timeout` is seconds."""
    task = peer.look_up(lambda state: tasks.find(state, ident))
    if not task.accept:
        raise PeerError(
            "invalid", f"{task.id} has no acceptance command", f"`git peer task edit {task.id} --accept CMD` sets one"
        )
    top = peer.repo.top
    if top is None:
        raise PeerError("invalid", "there is no work tree here to run it in", "run it in a work tree")
    on = commit(peer, "HEAD")
    if task.status == "review" and on != task.commit:
        raise PeerError(
            "changed",
            f"{task.id} has {task.commit[:12]} under review, and this work tree stands on {on[:12]}",
            f"`git worktree add --detach DIR {task.commit[:12]}` makes one that stands there",
        )
    if run_git(["status", "--porcelain", "--untracked-files=no"], top, 60).out.strip():
        raise PeerError("invalid", "this work tree has changes that are in no commit", "commit or stash them first")
    passed, output = _ran(task.accept, top, timeout)
    return recorded(peer, task, on, passed, output)


def recorded(peer: Peer, task: Task, on: str, passed: bool, output: str) -> dict[str, Any]:
    """What the acceptance command of `task`, as it was seen, said of a commit: in the log, and as a note on it."""
    command = Record(me=peer.me, task=task.id, commit=on, passed=passed, seen=task.accept, output=end_of(peer, output))
    done = peer.run(command)
    noting.after(peer)
    return done


def _ran(command: str, top: Path, timeout: int) -> tuple[bool, str]:
    """(whether the command succeeded, the end of what it said); what it started is gone when this returns."""
    status, output = shell.run(command, top, timeout, 2 * KEPT)
    if status == 0:
        return True, output
    return False, f"{output}\n({f'ended after {timeout} s' if status is None else f'exit status {status}'})"


def end_of(peer: Peer, output: str, most: int = KEPT) -> str:
    """The end of what a program said, of at most `most` bytes, as it may stand in the log.

    Its secrets go before it is cut: of one that is cut in two nobody knows the rest.
    """
    said = peer.redacted(text.clean(output)).encode("utf-8", "replace")
    return said[-most:].decode("utf-8", "ignore").strip()
