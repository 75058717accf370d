"""Ports: what the program asks of the world behind an adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Progress = Callable[[str, int], None]
"""Told of each piece of an answer as it comes, and of the tokens that it has taken so far, where that is known."""


@dataclass(frozen=True)
class Tool:
    """A form that a model fills in: `schema` is the JSON schema of its input, an object."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a model answered: the input of one tool, or why there is none.

    `tool` is "" where it called none; `unreadable` says why a call's input is no JSON; `text` is what it said besides.
    """

    tool: str
    input: Any
    text: str = ""
    unreadable: str = ""
    end: Literal["done", "refused", "cut"] = "done"  # cut: at the limit of its tokens


@dataclass
class Usage:
    """Tokens that a conversation took, and in how many calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0


class Planner(Protocol):
    """A conversation with a model that fills in forms. Errors are PeerError: unavailable, failed."""

    usage: Usage

    def ask(self, system: str, prompt: str, tools: Sequence[Tool], progress: Progress) -> Answer:
        """Begin: `system` is what it is for, `prompt` what it is to do; it is to call one of `tools`."""

    def correct(self, said: str, progress: Progress) -> Answer:
        """Go on: its last answer cannot be taken, and `said` tells why."""
