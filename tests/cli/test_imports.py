"""What a command imports: nothing that it does not use."""

from __future__ import annotations

import sys

import pytest

from tests.cli.asking import ask
from tests.world import Clone, start

HEAVY = {"anthropic", "docker", "llama_cpp", "mcp", "starlette", "uvicorn", "pydantic", "httpx", "numpy", "rich"}
READING = ["status", "whoami", "peers", "locks", "check README.md", "fsck", "log", "doctor"]
WRITING = ["lock README.md", "unlock README.md", "session start", "session end", "sync", "init"]

# Runs the program and lists on stderr's last line what is loaded when it ends.
PROBE = """
import sys
from git_peer.cli.main import main
status = main(sys.argv[1:])
print("\\nLOADED", *sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def loaded(clone: Clone, *args: str) -> set[str]:
    """The modules that a command has loaded when it ends, with every package above them."""
    result = start((sys.executable, "-P", "-c", PROBE, *args), clone.path).finish(0)
    names = result.err.rpartition("LOADED ")[2].split()
    assert "click" in names, result
    return set(names)


@pytest.mark.parametrize("command", [*READING, *WRITING, "version", "help", "help lock"])
def test_no_heavy_library(local: Clone, command: str) -> None:
    """None of the extras' packages in any command, and rich only on a terminal."""
    if command in {"unlock README.md", "session end"}:
        ask(local, "lock", "README.md")
    found = loaded(local, *command.split())
    assert found & HEAVY == set()
    if command in READING:
        assert "filelock" not in found
        assert "tomli" not in found
    if command in {"version", "help"}:
        assert found & {"pygit2", "filelock", "tomli", "subprocess"} == set()
    elif command != "help lock":
        assert "pygit2" in found  # what is loaded does show


def test_the_project_s_file_takes_tomli(local: Clone) -> None:
    """The probe sees what is loaded: tomli where there is a file to read, filelock where something is written."""
    local.write(".git-peer.toml", 'ttl = "1h"\n')
    assert "tomli" in loaded(local, "locks")
    assert "filelock" in loaded(local, "lock", "README.md")


def test_rich_on_a_terminal(local: Clone) -> None:
    """A table for a person is drawn with it; with NO_COLOR it is not loaded."""
    import os
    import pty
    import subprocess

    ask(local, "lock", "README.md")

    def on_terminal(env: dict[str, str]) -> tuple[str, bool]:
        main, side = pty.openpty()
        try:
            process = subprocess.run(
                (sys.executable, "-P", "-c", PROBE, "locks"),
                cwd=local.path, env={**os.environ, **env}, stdout=side, stderr=subprocess.PIPE, check=True,
            )  # fmt: skip
            return os.read(main, 1 << 16).decode(), " rich" in process.stderr.decode()
        finally:
            os.close(main)
            os.close(side)

    drawn, with_rich = on_terminal({"TERM": "xterm"})
    assert with_rich
    assert "README.md" in drawn
    plain, with_rich = on_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert not with_rich
    assert "README.md" in plain
    assert "\x1b" not in plain
