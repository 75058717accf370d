"""With the real pre-commit framework: beside it in either order, and as a hook repository that it installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.enforce.team import HELD, Member, Team

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("pre-commit", "pre-merge-commit", "pre-push")
LOCAL = """repos:
- repo: local
  hooks:
  - {id: mine, name: mine, language: system, entry: sh -c 'echo ran >>"$HOME/ran"; ! grep -q refuse README.md',
     always_run: true, pass_filenames: false, stages: [pre-commit, pre-push]}
"""


class Framework:
    """The pre-commit framework in bob's clone."""

    def __init__(self, team: Team, config: str) -> None:
        self.team = team
        self.bob = team.bob
        self.bob.at.write(".pre-commit-config.yaml", config)
        self.bob.git("add", ".pre-commit-config.yaml")
        self.bob.git("commit", "-q", "--no-verify", "-m", "the framework's config")
        self.bob.git("push", "-q", "--no-verify")

    def run(self, *args: str) -> str:
        """The framework's own command line."""
        command = [sys.executable, "-m", "pre_commit", *args]
        ran = subprocess.run(command, cwd=self.bob.at.path, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def install(self, *more: str) -> None:
        """Its hooks of every kind that matters here."""
        self.run("install", *more, *(arg for kind in TYPES for arg in ("-t", kind)))

    def ran(self) -> int:
        """How often its own hook has run since."""
        log = Path(os.environ["HOME"]) / "ran"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return len(lines)


@pytest.fixture
def framework(held: Team) -> Framework:
    pytest.importorskip("pre_commit")
    return Framework(held, LOCAL)


def _both_hold(framework: Framework) -> None:
    """Each refuses for itself, and what both allow passes; commits, merges and pushes."""
    bob = framework.bob
    bob.change(HELD)
    bob.git("add", "-A")
    bob.refused("commit", "-q", "-m", "x")  # ours
    framework.ran()
    bob.git("commit", "-q", "--no-verify", "-m", "x")
    bob.refused("push", "-q")
    bob.refused("push", "-q", "origin", "HEAD~1:refs/heads/clean", "main")  # the framework sees the first ref only
    bob.git("reset", "-q", "--hard", "origin/main")

    framework.ran()
    bob.commit("docs/guide.md")
    assert framework.ran() == 1
    bob.git("push", "-q")
    assert framework.ran() == 1

    bob.at.write("README.md", "refuse\n")
    assert bob.git("commit", "-q", "-a", "-m", "x", check=False).status == 1  # theirs
    assert framework.ran() == 1
    bob.git("commit", "-q", "-a", "--no-verify", "-m", "x")
    assert bob.git("push", "-q", check=False).status == 1
    answer = bob.refused_push(code="rejected")
    error = answer["error"]
    assert isinstance(error, dict)
    assert "pre-push hook" in error["message"]
    bob.git("reset", "-q", "--hard", "origin/main")
    bob.commit("docs/more.md")
    bob.peer("push")


@pytest.mark.parametrize("order", ["ours-first", "theirs-first"])
def test_beside_it(framework: Framework, order: str) -> None:
    bob = framework.bob
    if order == "theirs-first":
        bob.peer("uninstall")
        framework.install()
        bob.peer("init")
    else:
        framework.install()
    _both_hold(framework)


def test_one_leaves(framework: Framework) -> None:
    """Whichever goes, the other goes on."""
    bob = framework.bob
    framework.install()
    framework.run("uninstall", *(arg for kind in TYPES for arg in ("-t", kind)))
    bob.change(HELD)
    bob.refused("commit", "-q", "-a", "-m", "x")
    framework.ran()
    bob.git("checkout", "-q", HELD)
    bob.commit("docs/guide.md")
    assert framework.ran() == 0
    framework.install()
    bob.peer("uninstall")
    bob.commit(HELD)
    assert framework.ran() == 1
    bob.git("push", "-q")


def test_it_was_installed_over_ours(framework: Framework) -> None:
    """`pre-commit install -f` throws ours away; init brings it back, and doctor had told."""
    bob = framework.bob
    framework.install("-f")
    checks = {check["name"]: check for check in bob.peer("doctor", "--json", status=None).json()["checks"]}
    assert checks["hooks"]["status"] != "ok"
    bob.peer("init")
    _both_hold(framework)


def _hook_repository(folder: Path) -> tuple[str, str]:
    """(URL, revision) of this checkout as a repository: what it has now, committed or not."""
    if not (ROOT / ".pre-commit-hooks.yaml").is_file():
        pytest.skip("no checkout to make a hook repository of")
    left_out = shutil.ignore_patterns(".git", ".hypothesis", "*_cache", "__pycache__", ".venv", "build", "tests")
    shutil.copytree(ROOT, folder, ignore=left_out)

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "as it is")
    return str(folder), git("rev-parse", "HEAD")


@pytest.mark.slow
def test_as_its_hooks(held: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """.pre-commit-hooks.yaml: the framework installs git-peer into an environment of its own, and runs it."""
    pytest.importorskip("pre_commit")
    monkeypatch.delenv("PYTHONPATH", raising=False)  # what is installed must do
    url, rev = _hook_repository(held.world.folder / "hooks-repository")
    bob = held.bob
    ours = "git-peer", "git-peer-push"
    rows = "".join(f"  - id: {ident}\n" for ident in ours)
    framework = Framework(held, f"repos:\n- repo: {url}\n  rev: {rev}\n  hooks:\n{rows}")
    for hook in (bob.at.common / "hooks").iterdir():
        hook.unlink()  # a clone where only the framework runs ours
    framework.install("--install-hooks")
    assert "git-peer" in framework.run("run", "--all-files")

    bob.change(HELD)
    bob.git("add", HELD)
    bob.refused("commit", "-q", "-m", "x", why="Failed")
    _says_locked(bob, "commit", "-q", "-m", "x")
    bob.git("reset", "-q", "--hard")
    bob.commit("docs/guide.md")

    bob.git("config", "peer.gateBranches", "fresh alone")
    bob.sneaks(HELD)
    _says_locked(bob, "push", "-q")
    _says_locked(bob, "push", "-q", "origin", "main:fresh")
    bob.git("switch", "-q", "--orphan", "alone")
    bob.git("checkout", "-q", "main", "--", ".pre-commit-config.yaml")
    bob.sneaks(HELD)  # a root commit: the framework tells no range
    _says_locked(bob, "push", "-q", "origin", "alone")
    bob.git("switch", "-q", "-f", "main")
    bob.git("reset", "-q", "--hard", "HEAD~1")
    bob.git("push", "-q")

    bob.git("switch", "-q", "-c", "side", "HEAD~1")
    bob.commit("docs/side.md")
    bob.git("switch", "-q", "main")
    bob.git("merge", "-q", "--no-edit", "side")
    bob.git("push", "-q")


def _says_locked(member: Member, *args: str) -> None:
    """Refused, and the framework shows what ours said."""
    before = member.at.head(), member.at.world.refs()
    result = member.git(*args, check=False)
    assert result.status == 1, result
    assert "is locked by alice" in result.out + result.err, result
    assert (member.at.head(), member.at.world.refs()) == before
