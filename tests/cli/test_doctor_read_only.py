"""`git peer doctor` where the git directory cannot be written, as in the sandbox of an agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.world import Clone, require, start


def _doctor(clone: Clone) -> dict[str, str]:
    """Name → status, told to a process that permissions bind: root gives up its right to write everywhere."""
    given_up: tuple[str, ...] = ()
    if not os.geteuid():
        require("setpriv")
        given_up = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    told = start((*given_up, sys.executable, "-P", "-m", "git_peer", "doctor", "--json"), clone.path).finish(0).json()
    return {one["name"]: one["status"] for one in told["checks"]}


def test_a_read_only_git_directory(local: Clone) -> None:
    """It says so, and goes on; a reader's clone is no failure. Nothing is said of it where all can be written."""
    assert "git directory" not in _doctor(local)
    for folder in (local.common, local.common / "peer"):
        mode = Path(folder).stat().st_mode
        Path(folder).chmod(0o555)
        try:
            assert _doctor(local)["git directory"] == "warn"
        finally:
            Path(folder).chmod(mode)
