"""A git-peer that the fork server makes is the process that a new interpreter would be."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests import forked
from tests.world import Clone, Result, World, merged

SAID = (
    ("version",),
    ("whoami",),
    ("whoami", "--json"),
    ("lock", "--help"),
    ("nonsense",),
    ("lock",),
    ("locks", "--json"),
    ("check", "a\udcffb\n", "docs/guide.md"),
    ("status", "--json"),
    ("log", "--json"),
    ("hook", "claude-code", "pre-edit"),
)


def _both(clone: Clone, *args: str, env: dict[str, str | None] | None = None, stdin: bytes | None = None) -> Result:
    """What a fork said, after a new interpreter said the same."""
    fork, real = (clone.peer(*args, env=env, stdin=stdin, status=None, real=real) for real in (False, True))
    assert (fork.status, fork.raw, fork.raw_err) == (real.status, real.raw, real.raw_err), f"{fork}\n{real}"
    return fork


def test_says_the_same(local: Clone) -> None:
    """Answers, refusals, help, wrong words, an agent's hook: status and each byte, wherever it runs."""
    local.peer("lock", "docs/", as_="ana")
    for args in SAID:
        _both(local, *args, stdin=b"{}" if args[0] == "hook" else None)
    assert _both(local, "whoami", "--json", env={"GIT_PEER_SESSION": "ben"}).json()["session"] == "ben"
    assert _both(local, "whoami", "--json").json()["session"] != "ben"  # nothing is left of the one before
    assert "not a git repository" in _both(Clone(local.world, local.world.folder), "status").err
    soon = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + 7200))
    found = [_both(local, "log", "--since", soon, env={"TZ": zone}).out for zone in ("UTC", "Asia/Kathmandu")]
    assert not found[0]
    assert found[1]  # there it is later
    assert _both(local, "locks", env={"LC_ALL": "C"}).status == 0


def test_is_forked(local: Clone) -> None:
    """What a fork can be is one, with its own process id and the server's modules; what it cannot be is none."""
    running = local.start_peer("watch")
    try:
        assert Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()[1] == str(
            forked.server().process.pid
        )
        assert not set(os.listdir(f"/proc/{running.process.pid}/fd")) - set("0123456789")
    finally:
        assert running.kill().status == -signal.SIGKILL
    assert forked.can(running.args, merged(None))
    assert not forked.can(running.args, merged({"PYTHONPATH": "/nowhere"}))
    assert not forked.can(running.args, merged({"LC_ALL": "C"}))
    assert not forked.can(("git", "version"), merged(None))


def test_git_s_own_configuration_is_the_test_s(world: World) -> None:
    """libgit2 takes the folder of a user's settings once, when it is loaded: a fork takes it again."""
    clone = world.clone("a")
    home = Path(os.environ["HOME"])
    (home / ".gitconfig").write_text("[peer]\n\tttl = 7m\n")
    env: dict[str, str | None] = {"GIT_CONFIG_GLOBAL": None}
    clone.peer("init", "--local", env=env)
    _both(clone, "lock", "--json", "nothing/../..", env=env)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(local: Clone, number: signal.Signals) -> None:
    """A signal ends a fork as it ends a process: with a word and 130, or by itself."""
    first = local.peer("log", "--json").objects()[-1]["id"]
    local.peer("lock", "docs/")
    ends = []
    for real in (False, True):
        running = local.start_peer("watch", "--json", "--after", first, real=real)
        assert running.process.stdout is not None
        running.process.stdout.readline()
        running.process.send_signal(number)
        ends.append((running.finish().status, running.process.poll()))
    assert ends[0] == ends[1]


def test_nobody_reads(local: Clone) -> None:
    """Its output is a pipe like any other: closed, it ends alike."""
    ends = []
    for real in (False, True):
        running = local.start_peer("log", "--json", real=real)
        assert running.process.stdout is not None
        assert running.process.stderr is not None
        running.process.stdout.close()
        running.process.stderr.close()
        ends.append(running.process.wait(60))
    assert ends[0] == ends[1]


def test_the_mask_of_new_files(world: World) -> None:
    """As the test's own."""
    before = os.umask(0o027)
    try:
        modes = []
        for name, real in (("a", False), ("b", True)):
            clone = world.clone(name)
            clone.peer("init", "--local", real=real)
            made = sorted((clone.path / ".git" / "peer").rglob("*"))
            modes.append([(str(at.relative_to(clone.path)), at.stat().st_mode) for at in made if len(at.name) < 30])
    finally:
        os.umask(before)
    assert modes[0] == modes[1]


def test_no_such_folder(local: Clone) -> None:
    """A folder that is not there, or a word with a zero byte, is the caller's error, as of any Popen."""
    with pytest.raises(FileNotFoundError):
        local.peer("status", cwd="nowhere")
    with pytest.raises(ValueError, match="null"):
        local.peer("lock", "a\0b")
