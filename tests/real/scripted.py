"""A model's API on loopback, scripted: each turn of a conversation is answered by what the test has written for it.

A server serves one client. It keeps no state of its own: which turn is due is read from the request, as a model would.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

from tests.proxies import HOST

KEY = "sk-dummy-key-of-a-test"
_PATIENCE = 60.0  # seconds that a turn is held back at most


@dataclass(frozen=True)
class Say:
    """The model says something; with nothing else in its turn it stops there."""

    text: str


@dataclass(frozen=True)
class Use:
    """The model calls a tool; a string is the input of a tool that takes no JSON."""

    tool: str
    given: dict[str, Any] | str


Turn = Sequence[Say | Use] | Callable[[str], Sequence[Say | Use]]  # the latter gets what the model is told


def held(event: threading.Event, *blocks: Say | Use) -> Turn:
    """A turn that comes when the event is set."""

    def turn(told: str) -> Sequence[Say | Use]:
        assert event.wait(_PATIENCE), "nobody let the model go on"
        return blocks

    return turn


def strings(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from strings(one)


class ScriptedApi(ThreadingHTTPServer):
    """The server: `with Api(turn, turn) as api`. `told` is what each request added to what the model knows, as text.

    `strays` are requests to anywhere else: it stands in as the proxy that nothing gets past.
    """

    daemon_threads = True
    block_on_close = False
    key = KEY

    def __init__(self, *turns: Turn) -> None:
        super().__init__((HOST, 0), _Handler)
        self.turns = turns
        self.bodies: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.strays: list[str] = []
        self.changed = threading.Condition()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone in the middle of something has been ended by its test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_address[1]}"

    def wait(self, number: int, seconds: float = _PATIENCE) -> str:
        """What request `number` (from 1) told the model; waits until it has come."""
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.told) >= number, seconds)
        assert came, f"request {number} did not come; so far:\n{self}"
        return self.told[number - 1]

    def __str__(self) -> str:
        return "\n".join(f"-- request {number}\n{text[-2000:]}" for number, text in enumerate(self.told, 1))

    # -- what each API is for itself ------------------------------------------------------------------
    def is_turn(self, path: str, body: dict[str, Any]) -> bool:
        """Whether a request asks for a turn of the conversation, and not for a title or the like."""
        raise NotImplementedError

    def history(self, body: dict[str, Any]) -> tuple[int, Any]:
        """(how many turns the model has had, what came after the last of them)."""
        raise NotImplementedError

    def reply(self, path: str, body: dict[str, Any], blocks: Sequence[Say | Use]) -> tuple[str, bytes]:
        """(content type, body) of an answer."""
        raise NotImplementedError

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes]:
        """Answer one POST; LookupError for what is no part of the API."""
        if not self.is_turn(path, body):
            return self.reply(path, body, [Say("ok")])
        number, news = self.history(body)
        told = "\n".join(strings(news))
        with self.changed:
            self.bodies.append(body)
            self.told.append(told)
            self.changed.notify_all()
        turn: Turn = self.turns[number] if number < len(self.turns) else [Say("done")]
        return self.reply(path, body, (turn(told) if callable(turn) else turn) or [Say("done")])


def event_stream(events: Sequence[dict[str, Any]]) -> tuple[str, bytes]:
    """Events as the two APIs that have them stream them: named by their type."""
    return "text/event-stream", b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def api(self) -> ScriptedApi:
        return cast(ScriptedApi, self.server)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.startswith("/"):
            return self._stray()
        try:
            kind, body = self.api.answer(self.path.partition("?")[0], json.loads(raw or b"{}"))
        except (LookupError, ValueError):
            return self._send(404, "application/json", b'{"error": {"message": "no such thing here"}}')
        return self._send(200, kind, body)

    def do_GET(self) -> None:
        if not self.path.startswith("/"):
            return self._stray()
        return self._send(404, "application/json", b'{"error": {"message": "no such thing here"}}')

    def do_HEAD(self) -> None:
        self._send(200, "text/plain", b"")

    def do_CONNECT(self) -> None:
        self._stray()

    def _stray(self) -> None:
        self.api.strays.append(f"{self.command} {self.path}")
        self.close_connection = True
        self._send(403, "text/plain", b"")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """The test says what matters."""
