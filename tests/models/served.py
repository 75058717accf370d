"""A scripted server on loopback that speaks OpenAI's protocol as llama-server, vLLM or Ollama do."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from tests.proxies import HOST
from tests.servers import CutServer, QuietHandler

NAME = "some-model"


@dataclass
class Step:
    """What one request is answered: the pieces of a text, or an HTTP error.

    `breaks`: the connection is cut after so many pieces; `drips`: after them a comment now and then, for ever.
    """

    pieces: list[str] = field(default_factory=list)
    finish: str = "stop"
    usage: dict[str, Any] | None = field(default_factory=lambda: {"prompt_tokens": 70, "completion_tokens": 7})
    status: int = 200
    error: Any = None
    breaks: bool = False
    drips: bool = False
    raw: str = ""
    refusal: str = ""


def said(text: str, **more: Any) -> Step:
    """A text, in pieces."""
    return Step([text[at : at + 5] for at in range(0, len(text), 5)], **more)


class Api(CutServer):
    """The server. `kind` is whose count of tokens it offers; `requests` are the chats that were asked for."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.base = f"http://{HOST}:{self.server_address[1]}/v1"
        self.kind: Literal["llama-server", "vllm", "ollama"] = "llama-server"
        self.script: list[Step] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.names = [NAME]
        self.context = 4096
        self.tells = threading.Event()  # a step drips now

    @property
    def spec(self) -> str:
        """What --model takes."""
        return f"{self.base}#{NAME}"

    def next(self, body: dict[str, Any]) -> Step:  # noqa: ARG002 - who knows more looks at it
        """What a chat is answered."""
        return self.script.pop(0) if self.script else Step(status=500, error={"message": "no script"})


class _Handler(QuietHandler):
    server: Api

    def _json(self, value: Any, status: int = 200) -> None:
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        api = self.server
        api.keys.append(self.headers.get("Authorization"))
        if self.path == "/v1/models":
            more = {"max_model_len": api.context} if api.kind == "vllm" else {}
            self._json({"object": "list", "data": [{"id": name, "object": "model", **more} for name in api.names]})
        elif self.path == "/props" and api.kind == "llama-server":
            self._json({"default_generation_settings": {"n_ctx": api.context}})
        else:
            self._json({"error": {"message": "no such page"}}, 404)

    def do_POST(self) -> None:
        api = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with contextlib.suppress(OSError):  # the client went away
            if self.path == "/v1/chat/completions":
                api.requests.append(body)
                api.keys.append(self.headers.get("Authorization"))
                self._chat(api.next(body))
            elif self.path == "/tokenize" and api.kind == "vllm":
                self._json({"count": sum(len(one["content"].split()) + 3 for one in body["messages"]) + 1})
            elif self.path == "/tokenize" and api.kind == "llama-server":
                self._json({"tokens": list(range(len(body.get("content", "").split())))})
            elif self.path == "/apply-template" and api.kind == "llama-server":
                self._json({"prompt": " ".join(f"<turn> {one['content']}" for one in body["messages"]) + " <answer>"})
            else:
                self._json({"error": {"message": "no such page"}}, 404)

    def _chat(self, step: Step) -> None:
        if step.status != 200:
            self._json({"error": step.error} if step.error is not None else {}, step.status)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if step.raw:
            self._send(step.raw)
        for piece in step.pieces:
            self._event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
        if step.refusal:
            self._event({"choices": [{"index": 0, "delta": {"refusal": step.refusal}}]})
        if step.breaks or step.drips:
            self.close_connection = True
            self.server.tells.set()
            while step.drips and not self.server.ending.wait(0.1):
                self._send(": still here\n\n")
            return
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": step.finish}]})
        if step.usage is not None:
            self._event({"choices": [], "usage": step.usage})
        self._send("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict[str, Any]) -> None:
        self._send(f"data: {json.dumps(event)}\n\n")

    def _send(self, text: str) -> None:
        raw = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        self.wfile.flush()


Served = TypeVar("Served", bound=Api)


@contextlib.contextmanager
def serving(server: Served) -> Iterator[Served]:
    """The server, until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join(10)
