"""Checking a tree: the acceptance command of a task, run on it in the sandbox, and what its tests said."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import NamedTuple

import pygit2

from git_peer.ops import trials
from git_peer.ports import Ran, Sandbox
from git_peer.runner import results
from git_peer.runner.results import Tests


class Checked(NamedTuple):
    """How a tree stood its check. `said` is the output, and how it ended where that was not well."""

    passed: bool
    tests: Tests
    said: str


class Checker:
    """Runs commands on trees of one repository, each once; what it has run `known` holds."""

    def __init__(self, git: pygit2.Repository, sandbox: Sandbox, seconds: int, known: trials.Known) -> None:
        self._trials = trials.Trials(git, sandbox, seconds, known)

    def close(self) -> None:
        """Remove what was laid out."""
        self._trials.close()

    def ran(self, commit: str, command: str, seconds: int, label: str) -> Ran:
        """Run a command on a commit: a gate_runs.Run."""
        return self._trials.run(commit, command, label, seconds)

    def run(self, tree: str, command: str, label: str) -> Checked:
        """Run a command on a tree."""
        ran = self._trials.run(tree, command, label)
        return Checked(trials.passed(ran), results.parse(ran.report), trials.said(ran))


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
