"""What a task's work begins from: what is integrated, what has landed, and what the task waited for."""

from __future__ import annotations

import pygit2

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.ops.peer import Peer
from git_peer.store.git import merge as merges
from git_peer.store.git import remote


def of(peer: Peer, task: Task) -> str:
    """The commit to begin from; where it has to be put together, a merge that is made here.

    PeerError `invalid` where there is nothing to begin from, `changed` where what the task needs does not merge.
    """
    fetch(peer)
    git = peer.repo.git
    there = [tip(peer, branch) for branch in (layout.MERGED, peer.state.log.integration)]
    tips = [commit for commit in there if commit]
    if not tips:
        raise PeerError("invalid", "there is no commit to begin from", "commit something, and push it, first")
    needed = [one.commit for one in _before(peer, task) if one.status == "done" and one.commit in git]
    wanted = [*tips[1:], *needed]
    made = merges.merge_all(
        git, tips[0], wanted, lambda one: f"Bring {one[:12]} in for {task.id}", merges.signature(git)
    )
    if made.commit:
        return made.commit
    paths = ", ".join(text.quoted(path) for path in made.conflicts[:3])
    raise PeerError(
        "changed",
        f"{made.stopped[:12]}, which {task.id} builds on, does not merge with {tips[0][:12]}: {paths}",
        "`git peer integrate` tells whom it concerns",
    )


def _before(peer: Peer, task: Task) -> list[Task]:
    """What a task, and those it is a part of, directly wait for, parts of theirs too: all done by now."""
    state, found = peer.state, dict[str, Task]()
    todo = list(task.depends_on)
    parent = task.parent
    while parent:
        one = tasks.find(state, parent)
        todo, parent = [*todo, *one.depends_on], one.parent
    while todo:
        one = tasks.find(state, todo.pop(0))
        if one.id not in found:
            found[one.id] = one
            todo += one.children
    return sorted(found.values(), key=lambda one: one.order)


def tip(peer: Peer, branch: str) -> str:
    """The commit that a branch stands on, by the last fetch, or in local mode here; "" for none."""
    where = f"refs/remotes/{peer.remote.name}" if peer.remote is not None else "refs/heads"
    try:
        return str(peer.repo.git.references[f"{where}/{branch}"].peel(pygit2.Commit).id) if branch else ""
    except (KeyError, ValueError, pygit2.GitError):
        return ""


def fetch(peer: Peer) -> None:
    """Bring the branches of code that tasks are about into this clone, where `git fetch` would put them."""
    if peer.remote is None:
        return
    name = peer.remote.name
    # Patterns, for a branch that is named in full and is not there would be an error.
    specs = [
        f"+refs/heads/{one}*:refs/remotes/{name}/{one}*"
        for one in (layout.MERGED, layout.WORK, peer.state.log.integration)
        if one
    ]
    patience = peer.settings.get("retryTimeout")
    args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap=", name]
    with peer.clone.writing(patience):  # two fetches into one ref would fail
        peer.remote.fetches += 1
        ran = remote.run(args + specs, peer.repo.gitdir, patience, {"GIT_DIR": str(peer.repo.gitdir)})
    if ran.status:
        said = "it did not answer in time" if ran.timed_out else (ran.err.strip().splitlines() or ["git fetch"])[-1]
        raise PeerError("unreachable", f"cannot fetch from {name}: {said}", "check the network and try again")
