"""Exit statuses are true whatever the network does: an answer that is cut, a request that is cut, a remote that hangs.

Exit 0 has its grant in the history; a refusal or `unreachable` has none that stands; what is `unknown` is settled
by the next command of the clone, which gives back what nobody was told of.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.faults.forks import Forks, attempts
from tests.faults.history import code, sound, takes, winners
from tests.proxies import HOST, Proxy, Traffic, finish, received
from tests.servers import CutProxy, git_daemon, hang, smart_http
from tests.world import Clone, Result, World

pytestmark = pytest.mark.faults

QUICK = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "2s"}
SLOW = """#!/bin/sh
if [ -e slow ]; then rm slow; sleep 3; fi
"""


class Recorder(Proxy):
    """Passes everything on, and keeps what went up and down on each connection."""

    def __init__(self, target_port: int) -> None:
        super().__init__(target_port)
        self.kept: dict[int, tuple[bytearray, bytearray]] = {}

    def _pump(self, source: socket.socket, sink: socket.socket, traffic: Traffic, way: int) -> None:
        kept = self.kept.setdefault(id(traffic), (bytearray(), bytearray()))
        while data := received(source):
            kept[way].extend(data)
            with contextlib.suppress(OSError):  # gone; its end is seen on the other way
                sink.sendall(data)
        finish(sink)


class Network(CutProxy):
    """A network of which, with `gone`, nothing is left after the first cut."""

    gone = False

    def _limits(self) -> tuple[int | None, int | None]:
        return (0, 0) if self.gone and self.cuts else super()._limits()


class Scene:
    """A clone behind a proxy, and another that reaches the remote by path and sees what happened."""

    def __init__(self, world: World, forks: Forks, proxy: Network, recorder: Recorder, scheme: str) -> None:
        self.forks, self.proxy, self.recorder = forks, proxy, recorder
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
    with served as server, Recorder(server.port) as recorder, Network(recorder.port) as proxy:
        yield Scene(world, forks, proxy, recorder, scheme)


def recorded(scene: Scene) -> tuple[bytes, bytes]:
    """What goes up and down on the connection of a lock that nothing disturbs."""
    scene.recorder.kept.clear()
    scene.forks.peer(scene.clone, "lock", "measure.py", as_="victim")
    ((up, down),) = scene.recorder.kept.values()
    scene.forks.peer(scene.clone, "unlock", "measure.py", as_="victim")
    return bytes(up), bytes(down)


def pkt_lines(stream: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of each pkt-line from `at` on; those within a side band's line come instead of it."""
    while at < end:
        size = int(stream[at : at + 4], 16) or 4
        if stream[at + 4 : at + 5] == b"\x01":
            yield at, at + 5
            yield from pkt_lines(stream, at + 5, at + size)
        else:
            yield at, at + size
        at += size


