"""A server on loopback that has one file, and speaks as much of the Hugging Face hub's API as a download needs."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator

from tests.proxies import HOST
from tests.servers import CutServer, QuietHandler

REPO, FILE = "Some/Model-GGUF", "model-q8_0.gguf"


class Hub(CutServer):
    """`body` is the file, `checksum` what is told of it; a download is cut or hangs after so many bytes."""

    def __init__(self, body: bytes) -> None:
        super().__init__(_Handler)
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self.body = body
        self.checksum = hashlib.sha256(body).hexdigest()
        self.cuts: list[int] = []
        self.hangs: int | None = None
        self.ranges: list[str | None] = []  # of each download that was begun
        self.paths: list[str] = []
        self.tokens: list[str | None] = []
        self.status = 200


class _Handler(QuietHandler):
    server: Hub

    def _begin(self, status: int, size: int, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", f'"{self.server.checksum}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _missing(self) -> bool:
        self.server.paths.append(self.path)
        self.server.tokens.append(self.headers.get("Authorization"))
        if self.path == f"/{REPO}/resolve/main/{FILE}" and self.server.status == 200:
            return False
        code = "EntryNotFound" if self.server.status == 200 else ""
        self.send_response(404 if self.server.status == 200 else self.server.status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def do_HEAD(self) -> None:
        if not self._missing():
            self._begin(200, len(self.server.body))

    def do_GET(self) -> None:
        if self._missing():
            return
        hub = self.server
        wanted = self.headers.get("Range")
        hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        rest = hub.body[start:]
        whole = len(hub.body)
        if wanted:
            self._begin(206, len(rest), Content_Range=f"bytes {start}-{whole - 1}/{whole}")
        else:
            self._begin(200, whole)
        with contextlib.suppress(OSError):
            if hub.hangs is not None:
                self.wfile.write(rest[: hub.hangs])
                self.close_connection = True
                hub.ending.wait()
            elif hub.cuts:
                self.wfile.write(rest[: hub.cuts.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(rest)


@contextlib.contextmanager
def serving(body: bytes) -> Iterator[Hub]:
    """The server, until the block ends."""
    with Hub(body) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join(10)
