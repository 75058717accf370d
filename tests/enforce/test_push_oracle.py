"""Random histories against a model that knows who wrote what. `make oracle` judges more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.enforce import push_oracle


@pytest.fixture
def folder(world: object, tmp_path: Path) -> Path:
    """A folder for worlds, in a sealed environment."""
    return tmp_path / "oracle"


def test_a_few(folder: Path) -> None:
    """No false refusal, and nothing let through; a fair part of the pushes is to be refused."""
    found = push_oracle.run(folder, 240, seed=13)
    assert not found.wrong, "\n".join(found.wrong)
    assert found.judged > 200
    assert 0.15 < found.refused / found.judged < 0.6


def test_a_few_with_lines(folder: Path) -> None:
    """The same where only some of the slots are locked, by their lines."""
    found = push_oracle.run(folder, 120, seed=14, lines=True)
    assert not found.wrong, "\n".join(found.wrong)
    assert found.judged > 100
    assert 0.1 < found.refused / found.judged < 0.6


@pytest.mark.soak
def test_many(folder: Path) -> None:
    found = push_oracle.run(folder, 2000, seed=1)
    assert not found.wrong, "\n".join(found.wrong)
