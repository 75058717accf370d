"""Commands of a user's own, by the shell: with a time limit, and nothing of what they start left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path


def run(
    command: str, where: Path, seconds: float, most: int, env: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """(exit status, None at the time limit; the last `most` bytes of what it said on both streams)."""
    with tempfile.TemporaryFile() as said:
        started = subprocess.Popen(
            ["sh", "-c", command],
            cwd=where,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = started.wait(None if seconds == float("inf") else seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
        said.seek(max(0, said.seek(0, os.SEEK_END) - most))
        return status, said.read().decode("utf-8", "replace")
