"""Whether the limits of a sandbox hold, found out from inside it."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Job, Sandbox
from git_peer.runner import inside

_SECONDS = 20
_LOOP = "while :; do :; done"


@dataclass(frozen=True)
class Limit:
    """What was tried, whether it was stopped, and what was seen."""

    name: str
    holds: bool
    detail: str


def check(sandbox: Sandbox, memory: int, pids: int) -> Iterator[Limit]:
    """Try each limit, `memory` MiB and `pids` processes among them. PeerError where nothing can be run."""
    yield from tried(sandbox, memory, pids)
    hungry = f"exec python3 -c 'x = bytearray({2 * memory} << 20)'"
    with _folder() as code:
        for name, command, ended, seconds in (
            ("memory", hungry, "memory", _SECONDS),
            ("time", f"trap '' TERM; {_LOOP}", "time", 1),
            ("output", "while :; do echo 0123456789012345678901234567890123456789; done", "output", _SECONDS),
        ):
            ran = sandbox.run(Job(code, command, seconds, "check"))
            detail = f"ended after {ran.seconds:.1f} s" if ran.ended else f"exit status {ran.status}"
            yield Limit(name, ran.ended == ended, detail)


def tried(sandbox: Sandbox, memory: int, pids: int) -> Iterator[Limit]:
    """Those that a job can try without being ended for it."""
    with _folder() as code:
        (code / "inside.py").write_text(Path(inside.__file__).read_text("utf-8"), "utf-8")
        ran = sandbox.run(Job(code, f"python3 -I inside.py {memory} {pids}", _SECONDS, "check"))
    try:
        found = json.loads(ran.output)
        limits = [Limit(str(name), holds is True, text.line(str(seen))) for name, (holds, seen) in found.items()]
    except (ValueError, AttributeError, TypeError):
        why = text.line(ran.output, 200) or ran.ended or f"exit status {ran.status}"
        hint = "`git peer sandbox build` makes an image"
        raise PeerError("unavailable", f"python3 cannot be run in the sandbox: {why}", hint) from None
    yield from limits


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder that anybody may read."""
    with tempfile.TemporaryDirectory(prefix="git-peer-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
