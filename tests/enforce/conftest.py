"""What the tests of enforcement share."""

from __future__ import annotations

import pytest

from tests.enforce.team import Team
from tests.world import World


@pytest.fixture
def team(world: World) -> Team:
    """alice and bob, each in a clone; nothing is locked."""
    return Team.of(world)


@pytest.fixture
def held(world: World) -> Team:
    """alice holds HELD, and bob's clone knows."""
    return Team.of(world, held=True)
