"""What every test gets: an environment of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.world import World, end_running, sealed

# A shell that starts the suite in the background has it ignore ^C, and what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: a slow machine is no failure (benchmarks measure). In CI the same examples every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def _sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home, git configuration, locale and time zone of the test's own; nothing of the user's or of an agent's."""
    env = sealed(tmp_path / "home")
    for key in os.environ.keys() - env.keys() - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(key)
    for key, value in env.items():
        if os.environ.get(key) != value:
            monkeypatch.setenv(key, value)
    yield
    end_running()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bare remote, and clones of it on demand."""
    return World(tmp_path)
