"""Thirty small tasks in Python that no model has seen: made for this benchmark, with tests that nobody is shown."""

from __future__ import annotations

from benchmarks.solving import mending, reckoning, wording
from benchmarks.solving.puzzle import Puzzle

PUZZLES: tuple[Puzzle, ...] = (*wording.PUZZLES, *reckoning.PUZZLES, *mending.PUZZLES)
