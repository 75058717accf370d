"""A core.hooksPath of the user's: the gate stands before it, and what the user changes later counts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.hooks.kinds import KINDS, Repo, settled, snapshot


def test_what_the_user_changes_later_counts(repo: Repo) -> None:
    KINDS["hooksPath"](repo)
    repo.install()
    repo.hook("post-commit", "#!/bin/sh\necho later >>$HOME/log\n", folder=repo.top / ".githooks")
    repo.commit("second")
    assert repo.log()[-1] == "later"
    repo.hook("pre-commit", "#!/bin/sh\necho new >>$HOME/log\n", folder=repo.top / "new hooks")
    repo.git("config", "core.hooksPath", "new hooks")
    repo.commit("third")
    assert repo.log() == ["gate pre-commit", "new", "gate post-commit"]
    assert set(repo.inspect().values()) == {"outdated"}
    assert settled(repo.install())
    config = repo.common / "config"
    assert repo.remove() == []
    assert repo.git("config", "--get-all", "core.hooksPath").stdout == "new hooks\n"
    assert b"git-peer" not in config.read_bytes()


def test_no_git_is_started_for_settings_that_stand(repo: Repo) -> None:
    """A dispatcher asks git only when the settings are newer than itself; installing again ends that."""
    KINDS["hooksPath"](repo)
    repo.install()
    bin_dir = repo.base / "bin"
    fake = repo.hook("git", "#!/bin/sh\necho asked >>$HOME/log\n", folder=bin_dir)
    env = os.environ | {"PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}

    def asked() -> bool:
        subprocess.run([repo.common / "peer/hooks.d/commit-msg", "x"], cwd=repo.top, env=env, check=True)
        return "asked" in repo.log()

    assert not asked()
    os.utime(repo.common / "config", ns=(time.time_ns() + 10**6,) * 2)
    assert asked()
    time.sleep(0.01)
    assert settled(repo.install())
    assert not asked()


def test_the_setting_goes_away(repo: Repo) -> None:
    before = snapshot(repo.common / "config")
    KINDS["hooksPath"](repo)
    repo.install()
    repo.git("config", "--unset", "core.hooksPath")
    repo.commit("second")
    assert repo.log() == ["gate pre-commit", "never", "gate post-commit"]
    assert "missing" in repo.inspect().values()
    assert settled(repo.install())
    assert snapshot(repo.common / "config") == before
    repo.commit("third")
    assert repo.log() == ["gate pre-commit", "never", "gate post-commit"]


def test_the_setting_comes_later(repo: Repo) -> None:
    before = snapshot(repo.hooks)
    repo.install()
    used = KINDS["hooksPath"](repo)
    assert set(repo.inspect().values()) == {"foreign-manager"}
    assert settled(repo.install())
    repo.commit("second")
    assert [line.split()[-1] for line in repo.log() if "user" in line] == [name for name in used if name != "pre-push"]
    (repo.hooks / "pre-commit").unlink()
    assert repo.remove() == []
    assert snapshot(repo.hooks) == before


def test_a_setting_behind_ours(repo: Repo) -> None:
    KINDS["hooksPath"](repo)
    repo.install()
    config = repo.common / "config"
    config.write_text(config.read_text() + "[core]\n\thooksPath = other\n")
    assert set(repo.inspect().values()) == {"foreign-manager"}
    assert settled(repo.install())
    assert repo.remove() == []
    assert config.read_text().endswith("[core]\n\thooksPath = other\n")
    assert repo.git("config", "--get-all", "core.hooksPath").stdout == ".githooks\nother\n"
    assert b"git-peer" not in config.read_bytes()


def test_an_include_under_our_heading(repo: Repo) -> None:
    """git adds an include below ours; taking ours out leaves it working."""
    KINDS["hooksPath"](repo)
    repo.install()
    (repo.base / "more").write_text("[a]\n\tb = c\n")
    repo.git("config", "--add", "include.path", str(repo.base / "more"))
    assert repo.remove() == []
    assert repo.git("config", "a.b").stdout == "c\n"
    assert repo.git("config", "--get-all", "include.path").stdout == f"{repo.base / 'more'}\n"


def test_work_trees_of_two_minds(repo: Repo) -> None:
    """One work tree has a folder of its own, the other git's default: the gate stands before both."""
    linked = repo.base / "linked"
    repo.git("worktree", "add", "-q", str(linked))
    repo.git("config", "extensions.worktreeConfig", "true")
    repo.git("config", "--worktree", "core.hooksPath", "own", cwd=linked)
    repo.hook("pre-commit", "#!/bin/sh\necho linked >>$HOME/log\n", folder=linked / "own")
    repo.hook("pre-commit", "#!/bin/sh\necho main >>$HOME/log\n")
    before = snapshot(repo.base)
    assert settled(repo.install())
    after = snapshot(repo.base)
    repo.install(linked)
    assert snapshot(repo.base) == after
    assert repo.remove() == []
    assert snapshot(repo.base) == before
    repo.install(linked)
    repo.commit("a")
    assert repo.log() == ["gate pre-commit", "main", "gate post-commit"]
    repo.commit("b", linked)
    assert repo.log() == ["gate pre-commit", "linked", "gate post-commit"]
    repo.git("config", "--worktree", "--unset", "core.hooksPath", cwd=linked)
    assert settled(repo.install())
    repo.commit("c", linked)
    assert repo.log() == ["gate pre-commit", "main", "gate post-commit"]


def test_a_tool_takes_our_folder_for_the_users(repo: Repo) -> None:
    KINDS["hooksPath"](repo)
    state = repo.install()
    folder = Path(repo.git("rev-parse", "--git-path", "hooks").stdout.strip())
    assert folder == state["pre-commit"].path.parent
    repo.hook("pre-commit", "#!/bin/sh\necho tool >>$HOME/log\n", folder=folder)
    assert repo.inspect()["pre-commit"] == "foreign-manager"
    assert settled(repo.install())
    repo.commit("second")
    assert repo.log()[:2] == ["gate pre-commit", "tool"]
    assert repo.remove() == [f"{folder / 'pre-commit'}: not made by git-peer"]
    assert (folder / "pre-commit").read_text() == "#!/bin/sh\necho tool >>$HOME/log\n"


def test_presence_alone_changes_nothing(repo: Repo) -> None:
    """Hooks that slow git down or change what it does are dispatched only where the user has them."""
    KINDS["hooksPath"](repo)
    repo.hook("reference-transaction", "#!/bin/sh\necho moved >>$HOME/log\n", folder=repo.top / ".githooks")
    repo.install()
    names = {path.name for path in (repo.common / "peer/hooks.d").iterdir() if path.exists()}  # else git sees none
    assert "reference-transaction" in names
    assert not names & {"push-to-checkout", "proc-receive", "post-index-change", "pre-receive"}
    repo.git("branch", "x")
    assert "moved" in repo.log()
