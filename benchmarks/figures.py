"""A figure: what was measured, beside its floor and its target; medians, and the table of all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Job = Callable[[int], float]
"""Prepares round N untimed, then answers the milliseconds of what is measured."""


@dataclass(frozen=True)
class Figure:
    """One row. `floor` and `target` are said in words, numbers with their units in them; `met` None: no target."""

    what: str
    measured: str
    floor: str = ""
    target: str = ""
    met: bool | None = None


def medians(rounds: int, jobs: Sequence[Job]) -> list[float]:
    """The median milliseconds of each job. They take turns, so that a busy moment of the machine is everybody's.

    A first round, in which caches fill, does not count.
    """
    taken: list[list[float]] = [[] for _ in jobs]
    for number in range(rounds + 1):
        for times, job in zip(taken, jobs, strict=True):
            times.append(job(number))
    return [statistics.median(times[1:]) for times in taken]


def ms(value: float) -> str:
    """Milliseconds as a table shows them."""
    return f"{value:.1f} ms" if value < 9.95 else f"{value:,.0f} ms"


def table(figures: Sequence[Figure]) -> str:
    """All figures as a Markdown table."""
    rows = [("", "measured", "floor, in the same run", "target", ""), ("---",) * 5]
    for figure in figures:
        mark = "" if figure.met is None else "met" if figure.met else "**missed**"
        rows.append((figure.what, figure.measured, figure.floor, figure.target, mark))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
