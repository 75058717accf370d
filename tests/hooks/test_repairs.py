"""Edits, crashes, damage and errors between install and remove."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_peer.core.errors import PeerError
from git_peer.hooks import install as hooks
from tests.hooks.kinds import ALL, KINDS, Repo, settled, snapshot


def test_edited_since(repo: Repo) -> None:
    """What the user writes into a hook with our lines is theirs and stays."""
    state = repo.install()
    with state["pre-commit"].path.open("a") as out:
        out.write("echo mine >>$HOME/log\n")
    assert settled(repo.install())
    repo.commit("second")
    assert repo.log()[:2] == ["gate pre-commit", "mine"]
    assert repo.remove() == []
    assert (repo.hooks / "pre-commit").read_text() == "#!/bin/sh\necho mine >>$HOME/log\n"


def test_edited_wrapper(repo: Repo) -> None:
    KINDS["python"](repo)
    path = repo.install()["pre-commit"].path
    path.write_text(path.read_text().replace("#!/bin/sh\n", "#!/bin/sh\necho mine >>$HOME/log\n"))
    left = repo.remove()
    assert len(left) >= 1
    assert "was edited" in left[0]
    repo.commit("second")
    assert repo.log()[:2] == ["mine", "user pre-commit.git-peer-user"]


@pytest.mark.parametrize("kind", ["sh", "python"])
def test_switched_off_stays_off(repo: Repo, kind: str) -> None:
    KINDS[kind](repo)
    path = repo.install()["pre-commit"].path
    path.chmod(0o644)
    assert repo.inspect()["pre-commit"] == "missing"
    assert settled(repo.install())
    repo.commit("second")
    assert [line for line in repo.log() if "pre-commit" in line] == ["gate pre-commit"]
    assert repo.remove() == []
    assert not path.stat().st_mode & 0o111


def test_outdated_is_renewed(repo: Repo) -> None:
    KINDS["sh"](repo)
    before = snapshot(repo.hooks)
    state = repo.install()
    path = state["pre-commit"].path
    path.write_text(path.read_text().replace("|| exit $?", "|| exit 5"))
    (repo.common / "peer/hooks/pre-push").write_text("#!/bin/sh\n")
    (repo.common / "peer/hooks/post-commit").unlink()
    assert repo.inspect() == {
        "pre-commit": "outdated", "pre-merge-commit": "installed", "post-commit": "missing",
        "post-rewrite": "installed", "pre-push": "outdated",
    }  # fmt: skip
    assert settled(repo.install())
    assert repo.remove() == []
    assert snapshot(repo.hooks) == before


def test_killed_between_two_steps(repo: Repo) -> None:
    """The user's hook is aside and the file before it not written yet."""
    KINDS["python"](repo)
    before = snapshot(repo.base)
    (repo.hooks / "pre-commit").rename(repo.hooks / "pre-commit.git-peer-user")
    killed = snapshot(repo.base)
    assert repo.remove() == []
    assert snapshot(repo.base) == before
    (repo.hooks / "pre-commit").rename(repo.hooks / "pre-commit.git-peer-user")
    assert snapshot(repo.base) == killed
    assert settled(repo.install())
    repo.commit("second")
    assert repo.log()[:2] == ["gate pre-commit", "user pre-commit"]


def test_two_hooks_for_one_place(repo: Repo) -> None:
    KINDS["python"](repo)
    path = repo.install()["pre-commit"].path
    path.unlink()
    repo.hook("pre-commit", f"#!{sys.executable}\n")
    before = snapshot(repo.hooks)
    with pytest.raises(PeerError, match="older one") as caught:
        repo.install()
    assert caught.value.code == "failed"
    assert snapshot(repo.hooks) == before
    assert any("another pre-commit" in line for line in repo.remove())
    assert path.read_text() == f"#!{sys.executable}\n"
    assert (repo.hooks / "pre-commit.git-peer-user").exists()


def _hook_is_a_folder(repo: Repo) -> None:
    (repo.hooks / "pre-push").mkdir()


def _hooks_is_a_file(repo: Repo) -> None:
    shutil.rmtree(repo.hooks)
    repo.hooks.write_text("")


def _peer_is_a_file(repo: Repo) -> None:
    (repo.common / "peer").write_text("")


