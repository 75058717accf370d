"""Real git transports on loopback: git daemon, smart http and ssh. Every context manager ends what it started.

The proxies of tests/proxies.py go between any of them and a client, by port.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import cast

from tests.proxies import HOST, CutProxy, DelayProxy, Hang, Listener, hang
from tests.world import sealed

__all__ = ["CutProxy", "Daemon", "DelayProxy", "Hang", "HttpServer", "git_daemon", "hang", "smart_http", "ssh_command"]

_CHUNK = 65536
_PATIENCE = 10.0  # seconds for a thread to end when it is told to


class Children:
    """The processes of a server, each in its own session, so that its children end with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def start(self, args: list[str], env: dict[str, str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        """Start one. Raises ConnectionError when the server is closing."""
        with self._lock:
            if self._closed:
                raise ConnectionError("closing")
            process = subprocess.Popen(
                args, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, env=env, start_new_session=True
            )
            self._processes.add(process)
        return process

    def reap(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of one."""
        process.wait()
        with self._lock:
            self._processes.discard(process)

    def end(self) -> None:
        """Kill what still runs; whoever waits for it reaps it."""
        with self._lock:
            self._closed = True
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


class Daemon(Listener):
    """`git daemon`, one process a connection: its own listener has a backlog of 5 and stalls under many clients."""

    def __init__(self, root: Path, writable: bool) -> None:
        super().__init__()
        self.url = f"git://{HOST}:{self.port}"
        self._children = Children()
        self._args = [
            "git", "daemon", "--inetd", "--export-all", "--informative-errors", "--log-destination=none",
            f"--{'enable' if writable else 'disable'}=receive-pack", f"--base-path={root}", str(root),
        ]  # fmt: skip
        self._env = sealed(root / ".served")

    def serve(self, client: socket.socket) -> None:
        """Hand the connection to a process; only its copy of the socket stays open, so its end is seen at once."""
        process = self._children.start(self._args, self._env, client.fileno(), client.fileno())
        self._drop(client)
        self._children.reap(process)

    def close(self) -> None:
        """End the processes too."""
        self._children.end()
        super().close()


@contextlib.contextmanager
def git_daemon(root: Path, writable: bool = True) -> Iterator[Daemon]:
    """Serve the repositories in `root` over git://; `.url` + "/remote.git"."""
    with Daemon(root, writable) as server:
        yield server


class CutServer(ThreadingHTTPServer):
    """An HTTP server on a free port of loopback whose end cuts the connections that are still open."""

    daemon_threads = False  # closing waits for what is under way
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.ending = threading.Event()  # what a handler holds back is let go
        super().__init__((HOST, 0), handler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept, and remember the connection: a kept-alive one would hold up close()."""
        client, address = super().get_request()
        with self._lock:
            self._open.add(client)
        return client, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """A connection has ended."""
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Let go of what hangs, cut what is open, wait for the threads."""
        self.ending.set()
        with self._lock:
            for client in self._open:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        super().server_close()


class QuietHandler(BaseHTTPRequestHandler):
    """Answers over connections that stay, and writes no log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nobody reads it."""


class HttpServer(CutServer):
    """Smart http: `git http-backend` behind the standard library's server. `requests` lists method and path."""

    def __init__(self, root: Path, writable: bool) -> None:
        super().__init__(_Backend)
        self.port: int = self.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self.requests: list[tuple[str, str]] = []
        self.children = Children()
        self.env = sealed(root / ".served") | {
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GATEWAY_INTERFACE": "CGI/1.1",
            # Without a logged-in user http-backend takes pushes only when it is told to.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true" if writable else "false",
        }

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's
        """A client that went away is none; anything else fails the test (as an unhandled exception of a thread)."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            raise error

    def server_close(self) -> None:
        """End what runs, then as its base."""
        self.children.end()
        super().server_close()


class _Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def do_GET(self) -> None:
        self._run()

    def do_POST(self) -> None:
        self._run()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def _environment(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        env = self.server.env | {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_PROTOCOL": self.request_version,
        }
        for header, name in (
            ("Content-Length", "CONTENT_LENGTH"),  # absent for a chunked body: read to the end
            ("Content-Encoding", "HTTP_CONTENT_ENCODING"),  # http-backend itself undoes gzip
            ("Git-Protocol", "GIT_PROTOCOL"),
        ):
            if header in self.headers:
                env[name] = self.headers[header]
        return env

    def _body(self) -> Iterator[bytes]:
        """The request's body in pieces, of either framing."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, _CHUNK))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            yield piece

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        try:
            for piece in self._body():
                process.stdin.write(piece)
        except (OSError, ValueError):
            self.close_connection = True  # what is left of the body cannot be told from a next request
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _run(self) -> None:
        self.server.requests.append((self.command, self.path))
        children = self.server.children
        process = children.start(["git", "http-backend"], self._environment(), subprocess.PIPE, subprocess.PIPE)
        feeder = threading.Thread(target=self._feed, args=(process,), daemon=True)
        feeder.start()
        try:
            self._relay(process)
        except OSError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)  # the feeder, too, has nothing more to read
        finally:
            assert process.stdout is not None
            process.stdout.close()
            feeder.join(_PATIENCE)
            children.reap(process)

    def _relay(self, process: subprocess.Popen[bytes]) -> None:
        """The CGI answer as an HTTP one."""
        answer = cast("BufferedReader", process.stdout)
        status, headers = 200, []
        while line := answer.readline().strip().decode():
            name, _, value = line.partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(_CHUNK):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def smart_http(root: Path, writable: bool = True) -> Iterator[HttpServer]:
    """Serve the repositories in `root` over http; `.url` + "/remote.git"."""
    with HttpServer(root, writable) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(_PATIENCE)


def ssh_command(folder: Path) -> dict[str, str]:
    """Variables that make git's ssh transport run the far side here, sealed. URLs: ssh://host.example/abs/path.

    Each remote command is appended as a line to `folder`/ssh.log.
    """
    far = sealed(folder / "far")
    keep = " ".join(
        f"{key}={shlex.quote(far[key])}" for key in far if key.isidentifier() and not key.startswith("PYTEST")
    )
    script = folder / "ssh"
    script.write_text(f"""\
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    -[BbcDEeFIiJLlmOopQRSWw]) shift 2 ;;
    -*) shift ;;
    *) break ;;
    esac
done
shift # the host
printf '%s\\n' "$*" >>{shlex.quote(str(folder / "ssh.log"))}
exec env -i {keep} ${{GIT_PROTOCOL+GIT_PROTOCOL="$GIT_PROTOCOL"}} sh -c "$*"
""")
    script.chmod(0o755)
    # The variant is named, for git would else call the script once more to find out.
    return {"GIT_SSH_COMMAND": shlex.quote(str(script)), "GIT_SSH_VARIANT": "ssh"}
