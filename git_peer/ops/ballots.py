"""Ballots: a call for candidates of one task on one commit, and the candidates, each a ref of its session's.

They stand on the remote that arbitrates, in local mode here. Nobody waits for anybody: what is there when the caller
looks counts, and what comes late, or never, costs nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import pygit2

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.ops.peer import Peer
from git_peer.store.git import refs


class Call(NamedTuple):
    """Somebody wants candidates for a task, each one commit on `base`, which is in this clone."""

    task: Task
    base: str


def calls(peer: Peer) -> Iterator[Call]:
    """What other sessions call for now. What dead ones have left is swept."""
    for name, commit in sorted(_there(peer, "").items()):
        ident, _, sid = name.removeprefix(layout.VOTES).partition("/")
        task = tasks.get(peer.state, ident)
        if task is None or task.status != "in_progress":
            _drop(peer, name)
        elif sid == task.sid and task.assignee != peer.name:
            _bring(peer, name)
            if _commit(peer.repo.git, commit) is not None:  # else the vote has ended at this moment
                yield Call(task, commit)


def is_open(peer: Peer, call: Call) -> bool:
    """Whether the caller still waits for candidates."""
    return _there(peer, call.task.id).get(_ref(call.task, call.task.sid)) == call.base


class Ballot:
    """The vote on a task among candidates on the commit `base`."""

    def __init__(self, peer: Peer, task: Task, base: str) -> None:
        self._peer = peer
        self._task = task
        self._base = base
        self._seen: set[str] = set()

    def call(self) -> None:
        """Ask others for candidates, as the session that has the task."""
        self._put(_ref(self._task, self._task.sid), self._base)

    def offer(self, commit: str) -> None:
        """Bring the caller a candidate."""
        self._put(_ref(self._task, secrets.token_hex(8)), commit)

    def _put(self, name: str, commit: str) -> None:
        remote = self._peer.remote
        if remote is None:
            refs.put(self._peer.repo.git, name, commit)
            return
        for _ in range(2):
            pushed = remote.push_code(commit, name, None, _patience(self._peer))
            if pushed.end == "ok":
                return
            remote.delete(name, _patience(self._peer))  # an earlier call of this session's is left, perhaps
        raise PeerError("unreachable", f"cannot push to {remote.name}: {pushed.text}", "check the network")

    def candidates(self) -> list[str]:
        """The commits on the base that others have offered since the last look."""
        new = {
            name: commit
            for name, commit in sorted(_there(self._peer, self._task.id).items())
            if commit != self._base and commit not in self._seen
        }
        self._seen.update(new.values())
        for name in new:
            _bring(self._peer, name)
        git = self._peer.repo.git
        made = [_commit(git, commit) for commit in new.values()]
        return [str(one.id) for one in made if one is not None and [*map(str, one.parent_ids)] == [self._base]]

    def close(self) -> None:
        """Nothing is wanted any more."""
        for name in _there(self._peer, self._task.id):
            _drop(self._peer, name)


def _ref(task: Task, last: str) -> str:
    return f"{layout.VOTES}{task.id}/{last}"


def _patience(peer: Peer) -> float:
    return float(peer.settings.get("retryTimeout"))


def _there(peer: Peer, ident: str) -> dict[str, str]:
    """Ref → commit of the vote on a task, or of all votes for ""."""
    under = f"{layout.VOTES}{ident}/" if ident else layout.VOTES
    if peer.remote is not None:
        return peer.remote.refs(f"{under}*", _patience(peer))
    git = peer.repo.git
    found = {name: refs.read(git, name) for name in git.references if name.startswith(under)}
    return {name: commit for name, commit in found.items() if commit is not None}


def _bring(peer: Peer, name: str) -> None:
    if peer.remote is not None:
        with peer.clone.writing(_patience(peer)):  # two fetches into one ref would fail
            peer.remote.bring(name, name, _patience(peer))


def _drop(peer: Peer, name: str) -> None:
    if peer.remote is not None:
        peer.remote.delete(name, _patience(peer))
    refs.delete(peer.repo.git, name)


def _commit(git: pygit2.Repository, ident: str) -> pygit2.Commit | None:
    """A commit of that very id, if it is one and is here."""
    try:
        return git[ident].peel(pygit2.Commit) if git[ident].type_str == "commit" else None
    except KeyError:
        return None
