"""Random histories of work on its way into main, judged by a model that knows every edit (`make landing-oracle`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.enforce import landing_oracle
from tests.enforce.landing_oracle import Found


@pytest.fixture
def folder(world: object, tmp_path: Path) -> Path:
    """A folder for a world, in a sealed environment."""
    made = tmp_path / "oracle"
    made.mkdir()
    return made


def _holds(found: Found) -> None:
    """Nothing ends too early, whoever looks when; and of what landed with a word of whose it is nearly all is seen."""
    assert not found.early, "\n".join(found.early)
    assert not found.apart, "\n".join(found.apart)
    assert len(found.never) <= found.landed * 0.08, "\n".join(found.never)
    assert found.landed > found.histories * 0.5


def test_a_few(folder: Path) -> None:
    found = landing_oracle.run(folder, 60, seed=7)
    _holds(found)
    assert {"landed", "other", "partly", "pending"} <= found.hows.keys()


@pytest.mark.soak
def test_many(folder: Path) -> None:
    _holds(landing_oracle.run(folder, 2000, seed=3))
