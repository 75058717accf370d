"""What CONTRIBUTING says holds: every promise has tests that `make test` runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = re.findall(r"^\| ([^|]+) \| (`[^|]+) \|$", (TESTS.parent / "CONTRIBUTING.md").read_text(), re.MULTILINE)


def test_the_table() -> None:
    assert len(ROWS) == 9  # eight lines of promises, and the history checker


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_promise(row: tuple[str, str]) -> None:
    """Each file is there, has tests, and is not slow as a whole."""
    for path in re.findall(r"`([^`]+)`", row[1]):
        where = TESTS / path
        files = list(where.glob("test_*.py")) if where.is_dir() else [where]
        assert files
        for file in files:
            text = file.read_text()
            found = len(re.findall(r"^def test_", text, re.MULTILINE))
            assert found > len(re.findall(r"^@pytest.mark.(?:slow|soak)$", text, re.MULTILINE)), file
            assert not re.search(r"^pytestmark = .*(?:slow|soak)", text, re.MULTILINE), file
