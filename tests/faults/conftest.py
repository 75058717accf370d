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


@pytest.fixture(name="forks")
def _forks() -> Forks:
    """git-peer in fresh processes, quickly."""
    worker = forks()
    worker.passed = 0
    return worker
