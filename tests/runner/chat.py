"""A server on loopback that speaks OpenAI's protocol: what it answers is looked up by the last line of the prompt."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.proxies import HOST
from tests.servers import CutServer

NAME = "scripted"


class Chat(CutServer):
    """`replies`: (regular expression, answer) pairs; the first that matches the prompt's last line is the answer.

    `asked` are the messages of every request, with what was answered.
    """

    def __init__(self, replies: Mapping[str, str]) -> None:
        super().__init__(_Handler)
        self.replies = dict(replies)
        self.asked: list[tuple[list[dict[str, str]], str]] = []
        self.spec = f"http://{HOST}:{self.server_address[1]}/v1#{NAME}"
        self._gates: dict[str, threading.Event] = {}
        self._ending = threading.Event()

    def held_at(self, pattern: str) -> threading.Event:
        """Such a prompt is not answered any more; the event is set when one has come."""
        came = threading.Event()
        self._gates[pattern] = came
        return came

    def end(self) -> None:
        """Let go of what is held."""
        self._ending.set()

    def answer(self, messages: list[dict[str, str]]) -> str:
        """The answer to a conversation."""
        last = messages[-1]["content"].rstrip().rsplit("\n", 1)[-1]
        for pattern, came in self._gates.items():
            if re.search(pattern, last):
                came.set()
                self._ending.wait(120)
        found = next((text for pattern, text in self.replies.items() if re.search(pattern, last)), "")
        with self._lock:
            self.asked.append((messages, found))
        return found


@contextmanager
def chat(replies: Mapping[str, str], kind: type[Chat] = Chat) -> Iterator[Chat]:
    """Such a server, while it is needed."""
    server = kind(replies)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Chat

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _json(self, status: int, value: Any) -> None:
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        """The list of models."""
        if self.path.endswith("/models"):
            self._json(200, {"data": [{"id": NAME, "max_model_len": 32000}]})
        else:
            self._json(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        """A conversation, as a stream of events; counting as vLLM does it, a word or a sign for a token."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/tokenize"):
            told = sum(len(re.findall(r"\w+|\S", one["content"])) + 4 for one in body.get("messages", ()))
            self._json(200, {"count": told})
            return
        if not self.path.endswith("/chat/completions"):
            self._json(404, {"error": {"message": "no such page"}})
            return
        said = self.server.answer(body["messages"])
        pieces = [said[at : at + 40] for at in range(0, len(said), 40)]
        events: list[dict[str, Any]] = [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
        prompt = sum(len(one["content"]) // 4 for one in body["messages"])
        events.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        events.append({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": len(pieces)}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True
