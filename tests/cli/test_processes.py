"""Each command as a process of its own: a new interpreter imports by itself what the command needs.

The other tests fork git-peer from a process that has everything imported (tests/forkserver.py). A circle of imports, or
a submodule that somebody else happened to import, shows here. git's hooks, the MCP server and the runner are real
processes in their own tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from git_peer.cli.main import COMMANDS
from tests.world import Clone

pytestmark = pytest.mark.real

SHARED = ("--type", "discovery", "--summary", "news")
# In this order, each on what the ones before have left.
RUNS: tuple[tuple[str, ...], ...] = (
    ("init",),
    ("version",),
    ("help", "lock"),
    ("completion", "bash"),
    ("session", "start", "ana"),
    ("whoami",),
    ("peers",),
    ("lock", "docs/"),
    ("locks",),
    ("check", "src/api.py"),
    ("sections", "src/api.py"),
    ("conflicts",),
    ("verify", "HEAD"),
    ("landed",),
    ("unlock", "docs/"),
    ("plan", "show"),
    ("task", "add", "one"),
    ("phase", "list"),
    ("contract", "list"),
    ("sync",),
    ("push-delta", *SHARED),
    ("delta", "list"),
    ("deltas",),
    ("ack", "NEWS"),
    ("debate", "list"),
    ("notes", "HEAD"),
    ("blame", "README.md"),
    ("sync",),
    ("push",),
    ("log",),
    ("fsck",),
    ("integrate", "--sandbox", "none"),
    ("gate", "--only", "size", "--sandbox", "none"),
    ("brief",),
    ("agent", "list"),
    ("server", "status", "."),
    ("model", "list"),
    ("map",),
    ("status",),
    ("inbox",),
    ("doctor",),
    ("uninstall",),
    ("demo",),
)
ELSEWHERE = {  # with the same mark
    "watch": "tests/cli/test_contract.py",
    "run": "tests/runner/test_run.py",
    "go": "tests/runner/test_go.py",
    "sandbox": "tests/sandbox/test_commands.py",
    "mcp": "tests/mcp/test_server.py",
    "hook": "tests/agents/test_dialects.py",
}


def test_every_command(pair: tuple[Clone, Clone]) -> None:
    """Each ends as it should, and says nothing of an error."""
    one, clone = pair
    news = one.peer("push-delta", *SHARED, "--json").json()["delta"]["id"]
    for args in RUNS:
        answer = clone.peer(*(news if word == "NEWS" else word for word in args))
        assert "error" not in answer.err, answer
        assert "Traceback" not in answer.err, answer


def test_all_commands_are_here() -> None:
    """Or they are run really elsewhere."""
    assert {args[0] for args in RUNS} | ELSEWHERE.keys() == COMMANDS.keys()
    top = Path(__file__).parents[2]
    assert all("mark.real" in (top / path).read_text() for path in ELSEWHERE.values())
