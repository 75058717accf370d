"""init and uninstall, settings, and that git stays git."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.asking import ask, codes, held, refused, snapshot
from tests.world import Clone, World

LOG = "refs/heads/peer/coordination"


def config(clone: Clone) -> list[str]:
    """The clone's own configuration."""
    return clone.git("config", "--local", "--list").out.splitlines()


def test_local_then_shared(world: World) -> None:
    """Without a log on the remote a local one, and no network; `--remote` publishes it; others join; again repairs."""
    one, two = world.clone("a"), world.clone("b")
    before = world.refs()
    first = ask(one, "init")
    assert (first["mode"], first["remote"], first["created"]) == ("local", None, True)
    assert "init --remote origin" in one.peer("init").out
    (lock,) = ask(one, "lock", "src/", as_="zoe")["locks"]
    assert world.refs() == before

    shared = ask(one, "init", "--remote", "origin")
    assert (shared["mode"], shared["remote"], shared["log_id"]) == ("remote", "origin", first["log_id"])
    assert world.refs().keys() == before.keys() | {LOG}
    joined = ask(two, "init")
    assert (joined["mode"], joined["created"], joined["log_id"]) == ("remote", False, first["log_id"])
    told = refused(two, "locked", "lock", "src/api.py", as_="abe")
    assert told["conflicts"][0]["lock"]["id"] == lock["id"]
    assert told["conflicts"][0]["lock"]["guarantee"] == "remote"

    state = snapshot(one.path), world.refs()
    again = ask(one, "init")
    assert (again["mode"], again["created"]) == ("remote", False)
    assert world.refs() == state[1]
    (one.common / "hooks" / "pre-push").unlink()
    ask(one, "init")
    assert {key: value for key, value in snapshot(one.path).items() if "hooks" in key} == {
        key: value for key, value in state[0].items() if "hooks" in key
    }


def test_both_had_a_log(world: World) -> None:
    """Publishing onto a log that is there: the local locks are asked for again, losses are named."""
    one, two = world.clone("a"), world.clone("b")
    ask(one, "init", "--remote", "origin")
    ask(two, "init", "--local")
    ask(one, "lock", "src/", as_="zoe")
    ask(two, "lock", "src/api.py", as_="abe")
    ask(two, "lock", "docs/", as_="abe")
    answer = two.peer("--json", "init", "--remote", "origin", status=None)
    assert answer.json()["mode"] == "remote"
    assert "src/api.py" in str(answer.json()["lost"])
    assert sorted(held(ask(two, "locks"))) == [("docs/", "abe"), ("src/", "zoe")]
    ask(one, "sync")
    assert sorted(held(ask(one, "locks"))) == [("docs/", "abe"), ("src/", "zoe")]


def test_another_branch(world: World) -> None:
    """--branch names the log's branch."""
    one, two = world.clone("a"), world.clone("b")
    assert ask(one, "init", "--remote", "origin", "--branch", "team/log")["branch"] == "team/log"
    assert "refs/heads/team/log" in world.refs()
    assert LOG not in world.refs()
    ask(two, "init", "--branch", "team/log")
    ask(one, "lock", "src/", as_="zoe")
    refused(two, "locked", "lock", "src/", as_="abe")
    refused(world.clone("c"), "usage", "init", "--branch", "not a branch")


def test_no_hooks(world: World) -> None:
    """--no-hooks leaves them alone."""
    one = world.clone("a")
    before = snapshot(one.common / "hooks")
    assert ask(one, "init", "--local", "--no-hooks")["hooks"] == []
    assert snapshot(one.common / "hooks") == before


def test_nothing_else_is_touched(world: World) -> None:
    """Work tree, index, stash, branches, tags: as before; one setting for notes; refs under refs/peer/, and they."""
    one = world.clone("a")
    one.write("README.md", "staged\n")
    one.git("add", "-A")
    one.write("src/api.py", "not staged\n")
    one.write("untracked", "x\n")
    one.git("stash", "push", "-q", "--", "src/api.py")

    def shown() -> list[str]:
        said = [one.git(*args).out for args in (
            ("status", "--porcelain=v2", "--branch"), ("diff", "--cached"), ("stash", "list"), ("branch", "-a"),
            ("tag",), ("remote", "-v"), ("log", "--oneline", "--branches", "--remotes"),
        )]  # fmt: skip
        told = [line for line in config(one) if line != "notes.rewriteref=refs/notes/peer"]
        return [*said, *told, *map(str, sorted(snapshot(one.path, ".git").items()))]

    before, home = shown(), snapshot(world.folder / "home")
    refs = set(one.git("for-each-ref", "--format=%(refname)").out.split())
    ask(one, "init", "--remote", "origin")
    ask(one, "lock", "docs/", as_="zoe")
    ask(one, "sync")
    assert shown() == before
    assert snapshot(world.folder / "home") == home
    new = set(one.git("for-each-ref", "--format=%(refname)").out.split()) - refs
    assert {name for name in new if not name.startswith("refs/peer/")} == {"refs/notes/peer"}


