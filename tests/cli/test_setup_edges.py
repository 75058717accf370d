"""Setting up and taking out at the edges: finished or undone, checked before anything is written, and told in words."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_peer import layout
from git_peer.store.git import fold
from tests.cli.asking import ask, held, refused, snapshot
from tests.world import Clone, World, start

LOG = "refs/heads/peer/coordination"
TIP = "refs/peer/coordination"


def refs(clone: Clone) -> str:
    return clone.git("for-each-ref").out


def refuse_pushes(world: World, pattern: str) -> None:
    """The server takes no ref that matches."""
    hook = world.remote / "hooks" / "pre-receive"
    refuse = f'case $ref in {pattern}) echo "no $ref here" >&2; exit 1;; esac'
    hook.write_text(f"#!/bin/sh\nwhile read -r old new ref; do {refuse}; done\n")
    hook.chmod(0o755)


# -- init ---------------------------------------------------------------------------------------------
def test_a_typo_changes_nothing(world: World) -> None:
    """In --branch or --remote, in a clone that is set up, and in one that is not."""
    one, two = world.clone("a"), world.clone("b")
    ident = ask(one, "init", "--remote", "origin")["log_id"]
    one.git("remote", "add", "empty", str(world.folder / "empty.git"))
    start(("git", "init", "-q", "--bare", "empty.git"), world.folder).finish(0)
    ask(one, "lock", "src/api.py", as_="a")
    before = snapshot(one.path / ".git", "objects"), world.refs()
    for args in (("--branch", "peer/coordinaton"), ("--remote", "empty"), ("--remote", "empty", "--branch", "x")):
        told = refused(one, "not_found", "init", *args)["error"]
        assert "origin (peer/coordination)" in told["message"]
    assert (snapshot(one.path / ".git", "objects"), world.refs()) == before
    ask(one, "lock", "docs/", as_="a")
    for args in (("--branch", "peer/coordinaton"), ("--remote", "origin", "--branch", "peer/coordinaton")):
        before_two = snapshot(two.path / ".git", "objects")
        assert "peer/coordination" in refused(two, "not_found", "init", *args)["error"]["message"]
        assert snapshot(two.path / ".git", "objects") == before_two
    two.git("config", "peer.branch", "peer/ours")  # a log of its own, on purpose
    assert ask(two, "init", "--remote", "origin")["log_id"] != ident
    assert "refs/heads/peer/ours" in world.refs()


def test_a_server_that_refuses_the_branch(world: World) -> None:
    """Nothing of a set-up is left, its word is told, and a local log that was there goes on, guarded."""
    one = world.clone("a")
    refuse_pushes(world, "refs/heads/peer/*")
    before, there = snapshot(one.path / ".git", "objects"), world.refs()
    told = refused(one, "rejected", "init", "--remote", "origin")["error"]
    assert "no refs/heads/peer/coordination here" in told["message"]
    assert (snapshot(one.path / ".git", "objects"), world.refs()) == (before, there)
    ask(one, "init", "--local")
    ask(one, "lock", "src/api.py", as_="a")
    refused(one, "rejected", "init", "--remote", "origin")
    assert held(ask(one, "locks")) == [("src/api.py", "a")]
    one.write("src/api.py", "x\n")
    assert one.git("commit", "-qam", "x", check=False, env={"GIT_PEER_SESSION": "b"}).status == 1
    assert ask(one, "init", "--remote", "origin", "--branch", "other")["created"]
    assert "refs/heads/other" in world.refs()


def test_hooks_that_cannot_be_installed(world: World) -> None:
    """Nothing is published for a clone that cannot be guarded."""
    one = world.clone("a")
    hooks = one.path / ".git" / "hooks"
    for path in hooks.iterdir():
        path.unlink()
    hooks.rmdir()
    hooks.write_text("a file\n")
    before, there = snapshot(one.path / ".git", "objects"), world.refs()
    refused(one, "failed", "init", "--remote", "origin")
    assert (snapshot(one.path / ".git", "objects"), world.refs()) == (before, there)


def test_a_set_up_that_an_earlier_release_wedged(world: World) -> None:
    """Its log lives on a remote, its own record names none: told, with the cure, and cured by `init`."""
    one = world.clone("a")
    ask(one, "init", "--remote", "origin")
    facts = one.path / ".git" / "peer" / "clone.json"
    facts.write_text(facts.read_text().replace('"remote": "origin"', '"remote": ""').replace("coordination", "typo"))
    for args in (("sync",), ("lock", "x")):
        told = refused(one, "not_set_up", *args, as_="a")["error"]
        assert "git peer init" in told["hint"]
    assert "set-up is not finished" in str(refused(one, "failed", "doctor")["checks"])
    assert ask(one, "init")["branch"] == "peer/coordination"
    assert ask(one, "lock", "x", as_="a")["guarantee"] == "remote"


def test_a_local_clone_joins_what_came_later(world: World) -> None:
    """Plain `init` joins the log that the remote has by now; who said --local stays, and is told how."""
    one, two, three = world.clone("a"), world.clone("b"), world.clone("c")
    for clone in (one, two):
        assert ask(clone, "init")["mode"] == "local"
    assert ask(three, "init", "--local")["mode"] == "local"
    ask(two, "lock", "docs/", as_="b")
    ident = ask(one, "init", "--remote", "origin")["log_id"]
    joined = ask(two, "init")
    assert (joined["mode"], joined["log_id"], joined["lost"]) == ("remote", ident, [])
    assert ("docs/", "b") in held(ask(one, "sync") and ask(one, "locks"))
    assert ask(three, "init")["mode"] == "local"
    assert "--remote origin" in three.peer("init").out
    assert ask(three, "init", "--remote", "origin")["log_id"] == ident


# -- uninstall ----------------------------------------------------------------------------------------
def test_uninstall_gives_back(world: World) -> None:
    """Locks refuse nobody, nothing of ours is left, what is committed stays and is named."""
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    before = snapshot(two.path, "objects")
    objects = two.path / ".git"
    ask(two, "init")
    ask(two, "agent", "install", "claude-code")
    ask(two, "lock", "src/api.py", "docs/", as_="b")
    ask(two, "lock", "README.md")
    done = ask(two, "uninstall")
    assert sorted(done["released"]) == ["README.md", "docs/", "src/api.py"]
    assert done["stayed"] == []
    left = {path for path in snapshot(two.path) if not path.startswith(".git/objects")}
    assert left == {path for path in before if not path.startswith(".git/objects")}
    assert "peer" not in refs(two)
    assert "peer" not in (objects / "config").read_text()
    ask(one, "lock", "src/api.py", "docs/", "README.md", as_="a")
    ask(two, "init")
    ask(two, "agent", "install", "claude-code")
    two.git("add", "-A")
    two.git("commit", "-qm", "for all")
    (line,) = ask(two, "uninstall")["stayed"]
    assert ".claude/settings.json" in line
    assert two.git("status", "--porcelain").out == ""


def test_uninstall_without_the_remote(world: World) -> None:
    """It goes through; what could not be given back is named. A later purge takes the remote's, after a word."""
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    ask(two, "init")
    ask(two, "lock", "src/api.py", as_="b")
    away = world.folder / "away.git"
    world.remote.rename(away)
    (line,) = ask(two, "uninstall")["stayed"]
    assert "1 lock on origin" in line
    refused(two, "not_set_up", "status")
    refused(two, "unreachable", "uninstall", "--purge", "--yes")
    away.rename(world.remote)
    told = refused(two, "not_allowed", "uninstall", "--purge")["error"]["message"]
    assert "deletes refs/heads/peer/coordination on origin" in told
    assert "the sessions b" in told
    assert LOG in world.refs()
    assert "peer" not in refs(two)
    assert LOG not in (ask(two, "uninstall", "--purge", "--yes") and world.refs())
    refused(two, "not_set_up", "uninstall", "--purge", "--yes")


