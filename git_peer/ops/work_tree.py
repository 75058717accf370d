"""Work trees for a while: where an agent's command works on a task, away from the user's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from git_peer.core.errors import PeerError
from git_peer.store.git.remote import run as run_git


@contextmanager
def work_tree(top: Path) -> Iterator[Path]:
    """A detached work tree of the repository at `top`, in a scratch folder, which is removed again."""
    folder = Path(tempfile.mkdtemp(prefix="git-peer-run-"))
    there = folder / top.name
    with suppress(OSError):
        run_git(["worktree", "prune"], top, 60)  # those of runners that were killed
    made = run_git(["worktree", "add", "--detach", "--no-checkout", str(there), "HEAD"], top, 60)
    if made.status:
        shutil.rmtree(folder, ignore_errors=True)
        raise PeerError("failed", f"cannot make a work tree: {made.err.strip()}", "`git worktree list` shows them")
    try:
        yield there
    finally:
        run_git(["worktree", "remove", "--force", "--force", str(there)], top, 60)
        shutil.rmtree(folder, ignore_errors=True)


def stand_on(top: Path, base: str) -> None:
    """The work tree at `top` stands on the commit `base`, clean but for what is ignored."""
    _git(top, "checkout", "--detach", "--force", "--quiet", base)
    _git(top, "clean", "-fdq")


def tree_of(top: Path) -> str:
    """The tree of what stands in the work tree now, committed or not."""
    _git(top, "add", "--all")
    return _git(top, "write-tree")


def _git(top: Path, *args: str) -> str:
    ran = run_git(["-c", "core.hooksPath=/dev/null", *args], top, 120)
    if ran.status:
        raise PeerError("failed", f"git {args[0]} failed: {ran.err.strip()}", f"in {top}")
    return ran.out.strip()
