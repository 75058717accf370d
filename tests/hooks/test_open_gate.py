"""A gate that is open says so, and is closed again: whatever took it out, by accident or with a tool's own purpose."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from git_peer.hooks import blocks, chain, seal
from tests.agents.calling import Agent
from tests.enforce.team import HELD, Member, Team
from tests.real.clients import program
from tests.world import World, start

LFS = '#!/bin/sh\ncommand -v git-lfs >/dev/null 2>&1 || exit 0\ngit lfs {name} "$@"\n'
ALL = set(blocks.GATED)


@pytest.fixture
def held(world: World) -> Team:
    """alice holds HELD; bob's gate is in place, and sealed."""
    team = Team.of(world, held=True)
    team.bob.lock("docs/")
    return team


def tool(bob: Member, name: str, *args: str) -> None:
    """Run a hook manager from npm in bob's clone."""
    start((program(name), *args), bob.at.path).finish(0)


# -- what opens it: each gives the hooks that git no longer runs the gate with ------------------


def by_local(bob: Member) -> set[str]:
    """The setting, as husky's and many teams' set-up scripts make it."""
    bob.git("config", "core.hooksPath", "other hooks")
    return ALL


def by_global(bob: Member) -> set[str]:
    bob.git("config", "--global", "core.hooksPath", "~/hooks")
    return ALL


def by_include(bob: Member) -> set[str]:
    (bob.at.path / "team.conf").write_text("[core]\n\thooksPath = /nowhere\n")
    bob.git("config", "include.path", "../team.conf")
    return ALL


def by_work_tree(bob: Member) -> set[str]:
    bob.git("config", "extensions.worktreeConfig", "true")
    bob.git("config", "--worktree", "core.hooksPath", "/dev/null")
    return ALL


def by_deletion(bob: Member) -> set[str]:
    shutil.rmtree(bob.at.common / "hooks")
    return ALL


def by_our_scripts(bob: Member) -> set[str]:
    shutil.rmtree(bob.at.common / "peer" / "hooks")
    return ALL


def by_replacement(bob: Member) -> set[str]:
    path = bob.at.common / "hooks" / "pre-commit"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    return {"pre-commit"}


def by_mode(bob: Member) -> set[str]:
    (bob.at.common / "hooks" / "pre-push").chmod(0o644)
    return {"pre-push"}


def by_upgrade(bob: Member) -> set[str]:
    """The scripts as a release left them that kept the gate elsewhere, in an environment that is gone."""
    for name in blocks.GATED:
        path = bob.at.common / "peer" / "hooks" / name
        text = (
            path.read_text().replace(sys.executable, "/gone/bin/python").replace("hooks/gate_start.py", "gate_start.py")
        )
        path.write_text(text)
    return {"pre-commit", "pre-push"}  # the others start no Python; pre-merge-commit is pre-commit


def by_lfs(bob: Member) -> set[str]:
    """What `git lfs install --force` does."""
    for name in ("pre-push", "post-checkout", "post-commit", "post-merge"):
        path = bob.at.common / "hooks" / name
        path.write_text(LFS.format(name=name))
        path.chmod(0o755)
    return {"pre-push", "post-commit"}


def by_lefthook(bob: Member) -> set[str]:
    (bob.at.path / "lefthook.yml").write_text("pre-commit:\n  jobs: [{run: true}]\npre-push:\n  jobs: [{run: true}]\n")
    tool(bob, "lefthook", "install", "--force")
    return {"pre-commit", "pre-push"}


def by_husky(bob: Member) -> set[str]:
    (bob.at.path / "package.json").write_text("{}")
    tool(bob, "husky")
    return ALL


def by_simple_git_hooks(bob: Member) -> set[str]:
    (bob.at.path / "package.json").write_text(json.dumps({"simple-git-hooks": {"pre-commit": "true"}}))
    tool(bob, "simple-git-hooks")
    return ALL  # it removes what is not in its settings


def by_framework(bob: Member) -> set[str]:
    (bob.at.path / ".pre-commit-config.yaml").write_text("repos: []\n")
    start((sys.executable, "-m", "pre_commit", "install", "-f", "-t", "pre-commit"), bob.at.path).finish(0)
    return {"pre-commit"}


OPENED: list[Callable[[Member], set[str]]] = [
    by_local, by_global, by_include, by_work_tree, by_deletion, by_our_scripts, by_replacement, by_mode, by_upgrade,
    by_lfs, by_lefthook, by_husky, by_simple_git_hooks, by_framework,
]  # fmt: skip