def _no_scripts(repo: Repo) -> None:
    shutil.rmtree(repo.scripts)


@pytest.mark.parametrize("spoil", [_hook_is_a_folder, _hooks_is_a_file, _peer_is_a_file, _no_scripts])
def test_nothing_is_done_by_halves(repo: Repo, spoil: Callable[[Repo], None]) -> None:
    spoil(repo)
    before = snapshot(repo.base)
    with pytest.raises(PeerError) as caught:
        repo.install()
    assert caught.value.code == "failed"
    assert caught.value.hint
    assert snapshot(repo.base) == before


AS_NOBODY = """
import os, sys
from pathlib import Path
from git_peer.core.errors import PeerError
from git_peer.hooks import install as hooks
common, top, scripts = map(Path, sys.argv[1:])
sys.dont_write_bytecode = True
if os.geteuid() == 0:  # nothing is read-only for root
    os.setgid(65534)
    os.setuid(65534)
try:
    hooks.install(common, top, scripts=scripts)
except PeerError as error:
    print(error.code, bool(error.hint), error.message)
"""


@pytest.mark.parametrize("kind", ["nothing", "hooksPath"])
def test_read_only(repo: Repo, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    KINDS[kind](repo)
    folder = repo.hooks if kind == "nothing" else repo.common
    for path in (repo.base, *repo.base.parents):
        if path.stat().st_uid == os.geteuid() and path.is_relative_to(tmp_path_factory.getbasetemp().parent):
            path.chmod(path.stat().st_mode | 0o055)
    mode = stat.S_IMODE(folder.stat().st_mode)
    folder.chmod(0o555)
    before = snapshot(repo.base)
    try:
        command = [sys.executable, "-c", AS_NOBODY, str(repo.common), str(repo.top), str(repo.scripts)]
        root = Path(hooks.__file__).parents[2]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
        assert done.stdout.startswith("failed True "), done
        assert snapshot(repo.base) == before
    finally:
        folder.chmod(mode)


ONE = (
    "import sys; from pathlib import Path; from git_peer.hooks import install as hooks; "
    "a, b, c = map(Path, sys.argv[1:]); "
)


@pytest.mark.parametrize("kind", ["python", "hooksPath"])
def test_many_at_once(repo: Repo, kind: str) -> None:
    """Several installs and removals at one time neither fail nor lose a hook."""
    KINDS[kind](repo)
    before = snapshot(repo.base)
    root = Path(hooks.__file__).parents[2]
    loop = ONE + "[(hooks.install(a, b, scripts=c), hooks.remove(a, b)) for _ in range(8)]"
    command = [sys.executable, "-c", loop, str(repo.common), str(repo.top), str(repo.scripts)]
    env = os.environ | {"PYTHONPATH": str(root)}
    running = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [each.communicate()[1] for each in running] == [""] * 4
    assert repo.remove() == []
    assert snapshot(repo.base) == before


def test_config_is_being_written(repo: Repo) -> None:
    KINDS["hooksPath"](repo)
    (repo.common / "config.lock").write_text("")
    with pytest.raises(PeerError) as caught:
        repo.install()
    assert caught.value.code == "busy"
    (repo.common / "config.lock").unlink()
    assert settled(repo.install())


def test_the_callers_settings_do_not_mislead(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a hook, or under `git -c core.hooksPath=`, git's environment speaks of something else."""
    monkeypatch.setenv("GIT_DIR", str(repo.remote))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.hookspath'='/dev/null'")
    assert settled(repo.install())
    assert (repo.hooks / "pre-commit").exists()


def test_the_gate_that_is_shipped(repo: Repo) -> None:
    """The real scripts are found and filled: no placeholder is left, and words are quoted for sh."""
    python = repo.base / "it's python"
    hooks.install(repo.common, repo.top, python=str(python))
    for name in ALL:
        text = (repo.common / "peer/hooks" / name).read_text()
        assert "@PYTHON@" not in text
        assert "@GATE@" not in text
        assert "@GITPEER@" not in text
        subprocess.run(["sh", "-n", repo.common / "peer/hooks" / name], check=True)
    quoted = str(python).replace("'", "'\"'\"'")
    assert f"'{quoted}' -E -P -m git_peer" in (repo.common / "peer/hooks/pre-push").read_text()
