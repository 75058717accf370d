"""The branches of tasks: published with work on them, fetched, and cleared away once it is merged."""

from __future__ import annotations

import re

import pygit2

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.ops.peer import Peer
from git_peer.store.git import merge as merges
from git_peer.store.git import refs
from git_peer.store.git.remote import run

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BATCH = 500  # that one push deletes: the arguments of a program have a bound


def clear(peer: Peer, onto: str) -> tuple[list[str], str]:
    """Delete the branches of done tasks that still stand on the task's commit, where `onto` contains it.

    (the tasks' ids, why others could not be deleted, "" where none was refused).
    """
    git, known = peer.repo.git, {f"refs/heads/{layout.WORK}{one.id}": one for one in tasks.all_of(peer.state)}
    patience: int = peer.settings.get("retryTimeout")
    if peer.remote is None:
        there = {name: commit for name in known if (commit := refs.read(git, name)) is not None}
    else:
        there = peer.remote.refs(f"refs/heads/{layout.WORK}*", patience)
    merged = [
        (name, known[name])
        for name, commit in sorted(there.items())
        if name in known
        and known[name].status == "done"
        and known[name].commit == commit
        and merges.contains(git, onto, commit)
    ]
    why = ""
    if peer.remote is not None:
        gone: set[str] = set()
        for at in range(0, len(merged), BATCH):
            done, refused = peer.remote.clear({name: one.commit for name, one in merged[at : at + BATCH]}, patience)
            gone, why = gone | set(done), why or refused
        merged = [(name, one) for name, one in merged if name in gone]
    taken = checked_out(peer)
    cleared = []
    for name, one in merged:
        branch = name.removeprefix("refs/heads/")
        copies = [name, f"{layout.TASKS}{one.id}"]
        copies += [f"refs/remotes/{peer.remote.name}/{branch}"] if peer.remote is not None else []
        for copy in copies:
            if copy not in taken and refs.read(git, copy) == one.commit:
                refs.delete(git, copy)
        if peer.remote is None and name in taken:
            why = why or f"{branch} is checked out in {taken[name]}"
        else:
            cleared.append(one.id)
    return cleared, why


def publish(peer: Peer, branch: str, commit: str) -> None:
    """The task's branch stands on the commit, on the remote too; what a dead worker left there is replaced."""
    from git_peer.ops.push import Push  # `integrate` does without

    name = f"refs/heads/{branch}"
    before = refs.read(peer.repo.git, name)
    if before != commit:
        try:
            refs.swap(peer.repo.git, name, commit, before)
        except refs.Lost:
            raise PeerError("held", f"another process moved {branch} at this moment", "") from None
    if peer.remote is not None:
        Push(peer, peer.remote.name, [f"+{name}:{name}"]).run(dry_run=False, keep=True)


def bring(peer: Peer, task: Task, patience: float) -> bool:
    """Whether a task's commit is in this clone; fetched from its branch, or by its id, where it was not."""
    if not _ID.fullmatch(task.commit):
        return False
    if peer.remote is not None and not is_here(peer, task.commit):
        with peer.clone.writing(patience):
            for ref in (f"refs/heads/{layout.WORK}{task.id}", task.commit):
                if not is_here(peer, task.commit):
                    fetch(peer, ref, f"{layout.TASKS}{task.id}", patience)
    return is_here(peer, task.commit)


def fetch(peer: Peer, ref: str, into: str, patience: float) -> None:
    """What one branch holds that git's check refuses, or that has gone, must not keep the others from coming."""
    assert peer.remote is not None
    try:
        peer.remote.bring(ref, into, patience)
    except PeerError as why:
        if why.code not in ("untrusted", "unreachable"):
            raise


def is_here(peer: Peer, commit: str) -> bool:
    """Whether this clone has a commit."""
    try:
        return isinstance(peer.repo.git[commit], pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        return False


def checked_out(peer: Peer) -> dict[str, str]:
    """Branch that is checked out → the work tree."""
    args = ["worktree", "list", "--porcelain"]
    ran = run(args, peer.repo.gitdir, 60, {"GIT_DIR": str(peer.repo.gitdir)})
    found, where = {}, ""
    for line in ran.out.splitlines():
        word, _, value = line.partition(" ")
        if word == "worktree":
            where = value
        elif word == "branch":
            found[value] = where
    return found
