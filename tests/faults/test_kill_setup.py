"""kill -9 at the steps of setting up with hooks and of taking everything out: the next try finishes it either way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.forks import Forks
from tests.faults.history import code, sound
from tests.faults.test_kill import sweep
from tests.world import Clone, World

pytestmark = pytest.mark.faults

PURGE = ("uninstall", "--purge", "--yes")
MINE = "#!/bin/sh\ntouch ran\n"  # the user's own hook


def own_hooks(clone: Clone) -> None:
    """The user has a pre-commit hook where git looks for it."""
    path = clone.path / ".git" / "hooks" / "pre-commit"
    path.write_text(MINE)
    path.chmod(0o755)


def hooks_path(clone: Clone) -> None:
    """The user has a pre-commit hook in a folder of the work tree."""
    path = clone.write("tools/pre-commit", MINE)
    path.chmod(0o755)
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "hooks")
    clone.git("config", "core.hooksPath", "tools")


def traces(clone: Clone) -> dict[str, bytes]:
    """What of git's folder an uninstall must bring back: all but objects, logs and the index."""
    top, found = clone.path / ".git", {}
    for where, folders, names in os.walk(top):
        inside = Path(where).relative_to(top)
        if inside == Path():
            folders[:] = [name for name in folders if name not in ("objects", "logs")]
        found[f"{inside}/"] = b""
        left_out = ("index", "COMMIT_EDITMSG", "ORIG_HEAD")
        found |= {str(inside / name): (Path(where) / name).read_bytes() for name in names if name not in left_out}
    return found


def commits(clone: Clone, why: str) -> None:
    """A commit goes through, and the user's own hook has run."""
    (clone.path / "ran").unlink(missing_ok=True)
    said = clone.git("commit", "-q", "--allow-empty", "-m", "work", check=False)
    assert said.status == 0, f"{why}\n{said}"
    assert (clone.path / "ran").exists(), why


@pytest.mark.parametrize("place", [own_hooks, pytest.param(hooks_path, marks=pytest.mark.slow)])
def test_init_with_hooks(tmp_path: Path, forks: Forks, place: Callable[[Clone], None], every: int) -> None:
    """Killed anywhere: commits go on, init again installs all, and what is locked is refused."""

    def before(world: World) -> Clone:
        clone = world.clone("a")
        place(clone)
        return clone

    def after(world: World, clone: Clone, why: str) -> None:
        commits(clone, why)
        answer = forks.peer(clone, "init", "--local", "--json").json()
        assert {hook["state"] for hook in answer["hooks"]} == {"installed"}, why
        commits(clone, why)
        forks.peer(clone, "lock", "src/api.py", as_="a")
        clone.write("src/api.py", why)
        refused = clone.git("commit", "-q", "-a", "-m", "x", env={"GIT_PEER_SESSION": "b"}, check=False)
        assert refused.status == 1, f"{why}\n{refused}"
        sound(forks, clone)

    sweep(tmp_path, forks, ("init", "--local"), before, after, every)


@pytest.mark.parametrize(
    ("mode", "place", "argv"),
    [
        ("local", own_hooks, ("uninstall",)),
        pytest.param("remote", own_hooks, PURGE, marks=pytest.mark.slow),
        # The same steps in other company.
        pytest.param("local", hooks_path, PURGE, marks=pytest.mark.soak),
        pytest.param("remote", hooks_path, PURGE, marks=pytest.mark.soak),
        pytest.param("remote", hooks_path, ("uninstall",), marks=pytest.mark.soak),
    ],
)
def test_uninstall(
    tmp_path: Path, forks: Forks, mode: str, place: Callable[[Clone], None], argv: tuple[str, ...], every: int
) -> None:
    """Killed anywhere: commits go on, and uninstall again leaves no trace; so does one after another init."""
    was: dict[str, bytes] = {}

    def before(world: World) -> Clone:
        clone = world.clone("a")
        place(clone)
        was.clear()
        was.update(traces(clone))
        forks.peer(clone, "init", *(("--local",) if mode == "local" else ("--remote", "origin")))
        forks.peer(clone, "lock", "docs/x.md", as_="a")
        return clone

    def after(world: World, clone: Clone, why: str) -> None:
        commits(clone, why)
        if int(world.folder.name) % 2:
            forks.peer(clone, "init", *(() if mode == "local" else ("--remote", "origin")))
            forks.peer(clone, "lock", "docs/y.md", as_="c")
            assert code(forks.peer(clone, "lock", "docs/y.md", "--json", as_="b", status=1)) == "locked", why
            sound(forks, clone)
        again = forks.peer(clone, *argv, "--json", status=None)
        assert (again.status, code(again)) in ((0, ""), (4, "not_set_up")), f"{why}\n{again}"
        left = traces(clone)
        if argv != PURGE:
            left = {path: data for path, data in left.items() if not path.startswith(("refs/peer/", "refs/notes/"))}
        left.pop("refs/heads/main")
        assert left == {path: data for path, data in was.items() if path != "refs/heads/main"}, f"{why}\n{again}"
        assert ("refs/heads/peer/coordination" in world.refs()) is (mode == "remote" and argv != PURGE), why
        commits(clone, why)

    sweep(tmp_path, forks, argv, before, after, every)
