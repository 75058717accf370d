"""Anthropic's models as ones that write text, or JSON of a schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from git_peer.adapters.anthropic import Conversation
from git_peer.core.errors import PeerError
from git_peer.ports import Message, Progress, Said, Tool, Usage

ROOM, TURN = 1024, 32  # tokens allowed for a form and what says how to fill it in, and for what is around each turn
_RETRIES = 2
_FORM = "answer"


class _Talk(Conversation):
    denied = "not_allowed"
    late = ("failed", "runnerTimeout")


class Text:
    """A ports.Model. Seed and temperature stay the API's own: its models differ in what they let be chosen."""

    def __init__(self, name: str, context: int) -> None:
        """PeerError("unavailable") where the package or a key is missing."""
        self.name = name
        self.context = context
        self.usage = Usage()
        _Talk(name, 1, 1, 0)

    def count(self, messages: Sequence[Message]) -> int:
        """See ports.Model: as if each byte were a token; asking the API each time would take too long."""
        return ROOM + sum(TURN + len(one.content.encode("utf-8", "replace")) for one in messages)

    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Progress,
        schema: dict[str, Any] | None = None,
        seed: int = 0,  # noqa: ARG002 - the port's
        temperature: float = 0.0,  # noqa: ARG002 - the same
    ) -> Said:
        """See ports.Model."""
        system = "\n\n".join(one.content for one in messages if one.role == "system")
        turns = [{"role": one.role, "content": one.content} for one in messages if one.role != "system"]
        tools = [] if schema is None else [Tool(_FORM, "Give your answer in this form.", schema)]
        talk = _Talk(self.name, most, seconds, _RETRIES)
        try:
            answer = talk.begin(system, turns, tools, progress)
        finally:
            self.usage.input_tokens += talk.usage.input_tokens
            self.usage.output_tokens += talk.usage.output_tokens
            self.usage.calls += talk.usage.calls
        said = answer.text
        if schema is not None and answer.end == "done":
            if answer.tool != _FORM or answer.unreadable:
                why = answer.unreadable or "it filled in no form"
                raise PeerError("failed", f"{self.name} did not answer in JSON: {why}", "try again")
            said = json.dumps(answer.input, ensure_ascii=False)
        return Said(said, answer.end, talk.usage.input_tokens, talk.usage.output_tokens, talk.usage.input_tokens)

    def close(self) -> None:
        """See ports.Model."""
