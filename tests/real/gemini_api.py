"""The generateContent API, for the real Gemini CLI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.real.scripted import Say, ScriptedApi, Use


class GeminiApi(ScriptedApi):
    """Answers POST /v1beta/models/NAME:generateContent and :streamGenerateContent."""

    def is_turn(self, path: str, body: dict[str, Any]) -> bool:
        """What offers no tools chooses a model, or summarises."""
        return path.endswith("enerateContent") and bool(body.get("tools"))

    def history(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Its turns are the contents of role model."""
        contents = body["contents"]
        turns = [number for number, one in enumerate(contents) if one.get("role") == "model"]
        return len(turns), contents[turns[-1] + 1 if turns else 0 :]

    def reply(self, path: str, body: dict[str, Any], blocks: Sequence[Say | Use]) -> tuple[str, bytes]:  # noqa: ARG002
        """A response, whole or as a stream of one event."""
        if path.endswith(":countTokens"):
            return "application/json", b'{"totalTokens": 1}'
        if not path.endswith("enerateContent"):
            raise LookupError(path)
        parts = [
            {"text": block.text}
            if isinstance(block, Say)
            else {"functionCall": {"name": block.tool, "args": block.given}}
            for block in blocks
        ]
        content = {"role": "model", "parts": parts}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        found = json.dumps(
            {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": usage}
        ).encode()
        if "stream" in path:
            return "text/event-stream", b"data: " + found + b"\r\n\r\n"
        return "application/json", found
