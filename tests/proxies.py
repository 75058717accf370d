"""TCP on loopback for tests: a listener, proxies that delay or cut, a port that hangs. Each ends what it started."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 65536
_PATIENCE = 10.0  # seconds for a thread to end when it is told to


class Listener:
    """A TCP server on a free loopback port, one thread a connection; subclasses say what serve() does."""

    def __init__(self) -> None:
        self._socket = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.accepted = 0
        self._wake, self._waker = socket.socketpair()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def serve(self, client: socket.socket) -> None:
        """Handle one connection; its socket is closed afterwards."""
        raise NotImplementedError

    def _spawn(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()
        return thread

    def _keep(self, sock: socket.socket) -> socket.socket:
        """Have close() end this socket's reads and writes."""
        with self._lock:
            self._open.add(sock)
            if self._closing:
                _end(sock)
        return sock

    def _drop(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._wake], [], [])
            if self._wake in ready:
                return
            client, _ = self._socket.accept()
            self.accepted += 1
            self._keep(client)
            self._spawn(self._handle, client)

    def _handle(self, client: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # the other side went away
                self.serve(client)
        finally:
            self._drop(client)

    def close(self) -> None:
        """Stop listening, cut every connection, wait for every thread."""
        self._waker.send(b"x")
        self._accepting.join(_PATIENCE)
        with self._lock:
            self._closing = True
            for sock in self._open:
                _end(sock)
        end = time.monotonic() + _PATIENCE
        for thread in self._threads:  # grows while it is walked, where a connection starts another thread
            thread.join(max(0.0, end - time.monotonic()))
        for sock in (self._socket, self._wake, self._waker):
            sock.close()
        assert not any(thread.is_alive() for thread in self._threads), (
            f"{type(self).__name__}: a connection did not end"
        )


def _end(sock: socket.socket) -> None:
    """End what is read from and written to a socket, also for a thread that waits there."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


@dataclass
class Traffic:
    """One connection of a proxy: the bytes that passed up (to the server) and down, and whether it was cut."""

    passed: list[int] = field(default_factory=lambda: [0, 0])
    cut: bool = False

    @property
    def up(self) -> int:
        """Bytes to the server."""
        return self.passed[0]

    @property
    def down(self) -> int:
        """Bytes from the server."""
        return self.passed[1]


class Proxy(Listener):
    """Passes connections on to a loopback port. `connections` has what passed on each."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self.target_port = target_port
        self.connections: list[Traffic] = []

    def serve(self, client: socket.socket) -> None:
        """Pass on both ways until both have ended."""
        traffic = Traffic()
        self.connections.append(traffic)
        far = self._keep(socket.create_connection((HOST, self.target_port)))
        try:
            up = self._spawn(self._pump, client, far, traffic, 0)
            self._pump(far, client, traffic, 1)
            up.join()
        finally:
            self._drop(far)

    def _pump(self, source: socket.socket, sink: socket.socket, traffic: Traffic, way: int) -> None:
        """Copy until the end of the stream, then tell the sink; subclasses say how. `way`: 0 up, 1 down."""
        raise NotImplementedError


def finish(sock: socket.socket) -> None:
    """Tell the other side that no more will come."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def received(source: socket.socket) -> bytes:
    """The next bytes; none at the end, however it came."""
    try:
        return source.recv(_CHUNK)
    except OSError:
        return b""


class DelayProxy(Proxy):
    """Far away: what goes in either direction arrives rtt/2 seconds later. Latency only, bandwidth is not touched."""

    def __init__(self, target_port: int, rtt: float = 0.2) -> None:
        super().__init__(target_port)
        self.rtt = rtt

    def _pump(self, source: socket.socket, sink: socket.socket, traffic: Traffic, way: int) -> None:
        line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        sender = self._spawn(self._send, sink, line)
        while True:
            data = received(source)
            traffic.passed[way] += len(data)
            line.put((time.monotonic() + self.rtt / 2, data))
            if not data:
                break
        sender.join()

    def _send(self, sink: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            due, data = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                return finish(sink)
            with contextlib.suppress(OSError):  # gone; what is left of the line is still taken off it
                sink.sendall(data)


class CutProxy(Proxy):
    """Cuts a connection: exactly so many bytes pass up (to the server) or down, then both sides see the end.

    None: no limit. Only the first `times` connections are cut (None: all). The attributes may be changed under way.
    """

    def __init__(
        self,
        target_port: int,
        after_bytes_up: int | None = None,
        after_bytes_down: int | None = None,
        times: int | None = None,
    ) -> None:
        super().__init__(target_port)
        self.after_bytes_up = after_bytes_up
        self.after_bytes_down = after_bytes_down
        self.times = times
        self.cuts = 0

    def serve(self, client: socket.socket) -> None:
        """As any proxy; with a limit of 0 the server is not even called."""
        if 0 in self._limits():
            self.connections.append(Traffic(cut=True))
            self.cuts += 1
            finish(client)
            while received(client):
                pass
        else:
            super().serve(client)

    def _limits(self) -> tuple[int | None, int | None]:
        """How much may pass up and down now."""
        if self.times is not None and self.cuts >= self.times:
            return None, None
        return self.after_bytes_up, self.after_bytes_down

    def _pump(self, source: socket.socket, sink: socket.socket, traffic: Traffic, way: int) -> None:
        while data := received(source):
            if traffic.cut:
                continue  # taken and thrown away: closing now would reset, and could lose bytes that have passed
            limit = self._limits()[way]
            ends = limit is not None and traffic.passed[way] + len(data) >= limit
            if limit is not None and ends:
                data = data[: max(0, limit - traffic.passed[way])]
            with contextlib.suppress(OSError):  # gone; its end is seen on the other way
                sink.sendall(data)
            traffic.passed[way] += len(data)
            if ends:
                traffic.cut = True
                self.cuts += 1
                finish(source)
                finish(sink)
        finish(sink)


class Hang(Listener):
    """Accepts, takes whatever comes and never answers."""

    def serve(self, client: socket.socket) -> None:
        """Read until the client gives up."""
        while received(client):
            pass


@contextlib.contextmanager
def hang() -> Iterator[Hang]:
    """A port that accepts and never answers; `.port`, `.accepted`."""
    with Hang() as server:
        yield server
