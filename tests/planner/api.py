"""A scripted server that speaks the Messages API on loopback: each request gets the next step of the script."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.proxies import HOST
from tests.servers import CutServer, QuietHandler

KEY = "sk-dummy"


@dataclass
class Step:
    """What one request is answered: blocks of a message as events, or an HTTP error.

    `breaks`: the connection is cut after so many events; `hangs`: after so many, until the server ends.
    """

    blocks: list[dict[str, Any]] = field(default_factory=list)
    stop: str = "end_turn"
    details: dict[str, Any] | None = None
    tokens: tuple[int, int] = (100, 10)
    status: int = 200
    error: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    breaks: int | None = None
    hangs: int | None = None
    fails: dict[str, Any] | None = None  # an error event in place of the end
    pings: bool = False  # while it hangs, it sends a ping now and then
    shut: bool = False  # closed before any answer
    raw: str = ""  # sent as the data of a first event, whatever it is


def tool(given: Any, name: str = "propose_plan", **more: Any) -> Step:
    """A call of a tool; `given` is its input, or raw text where it is to be no JSON."""
    raw = given if isinstance(given, str) else json.dumps(given)
    return Step([{"type": "tool_use", "id": "toolu_1", "name": name, "input": {}, "raw": raw}], "tool_use", **more)


def said(what: str, **more: Any) -> Step:
    """Text, and no tool."""
    return Step([{"type": "text", "text": what}], **more)


def failed(status: int, kind: str, message: str = "no", **headers: str) -> Step:
    """An HTTP error as the API words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Step(status=status, error={"type": kind, "message": message}, headers=named)


class Api(CutServer):
    """The server. `requests` are the bodies that came, `headers` theirs; `unasked` counts those past the script."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self.script: list[Step] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.unasked = 0
        self.reached = threading.Event()  # a step hangs now

    @property
    def env(self) -> dict[str, str | None]:
        """The variables by which the SDK comes here."""
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self.url}

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Step:
        """The step for a request."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            if self.script:
                return self.script.pop(0)
            self.unasked += 1
            return failed(400, "invalid_request_error", "the script is at its end")


class _Handler(QuietHandler):
    server: Api

    def do_POST(self) -> None:
        with contextlib.suppress(OSError):  # the client went away
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/messages", self.path
            step = self.server.next(body, {name.lower(): value for name, value in self.headers.items()})
            self._answer(step)

    def _answer(self, step: Step) -> None:
        if step.shut:
            self.close_connection = True
            return
        if step.error is not None:
            raw = json.dumps({"type": "error", "error": step.error, "request_id": "req_1"}).encode()
            self.send_response(step.status)
            for name, value in {"Content-Type": "application/json", **step.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if step.raw:
            self._write(f"event: message_start\ndata: {step.raw}\n\n")
        for at, (kind, event) in enumerate(events(step)):
            if at == step.breaks:
                self.close_connection = True
                return
            if at == step.hangs:
                self.close_connection = True
                self.server.reached.set()
                while not self.server.ending.wait(0.2 if step.pings else None):
                    self._send("ping", {"type": "ping"})
                return
            self._send(kind, event)
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, kind: str, event: dict[str, Any]) -> None:
        self._write(f"event: {kind}\ndata: {json.dumps(event)}\n\n")

    def _write(self, text: str) -> None:
        raw = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        self.wfile.flush()


def events(step: Step) -> Iterator[tuple[str, dict[str, Any]]]:
    """A message as the events of its stream."""
    usage = {"input_tokens": step.tokens[0], "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    yield "message_start", {"type": "message_start", "message": {**message, "stop_reason": None}}
    yield "ping", {"type": "ping"}
    for index, block in enumerate(step.blocks):
        start = {key: value for key, value in block.items() if key != "raw"}
        start |= {"text": ""} if block["type"] == "text" else {}
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": start}
        kind, name = ("text_delta", "text") if block["type"] == "text" else ("input_json_delta", "partial_json")
        whole = block["text"] if block["type"] == "text" else block.get("raw", "")
        for at in range(0, len(whole), 61):
            delta = {"type": kind, name: whole[at : at + 61]}
            yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    if step.fails is not None:
        yield "error", {"type": "error", "error": step.fails}
        return
    delta = {"stop_reason": step.stop, "stop_sequence": None, "stop_details": step.details}
    yield "message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": step.tokens[1]}}
    yield "message_stop", {"type": "message_stop"}


@contextlib.contextmanager
def serving() -> Iterator[Api]:
    """The server, until the block ends. Fails where it was asked more often than the script says."""
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join(10)
    assert not server.unasked, f"{server.unasked} requests past the script"