def test_a_purge_takes_no_branch_that_is_no_log(world: World) -> None:
    """A branch of that name which holds code is nobody's log."""
    one = world.clone("a")
    one.git("push", "-q", "origin", f"HEAD:{LOG}")
    refused(one, "untrusted", "uninstall", "--purge", "--yes")
    assert LOG in world.refs()
    refused(one, "untrusted", "init")
    refused(one, "not_set_up", "status")


def test_a_local_log_stays_and_is_named(world: World) -> None:
    """It is nowhere else; a purge takes it."""
    one = world.clone("a")
    before = snapshot(one.path / ".git", "objects", "config")
    ask(one, "init", "--local")
    ask(one, "lock", "src/", as_="a")
    (line,) = ask(one, "uninstall")["stayed"]
    assert line.startswith(TIP)
    ask(one, "uninstall", "--purge", "--yes")
    assert snapshot(one.path / ".git", "objects", "config") == before


# -- any environment ----------------------------------------------------------------------------------
@pytest.fixture
def mask() -> Iterator[Callable[[int], int]]:
    """Sets the mask of new files for one test."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def test_a_repository_that_a_group_shares(world: World, mask: Callable[[int], int]) -> None:
    """core.sharedRepository: whatever is made may be written by the group, whatever the mask of who makes it."""
    one = world.clone("a")
    mask(0o077)
    git = one.path / ".git"
    one.git("config", "core.sharedRepository", "group")
    (git / "objects" / "pack").rmdir()  # so that it is we who make it
    before = set((git / "objects").rglob("*"))
    ask(one, "init", "--remote", "origin")
    ask(one, "lock", "src/api.py", as_="a")
    ours = [git / "peer", git / "refs" / "peer", *(git / "peer").rglob("*"), *(git / "refs" / "peer").rglob("*")]
    bare = {str(path.relative_to(git)): oct(stat.S_IMODE(path.stat().st_mode)) for path in ours if not _shared(path)}
    assert {path for path in bare if not path.startswith("peer/hooks/")} == set()  # those are put in place whole
    objects = set((git / "objects").rglob("*")) - before
    folders, packs = {path for path in objects if path.is_dir()}, {path for path in objects if path.is_file()}
    assert folders
    assert packs
    assert all(_shared(path) for path in folders)
    assert all(path.stat().st_mode & 0o440 == 0o440 for path in packs)  # written once, so nobody may write them
    two = world.clone("b")
    ask(two, "init")
    assert not _shared(two.path / ".git" / "peer")  # elsewhere the umask counts


def _shared(path: Path) -> bool:
    mode = path.stat().st_mode
    wanted = 0o070 if path.is_dir() else 0o060
    return mode & wanted == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes two other users")
def test_two_users_of_one_repository(
    world: World, mask: Callable[[int], int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One sets up, the other locks, and back, until the packs of both are folded into one."""
    mask(0o022)
    one = world.clone("a")
    one.git("config", "core.sharedRepository", "group")
    start(("chgrp", "-R", "7000", str(world.folder)), world.folder).finish(0)
    start(("chmod", "-R", "g+rwXs", str(world.folder)), world.folder).finish(0)
    temporary = tmp_path_factory.getbasetemp()  # pytest's own folders let nobody else in
    for above in (world.folder, *world.folder.parents):
        if above.is_relative_to(temporary) or (above in temporary.parents and above.name.startswith("pytest-")):
            above.chmod(above.stat().st_mode | 0o011)
    world.remote.joinpath("config").write_text(
        world.remote.joinpath("config").read_text() + "[core]\n\tsharedRepository = group\n"
    )
    config = world.folder / ".gitconfig"
    config.write_text("[user]\n\tname = T\n\temail = t@example.com\n[safe]\n\tdirectory = *\n")
    config.chmod(0o644)
    env = {"GIT_CONFIG_GLOBAL": str(config), "HOME": str(world.folder)}

    def runs(uid: int, *args: str) -> None:
        program = (sys.executable, "-P", *args)
        start(("setpriv", f"--reuid={uid}", "--regid=7000", "--clear-groups", *program), one.path, env).finish(0)

    def as_user(uid: int, *args: str) -> None:
        runs(uid, "-m", "git_peer", *args)

    as_user(7001, "init", "--local", "--no-hooks")
    as_user(7001, "--as", "u", "lock", "src/api.py")
    as_user(7002, "--as", "v", "lock", "docs/")
    git = one.path / ".git"
    assert len(list((git / "objects" / "pack").glob("*.pack"))) > 2
    runs(7002, fold.__file__, str(git), str(git / "objects"), layout.FOLDER, layout.F_PACKS)
    assert len(list((git / "objects" / "pack").glob("*.pack"))) == 1
    as_user(7001, "--as", "u", "unlock", "--all")


