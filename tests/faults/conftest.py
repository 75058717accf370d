"""What the tests of faults share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.forks import Forks, forks


@pytest.fixture(autouse=True)
def _unsynced(_sealed: None) -> None:
    """git does not sync to disk: only a power cut could tell, and there are thousands of writes here."""
    with Path(os.environ["GIT_CONFIG_GLOBAL"]).open("a") as config:
        config.write("[core]\n\tfsync = none\n")


@pytest.fixture(params=[pytest.param(3, id="some"), pytest.param(1, id="each", marks=pytest.mark.slow)])
def every(request: pytest.FixtureRequest) -> int:
    """How far two kills of a sweep over all steps of a command are apart; `make test-all` tries each step.

    An odd number: what a test alternates from step to step is then tried both ways.
    """
    assert isinstance(request.param, int)
    return request.param


@pytest.fixture(name="forks")
def _forks() -> Forks:
    """git-peer in fresh processes, quickly."""
    worker = forks()
    worker.passed = 0
    return worker
