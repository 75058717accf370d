"""Locks and pushes over path, git daemon, ssh and smart http; remotes that are read-only, down, silent or cut off."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.asking import Env, ask, codes, held, refused, sound
from tests.servers import CutProxy, git_daemon, hang, smart_http, ssh_command
from tests.world import Clone, World, require

LOG = "refs/heads/peer/coordination"
SOON = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "2s"}


@contextlib.contextmanager
def served(world: World, transport: str) -> Iterator[tuple[str, Env]]:
    """(URL of the remote, environment that reaches it)."""
    if transport == "path":
        yield world.url, {}
    elif transport == "git":
        require("git-daemon")
        with git_daemon(world.folder) as daemon:
            yield f"{daemon.url}/remote.git", {}
    elif transport == "http":
        require("git-http-backend")
        with smart_http(world.folder) as server:
            yield f"{server.url}/remote.git", {}
    else:
        folder = world.folder / "ssh"
        folder.mkdir()
        yield f"ssh://host.example{world.remote}", ssh_command(folder)


@pytest.mark.real
@pytest.mark.parametrize("transport", ["path", "git", "ssh", "http"])
def test_the_main_job(world: World, transport: str) -> None:
    """Publish, join, lock, refuse, commit, push, release: each in one push, over this transport."""
    with served(world, transport) as (url, env):
        one = world.clone("a", url=url, env=env)
        two = world.clone("b", url=url, env=env)
        assert ask(one, "init", "--remote", "origin", env=env)["created"] is True
        assert ask(two, "init", env=env)["mode"] == "remote"
        locked = ask(one, "lock", "src/", as_="zoe", env=env)
        assert (locked["guarantee"], locked["traffic"]) == ("remote", {"pushes": 1, "fetches": 0})
        told = refused(two, "locked", "lock", "src/api.py", as_="abe", env=env)
        assert told["traffic"]["fetches"] == 1
        two.write("docs/guide.md", "elsewhere\n")
        two.commit("elsewhere", env={**env, "GIT_PEER_SESSION": "abe"})
        two.write("src/api.py", "forced\n")
        two.git("commit", "-qam", "forced", "--no-verify", env={**env, "GIT_PEER_SESSION": "abe"})
        before = world.refs()["refs/heads/main"]
        assert two.git("push", "-q", env={**env, "GIT_PEER_SESSION": "abe"}, check=False).status == 1
        refused(two, "locked", "push", as_="abe", env=env)
        assert world.refs()["refs/heads/main"] == before
        one.write("src/api.py", "landed\n")
        commit = one.commit("landed", env={**env, "GIT_PEER_SESSION": "zoe"})
        pushed = ask(one, "push", as_="zoe", env=env)
        assert [view["target"] for view in pushed["released"]] == ["src/"]
        assert pushed["traffic"]["pushes"] == 1
        assert world.refs()["refs/heads/main"] == commit
        assert ask(two, "lock", "src/api.py", as_="abe", env=env)["acquired"] is True


@pytest.mark.parametrize("transport", ["git", "http"])
def test_a_reader(world: World, transport: str) -> None:
    """Without permission to push: joins as a reader, sees locks, and is told plainly that it may not write."""
    writer = world.clone("a")
    writer.peer("init", "--remote", "origin")
    ask(writer, "lock", "src/", as_="zoe")
    require("git-daemon" if transport == "git" else "git-http-backend")
    with (git_daemon if transport == "git" else smart_http)(world.folder, writable=False) as server:
        reader = world.clone("b", url=f"{server.url}/remote.git")
        before = world.refs()
        assert "reader" in reader.peer("init").out
        assert held(ask(reader, "locks")) == [("src/", "zoe")]
        refused(reader, "locked", "check", "src/api.py", as_="abe")
        told = refused(reader, "not_allowed", "lock", "docs/", as_="abe")
        assert "reader" in told["error"]["message"]
        ask(writer, "lock", "docs/", as_="zoe")
        assert ask(reader, "sync")["fetched"] == 1
        assert len(ask(reader, "locks")["locks"]) == 2
        assert "remote" in [check["name"] for check in ask(reader, "doctor")["checks"] if check["status"] == "warn"]
        assert world.refs().keys() == before.keys()


def test_permission_taken_away(world: World) -> None:
    """A writer whose right to push has gone: `rejected`, not unreachable; nothing is held."""
    require("git-http-backend")
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    with smart_http(world.folder, writable=False) as server:
        one.git("remote", "set-url", "origin", f"{server.url}/remote.git")
        refused(one, "rejected", "lock", "src/", as_="zoe")
        assert ask(one, "locks")["locks"] == []


def test_publishing_where_one_may_not(world: World) -> None:
    """`init --remote` onto a read-only remote without a log fails, and local mode goes on."""
    require("git-daemon")
    with git_daemon(world.folder, writable=False) as server:
        one = world.clone("a", url=f"{server.url}/remote.git")
        ask(one, "init", "--local")
        assert refused(one, "rejected", "init", "--remote", "origin")["error"]["message"]
        assert ask(one, "lock", "src/", as_="zoe")["guarantee"] == "local"


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_down_or_silent(world: World, how: str) -> None:
    """Exit 3 within peer.retryTimeout; readers answer; the gate does not wait for the network."""
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    ask(one, "lock", "src/", as_="zoe")
    with contextlib.ExitStack() as stack:
        if how == "silent":
            port = stack.enter_context(hang()).port
        else:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        one.git("remote", "set-url", "origin", f"git://127.0.0.1:{port}/remote.git")
        for args in (("lock", "docs/"), ("sync",)):
            refused(one, "unreachable", *args, as_="abe", env=SOON)
        assert held(ask(one, "locks", env=SOON)) == [("src/", "zoe")]
        one.write("README.md", "not locked\n")
        one.commit("goes on", env=SOON)
        new = Clone(world, world.folder / "new")
        one.git("clone", "-q", "--no-local", str(one.path), str(new.path))
        new.git("remote", "set-url", "origin", f"git://127.0.0.1:{port}/remote.git")
        assert "--local" in refused(new, "unreachable", "init", env=SOON)["error"]["hint"]


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("when", ["early", "late"])
def test_half_an_answer(world: World, way: str, when: str) -> None:
    """A connection cut in the middle: the truth or 3, whatever the remote did; the next command settles it."""
    require("git-daemon")
    one = world.clone("a")
    one.peer("init", "--remote", "origin")
    with git_daemon(world.folder) as server, CutProxy(server.port) as proxy:
        one.git("remote", "set-url", "origin", f"git://127.0.0.1:{proxy.port}/remote.git")
        ask(one, "lock", "docs/", as_="zoe")
        whole = proxy.connections[-1].up if way == "up" else proxy.connections[-1].down
        limit = 50 if when == "early" else whole - 12
        proxy.after_bytes_up, proxy.after_bytes_down = (limit, None) if way == "up" else (None, limit)
        reason = "".join(sha256(b"%d" % number).hexdigest() for number in range(20))  # so that this push is no shorter
        told = one.peer("--json", "lock", "src/", "--reason", reason, as_="zoe", env=SOON, status=None)
        assert proxy.cuts
        if told.status == 0:  # the push's answer was lost, and a fetch told what had become of it
            assert (when, way) == ("late", "down")
        else:
            assert sound(told)["error"]["code"] in {"unreachable", "unknown"}
        one.git("remote", "set-url", "origin", f"{server.url}/remote.git")
        assert codes(ask(one, "sync", as_="zoe")) == []
        expected = ["docs/", "src/"] if told.status == 0 else ["docs/"]  # what nobody was told of is given back
        assert [view["target"] for view in ask(one, "locks")["locks"]] == expected
        assert ask(one, "fsck")["problems"] == []


def test_no_credentials_are_asked_for(world: World) -> None:
    """A remote that wants a password, off a terminal: an answer, not a prompt."""
    require("git-http-backend")
    one = world.clone("a")
    with smart_http(world.folder) as server:
        one.git("remote", "set-url", "origin", f"{server.url}/absent.git")
        told = refused(one, "unreachable", "init", env=SOON)
        assert "origin" in told["error"]["message"]


def test_paths_with_odd_names(tmp_path: Path) -> None:
    """A remote and a clone in folders with spaces, quotes and a leading dash."""
    folder = tmp_path / "it's -a $HOME 100%"
    folder.mkdir()
    world = World(folder)
    one, two = world.clone("-one"), world.clone("two words")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    ask(one, "lock", "src/", as_="zoe")
    refused(two, "locked", "lock", "src/", as_="abe")
    two.write("src/api.py", "x\n")
    two.git("add", "-A")
    ask(two, "sync")
    assert two.git("commit", "-m", "x", env={"GIT_PEER_SESSION": "abe"}, check=False).status == 1
