"""Clones with a log, and the scripted API. Every test here wants the SDK."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from tests.planner.api import Api, serving
from tests.world import Clone, World, require


@pytest.fixture(autouse=True)
def _sdk() -> None:
    require("anthropic", lambda: importlib.util.find_spec("anthropic") is not None)


@pytest.fixture
def api() -> Iterator[Api]:
    """The scripted server."""
    with serving() as server:
        yield server


@pytest.fixture
def local(world: World) -> Clone:
    """A clone with a local log."""
    clone = world.clone("a")
    clone.peer("init", "--local")
    return clone


@pytest.fixture
def pair(world: World) -> tuple[Clone, Clone]:
    """Two clones on one remote's log."""
    one, two = world.clone("a"), world.clone("b")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    return one, two
