"""The branch that tasks are brought together on: where it stands, which commits are here, and how it is moved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pygit2

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.plan.task.record import Task
from git_peer.ops import outgoing, task_branches
from git_peer.ops import push as pushing
from git_peer.ops.outgoing import Update
from git_peer.ops.peer import Peer
from git_peer.ops.refusal import refusal
from git_peer.ops.span import Span
from git_peer.store.git import merge as merges
from git_peer.store.git import refs
from git_peer.store.git.history import History
from git_peer.store.settings import branch_name

_ID = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class Branch:
    """`name` on the log's remote, or in local mode in this repository.

    After look(): `base` is the commit that it stands on, `main` the integration branch's, `start` where merging
    begins; "" for none.
    """

    def __init__(self, peer: Peer, name: str) -> None:
        self.peer = peer
        self.name = self._checked(name)
        self.ref = f"refs/heads/{self.name}"
        self.base = self.main = self.start = ""
        self._patience: int = peer.settings.get("retryTimeout")

    def _checked(self, name: str) -> str:
        """A branch that code may go to."""
        try:
            found = branch_name(name.removeprefix("refs/heads/"))
        except ValueError as why:
            raise PeerError("usage", str(why), "`git peer help integrate` shows how") from None
        log = self.peer.remote.branch if self.peer.remote is not None else layout.BRANCH
        if found == log or found.startswith(layout.WORK):
            raise PeerError("usage", f"{found} is a branch of git-peer's own", "--into takes a branch of the project")
        return found

    @property
    def is_main(self) -> bool:
        """Whether it is the integration branch itself, where others' locks count."""
        return self.name == self.peer.state.log.integration

    # -- looking --------------------------------------------------------------------------------------
    def look(self) -> None:
        """Fetch the log, this branch, the integration branch and the branches of tasks; nothing of the user's moves."""
        peer, main = self.peer, self.peer.state.log.integration
        remote = peer.remote
        if remote is None:
            self._may_move()
            self.base, self.main = self._here(self.name), self._here(main)
        else:
            with peer.clone.writing(self._patience):  # two fetches into one ref would fail
                peer.engine.advance(self._patience)
                self.base = remote.bring(self.ref, layout.ONTO, self._patience) or ""
                self.main = self.base if self.is_main or not main else remote.branch_head(main, self._patience) or ""
                task_branches.fetch(peer, f"refs/heads/{layout.WORK}*", f"{layout.TASKS}*", self._patience)
        self.start = self.base or self.main
        if self.base and self.main and merges.contains(peer.repo.git, self.main, self.base):
            self.start = self.main
        if not self.start:
            hint = f"push a first commit of {main or 'the project'}"
            raise PeerError("not_found", f"there is nothing to merge into: neither {self.name} nor {main}", hint)

    def _here(self, name: str) -> str:
        try:
            return str(self.peer.repo.git.references[f"refs/heads/{name}"].peel(pygit2.Commit).id) if name else ""
        except (KeyError, ValueError, pygit2.GitError):
            return ""

    def has(self, task: Task) -> bool:
        """Whether a task's commit is here; looked for on its branch, and by its id, where it did not come by itself."""
        return task_branches.bring(self.peer, task, self._patience)

    # -- moving ---------------------------------------------------------------------------------------
    def land(self, head: str, landing: Sequence[Task]) -> bool:
        """Move the branch from `base` to `head`; False where somebody else moved it: look again, and merge again.

        PeerError: rejected (by the server, with its text), locked, fenced, disputed (on the integration branch),
        not_allowed (it is checked out here), unreachable, unknown.
        """
        peer = self.peer
        if peer.remote is None:
            return self._land_here(head, landing)
        if self.is_main:
            try:
                _Landing(peer, head, self.ref, landing).run(dry_run=False, keep=False)
            except PeerError as why:
                if why.code == "rejected" and why.extra.get("pull"):
                    return False
                raise
            return True
        pushed = peer.remote.push_code(head, self.ref, self.base or None, self._patience)
        if pushed.end == "ok":
            return True
        with peer.clone.writing(self._patience):
            there = peer.remote.bring(self.ref, layout.ONTO, self._patience) or ""
        if there == head:  # the answer was lost, not the push
            return True
        if there != self.base:
            return False
        if pushed.end in ("rejected", "denied"):
            first = pushed.text.split("\n")[0]
            raise PeerError(
                "rejected", f"{peer.remote.name} refused {self.name}: {first}", "`--into BRANCH` names another branch"
            )
        raise PeerError("unreachable", f"{self.name} was not pushed: {pushed.text}", "try again: nothing was changed")

    def _land_here(self, head: str, landing: Sequence[Task]) -> bool:
        peer = self.peer
        self._may_move()
        if self.is_main:
            found = Span(peer, History(peer.repo), self.base, head).violations()
            refuse([peer.violation(raw) for raw in found], landing)
        try:
            refs.swap(peer.repo.git, self.ref, head, self.base or None)
        except refs.Lost:
            return False
        return True

    def _may_move(self) -> None:
        """A branch under a work tree stays where it is: the tree and its index would not follow."""
        at = task_branches.checked_out(self.peer).get(self.ref)
        if at:
            raise PeerError(
                "not_allowed",
                f"{self.name} is checked out in {at}, whose files would not follow",
                f"integrate into another branch, then `git merge` it there; or `git switch --detach` in {at}",
            )


class _Landing(pushing.Push):
    """A push of merged tasks to the integration branch: what their workers locked for them is no obstacle."""

    def __init__(self, peer: Peer, head: str, ref: str, landing: Sequence[Task]) -> None:
        assert peer.remote is not None
        super().__init__(peer, peer.remote.name, [f"{head}:{ref}"])
        self._landing = landing

    def _check(self, updates: Sequence[Update]) -> None:
        outgoing.refuse_ours(self.peer, updates, self.to)
        refuse(outgoing.judge(self.peer, updates, self.to).refused, self._landing)


def refuse(found: Sequence[dict[str, Any]], landing: Sequence[Task]) -> None:
    """PeerError where violations are left that are not of a lock for a task which the push is the work of."""
    workers = {task.id: task.workers for task in landing}
    left = [
        one
        for one in found
        if (one["lock"] or {}).get("session") not in workers.get((one["lock"] or {}).get("task") or "", ())
    ]
    if left:
        raise refusal(left)
