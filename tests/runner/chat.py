"""A model behind a server on loopback: what it answers is looked up by the last line of the prompt."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tests.models.served import Api, Step, said, serving


class Chat(Api):
    """`replies`: regular expression → answer; the first that is found in the prompt's last line is the answer.

    `asked` are the messages of every request, with what was answered.
    """

    def __init__(self, replies: Mapping[str, str]) -> None:
        super().__init__()
        self.kind = "vllm"
        self.context = 32_000
        self.replies = dict(replies)
        self.asked: list[tuple[list[dict[str, str]], str]] = []
        self._gates: dict[str, threading.Event] = {}

    def held_at(self, pattern: str) -> threading.Event:
        """Such a prompt is not answered any more; the event is set when one has come."""
        return self._gates.setdefault(pattern, threading.Event())

    def next(self, body: dict[str, Any]) -> Step:
        """The answer to a conversation."""
        messages = body["messages"]
        answer = self.answer(messages[-1]["content"].rstrip().rsplit("\n", 1)[-1])
        self.asked.append((messages, answer))
        return said(answer)

    def answer(self, last: str) -> str:
        """The answer to a prompt of that last line."""
        for pattern, came in self._gates.items():
            if re.search(pattern, last):
                came.set()
                self.ending.wait(120)
        return next((text for pattern, text in self.replies.items() if re.search(pattern, last)), "")


def chat(replies: Mapping[str, str]) -> AbstractContextManager[Chat]:
    """Such a server, while it is needed."""
    return serving(Chat(replies))
