"""What every test gets: an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.world import REQUIRED, Clone, World, end_running, real_processes, sealed

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30  # bytes: what the suite leaves there, a dozen times


def _roomy(folder: Path) -> bool:
    """Whether temporary folders, with the hooks in them, can be there."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


# A lock waits for the disk some thirty times. What a full or broken disk does is tested on disks of their own.
if "TMPDIR" not in os.environ and _roomy(_MEMORY):
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None

# A shell that starts the suite in the background has it ignore ^C, and what the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: a slow machine is no failure (benchmarks measure). In CI the same examples every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With GIT_PEER_REQUIRE=all a test that is skipped, for whatever reason, has failed: nobody looks at skips."""
    report = yield
    if REQUIRED == "all" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and GIT_PEER_REQUIRE=all wants every test\n{report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if REQUIRED == "all" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and GIT_PEER_REQUIRE=all wants every test"
    return report


@pytest.fixture(autouse=True)
def _sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """A home, git configuration, locale and time zone of the test's own; nothing of the user's or of an agent's.

    With the mark `real` each git-peer of the test is a new interpreter, none a fork.
    """
    env = sealed(tmp_path / "home")
    for key in os.environ.keys() - env.keys() - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(key)
    for key, value in env.items():
        if os.environ.get(key) != value:
            monkeypatch.setenv(key, value)
    with real_processes() if request.node.get_closest_marker("real") else contextlib.nullcontext():
        yield
    end_running()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bare remote, and clones of it on demand."""
    return World(tmp_path)


@pytest.fixture
def local(world: World) -> Clone:
    """A clone with a local log."""
    clone = world.clone("a")
    clone.peer("init", "--local")
    return clone


@pytest.fixture
def pair(world: World) -> tuple[Clone, Clone]:
    """Two clones that follow one log on the remote."""
    one, two = world.clone("a"), world.clone("b")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    return one, two
