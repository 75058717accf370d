"""Beside the real pre-commit framework, in either order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from git_peer.hooks import install as hooks
from tests.hooks.kinds import KINDS, Repo, settled, snapshot

CONFIG = """repos:
- repo: local
  hooks:
  - {id: mine, name: mine, language: system, entry: sh -c 'echo framework >>"$HOME/log"', always_run: true,
     pass_filenames: false, stages: [pre-commit, pre-push]}
"""


class Framework:
    """The real pre-commit framework in a repository."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        (repo.top / ".pre-commit-config.yaml").write_text(CONFIG)
        repo.git("add", ".pre-commit-config.yaml")
        repo.git("commit", "-q", "-m", "config")

    def run(self, *args: str) -> str:
        types = ("-t", "pre-commit", "-t", "pre-push")
        command = [sys.executable, "-m", "pre_commit", *args, *types]
        return subprocess.run(command, cwd=self.repo.top, check=True, capture_output=True, text=True).stdout

    def commits(self, name: str) -> list[str]:
        self.repo.commit(name)
        return self.repo.log()

    def pushes(self, branch: str) -> list[str]:
        self.repo.git("push", "-q", "origin", f"HEAD:{branch}")
        return [line.split(" origin")[0] for line in self.repo.log()]


@pytest.fixture
def framework(repo: Repo) -> Framework:
    pytest.importorskip("pre_commit")
    return Framework(repo)


def test_framework_first(framework: Framework) -> None:
    repo = framework.repo
    framework.run("install")
    before = snapshot(repo.common / "hooks", repo.common / "config")
    assert settled(repo.install())
    assert framework.commits("a") == ["gate pre-commit", "framework", "gate post-commit"]
    assert framework.pushes("a") == ["gate pre-push", "framework"]
    (repo.home / "refuse").touch()
    assert repo.commit("b", check=False).returncode != 0
    assert repo.log() == ["gate pre-commit"]
    (repo.home / "refuse").unlink()
    assert "migration" not in framework.run("install")  # it knows its own script; ours is lost with it
    assert repo.inspect()["pre-commit"] == "foreign-manager"
    assert settled(repo.install())
    assert framework.commits("c") == ["gate pre-commit", "framework", "gate post-commit"]
    assert repo.remove() == []
    assert snapshot(repo.common / "hooks", repo.common / "config") == before
    assert not (repo.common / "peer").exists()


@pytest.mark.parametrize("kind", ["nothing", "sh", "python", "links"])
def test_framework_second(framework: Framework, kind: str) -> None:
    """The framework moves our hooks to .legacy: each still runs once, and both leave in either order."""
    repo = framework.repo
    used = KINDS[kind](repo)
    before = snapshot(repo.hooks)
    assert settled(repo.install())
    assert "migration" in framework.run("install")
    assert set(repo.inspect().values()) == {"installed"}
    moved = snapshot(repo.hooks)
    assert settled(repo.install())
    assert snapshot(repo.hooks) == moved
    lines = framework.commits("a")
    assert lines[0] == "gate pre-commit"
    assert (lines.count("gate pre-commit"), lines.count("framework")) == (1, 1)
    assert ("pre-commit" in used) == any("user" in line for line in lines[:3])
    lines = framework.pushes("a")
    assert (lines.count("gate pre-push"), lines.count("framework")) == (1, 1)
    (repo.home / "refuse").touch()
    assert repo.commit("b", check=False).returncode != 0
    (repo.home / "refuse").unlink()
    repo.log()

    assert repo.remove() == []  # ours out first
    assert all("pre-commit" not in line or "user" in line for line in framework.commits("c"))
    framework.run("uninstall")
    assert snapshot(repo.hooks) == before

    assert settled(repo.install())  # theirs out first
    framework.run("install")
    framework.run("uninstall")
    assert set(repo.inspect().values()) == {"installed"}
    assert repo.remove() == []
    assert snapshot(repo.hooks) == before


def test_framework_overwrites(framework: Framework) -> None:
    repo = framework.repo
    repo.install()
    framework.run("install", "-f")
    assert repo.inspect()["pre-commit"] == "foreign-manager"
    assert settled(repo.install())
    assert framework.commits("a") == ["gate pre-commit", "framework", "gate post-commit"]


def test_the_manifest_is_one(repo: Repo) -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib")
    manifest = Path(hooks.__file__).parents[2] / ".pre-commit-hooks.yaml"
    found = {hook["id"]: hook for hook in clientlib.load_manifest(str(manifest))}
    assert found["git-peer"]["stages"] == ["pre-commit", "pre-merge-commit"]
    assert found["git-peer-push"]["stages"] == ["pre-push"]
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in found.values())
