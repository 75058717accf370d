"""Where a run takes place: a bare remote, a clone with a work tree for each worker, real git and the real `git peer`.

The program's own entry is called in this process: starting an interpreter for each of some thousand commands would
take longer than they do. All arms have the same world, with git-peer set up and the plan imported. Its hooks are left
out: they are more processes still, and these workers ask before they edit; `git peer push` checks by itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2

from benchmarks.duplicate import work
from benchmarks.duplicate.work import Work
from benchmarks.scratch import Failed, Scratch
from git_peer.cli.main import main

EPOCH = 1_700_000_000  # of the simulated clock; commits are dated by it
BRANCH = "main"


class NotAllowed(Exception):
    """A command that this arm may not use was called: a bug of the worker program."""


class World:
    """One run's repositories. `clock`: simulated minutes; `conflicts`: merges that git could not do by itself."""

    def __init__(self, folder: Path, todo: Work, workers: list[str], allowed: frozenset[str]) -> None:
        self.scratch = Scratch(folder)
        self.todo = todo
        self.allowed = allowed
        self.clock = 0.0
        self.conflicts = 0
        self.commands: dict[str, int] = {}
        self.clone = self.scratch.repo("clone")
        for path, text in todo.start.items():
            (self.clone / path).parent.mkdir(exist_ok=True)
            (self.clone / path).write_text(text)
        (folder / "plan.toml").write_text(work.plan(todo))
        self._do(self.clone, "add", "-A")
        self._do(self.clone, "commit", "-q", "-m", "the start")
        self.remote = self.scratch.bare("remote.git", self.clone)
        self._do(self.clone, "fetch", "-q", "origin")
        self._peer(self.clone, "lead", "init", "--local", "--no-hooks")
        self._peer(self.clone, "lead", "plan", "import", str(folder / "plan.toml"), "--yes")
        self.trees = {name: folder / name for name in workers}
        for name, tree in self.trees.items():
            self._do(self.clone, "worktree", "add", "-q", "-b", name, str(tree), f"origin/{BRANCH}")

    def _do(self, where: Path, *args: str) -> None:
        if (ran := self._git(where, "", *args)).returncode:
            raise Failed(f"git {' '.join(args)}: {ran.stderr}")

    def _git(self, where: Path, session: str, *args: str) -> subprocess.CompletedProcess[str]:
        date = f"{EPOCH + int(self.clock * 60)} +0000"
        dated = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_PEER_SESSION": session, "GIT_EDITOR": ":"}
        return subprocess.run(
            ("git", *args), cwd=where, env={**self.scratch.env, **dated}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip

    def git(self, worker: str, *args: str) -> bool:
        """Run git in a worker's work tree, whatever it says; whether it ended with 0."""
        return self._git(self.trees[worker], worker, *args).returncode == 0

    def commit(self, worker: str, message: str) -> None:
        """Commit what a worker has changed."""
        self._do(self.trees[worker], "commit", "-q", "-a", "-m", message)

    def fetch(self, worker: str) -> None:
        """Fetch the remote's branch; where it has not moved git is spared the trip that would fetch nothing."""
        there = pygit2.Repository(str(self.remote)).references[f"refs/heads/{BRANCH}"].target
        if there != pygit2.Repository(str(self.clone)).references[f"refs/remotes/origin/{BRANCH}"].target:
            self._do(self.trees[worker], "fetch", "-q", "origin")

    def rebase(self, worker: str) -> bool:
        """Put the worker's commit onto the remote's branch; False, and counted, where there is a conflict."""
        if self.git(worker, "rebase", "-q", f"origin/{BRANCH}"):
            return True
        left = self._git(self.trees[worker], worker, "ls-files", "--unmerged").stdout
        self.git(worker, "rebase", "--abort")
        if not left:
            raise Failed(f"a rebase of {worker} failed without a conflict")
        self.conflicts += 1
        return False

    # -- git peer ---------------------------------------------------------------------------------
    def peer(self, session: str, *args: str) -> dict[str, Any]:
        """What `git peer ARGS --json` answers a session; NotAllowed where the arm does not have the command."""
        if args[0] not in self.allowed:
            raise NotAllowed(f"{session}: git peer {args[0]}")
        self.commands[args[0]] = self.commands.get(args[0], 0) + 1
        return self._peer(self.trees.get(session, self.clone), session, *args)

    def _peer(self, where: Path, session: str, *args: str) -> dict[str, Any]:
        """The JSON of a command; Failed where it ends other than with yes or no."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with (
            environment({**self.scratch.env, "GIT_PEER_SESSION": session}),
            contextlib.chdir(where),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = main([*args, "--json"])
        out.seek(0)
        said = out.read()
        if status not in (0, 1):
            raise Failed(f"git peer {' '.join(args)}: {said}")
        answer: dict[str, Any] = json.loads(said)
        return answer


@contextlib.contextmanager
def environment(env: dict[str, str]) -> Iterator[None]:
    """This process sees `env`, and nothing else."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
