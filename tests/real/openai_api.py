"""The Responses API, for the real Codex."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.real.scripted import Say, ScriptedApi, Use, event_stream

_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "reasoning")


class OpenAIApi(ScriptedApi):
    """Answers POST /v1/responses."""

    def is_turn(self, path: str, body: dict[str, Any]) -> bool:
        """What offers no tools is something beside the conversation."""
        return path == "/v1/responses" and bool(body.get("tools"))

    def history(self, body: dict[str, Any]) -> tuple[int, Any]:
        """A turn is an unbroken run of items of the model's own."""
        items = body["input"]
        own = [item.get("type") in _CALLS or item.get("role") == "assistant" for item in items]
        turns = sum(mine and not (number and own[number - 1]) for number, mine in enumerate(own))
        last = len(own) - own[::-1].index(True) if turns else 0
        return turns, items[last:]

    def reply(self, path: str, body: dict[str, Any], blocks: Sequence[Say | Use]) -> tuple[str, bytes]:  # noqa: ARG002
        """A response as events."""
        if path != "/v1/responses":
            raise LookupError(path)
        number = len(self.bodies)
        events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": f"resp_{number}"}}]
        for at, block in enumerate(blocks):
            item = self._item(block, f"{number}_{at}")
            events += [
                {"type": f"response.output_item.{state}", "output_index": at, "item": item}
                for state in ("added", "done")
            ]
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        events.append({"type": "response.completed", "response": {"id": f"resp_{number}", "usage": usage}})
        return event_stream(events)

    def _item(self, block: Say | Use, ident: str) -> dict[str, Any]:
        if isinstance(block, Say):
            content = [{"type": "output_text", "text": block.text}]
            return {"type": "message", "id": f"msg_{ident}", "role": "assistant", "content": content}
        call = {"id": f"item_{ident}", "call_id": f"call_{ident}", "name": block.tool}
        if isinstance(block.given, str):
            return {"type": "custom_tool_call", **call, "input": block.given}
        return {"type": "function_call", **call, "arguments": json.dumps(block.given)}
