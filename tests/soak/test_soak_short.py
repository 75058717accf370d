"""A short soak: `make soak SECONDS=600` runs it for longer."""

from __future__ import annotations

import pytest

from tests.soak.driver import soak
from tests.world import World

pytestmark = [pytest.mark.faults, pytest.mark.slow]

SECONDS = 15


def test_soak(world: World) -> None:
    """Everybody's answers are explained by the log, and nobody gets stuck; much of what can happen has happened."""
    figures = soak(world, SECONDS, clones=2, sessions=3, seed=3)
    assert not figures.violations, figures
    assert not figures.stuck, figures
    assert not figures.slow, figures
    ended = [one for one in figures.asked if one.status is not None]
    assert {0, 1} <= {one.status for one in ended}, f"too quiet to show anything\n{figures}"
    assert figures.kills, figures
    assert figures.height > 10, figures
