"""Exit statuses are true whatever the network does: an answer that is cut, a request that is cut, a remote that hangs.

Exit 0 has its grant in the history; a refusal or `unreachable` has none that stands; what is `unknown` is settled
by the next command of the clone, which gives back what nobody was told of.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.forks import Forks
from tests.faults.history import code, sound, takes, winners
from tests.proxies import HOST
from tests.servers import CutProxy, git_daemon, hang, smart_http
from tests.world import Clone, Result, World

pytestmark = pytest.mark.faults

QUICK = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "2s"}
SLOW = """#!/bin/sh
if [ -e slow ]; then rm slow; sleep 3; fi
"""


class Network(CutProxy):
    """A network of which, with `gone`, nothing is left after the first cut."""

    gone = False

    def _limits(self) -> tuple[int | None, int | None]:
        return (0, 0) if self.gone and self.cuts else super()._limits()


class Scene:
    """A clone behind a proxy, and another that reaches the remote by path and sees what happened."""

    def __init__(self, world: World, forks: Forks, proxy: Network, scheme: str) -> None:
        self.forks, self.proxy = forks, proxy
        self.clone, self.witness = world.clone("a"), world.clone("w")
        forks.peer(self.witness, "init", "--remote", "origin", "--no-hooks")
        self.clone.git("remote", "set-url", "origin", f"{scheme}://{HOST}:{proxy.port}/remote.git")
        forks.peer(self.clone, "init", "--no-hooks")
        self.proxy.connections.clear()

    def cut(self, *, up: int | None = None, down: int | None = None, gone: bool = False) -> None:
        """From now on cut one connection there, with `gone` all that come after it too; no place: nothing is cut."""
        if (up, down) != (None, None):
            self.forks.peer(self.clone, "sync")  # what is cut is a push that would win
        self.proxy.after_bytes_up, self.proxy.after_bytes_down = up, down
        self.proxy.cuts, self.proxy.times, self.proxy.gone = 0, None if gone else 1, gone

    def judge(self, path: str, answer: Result) -> None:
        """The network is back: whether the answer was true, and the next command settles what is open."""
        self.cut()
        self.forks.peer(self.clone, "lock", f"next-{path}", as_="next")
        self.forks.peer(self.witness, "sync")
        granted = takes(self.forks, self.witness).get(path, [])
        held = {lock["path"] for lock in self.forks.peer(self.witness, "locks", "--json").json()["locks"]}
        if answer.status == 0:
            assert (granted, path in held) == (winners([answer]), True), answer
            return
        assert answer.status == 3, str(answer)
        assert code(answer) in ("unreachable", "unknown"), str(answer)
        assert path not in held, f"held for nobody\n{answer}"
        assert code(answer) == "unknown" or not granted, f"granted, and told to be unreachable\n{answer}"
        self.forks.peer(self.witness, "lock", path, as_="witness")


@contextlib.contextmanager
def behind_proxy(world: World, forks: Forks, scheme: str) -> Iterator[Scene]:
    """Serve the world over git:// or http:// behind a proxy that can cut."""
    served = git_daemon(world.folder) if scheme == "git" else smart_http(world.folder)
    with served as server, Network(server.port) as proxy:
        yield Scene(world, forks, proxy, scheme)


def measured(scene: Scene) -> tuple[list[int], list[int]]:
    """Byte counts up and down, a connection, of a lock that nothing disturbs."""
    scene.proxy.connections.clear()
    scene.forks.peer(scene.clone, "lock", "measure.py", as_="victim")
    traffic = list(scene.proxy.connections)
    scene.forks.peer(scene.clone, "unlock", "measure.py", as_="victim")
    return [one.up for one in traffic], [one.down for one in traffic]