def test_a_mirror_is_pruned(world: World) -> None:
    """`git fetch --prune` with a refspec that takes every ref leaves ours alone; uninstall leaves no trace of that."""
    ask(world.clone("a"), "init", "--remote", "origin")
    start(("git", "clone", "-q", "--mirror", world.url, "m.git"), world.folder).finish(0)
    mirror = Clone(world, world.folder / "m.git")
    tree = Clone(world, world.folder / "w")
    mirror.git("worktree", "add", "-q", "--detach", str(tree.path), "main")
    config = mirror.path / "config"
    before = config.read_text()
    ask(tree, "init")
    ask(tree, "lock", "src/api.py", as_="a")
    tree.git("fetch", "-q", "--prune")
    assert held(ask(tree, "locks")) == [("src/api.py", "a")]
    tree.write("docs/guide.md", "x\n")
    tree.commit("docs", "docs/guide.md")
    tree.git("config", "--unset", "remote.origin.fetch", r"^\^refs/peer/\*$")
    checks = refused(tree, "failed", "doctor")["checks"]
    assert any(check["name"] == "refspecs" and "prune" in check["detail"] for check in checks)
    ask(tree, "doctor", "--fix")
    tree.git("fetch", "-q", "--prune")
    assert held(ask(tree, "locks")) == [("src/api.py", "a")]
    ask(tree, "uninstall")
    assert config.read_text() == before


