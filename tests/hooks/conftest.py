"""What the tests of the hooks share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hooks.kinds import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)
