"""The scripted API. Every test here wants the SDK."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from tests.planner.api import Api, serving
from tests.world import require


@pytest.fixture(autouse=True)
def _sdk() -> None:
    require("anthropic", lambda: importlib.util.find_spec("anthropic") is not None)


@pytest.fixture
def api() -> Iterator[Api]:
    """The scripted server."""
    with serving() as server:
        yield server
