"""Pushes while the log's remote is out of reach: what it has no say in goes on, what is gated waits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.enforce.team import HELD, Member, Team


def _other(team: Team, name: str) -> Path:
    """A further empty repository, as bob's remote `name`."""
    there = team.world.folder / f"{name}.git"
    team.bob.git("init", "-q", "--bare", str(there))
    team.bob.git("remote", "add", name, str(there))
    return there


@contextmanager
def _unreachable(there: Path) -> Iterator[None]:
    """As behind a network that is down."""
    away = there.with_suffix(".away")
    shutil.move(there, away)
    yield
    shutil.move(away, there)


def _moved(bob: Member, remote: str, branch: str) -> None:
    """The push goes through, with nothing said of the log's remote; the branch stands there."""
    said = bob.git("push", remote, f"main:{branch}").err
    assert "origin" not in said, said
    told = bob.git("ls-remote", remote, f"refs/heads/{branch}").out
    assert told.split("\t")[0] == bob.git("rev-parse", "main").line


def test_another_repository(held: Team) -> None:
    """A place without a log, and a deletion there; whether or not somebody holds something."""
    bob = held.bob
    _other(held, "mine")
    bob.sneaks(HELD)
    with _unreachable(held.world.remote):
        for branch in ("review", "main"):
            _moved(bob, "mine", branch)
        bob.git("push", "-q", "mine", ":review")


def test_the_code_beside_the_log(held: Team) -> None:
    """The code's remote is another than the log's: its integration branch waits for the log, a topic does not."""
    bob = held.bob
    code = _other(held, "code")
    bob.git("push", "-q", "code", "main")
    bob.git("fetch", "-q", "code")
    bob.git("update-ref", "-d", "refs/remotes/origin/main")
    bob.git("branch", "-q", "-u", "code/main", "main")
    before = bob.git("rev-parse", "main").line
    bob.commit("src/api.py")
    with _unreachable(held.world.remote):
        refused = bob.git("push", "code", "main", check=False)
        assert refused.status == 1
        assert "cannot reach origin" in refused.err
        both = bob.git("push", "code", "main", "main:topic", check=False)
        assert both.status == 1
        assert bob.git("-C", str(code), "for-each-ref", "--format=%(objectname) %(refname)").line == (
            f"{before} refs/heads/main"
        )
        said = bob.git("push", "code", "main:topic").err
        assert "older state of the log" in said
    bob.git("push", "-q", "code", "main")


def test_a_copy_of_the_logs_remote(held: Team) -> None:
    """A place that has a log, though an older one, may be the log's remote by another name: its main waits."""
    bob = held.bob
    copy = held.world.folder / "copy.git"
    bob.git("clone", "-q", "--bare", held.world.url, str(copy))
    bob.git("remote", "add", "copy", str(copy))
    held.alice.lock("docs/")
    bob.peer("sync")
    bob.commit("src/api.py")
    with _unreachable(held.world.remote):
        refused = bob.git("push", "copy", "main", check=False)
        assert refused.status == 1
        assert "cannot reach origin" in refused.err
        bob.git("push", "-q", "copy", "main:topic")
