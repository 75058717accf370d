"""The tests' own servers do what they say, under plain git."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.servers import CutProxy, DelayProxy, git_daemon, hang, smart_http, ssh_command
from tests.world import World, json_of, require, sealed, start

Remote = tuple[str, Mapping[str, str]]  # a URL, and what git needs in its environment


@contextmanager
def _daemon(world: World) -> Iterator[Remote]:
    require("git-daemon")
    with git_daemon(world.folder) as server:
        yield f"{server.url}/remote.git", {}


@contextmanager
def _http(world: World) -> Iterator[Remote]:
    require("git-http-backend")
    with smart_http(world.folder) as server:
        yield f"{server.url}/remote.git", {}


@contextmanager
def _ssh(world: World) -> Iterator[Remote]:
    yield f"ssh://host.example{world.remote}", ssh_command(world.folder)


TRANSPORTS: dict[str, Callable[[World], AbstractContextManager[Remote]]] = {
    "daemon": _daemon,
    "http": _http,
    "ssh": _ssh,
}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_clone_push_fetch(world: World, transport: str) -> None:
    with TRANSPORTS[transport](world) as (url, env):
        a = world.clone("a", url=url, env=env)
        b = world.clone("b", url=url, env=env)
        # Over a megabyte (http.postBuffer), and not to be compressed: http sends it chunked.
        a.write("big.bin", os.urandom(1_500_000))
        new = a.commit("big")
        a.git("push", "-q", "origin", "main", env=env)
        assert world.refs()["refs/heads/main"] == new
        b.git("fetch", "-q", "origin", env=env)
        assert b.head("origin/main") == new

        a.write("a.txt", "a\n")
        second = a.commit("small")
        pushed = a.git(
            "push",
            "--atomic",
            "--porcelain",
            f"--force-with-lease=main:{new}",
            "origin",
            "main",
            "main:second",
            env=env,
        )
        assert "Done" in pushed.out
        assert world.refs()["refs/heads/second"] == second
        stale = b.git("push", "--porcelain", f"--force-with-lease=main:{new}", "origin", "main", env=env, check=False)
        assert stale.status == 1
        assert world.refs()["refs/heads/main"] == second


def test_gzip_body(world: World) -> None:
    """A fetch that has many commits sends its list compressed."""
    require("git-http-backend")
    with smart_http(world.folder) as server:
        a = world.clone("a", url=f"{server.url}/remote.git")
        for number in range(40):
            a.git("commit", "-q", "--allow-empty", "-m", str(number))
        world.clone("b").git("push", "-q", "origin", "main:other")
        b = world.clone("b2")
        b.write("b.txt", "b\n")
        new = b.commit("theirs")
        b.git("push", "-q", "origin", "main")
        traced = a.git("fetch", "origin", env={"GIT_TRACE_CURL": "1"})
        assert "content-encoding: gzip" in traced.err.lower()
        assert a.head("origin/main") == new


@pytest.mark.parametrize("serve", [git_daemon, smart_http])
def test_read_only(world: World, serve: Callable[..., AbstractContextManager[object]]) -> None:
    with serve(world.folder, writable=False) as server:
        a = world.clone("a", url=f"{getattr(server, 'url')}/remote.git")  # noqa: B009 - two kinds of servers
        a.git("commit", "-q", "--allow-empty", "-m", "x")
        refused = a.git("push", "origin", "main", check=False)
        assert refused.status == 128
        assert world.refs()["refs/heads/main"] != a.head()


def test_daemon_takes_many_clients(world: World) -> None:
    with git_daemon(world.folder) as server:
        clone = world.clone("a")
        running = [start(("git", "ls-remote", f"{server.url}/remote.git"), clone.path) for _ in range(16)]
        assert all("refs/heads/main" in one.finish(0).out for one in running)
        assert server.accepted == 16


def test_daemon_close_ends_a_push_under_way(world: World) -> None:
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nsleep 60\n")
    hook.chmod(0o755)
    a = world.clone("a")
    a.git("commit", "-q", "--allow-empty", "-m", "x")
    for serve in (git_daemon, smart_http):
        began = time.monotonic()
        with serve(world.folder) as server:
            push = start(("git", "push", f"{server.url}/remote.git", "main"), a.path)
            time.sleep(0.7)
            assert push.process.poll() is None, push.finish()
        assert push.finish().status != 0
        assert time.monotonic() - began < 9


def test_ssh_is_sealed_and_logged(world: World) -> None:
    env = ssh_command(world.folder)
    a = world.clone("a")
    hook = world.remote / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\nenv >"$GIT_DIR/seen"\n')
    hook.chmod(0o755)
    a.git("commit", "-q", "--allow-empty", "-m", "x")
    url = f"ssh://host.example:22{world.remote}"
    a.git("push", "-q", url, "main", env={**env, "GIT_PEER_SESSION": "near"})
    seen = (world.remote / "seen").read_text()
    assert "GIT_PEER_SESSION" not in seen
    assert f"HOME={world.folder / 'far'}\n" in seen
    assert (world.folder / "ssh.log").read_text() == f"git-receive-pack '{world.remote}'\n"


def _exchange(port: int, data: bytes) -> bytes:
    """Send, end, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while piece := sock.recv(65536):
            received += piece
    return received