def test_notes_that_are_all_shown(world: World) -> None:
    """notes.displayRef=refs/notes/*: git goes on, and what git-peer reads of git is not mixed with notes."""
    one = world.clone("a")
    one.git("config", "notes.displayRef", "refs/notes/*")
    ask(one, "init", "--remote", "origin")
    one.write("docs/guide.md", "x\n")
    commit = one.commit("docs")
    ask(one, "push-delta", "--type", "discovery", "--summary", "Look", "--commit", commit, as_="a")
    ask(one, "sync")
    one.git("push", "-q", "origin", "main")
    assert one.git("log", "-1", "--format=%s").line == "docs"
    assert len(ask(one, "notes", commit)["notes"]) == 2
    one.git("commit", "-q", "--amend", "-m", "again")
    assert len(ask(one, "notes", "HEAD")["notes"]) == 2
    values = one.git("config", "--get-all", "notes.displayRef").line
    ask(one, "uninstall")
    assert one.git("config", "--get-all", "notes.displayRef").line == values


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 20_000 + "]" * 20_000, "a = " + "{b = " * 20_000, ".".join(["a"] * 20_000) + " = 1", "[" * 20_000,
     "ttl = 1" + "0" * 5000, "log = '..'", "log = '.x'", "ttl = '\\u0000'", "branch = ['a']", "planner = 1"],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_project_s_file_that_is_wrong(world: World, text: str) -> None:
    """Named, whatever it is, by every command, and nothing is written."""
    one = world.clone("a")
    one.write(".git-peer.toml", text)
    for args in (("init", "--local"), ("version",)):
        found = one.peer("--json", *args, status=None)
        assert found.status in (0, 1), found
    assert one.peer("--json", "init", "--local", status=None).status == 1
    assert not (one.path / ".git" / "peer").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("ttl", "9" * 5000), ("ttl", "\u0663m"), ("branch", "a..b"), ("branch", "-x"), ("branch", "x" * 5000),
     ("clockSkew", "1e9"), ("retryTimeout", "-1"), ("secretsAllow", "("), ("secretsAllow", "(" * 5000),
     ("remote", "no\nsuch"), ("strict", "maybe"), ("plannerMaxTasks", "0x10")],
)  # fmt: skip
def test_a_setting_that_is_wrong(world: World, key: str, value: str) -> None:
    """Never a bug of ours: 1, named."""
    one = world.clone("a")
    env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"peer.{key}", "GIT_CONFIG_VALUE_0": value}
    found = one.peer("--json", "init", env=env, status=None)
    assert found.status == 1, found
    assert found.json()["error"]["code"] in ("invalid", "not_found"), found
    assert not (one.path / ".git" / "peer").exists()


def test_doctor_names_branches_that_there_are_not(pair: tuple[Clone, Clone], world: World) -> None:
    """A setting with a typo, and a default branch that was renamed on the remote."""
    one, _ = pair

    def told() -> list[tuple[str, str]]:
        checks = ask(one, "doctor")["checks"]
        return [(check["detail"], check["hint"]) for check in checks if check["name"] == "branches"]

    assert told() == []
    one.git("config", "peer.gateBranches", "mian release/*")
    ((detail, hint),) = told()
    assert "peer.gateBranches names mian" in detail
    assert "main?" in hint
    one.git("config", "--unset", "peer.gateBranches")
    for args in (("branch", "-m", "main", "trunk"), ("symbolic-ref", "HEAD", "refs/heads/trunk")):
        start(("git", *args), world.remote).finish(0)
    ((detail, hint),) = told()
    assert detail == "by the log work lands on main, and origin has trunk instead"
    assert "git peer push" in hint


def test_uninstall_names_agents_of_other_work_trees(local: Clone) -> None:
    """It takes them out of this work tree only; one that was removed is passed over."""
    tree, gone = local.worktree("tree"), local.worktree("gone")
    for one in (tree, gone):
        one.peer("agent", "install", "codex")
    shutil.rmtree(gone.path)
    stayed = ask(local, "uninstall")["stayed"]
    assert [what for what in stayed if "codex" in what] == [
        f"the settings of codex in {tree.path}: `git -C {tree.path} peer agent remove codex`"
    ]
    assert ask(tree, "agent", "remove", "codex")["changed"]
