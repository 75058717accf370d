"""What a runner is given to do and what comes of it, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from git_peer.core.plan.task.record import Spec, Task
from git_peer.ops.peer import Peer
from git_peer.runner.check import Checked, Checker
from git_peer.runner.journal import Journal

Tell = Callable[[str], None]
"""Told what goes on, a line each."""


class TimeUp(Exception):
    """There is no time, or there are no tokens, for what is begun: it goes back."""


@dataclass(frozen=True)
class Errand:
    """One task to be solved: on which commit, how often to try, with whom to check.

    `left` gives the seconds that there are, or raises TimeUp.
    """

    peer: Peer
    task: Task
    base: str
    checker: Checker
    attempts: int
    journal: Journal
    tell: Tell
    left: Callable[[], float]
    divisible: bool = True
    feedback: str = ""  # why it was sent back, if it was


@dataclass(frozen=True)
class Solution:
    """What a solver came to: a tree that passed, parts to divide the task into, or why it cannot be done.

    `model` is who wrote it, `by` the session that it is a candidate of, where that is not the one that has the task.
    """

    attempts: int
    tree: str = ""
    checked: Checked | None = None
    parts: tuple[Spec, ...] = ()
    stuck: str = ""
    model: str = ""
    by: str = ""


class Solver(Protocol):
    """Something that solves tasks. PeerError `not_allowed` and `unavailable` mean that it will solve no other either.

    `name` is how results name it; `tokens` what it has used so far.
    """

    name: str

    @property
    def tokens(self) -> int:
        """Tokens used so far."""

    def parts(self, errand: Errand) -> tuple[Spec, ...]:
        """What to divide it into, in order; nothing where it is to be solved as it is."""

    def candidate(self, errand: Errand, seed: int) -> Solution:
        """Solve it as it is, or say why not; with another seed perhaps in another way."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass
class Outcome:
    """What became of a task, as the contract tells it."""

    task: str
    outcome: Literal["done", "blocked", "divided", "lost"]
    attempts: int = 0
    branch: str = ""
    commit: str = ""
    tests: dict[str, int] = field(default_factory=lambda: {"passed": 0, "failed": 0})
    seconds: float = 0.0
    tokens: int = 0
    why: str = ""

    def view(self) -> dict[str, Any]:
        """As one JSON object."""
        found: dict[str, Any] = {
            "task": self.task,
            "outcome": self.outcome,
            "attempts": self.attempts,
            "tests": self.tests,
            "seconds": round(self.seconds, 1),
            "tokens": self.tokens,
        }
        found |= {"branch": self.branch, "commit": self.commit} if self.commit else {}
        return found | ({"why": self.why} if self.why else {})
