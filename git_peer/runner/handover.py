"""Handing in: one commit on the task's branch, pushed, its acceptance on record, the task in review."""

from __future__ import annotations

import time
from typing import NamedTuple

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.lock.record import held_by
from git_peer.core.plan.task.decide import Move
from git_peer.ops import acceptance as accepting
from git_peer.ops import notes as noting
from git_peer.ops import quality_gates, task_branches, trees
from git_peer.ops.peer import Peer
from git_peer.runner import results
from git_peer.runner.work import Errand, Solution


class HandedIn(NamedTuple):
    """Where a task's work is."""

    branch: str
    commit: str


def hand_in(errand: Errand, solution: Solution) -> HandedIn:
    """Commit a solution on `peer/task/<id>`, push it, record what the acceptance said, ask for review.

    PeerError with `gates` where the project's gates hold it.
    """
    peer, task, checked = errand.peer, errand.task, solution.checked
    trailers = {"Peer-Task": task.id, "Peer-Session": peer.name, "Peer-Model": solution.model}
    trailers |= {"Peer-Candidate": solution.by} if solution.by else {}
    subject = " ".join(f"{task.title} ({task.id})".split())
    text = f"{subject}\n\n{task.description}"
    commit = trees.commit(peer.repo.git, solution.tree, errand.base, text, trailers)
    branch = f"{layout.WORK}{task.id}"
    quality_gates.hold(peer, task.id, commit, errand.checker.ran, results.outcomes)
    _noted(peer, commit, task.id)
    task_branches.publish(peer, branch, commit)
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


def _summary(solution: Solution) -> str:
    tests = solution.checked.tests if solution.checked is not None else None
    told = f"{tests.passed} tests passed" if tests is not None and tests.passed else "no tests were counted"
    return f"{told}, attempt {solution.attempts}"
