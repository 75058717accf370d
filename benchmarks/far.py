"""A git server far away: `git daemon` behind a wire on which every byte takes half a round trip."""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROUND_TRIP = 0.2  # seconds
_CHUNK = 65536


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL under which the repositories in `folder` can be fetched and pushed; ends what it started."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_serve, args=(client, folder))
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"git://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()


def _serve(client: socket.socket, folder: Path) -> None:
    """One connection: a git daemon of its own, and the wire to it in both directions."""
    near, far = socket.socketpair()
    args = ["git", "daemon", "--inetd", "--export-all", "--enable=receive-pack", f"--base-path={folder}", str(folder)]
    with client, near:
        with far:
            end = far.fileno()
            daemon = subprocess.Popen(args, stdin=end, stdout=end, stderr=subprocess.DEVNULL)
        ways = [threading.Thread(target=_wire, args=pair) for pair in ((client, near), (near, client))]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        daemon.wait()


def _wire(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, half a round trip later; latency only, no limit of bandwidth."""
    line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def deliver() -> None:
        while True:
            due, data = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):  # the other end has gone; what is on the wire is still taken off it
                if not data:
                    return sink.shutdown(socket.SHUT_WR)
                sink.sendall(data)
            if not data:
                return None

    sender = threading.Thread(target=deliver)
    sender.start()
    data = b"-"
    while data:
        try:
            data = source.recv(_CHUNK)
        except OSError:
            data = b""
        line.put((time.monotonic() + ROUND_TRIP / 2, data))
    sender.join()
