"""A day in a pull-request team; docs/pull-requests.md is what it prints."""

from __future__ import annotations

from pathlib import Path

from tests.enforce import pull_requests
from tests.world import World

PAGE = Path(__file__).parents[2] / "docs" / "pull-requests.md"


def test_a_day(world: World) -> None:
    """Every lock ends when its work has landed and not before, nobody is refused wrongly; the page is that day's."""
    said = pull_requests.page(pull_requests.play(world))
    assert said == PAGE.read_text("utf-8"), "python -m tests.enforce.pull_requests docs/pull-requests.md"