def places(lines: Iterable[tuple[int, int]]) -> list[int]:
    """Byte positions that matter: where lines meet; in, and behind, the length; the middle; all but the last byte."""
    found = set[int]()
    for begin, end in lines:
        within = {begin + 2, begin + 4, (begin + 4 + end) // 2, end - 1, end}
        found |= {at for at in within if begin < at <= end}
    return sorted(found)


def down_of_git(stream: bytes) -> tuple[list[int], int]:
    """(places in what a git server says, from where on it is the report of a push that has taken effect)."""
    lines = list(pkt_lines(stream, 0, len(stream)))
    report = stream.index(b"\x01000eunpack ok") - 4
    return places(lines), report


def down_of_http(stream: bytes) -> tuple[list[int], int]:
    """The same over HTTP: the response to the push, whose body comes in chunks that are never quite the same."""
    head = stream.rindex(b"HTTP/1.1 200")
    body = stream.index(b"\r\n\r\n", head)
    return [head + 40, body, body + 2, *range(body + 4, len(stream), 7), len(stream) - 1], head


def up_of_git(stream: bytes) -> tuple[list[int], int]:
    """(places in what a push sends, from where on the server has all of it)."""
    pack = stream.index(b"PACK")
    return [*places(pkt_lines(stream, 0, pack)), pack + 2, pack + 4, pack + 12, (pack + len(stream)) // 2], len(stream)


CUTS = {("git", "down"): down_of_git, ("http", "down"): down_of_http, ("git", "up"): up_of_git}


@pytest.mark.parametrize(("scheme", "way"), CUTS)
def test_one_cut(world: World, forks: Forks, scheme: str, way: str, every: int) -> None:
    """One connection is cut wherever its bytes have a meaning, the next ones work: the command finds out what came."""
    with behind_proxy(world, forks, scheme) as scene:
        up, down = recorded(scene)
        spots, effect = CUTS[scheme, way](up if way == "up" else down)
        before, after = 0, 0
        for at in spots[::every]:
            scene.cut(up=at if way == "up" else None, down=at if way == "down" else None)
            answer = scene.forks.peer(scene.clone, "lock", f"{at}.py", "--json", as_="victim", status=None)
            assert scene.proxy.cuts == 1 or scheme == "http", "nothing was cut"
            scene.judge(f"{at}.py", answer)
            if at > effect:
                after += 1
                assert answer.status == 0, f"cut at byte {at} of what has taken effect\n{answer}"
            else:
                before += 1
        assert before * every > 5 or scheme == "http"
        assert after * every > 5 or way == "up"
        sound(forks, scene.clone, scene.witness)


@pytest.mark.soak
@pytest.mark.parametrize(("scheme", "way"), CUTS)
def test_cut_for_good_anywhere(world: World, forks: Forks, scheme: str, way: str) -> None:
    """The same, and the network stays away until the command has given up."""
    with behind_proxy(world, forks, scheme) as scene:
        up, down = recorded(scene)
        for at in CUTS[scheme, way](up if way == "up" else down)[0]:
            scene.cut(up=at if way == "up" else None, down=at if way == "down" else None, gone=True)
            answer = forks.peer(scene.clone, "lock", f"{at}.py", "--json", as_="victim", status=None, env=QUICK)
            scene.judge(f"{at}.py", answer)
        sound(forks, scene.clone, scene.witness)


@pytest.mark.parametrize("way", ["up", "down"])
def test_cut_for_good(world: World, forks: Forks, way: str) -> None:
    """A connection is cut, and no other comes through until the command has given up: unknown, where it was sent."""
    with behind_proxy(world, forks, "git") as scene:
        size = len(recorded(scene)[0 if way == "up" else 1])
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
        size = len(recorded(scene)[1])
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


LANDS_LATE = """#!/bin/sh
if [ -e second ]; then exit 0; fi
if [ -e armed ]; then rm armed; await=second; fi
for _ in $(seq 100); do
    if [ "$await" ]; then [ ! -e second ] || exit 0
    else : > second; [ "$(git rev-parse "$1")" = "$2" ] || exit 0; fi
    sleep 0.1
done
"""


def test_landed_before_the_void(world: World, forks: Forks) -> None:
    """A dead command's push lands between the next one's fetch and its void: settled, and no reason to refuse."""
    with behind_proxy(world, forks, "git") as scene:
        script = world.remote / "hooks" / "update"
        script.write_text(LANDS_LATE)
        script.chmod(0o755)
        (world.remote / "armed").touch()
        answer = forks.peer(scene.clone, "lock", "a.py", "--json", as_="victim", status=3, env=QUICK)
        assert code(answer) == "unknown"
        assert not (world.remote / "second").exists()
        after = forks.peer(scene.clone, "lock", "a.py", "--json", as_="next").json()
        assert (world.remote / "second").exists(), "the two pushes were meant to meet"
        script.unlink()
        assert after["locks"][0]["session"] == "next"
        assert len(takes(forks, scene.clone)["a.py"]) == 2, "the first was meant to land"
        assert attempts(scene.clone) == set()
        sound(forks, scene.clone, scene.witness)