def test_git_s_own_commands(pair: tuple[Clone, Clone], world: World) -> None:
    """push --all, fetch --prune, and --mirror to another remote work; --mirror onto the log's own is refused."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    log = world.refs()[LOG]
    one.git("branch", "topic")
    one.git("push", "-q", "--all", "origin")
    assert world.refs()[LOG] == log
    two.git("fetch", "-q", "--prune", "origin")
    two.git("fetch", "-q", "--prune", "--tags", "--all")
    ask(two, "lock", "docs/", as_="abe")
    other = world.folder / "backup.git"
    one.git("init", "-q", "--bare", str(other))
    one.git("remote", "add", "backup", str(other))
    one.git("push", "-q", "--mirror", "backup")
    assert one.git("ls-remote", "backup", "refs/heads/main").out
    before = world.refs()
    for args in (
        ("--mirror", "origin"),
        ("origin", f":{LOG}"),
        ("origin", f"+HEAD:{LOG}"),
        ("-f", "origin", f"main:{LOG}"),
    ):
        told = one.git("push", "-q", *args, check=False)
        assert told.status == 1, told
        assert "hint:" in told.err
    assert world.refs() == before
    ask(one, "sync")


@pytest.mark.parametrize("kind", ["local", "joined", "published"])
def test_uninstall_leaves_no_trace(world: World, kind: str) -> None:
    """Every file of .git is as before init, but objects; with --purge the remote's branch goes as well."""
    if kind == "joined":
        ask(world.clone("b"), "init", "--remote", "origin")
    one, theirs = world.clone("a"), world.refs()
    before = snapshot(one.common, "objects")
    ask(one, "init", *{"local": ("--local",), "joined": (), "published": ("--remote", "origin")}[kind])
    ask(one, "lock", "src/", as_="zoe")
    ask(one, "lock", "docs/", "--offline", as_="abe")
    one.write("README.md", "x\n")
    refused(one, "not_allowed", "uninstall", "--purge")
    ask(one, "uninstall", "--purge", "--yes")
    one.git("checkout", "-q", "--", "README.md")
    assert snapshot(one.common, "objects", "index") == {key: value for key, value in before.items() if key != "index"}
    assert LOG not in world.refs()
    assert world.refs() == {key: value for key, value in theirs.items() if key != LOG}
    refused(one, "not_set_up", "status")
    refused(one, "not_set_up", "uninstall")


def test_uninstall_keeps_the_log(pair: tuple[Clone, Clone], world: World) -> None:
    """Without --purge the remote's log stays, and this clone can join it again."""
    one, two = pair
    ask(two, "lock", "src/", as_="abe")
    ask(one, "uninstall")
    assert not (one.common / "peer").exists()
    one.write("src/api.py", "free again\n")
    one.commit("no hook is left")
    assert LOG in world.refs()
    refused(one, "not_set_up", "lock", "src/")
    ask(one, "init")
    refused(one, "locked", "lock", "src/", as_="zoe")


def test_uninstalled_and_back(local: Clone) -> None:
    """A local log that was left is gone on with."""
    ident = ask(local, "init")["log_id"]
    ask(local, "lock", "src/", as_="zoe")
    ask(local, "uninstall")
    refused(local, "not_set_up", "locks")
    again = ask(local, "init", "--local")
    assert (again["log_id"], again["created"]) == (ident, False)
    assert held(ask(local, "locks")) == [("src/", "zoe")]


def test_from_remote_to_local(pair: tuple[Clone, Clone], world: World) -> None:
    """Refused; the way there is in the hint, and leaves the others' log alone."""
    one, _ = pair
    told = refused(one, "not_allowed", "init", "--local")
    assert "--purge" not in told["error"]["hint"]
    ask(one, "uninstall")
    assert ask(one, "init", "--local")["mode"] == "local"
    assert LOG in world.refs()


# -- settings -------------------------------------------------------------------------------------
def test_settings(local: Clone) -> None:
    """git config peer.*, `git -c`, the environment; a wrong value is named, an unknown one is a warning."""
    assert ask(local, "lock", "x", as_="zoe")["locks"][0]["ttl"] == 8 * 3600
    local.git("config", "peer.ttl", "20m")
    assert ask(local, "lock", "y", as_="zoe")["locks"][0]["ttl"] == 1200
    program = local.path.parent / "bin" / "git-peer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m git_peer "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    answer = local.git("-c", "peer.ttl=1m", "peer", "--as", "zoe", "--json", "lock", "z", env=path).json()
    assert answer["locks"][0]["ttl"] == 60
    for key, value in (("ttl", "soon"), ("clockSkew", "-1"), ("agentsMayForce", "maybe"), ("maxTtl", "")):
        env = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"peer.{key}", "GIT_CONFIG_VALUE_0": value}
        told = refused(local, "invalid", "lock", "z", as_="zoe", env=env)
        assert f"peer.{key}" in told["error"]["message"]
    local.git("config", "peer.ttl", "forever")
    assert "peer.ttl" in refused(local, "invalid", "lock", "z", as_="zoe")["error"]["message"]
    local.git("config", "--unset", "peer.ttl")
    local.git("config", "peer.tll", "20m")
    (notice,) = ask(local, "status")["notices"]
    assert notice["code"] == "setting"
    assert "peer.tll" in notice["message"]


