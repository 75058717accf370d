"""Any model as a planner: a tool is a form, and the model's JSON is held to its schema."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ports import Answer, Message, Model, Progress, Tool, Usage

_DATA = re.compile(r"(<data [^>]*>\n)(.*?)(\n</data>)", re.DOTALL)
_SMALLEST = 100  # characters of each part of a prompt that are left, at least


class FormPlanner:
    """A ports.Planner. An answer has at most `most` tokens, a conversation `seconds` for all of its calls."""

    def __init__(self, model: Model, most: int, seconds: float, small: bool = False) -> None:
        self.usage: Usage = model.usage
        self.small = small
        self._model = model
        self._most = min(most, model.context // 2)
        self._seconds = seconds
        self._end = 0.0
        self._tools: list[Tool] = []
        self._messages: list[Message] = []

    def ask(self, system: str, prompt: str, tools: Sequence[Tool], progress: Progress) -> Answer:
        """See ports.Planner."""
        self._tools = list(tools)
        self._end = time.monotonic() + self._seconds
        forms = "\n\n".join(f"{one.name}: {one.description}\n{_compact(one.schema)}" for one in tools)
        how = "Calling a tool means here to answer with one JSON object of its schema, and nothing else."
        if len(tools) > 1:
            how += ' It has the keys "tool", the name of the tool, and "input".'
        self._messages = [Message("system", f"{system}\n\n{how}\n\n{forms}"), Message("user", prompt)]
        return self._answer(progress)

    def correct(self, said: str, progress: Progress) -> Answer:
        """See ports.Planner."""
        self._messages.append(Message("user", said))
        return self._answer(progress)

    def _answer(self, progress: Progress) -> Answer:
        schema = self._tools[0].schema if len(self._tools) == 1 else _either(self._tools)
        left = self._end - time.monotonic()
        if left <= 0:
            hint = "`git config peer.plannerTimeout TIME` gives it more"
            raise PeerError("unavailable", f"the model used up its {self._seconds:.0f} s", hint)
        said = self._model.say(self._fitted(), self._most, left, progress, schema=schema)
        self._messages.append(Message("assistant", said.text))
        if said.end != "done":
            return Answer(tool="", input=None, text=said.text, end=said.end)
        name = self._tools[0].name
        try:
            given = json.loads(said.text)
            if len(self._tools) > 1:
                name, given = str(given["tool"]), given["input"]
        except (ValueError, KeyError, TypeError, RecursionError) as why:
            return Answer(tool=name, input=None, unreadable=text.line(str(why), 200))
        return Answer(tool=name, input=given)

    def _fitted(self) -> list[Message]:
        """The conversation, its data cut as far as the context asks for: the longest parts first."""
        room = self._model.context - self._most
        if self._model.count(self._messages) <= room:
            return self._messages
        low, high = _SMALLEST, max(len(found[2]) for found in _DATA.finditer(f"{self._messages[1].content}{_EMPTY}"))
        best: list[Message] | None = None
        while low <= high:
            middle = (low + high) // 2
            tried = [self._messages[0], _cut(self._messages[1], middle), *self._messages[2:]]
            if self._model.count(tried) <= room:
                best, low = tried, middle + 1
            else:
                high = middle - 1
        if best is None:
            raise PeerError(
                "invalid",
                f"what is asked takes over {room:,} tokens, even with all else cut",
                "say the goal in fewer words, or take a model with a greater context",
            )
        return best


_EMPTY = '<data about="">\n\n</data>'


def _cut(message: Message, most: int) -> Message:
    """Every part of a prompt in at most so many characters, and how many are missing."""

    def shorter(found: re.Match[str]) -> str:
        whole = found[2]
        kept = whole if len(whole) <= most else f"{whole[:most]}\n(cut: {len(whole) - most:,} more characters)"
        return f"{found[1]}{kept}{found[3]}"

    return Message(message.role, _DATA.sub(shorter, message.content))


def _either(tools: Sequence[Tool]) -> dict[str, Any]:
    choices = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool.name}, "input": tool.schema},
            "required": ["tool", "input"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    return {"anyOf": choices}


def _compact(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
