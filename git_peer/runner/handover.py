"""Handing in: one commit on the task's branch, pushed, its acceptance on record, the task in review."""

from __future__ import annotations

import time
from typing import NamedTuple

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.lock.record import held_by
from git_peer.core.plan.task.decide import Move
from git_peer.ops import acceptance as accepting
from git_peer.ops import notes as noting
from git_peer.ops.peer import Peer
from git_peer.ops.push import Push
from git_peer.runner import trees
from git_peer.runner.work import Errand, Solution
from git_peer.store.git import merge as merges
from git_peer.store.git import refs


class HandedIn(NamedTuple):
    """Where a task's work is."""

    branch: str
    commit: str


def hand_in(errand: Errand, solution: Solution) -> HandedIn:
    """Commit a solution on `peer/task/<id>`, push it, record what the acceptance said, ask for review."""
    peer, task, checked = errand.peer, errand.task, solution.checked
    trailers = {"Peer-Task": task.id, "Peer-Session": peer.name, "Peer-Model": solution.model}
    trailers |= {"Peer-Candidate": solution.by} if solution.by else {}
    subject = " ".join(f"{task.title} ({task.id})".split())
    text = merges.with_trailers(f"{subject}\n\n{task.description}", trailers)
    commit = trees.commit(peer.repo.git, solution.tree, errand.base, text)
    branch = f"{layout.WORK}{task.id}"
    _noted(peer, commit, task.id)
    _publish(peer, branch, commit)
    if checked is not None:
        accepting.recorded(peer, task, commit, True, checked.said)
    peer.run(Move(me=peer.me, task=task.id, status="review", note=_summary(solution), commit=commit))
    return HandedIn(branch, commit)


def _noted(peer: Peer, commit: str, task: str) -> None:
    """Whose commit it is, as the hook would have noted it had git made it."""
    session = peer.session()
    if session is not None:
        tokens = [lock.token for lock in held_by(peer.state, session.name)]
        line = notes.provenance(notes.fragment(session, task, tokens), commit, int(time.time()))
        noting.note(peer, commit, line)


def _publish(peer: Peer, branch: str, commit: str) -> None:
    """The task's branch stands on the commit, on the remote too; what a dead worker left there is replaced."""
    name = f"refs/heads/{branch}"
    before = refs.read(peer.repo.git, name)
    if before != commit:
        try:
            refs.swap(peer.repo.git, name, commit, before)
        except refs.Lost:
            raise PeerError("held", f"another process moved {branch} at this moment", "") from None
    if peer.remote is not None:
        Push(peer, peer.remote.name, [f"+{name}:{name}"]).run(dry_run=False, keep=True)


def _summary(solution: Solution) -> str:
    tests = solution.checked.tests if solution.checked is not None else None
    told = f"{tests.passed} tests passed" if tests is not None and tests.passed else "no tests were counted"
    return f"{told}, attempt {solution.attempts}"
