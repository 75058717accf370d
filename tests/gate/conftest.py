"""A repository behind the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The path has a space."""
    return Site(tmp_path / "a repo")
