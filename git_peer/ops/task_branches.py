"""The branches of tasks: published with work on them, and cleared away, here and on the remote, once it is merged."""

from __future__ import annotations

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.ops.peer import Peer
from git_peer.store.git import merge as merges
from git_peer.store.git import refs
from git_peer.store.git.remote import run

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
