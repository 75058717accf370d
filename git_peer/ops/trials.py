"""Trials: commands run on trees in the sandbox, each once for as long as whoever integrates remembers."""

from __future__ import annotations

from typing import Protocol

import pygit2

from git_peer.ports import Job, Ran, Sandbox
from git_peer.store.git.scratch import Scratch

Known = dict[tuple[str, str], Ran]
"""(tree, command) → how it ended."""


class Memory(Protocol):
    """What remembers as a Known does, for longer."""

    def get(self, key: tuple[str, str], /) -> Ran | None:
        """How it ended; None where that is not known."""

    def __setitem__(self, key: tuple[str, str], ran: Ran, /) -> None:
        """Remember it."""


_ENDED = {
    "time": "it was ended at its time limit",
    "memory": "it was ended for the memory that it used",
    "output": "it was ended for what it wrote",
}


class Trials:
    """Runs commands on trees of one repository, at most `seconds` each."""

    def __init__(self, git: pygit2.Repository, sandbox: Sandbox, seconds: int, known: Known | Memory) -> None:
        self._git = git
        self._sandbox = sandbox
        self._seconds = seconds
        self._known = known
        self._scratch = Scratch()

    def close(self) -> None:
        """Remove what was laid out."""
        self._scratch.close()

    def run(self, commit: str, command: str, label: str, seconds: int = 0) -> Ran:
        """Run a command on the tree of a commit, in `seconds` where they are given.

        PeerError `invalid`: its tree cannot be written to a folder.
        """
        tree = str(self._git[commit].peel(pygit2.Tree).id)
        ran = self._known.get((tree, command))
        if ran is None:
            folder = self._scratch.lay(self._git, tree)
            ran = self._sandbox.run(Job(folder, command, seconds or self._seconds, label))
            self._known[tree, command] = ran
        return ran


def passed(ran: Ran) -> bool:
    """Whether a command succeeded."""
    return ran.status == 0 and not ran.ended


def said(ran: Ran) -> str:
    """What it wrote, and how it ended where that was not by itself, or not well."""
    if passed(ran):
        return ran.output
    how = _ENDED.get(ran.ended) or f"exit status {ran.status}"
    return f"{ran.output.rstrip()}\n({how})"