@pytest.mark.parametrize("opened", OPENED)
def test_it_is_told_and_mended(held: Team, opened: Callable[[Member], set[str]]) -> None:
    """A reader says so and writes nothing; the next that may write puts the gate back, and says that too."""
    bob = held.bob
    hooks = opened(bob)
    mark = seal.path_of(str(bob.at.common / "peer"))
    before = Path(mark).read_bytes()
    shown = bob.peer("status", "--json").json()["notices"]
    [told] = [one for one in shown if one["code"] == "gate"]
    assert all(hook in told["message"] for hook in hooks), told
    assert not any(hook in told["message"] for hook in ALL - hooks), told
    assert "git peer init" in told["hint"]
    assert Path(mark).read_bytes() == before
    mended = bob.peer("lock", "docs/", "--json").json()["notices"]
    assert [set(one["mended"]) for one in mended if one["code"] == "gate"] == [hooks]
    assert "gate" not in bob.peer("status").err
    bob.change(HELD)
    bob.git("add", HELD)
    bob.refused("commit", "-q", "-m", "x")
    bob.git("commit", "-q", "--no-verify", "-m", "x")
    bob.refused("push", "-q")


@pytest.mark.parametrize("opened", [by_work_tree, by_deletion])
def test_an_agent_is_told(held: Team, opened: Callable[[Member], set[str]]) -> None:
    """Its next edit mends it, though its own lock would have let it pass without a look; that is told once."""
    agent = Agent(held.bob.at)
    held.bob.peer("lock", "src/api.py", "--as", agent.name)  # not by its hook, whose sender may mend it before we look
    assert agent.edit("src/api.py") == ""
    opened(held.bob)
    answer = agent.call("pre-edit", tool_name="Edit", tool_input={"file_path": str(held.bob.at.path / "src/api.py")})
    assert "is in place again" in json.dumps(answer)
    assert agent.call("prompt") == {}
    held.bob.change(HELD)
    held.bob.refused("commit", "-q", "-a", "-m", "x")


def test_what_cannot_be_mended_is_told_every_time(held: Team) -> None:
    """A lock of git's on the settings, a variable: the command that mends it is named, and the work goes on."""
    bob = held.bob
    lock = bob.at.common / "config.lock"
    by_local(bob)
    lock.touch()
    for args in (("status",), ("lock", "src/api.py")):
        told = bob.peer(*args).err
        assert "warning: the gate is open" in told
        assert "hint: " in told
    assert "config.lock" in told
    fail = [one for one in bob.peer("doctor", "--json", status=1).json()["checks"] if one["status"] == "fail"]
    assert [one["name"] for one in fail] == ["hooks"]
    lock.unlink()
    bob.peer("doctor", "--fix")
    assert "gate" not in bob.peer("status").err
    over = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": "/dev/null"}
    assert "GIT_CONFIG_COUNT" in Member(bob.at, "bob", over).peer("lock", "src/api.py").err


def test_only_a_push_runs(held: Team) -> None:
    """Whoever uses git alone: the hook that is left puts back the one that is gone."""
    bob = held.bob
    (bob.at.common / "hooks" / "pre-commit").unlink()
    bob.sneaks("docs/guide.md")
    assert "is in place again" in bob.git("push", "-q").err
    bob.change(HELD)
    bob.git("add", HELD)
    bob.refused("commit", "-q", "-m", "x")


def test_no_hooks_means_none(world: World) -> None:
    clone = world.clone("a")
    clone.peer("init", "--local", "--no-hooks")
    assert clone.peer("lock", "README.md", "--json").json()["notices"] == []
    assert list((clone.common / "hooks").iterdir()) == []


def test_another_git_peer_that_lives_is_left_alone(held: Team) -> None:
    """Two that are used by turns do not write over each other's scripts for ever."""
    bob = held.bob
    other = held.world.folder / "elsewhere"
    other.mkdir()
    (other / "python").symlink_to(sys.executable)
    script = bob.at.common / "peer" / "hooks" / "pre-commit"
    script.write_text(script.read_text().replace(shlex.quote(sys.executable), str(other / "python")))
    theirs = script.read_text()
    assert bob.peer("lock", "src/api.py", "--json").json()["notices"] == []
    assert script.read_text() == theirs
    (other / "python").unlink()
    assert "has moved" in bob.peer("status").err
    bob.peer("lock", "src/api.py")
    assert script.read_text() != theirs


def test_a_tool_is_taken_out_again(held: Team) -> None:
    """With the setting goes the folder that ours stood before: nothing is open, and nothing of it stays."""
    bob = held.bob
    by_local(bob)
    bob.peer("lock", "docs/")
    bob.git("config", "--unset", "core.hooksPath")
    assert bob.peer("status", "--json").json()["notices"] == []
    bob.peer("lock", "docs/")
    assert not (bob.at.common / "peer" / "hooks.d").exists()
    assert bob.git("config", "--get", "core.hooksPath", check=False).line == ""
    bob.change(HELD)
    bob.refused("commit", "-q", "-a", "-m", "x")


