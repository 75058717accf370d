"""Clones that are set up, and agents in them."""

from __future__ import annotations

import pytest

from tests.world import Clone, World


@pytest.fixture
def local(world: World) -> Clone:
    """A clone with a local log."""
    clone = world.clone("a")
    clone.peer("init", "--local")
    return clone


@pytest.fixture
def pair(world: World) -> tuple[Clone, Clone]:
    """Two clones that follow one log on the remote."""
    one, two = world.clone("a"), world.clone("b")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    return one, two
