"""Checking a tree: the acceptance command of a task, run on it in the sandbox, and what its tests said."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from typing import NamedTuple

import pygit2

from git_peer.ports import Job, Ran, Sandbox
from git_peer.runner import results
from git_peer.runner.results import Tests
from git_peer.store.scratch import Scratch

_WORDS = {
    "time": "it was ended at its time limit",
    "memory": "it was ended for the memory that it used",
    "output": "it was ended for what it wrote",
}


class Checked(NamedTuple):
    """How a tree stood its check."""

    command: str
    passed: bool
    tests: Tests
    ran: Ran

    @property
    def said(self) -> str:
        """The output, and how it ended where that was not by itself."""
        if self.ran.status == 0:
            return self.ran.output
        how = _WORDS.get(self.ran.ended) or f"exit status {self.ran.status}"
        return f"{self.ran.output.rstrip()}\n({how})"


class Checker:
    """Runs commands on trees of one repository. `spent` is the seconds that they took."""

    def __init__(self, git: pygit2.Repository, sandbox: Sandbox, seconds: int) -> None:
        self.spent = 0.0
        self._git = git
        self._sandbox = sandbox
        self._seconds = seconds
        self._scratch = Scratch()

    def close(self) -> None:
        """Remove what was laid out."""
        self._scratch.close()

    def run(self, tree: str, command: str, label: str) -> Checked:
        """Run a command on a tree; it has passed where its exit status is 0."""
        began = time.monotonic()
        folder = self._scratch.lay(self._git, tree)
        ran = self._sandbox.run(Job(folder, command, self._seconds, label))
        self.spent += time.monotonic() - began
        return Checked(command, ran.status == 0, results.parse(ran.report), ran)


def tests_among(paths: Iterable[str]) -> list[str]:
    """The files of tests among some paths, as pytest finds them."""
    found = []
    for path in paths:
        name = path.rpartition("/")[2]
        if name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py")):
            found.append(path)
    return sorted(found)


def command_for(paths: Iterable[str]) -> str:
    """The command that runs the tests among some paths; "" where there are none."""
    tests = tests_among(paths)
    return f"python3 -m pytest -q {shlex.join(tests)}" if tests else ""