@contextmanager
def _echo() -> Iterator[tuple[int, list[bytes]]]:
    """A server for one connection after another that answers with what it got; its port, and all it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                client, _ = listener.accept()
                with client:
                    data = b""
                    while piece := client.recv(65536):
                        data += piece
                    got.append(data)
                    if data == b"stop":
                        return
                    client.sendall(data)

        thread = threading.Thread(target=run)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield port, got
        finally:
            _exchange(port, b"stop")
            thread.join(10)


def test_delay_is_latency_not_bandwidth() -> None:
    data = os.urandom(3_000_000)
    with _echo() as (port, got), DelayProxy(port, rtt=0.3) as proxy:
        began = time.monotonic()
        assert _exchange(proxy.port, data) == data
        took = time.monotonic() - began
        assert got == [data]
    assert 0.3 <= took < 2  # 46 pieces one after another would take 14 s
    assert [(one.up, one.down) for one in proxy.connections] == [(len(data), len(data))]


def test_delay_under_git(world: World) -> None:
    a = world.clone("a")
    with git_daemon(world.folder) as server, DelayProxy(server.port, rtt=0.2) as proxy:
        a.git("commit", "-q", "--allow-empty", "-m", "x")
        began = time.monotonic()
        a.git("push", "-q", f"git://127.0.0.1:{proxy.port}/remote.git", "main")
        assert time.monotonic() - began >= 0.4  # two round trips
        assert len(proxy.connections) == 1
    assert world.refs()["refs/heads/main"] == a.head()


@pytest.mark.parametrize("limit", [0, 1, 1000, 99_999, 100_000])
def test_cut_passes_exactly_so_much(limit: int) -> None:
    data = os.urandom(100_000)
    with _echo() as (port, got):
        with CutProxy(port, after_bytes_up=limit, times=1) as proxy:
            assert _exchange(proxy.port, data) == b""
            assert proxy.cuts == 1
            assert _exchange(proxy.port, data) == data
        assert got == ([data[:limit], data] if limit else [data])
        with CutProxy(port, after_bytes_down=limit) as proxy:
            assert _exchange(proxy.port, data) == data[:limit]
        assert all(one.cut for one in proxy.connections)


def test_cut_up_loses_a_push(world: World) -> None:
    a = world.clone("a")
    before = world.refs()
    a.write("x.bin", os.urandom(300_000))
    a.commit("x")
    with git_daemon(world.folder) as server, CutProxy(server.port, after_bytes_up=50_000) as proxy:
        cut = a.git("push", f"git://127.0.0.1:{proxy.port}/remote.git", "main", check=False)
        assert cut.status != 0
        assert proxy.connections[0].up == 50_000
        assert world.refs() == before


def test_cut_down_loses_an_answer(world: World) -> None:
    """The push lands, and who pushed is not told."""
    a = world.clone("a")
    url = "git://127.0.0.1:{}/remote.git"
    with git_daemon(world.folder) as server, CutProxy(server.port) as proxy:
        a.git("commit", "-q", "--allow-empty", "-m", "x")
        a.git("push", "-q", url.format(proxy.port), "main")
        a.git("commit", "-q", "--allow-empty", "-m", "y")
        proxy.after_bytes_down = proxy.connections[0].down - 20  # as much as before, but the answer's last bytes
        assert a.git("push", url.format(proxy.port), "main", check=False).status != 0
        assert proxy.connections[1].cut
        end = time.monotonic() + 10
        while world.refs()["refs/heads/main"] != a.head():
            assert time.monotonic() < end, "the push did not land"
            time.sleep(0.02)
        proxy.after_bytes_down = None
        assert a.head() in a.git("ls-remote", url.format(proxy.port)).out


def test_hang_never_answers(world: World) -> None:
    with hang() as server:
        asked = start(("git", "ls-remote", f"git://127.0.0.1:{server.port}/remote.git"), world.folder)
        time.sleep(0.4)
        assert asked.process.poll() is None
        assert server.accepted == 1
    assert asked.finish().status == 128  # the server's end ends it


def test_nothing_is_left_running(world: World) -> None:
    before = threading.active_count()
    with git_daemon(world.folder) as server, smart_http(world.folder), DelayProxy(server.port), hang():
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2).close()


def test_world_is_whole_and_checked(world: World) -> None:
    a, b = world.clone("a"), world.clone("b")
    assert a.git("status", "--porcelain").out == ""
    assert a.git("diff-files").out == ""
    assert a.git("rev-parse", "--abbrev-ref", "main@{upstream}").line == "origin/main"
    a.write("src/новый file.py", "x\n")
    new = a.commit("new", "src/новый file.py")
    a.git("push", "-q")
    assert world.clone("late").head() == new
    b.git("pull", "-q", "--ff-only")
    linked = b.worktree("b-linked")
    assert linked.common == b.common
    assert linked.gitdir == b.common / "worktrees" / "b-linked"
    tree = a.git("mktree", stdin=b"040000 tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\t.git\n").line
    bad = a.git("commit-tree", "-m", "bad", tree).line
    refused = a.git("push", "origin", f"{bad}:refs/heads/bad", check=False)
    assert refused.status == 1
    assert "hasDotgit" in refused.err


def test_environment_is_sealed(tmp_path: Path) -> None:
    assert os.environ["HOME"] == str(tmp_path / "home")
    dirty = {"GIT_DIR": "x", "CLAUDECODE": "1", "SSH_AUTH_SOCK": "x", "GEMINI_CLI": "1", "CODEX_HOME": "x", "KEPT": "1"}
    env = sealed(tmp_path / "other", {**dirty, "ANTHROPIC_API_KEY": "x", "PATH": "/bin"})
    assert env["KEPT"] == "1"
    assert not env.keys() & (dirty.keys() - {"KEPT"})
    assert "ANTHROPIC_API_KEY" not in env
    assert os.environ["TZ"] == "UTC"


def test_require(monkeypatch: pytest.MonkeyPatch) -> None:
    require("git")
    monkeypatch.setattr("tests.world.REQUIRED", "")
    with pytest.raises(pytest.skip.Exception):
        require("no-such-program")
    for wanted in ("all", "docker,no-such-program"):
        monkeypatch.setattr("tests.world.REQUIRED", wanted)
        with pytest.raises(pytest.fail.Exception):
            require("no-such-program")
    with pytest.raises(pytest.skip.Exception):
        require("model", lambda: False)


def test_json_of_takes_one_object() -> None:
    assert json_of('{"ok":true}\n') == {"ok": True}
    for text in ("", "[]", '{"ok":true}\n{"ok":true}', 'note\n{"ok":true}'):
        with pytest.raises(AssertionError):
            json_of(text)
