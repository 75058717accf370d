"""An engine that goes away, or falls silent, while a job runs: an error in time, and nothing left when it is back."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from git_peer.adapters import docker
from git_peer.adapters.docker import Docker
from git_peer.core.errors import PeerError
from git_peer.ports import Job
from tests.proxies import HOST, Listener, finish, received
from tests.sandbox.conftest import LIMITS
from tests.sandbox.test_containers import ours, until


class Relay(Listener):
    """Passes connections on to an engine's socket; while `silent` is set, what either side says is kept back."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.speaks = threading.Event()
        self.speaks.set()

    def serve(self, client: socket.socket) -> None:
        """Both ways, up to the end of one."""
        far = self._keep(socket.socket(socket.AF_UNIX))
        try:
            far.connect(self.path)
            up = self._spawn(self._pump, client, far)
            self._pump(far, client)
            up.join()
        finally:
            self._drop(far)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        while piece := received(source):
            self.speaks.wait()
            with contextlib.suppress(OSError):
                sink.sendall(piece)
        finish(sink)

    def close(self) -> None:
        """Nothing is kept back any more. Once is enough."""
        self.speaks.set()
        if not self._closing:
            super().close()


def when_it_runs(direct: Any, label: str, then: Callable[[], None]) -> threading.Thread:
    """A thread that waits for a job's container, and does something then."""

    def wait() -> None:
        until(direct, label, 1)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.fixture
def direct(image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The engine without a relay; labels of this test's own."""
    monkeypatch.setattr(docker, "LABEL", f"git-peer-{secrets.token_hex(4)}")
    with contextlib.closing(docker.connect()) as found:
        yield found


@pytest.fixture
def relay(direct: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """The way to the engine, for whoever connects from here on, and little patience."""
    path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    with Relay(path) as found:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{HOST}:{found.port}")
        monkeypatch.setattr(docker, "PATIENCE", 2)
        yield found


def test_silence(direct: Any, relay: Relay, image: str, code: Path) -> None:
    """The job's time runs out, and the engine does not even take a kill."""
    with contextlib.closing(Docker(image, LIMITS, lambda _: None)) as box:
        silence = when_it_runs(direct, "silence", relay.speaks.clear)
        with pytest.raises(PeerError, match="timed out") as error:
            box.run(Job(code, "sleep 100", 4, "silence"))
        silence.join()
        assert error.value.code == "unavailable"
        assert len(ours(direct, "silence")) == 1
        relay.speaks.set()
        assert box.run(Job(code, "echo again", 20)).output == "again\n"
        assert ours(direct, "silence") == []


def test_end(direct: Any, relay: Relay, image: str, code: Path) -> None:
    """The connection is cut, and none is taken again: no job is said to have ended that has not."""
    box = Docker(image, LIMITS, lambda _: None)
    end = when_it_runs(direct, "end", relay.close)
    with pytest.raises(PeerError) as error:
        box.run(Job(code, "sleep 100", 60, "end"))
    end.join()
    assert error.value.code == "unavailable"
    box.close()
    docker.remove(direct, ours(direct, "end")[0]["Id"])