def test_the_project_s_file(world: World) -> None:
    """.git-peer.toml gives defaults, which the clone's own settings override; bad ones are named."""
    one = world.clone("a")
    one.write(".git-peer.toml", 'ttl = "15m"\n')
    ask(one, "init", "--local")
    assert ask(one, "lock", "x", as_="zoe")["locks"][0]["ttl"] == 900
    assert ask(one, "lock", "y", as_="zoe", cwd="src")["locks"][0]["ttl"] == 900
    one.git("config", "peer.ttl", "5m")
    assert ask(one, "lock", "z", as_="zoe")["locks"][0]["ttl"] == 300
    one.write(".git-peer.toml", 'tll = "15m"\n')
    answer = ask(one, "status")
    assert codes(answer) == ["setting"]
    assert "tll" in answer["notices"][0]["message"]
    one.git("config", "--unset", "peer.ttl")
    for text, named in (
        ("ttl = 'x'\n", "ttl"),
        ("ttl = [\n", ".git-peer.toml"),
        ("ttl = true\n", "ttl"),
        ("log = 7\n", "log"),
    ):
        one.write(".git-peer.toml", text)
        assert named in refused(one, "invalid", "status")["error"]["message"]


def test_the_project_s_log(world: World, tmp_path: Path) -> None:
    """A log id in the file: another log, a fork's for example, is refused."""
    one, two = world.clone("a"), world.clone("b")
    ident = ask(one, "init", "--remote", "origin")["log_id"]
    two.write(".git-peer.toml", 'log = "0123456789abcdef"\n')
    told = refused(two, "untrusted", "init")
    assert ident in told["error"]["message"]
    assert "0123456789abcdef" in told["error"]["message"]
    refused(two, "not_set_up", "status")
    two.write(".git-peer.toml", f'log = "{ident}"\n')
    assert ask(two, "init")["log_id"] == ident
    three = world.clone("c")
    three.write(".git-peer.toml", 'log = "0123456789abcdef"\n')
    assert ask(three, "init", "--local")["log_id"] == "0123456789abcdef"


def test_a_log_that_was_exchanged(pair: tuple[Clone, Clone], world: World) -> None:
    """Deleted, rolled back or replaced on the remote: exit 4, nothing is written, doctor says what happened."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    old = ask(one, "sync") and world.refs()[LOG]
    ask(one, "lock", "docs/", as_="zoe")
    tip = world.refs()[LOG]
    bare = Clone(world, world.remote)
    other = bare.git("commit-tree", "-m", "junk", bare.git("rev-parse", f"{tip}^{{tree}}").line).line

    def failing() -> str:
        told = refused(one, "failed", "doctor")
        return next(str(check["detail"]) for check in told["checks"] if check["name"] == "log")

    for there, word in ((old, "rolled back"), (other, "rewritten"), ("", "gone")):
        bare.git("update-ref", *((LOG, there) if there else ("-d", LOG)))
        told = refused(one, "untrusted", "lock", "README.md", as_="zoe")
        assert word in told["error"]["message"]
        assert world.refs().get(LOG, "") == there
        assert word in failing()
    bare.git("update-ref", LOG, tip)
    ask(one, "lock", "README.md", as_="zoe")
    ask(two, "sync")


def test_the_local_log_is_deleted(local: Clone) -> None:
    """refs/peer/coordination gone: exit 4 for every command, the gate included."""
    local.git("update-ref", "-d", "refs/peer/coordination")
    for args in (("status",), ("lock", "x"), ("locks",), ("session", "start")):
        refused(local, "untrusted", *args)
    refused(local, "failed", "doctor")
    local.write("README.md", "x\n")
    local.git("add", "-A")
    assert local.git("commit", "-m", "x", check=False).status != 0


def test_a_deleted_copy_is_fetched_again(pair: tuple[Clone, Clone]) -> None:
    """With a remote `init` brings it back."""
    one, two = pair
    ask(two, "lock", "src/", as_="abe")
    one.git("update-ref", "-d", "refs/peer/coordination")
    refused(one, "untrusted", "lock", "src/", as_="zoe")
    ask(one, "init")
    refused(one, "locked", "lock", "src/", as_="zoe")
