"""The Messages API, for the real Claude Code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.real.scripted import Say, ScriptedApi, Use, event_stream


class AnthropicApi(ScriptedApi):
    """Answers POST /v1/messages."""

    def is_turn(self, path: str, body: dict[str, Any]) -> bool:
        """What offers no tools is a title, a summary, or a look whether the key is good."""
        return path == "/v1/messages" and bool(body.get("tools"))

    def history(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Its turns are the assistant's messages."""
        messages = body["messages"]
        turns = [number for number, one in enumerate(messages) if one["role"] == "assistant"]
        return len(turns), [one["content"] for one in messages[turns[-1] + 1 if turns else 0 :]]

    def reply(self, path: str, body: dict[str, Any], blocks: Sequence[Say | Use]) -> tuple[str, bytes]:
        """A message, whole or as events."""
        if path == "/v1/messages/count_tokens":
            return "application/json", b'{"input_tokens": 1}'
        if path != "/v1/messages":
            raise LookupError(path)
        number = len(self.bodies)
        content: list[dict[str, Any]] = [
            {"type": "text", "text": block.text}
            if isinstance(block, Say)
            else {"type": "tool_use", "id": f"toolu_{number}_{at}", "name": block.tool, "input": block.given}
            for at, block in enumerate(blocks)
        ]
        stop = {"stop_reason": "tool_use" if content[-1]["type"] == "tool_use" else "end_turn", "stop_sequence": None}
        message = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"],
            "content": content, **stop, "usage": {"input_tokens": 1, "output_tokens": 1},
        }  # fmt: skip
        if not body.get("stream"):
            return "application/json", json.dumps(message).encode()
        events: list[dict[str, Any]] = [{"type": "message_start", "message": {**message, "content": []}}]
        for index, block in enumerate(content):
            text = block["type"] == "text"
            empty = {**block, "text": ""} if text else {**block, "input": {}}
            delta = (
                {"type": "text_delta", "text": block["text"]}
                if text
                else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            )
            events += [
                {"type": "content_block_start", "index": index, "content_block": empty},
                {"type": "content_block_delta", "index": index, "delta": delta},
                {"type": "content_block_stop", "index": index},
            ]
        events += [{"type": "message_delta", "delta": stop, "usage": {"output_tokens": 1}}, {"type": "message_stop"}]
        return event_stream(events)