# -- hooks of the user's that come later, with core.hooksPath -----------------------------------
def test_hooks_that_come_later(world: World) -> None:
    """Each that git knows at once, any other with the next hook that runs; no second init, no cost before."""
    clone = world.clone("a")
    clone.git("config", "core.hooksPath", ".githooks")
    (clone.path / ".githooks").mkdir()
    clone.peer("init", "--local")
    log = world.folder / "log"

    def hook(name: str, mode: int = 0o755) -> None:
        path = clone.write(f".githooks/{name}", f'#!/bin/sh\necho {name} >>"{log}"\n')
        path.chmod(mode)

    def ran() -> list[str]:
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return list(dict.fromkeys(found))

    known = (*blocks._CLIENT, *blocks._ON_DEMAND)
    hook("commit-msg")
    hook("reference-transaction")
    clone.git("commit", "-q", "--allow-empty", "-m", "x")
    assert ran() == ["commit-msg", "reference-transaction"]
    hook("post-index-change")
    clone.git("rm", "-q", "--cached", "README.md")
    assert ran() == ["post-index-change"]
    clone.git("reset", "-q")
    ran()
    for name in known:
        hook(name)
        clone.git("hook", "run", name)
        assert name in ran(), name
    hook("our-own")
    clone.git("commit", "-q", "--allow-empty", "-m", "x")
    ran()
    clone.git("hook", "run", "our-own")
    assert ran() == ["our-own"]
    shutil.rmtree(clone.path / ".githooks")
    clone.git("commit", "-q", "--allow-empty", "-m", "x")
    assert ran() == []
    clone.peer("uninstall")
    assert not (clone.common / "peer").exists()


@pytest.mark.parametrize("where", ["folder", "hooks"])
def test_gits_own_warning_is_kept(world: World, where: str) -> None:
    """A hook that is not executable: git says that it passed over it, and may be told not to."""
    clone = world.clone("a")
    folder = clone.common / "hooks" if where == "hooks" else clone.path / ".githooks"
    folder.mkdir(exist_ok=True)
    if where == "folder":
        clone.git("config", "core.hooksPath", ".githooks")
    for name in ("pre-commit", "commit-msg"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o644)
    commit = ("commit", "-q", "--allow-empty", "-m", "x")
    before = clone.git(*commit).err.splitlines()
    assert len(before) == 4
    clone.peer("init", "--local")
    after = [line.replace(blocks.ASIDE, "") for line in clone.git(*commit).err.splitlines()]
    assert after == before
    clone.git("config", "advice.ignoredHook", "false")
    assert clone.git(*commit).err == ""


def test_the_seal_sees_what_counts(tmp_path: Path) -> None:
    """It holds while nothing has changed, for the work trees that were looked at, with the same settings of git."""
    folder, file = tmp_path / "peer", tmp_path / "config"
    folder.mkdir()
    assert seal.read(str(folder), "", {}) == (True, "")
    file.touch()
    mark = seal.record(str(folder), [str(file), str(tmp_path / "absent")], {"HOME": "/x"})
    Path(seal.path_of(str(folder))).write_text(json.dumps({**mark, "trees": {"": "why"}}))
    assert seal.read(str(folder), "", {"HOME": "/x"}) == (True, "why")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert seal.read(str(copy), "", {"HOME": "/x"})[0] is False
    assert seal.read(str(folder), "worktrees/b", {"HOME": "/x"})[0] is False
    assert seal.read(str(folder), "", {"HOME": "/y"})[0] is False
    (tmp_path / "absent").touch()
    assert seal.read(str(folder), "", {"HOME": "/x"})[0] is False
    (tmp_path / "absent").unlink()
    file.chmod(0o600)
    assert seal.read(str(folder), "", {"HOME": "/x"})[0] is False
    for torn in ("", "{}", "[]", '{"trees": 1, "files": 2, "env": 3}'):
        Path(seal.path_of(str(folder))).write_text(torn)
        assert seal.read(str(folder), "", {"HOME": "/x"})[0] is False


def test_a_config_that_is_ours_is_told_from_others() -> None:
    assert chain.is_ours("/x/.git/peer/hooks.d")
    assert not chain.is_ours("/x/.git/peer/hooks.d2")
    assert seal.overruled(os.environ) == ""


# -- the gate's folder is deleted ---------------------------------------------------------------
@pytest.mark.parametrize("chained", [False, True], ids=["plain", "hooksPath"])
def test_a_deleted_gate_says_so(world: World, chained: bool) -> None:
    """Until the next command puts it back each commit and push warns."""
    clone = world.clone("a")
    if chained:
        clone.git("config", "core.hooksPath", ".githooks")
    clone.peer("init", "--local")
    shutil.rmtree(clone.common / "peer" / "hooks")
    said = "warning: git-peer does not check this {}: its hooks were deleted\nhint: `git peer init` puts them back\n"
    assert said.format("commit") in clone.git("commit", "--allow-empty", "-m", "x").err
    assert said.format("push") in clone.git("push", "origin", "HEAD:refs/heads/mine").err
    clone.peer("lock", "src/", as_="bob")  # a command that writes puts them back
    assert clone.git("commit", "--allow-empty", "-m", "x").err == ""
    clone.peer("uninstall")
    assert clone.git("commit", "--allow-empty", "-m", "x").err == ""
