"""What a command imports: nothing that it does not use."""

from __future__ import annotations

import json
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
from git_peer.start import main
status = main(sys.argv[1:])
print("\\nLOADED", *sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""


def loaded(clone: Clone, *args: str) -> set[str]:
    """The modules that a command has loaded when it ends, with every package above them."""
    result = start((sys.executable, "-P", "-c", PROBE, *args), clone.path).finish(0)
    names = result.err.rpartition("LOADED ")[2].split()
    assert "git_peer.start" in names, result
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
        assert found & {"pygit2._pygit2", "pygit2", "filelock", "tomli", "subprocess"} == set()
    elif command != "help lock":
        assert "pygit2._pygit2" in found  # what is loaded does show
    if command == "init":
        assert "pygit2" in found


def test_the_project_s_file_takes_tomli(local: Clone) -> None:
    """The probe sees what is loaded: tomli where there is a file to read."""
    local.write(".git-peer.toml", 'ttl = "1h"\n')
    assert "tomli" in loaded(local, "locks")


# What takes time to import and what hot commands do without: pygit2's Python part (of it come ssl, tarfile and the
# enums), filelock (asyncio), and what one line of ours stands for.
SLOW = {
    "pygit2", "pygit2.enums", "pygit2.repository", "ssl", "tarfile", "filelock", "asyncio", "logging", "socket",
    "secrets", "random", "hashlib", "tempfile", "shutil", "subprocess", "getpass", "typing_extensions", "cffi",
}  # fmt: skip
# command → modules that it may have loaded when it ends: in all, and of ours. Of both a few more than there are.
HOT = {
    "lock README.md": (240, 105),
    "unlock README.md": (240, 105),
    "check README.md": (240, 102),
    "locks": (240, 102),
    "status": (245, 106),
    "whoami": (240, 102),
    "version": (80, 9),
}


@pytest.mark.parametrize("command", HOT)
def test_a_hot_command_imports_what_it_runs(local: Clone, command: str) -> None:
    """By name and by number, so that what creeps in is noticed."""
    ask(local, "lock", "README.md")
    found = loaded(local, *command.split())
    ours = {name for name in found if name.partition(".")[0] == "git_peer"}
    assert found & SLOW == set()
    assert len(found) <= HOT[command][0], sorted(found)
    assert len(ours) <= HOT[command][1], sorted(ours)
    if command == "version":
        assert found & {"click", "msgspec", "pathlib", "dataclasses"} == set()


def test_what_is_next(local: Clone) -> None:
    """A claimed task, too."""
    ask(local, "phase", "add", "one")
    ask(local, "task", "add", "a task", "--path", "README.md")
    assert loaded(local, "task", "next", "--lock") & SLOW == set()


def test_a_remote_takes_processes(pair: tuple[Clone, Clone]) -> None:
    """With a remote `subprocess` and what it brings is wanted, and pygit2's Python part is not."""
    found = loaded(pair[0], "lock", "README.md")
    assert "subprocess" in found
    assert found & {"pygit2", "ssl", "tarfile", "filelock", "asyncio"} == set()


# Answers an agent's hook in its own process.
HOOK = """
import sys
from git_peer.agents import claude, quick
answer = quick.answer(claude, "pre-edit", sys.stdin.buffer.read())
print("\\nLOADED", *sorted(sys.modules), file=sys.stderr)
"""


def test_a_hook_that_takes_a_lock(local: Clone) -> None:
    """It starts neither click nor what click brings along."""
    event = {"session_id": "s1", "cwd": str(local.path), "tool_name": "Edit"}
    event["tool_input"] = {"file_path": str(local.path / "README.md")}  # type: ignore[assignment]
    raw = json.dumps(event).encode()
    result = start((sys.executable, "-P", "-c", HOOK), local.path, stdin=raw).finish(0)
    found = set(result.err.rpartition("LOADED ")[2].split())
    assert [lock["path"] for lock in ask(local, "locks")["locks"]] == ["README.md"]
    assert found & (SLOW | {"click", "gettext"}) == set()
    assert len(found) <= 225, sorted(found)


# pygit2 without a name that is used of its C modules, as another release may be.
OTHER = """
import sys
from importlib.machinery import PathFinder
places = PathFinder.find_spec("pygit2").submodule_search_locations
real = PathFinder.find_spec
missing = sys.argv.pop(1)
def find(name, path=None, target=None):
    return None if name == "pygit2." + missing and not entered else real(name, path, target)
entered = []
PathFinder.find_spec = staticmethod(find)
class Entered:
    def find_spec(self, name, path=None, target=None):
        if name == "pygit2":
            entered.append(name)
        return None
sys.meta_path.insert(0, Entered())
"""


@pytest.mark.parametrize("missing", ["_pygit2", "_libgit2"])
def test_another_pygit2(local: Clone, missing: str) -> None:
    """Where its C modules are not what they are here pygit2 itself is taken, and all goes on."""
    local.git("config", "peer.ttl", "1h")
    probe = OTHER + PROBE
    result = start((sys.executable, "-P", "-c", probe, missing, "--json", "lock", "README.md"), local.path).finish(0)
    assert "pygit2" in result.err.rpartition("LOADED ")[2].split()
    (lock,) = json.loads(result.out)["locks"]
    assert lock["ttl"] == 3600
    again = loaded(local, "locks")
    assert "pygit2" not in again


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
