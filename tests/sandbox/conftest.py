"""A sandbox on a real engine, and a folder of code for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from git_peer.adapters.docker import Docker, Limits
from tests import engine

LIMITS = Limits(memory=64, cpus=1, pids=32)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What an engine is needed for is slow."""
    for item in items:
        ours = item.path.parent == Path(__file__).parent
        if ours and {"image", "box"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def image() -> str:
    """The image's name."""
    return engine.image()


@pytest.fixture
def box(image: str) -> Iterator[Docker]:
    """A sandbox with small limits."""
    told: list[str] = []
    made = Docker(image, LIMITS, told.append)
    yield made
    made.close()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder that anybody may read."""
    folder = tmp_path / "code"
    folder.mkdir()
    folder.chmod(0o755)
    return folder