def spots(size: int) -> list[int]:
    """Byte positions worth a cut: the beginning, the middle, within the last line, all but the end."""
    return [1, size // 2, size - 20, size - 1]


@pytest.mark.parametrize("scheme", ["git", "http"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_one_cut(world: World, forks: Forks, scheme: str, way: str) -> None:
    """One connection is cut, the next ones work: the command finds out what became of it."""
    with behind_proxy(world, forks, scheme) as scene:
        sizes = measured(scene)[0 if way == "up" else 1]
        ends = set[int]()
        for at in spots(max(sizes)):
            scene.cut(up=at if way == "up" else None, down=at if way == "down" else None)
            answer = scene.forks.peer(scene.clone, "lock", f"{at}.py", "--json", as_="victim", status=None)
            ends.add(answer.status)
            scene.judge(f"{at}.py", answer)
        assert 0 in ends, "not one was told that it had won"
        sound(forks, scene.clone, scene.witness)


@pytest.mark.parametrize("way", ["up", "down"])
def test_cut_for_good(world: World, forks: Forks, way: str) -> None:
    """A connection is cut, and no other comes through until the command has given up: unknown, where it was sent."""
    with behind_proxy(world, forks, "git") as scene:
        size = measured(scene)[0 if way == "up" else 1][0]
        ends = set[str]()
        for at in (0, size // 2, size - (120 if way == "up" else 20)):
            scene.cut(up=at if way == "up" else None, down=at if way == "down" else None, gone=True)
            answer = forks.peer(scene.clone, "lock", f"{at}.py", "--json", as_="victim", status=3, env=QUICK)
            ends.add(code(answer))
            scene.judge(f"{at}.py", answer)
        assert ends == {"unreachable", "unknown"}, "both ends were meant to be seen"
        sound(forks, scene.clone, scene.witness)


def test_unlock_with_a_cut_answer(world: World, forks: Forks) -> None:
    with behind_proxy(world, forks, "git") as scene:
        size = measured(scene)[1][0]
        for at in (size - 20, size - 1):
            forks.peer(scene.clone, "lock", f"{at}.py", as_="victim")
            scene.cut(down=at)
            forks.peer(scene.clone, "unlock", f"{at}.py", as_="victim")
            scene.cut()
            forks.peer(scene.witness, "lock", f"{at}.py", as_="witness")
        sound(forks, scene.clone, scene.witness)


def test_hanging_remote(world: World, forks: Forks) -> None:
    with hang() as server:
        clone = follow(world, forks)
        clone.git("remote", "set-url", "origin", f"git://{HOST}:{server.port}/remote.git")
        begin = time.monotonic()
        answer = forks.peer(clone, "lock", "a.py", "--json", as_="victim", status=3, env=QUICK)
        assert code(answer) == "unreachable"
        assert 1 < time.monotonic() - begin < 12
    nothing_granted(world, forks, clone)


def test_refused_connection(world: World, forks: Forks) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    clone = follow(world, forks)
    clone.git("remote", "set-url", "origin", f"git://{HOST}:{port}/remote.git")
    begin = time.monotonic()
    for words in (("lock", "a.py"), ("sync",), ("unlock", "--all"), ("push",)):
        answer = forks.peer(clone, *words, "--json", as_="victim", status=None)
        expected = (0, "") if words[0] == "unlock" else (3, "unreachable")
        assert (answer.status, code(answer)) == expected, str(answer)
    assert time.monotonic() - begin < 10
    nothing_granted(world, forks, clone)


def follow(world: World, forks: Forks) -> Clone:
    """A clone that follows the log on the remote."""
    clone = world.clone("a")
    forks.peer(clone, "init", "--remote", "origin", "--no-hooks")
    return clone


def nothing_granted(world: World, forks: Forks, clone: Clone) -> None:
    """Once the remote is back, nothing is held and everybody may go on."""
    clone.git("remote", "set-url", "origin", world.url)
    forks.peer(clone, "lock", "next.py", as_="next")
    assert set(takes(forks, clone)) == {"next.py"}
    sound(forks, clone)


def at_once(_: World) -> None:
    """The next command comes while the server still works on the push."""


def when_done(world: World) -> None:
    """The next command comes when the server has finished."""
    time.sleep(3)


@pytest.mark.parametrize("later", [at_once, when_done])
@pytest.mark.parametrize("hook", ["update", "post-receive"])
def test_slow_server(world: World, forks: Forks, hook: str, later: Callable[[World], None]) -> None:
    """The push lands seconds after its client gave up: never a grant to nobody for ever."""
    script = world.remote / "hooks" / hook
    script.write_text(SLOW)
    script.chmod(0o755)
    with behind_proxy(world, forks, "git") as scene:
        (world.remote / "slow").touch()
        answer = forks.peer(scene.clone, "lock", "a.py", "--json", as_="victim", status=None, env=QUICK)
        assert code(answer) == ("unknown" if hook == "update" else ""), str(answer)  # after the fact, a fetch tells
        later(world)
        scene.judge("a.py", answer)
        time.sleep(3 if later is at_once else 0)  # the server, too, has come to its end by now
        forks.peer(scene.witness, "sync")
        held = forks.peer(scene.witness, "locks", "a.py", "--json").json()["locks"]
        assert [lock["session"] for lock in held] == ["witness" if answer.status else "victim"]
        sound(forks, scene.clone, scene.witness)
