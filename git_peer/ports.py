"""Ports: what the program asks of the world behind an adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
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
    """A conversation with a model that fills in forms. Errors are PeerError: unavailable, failed.

    `small`: only short forms are of use with it.
    """

    usage: Usage
    small: bool

    def ask(self, system: str, prompt: str, tools: Sequence[Tool], progress: Progress) -> Answer:
        """Begin: `system` is what it is for, `prompt` what it is to do; it is to call one of `tools`."""

    def correct(self, said: str, progress: Progress) -> Answer:
        """Go on: its last answer cannot be taken, and `said` tells why."""


# -- a model that writes ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Message:
    """A turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Said:
    """What a model said, and the tokens that it took: those of the prompt (`fresh` of them not kept from before)."""

    text: str
    end: Literal["done", "refused", "cut"]  # cut: at the limit of its tokens
    input_tokens: int
    output_tokens: int
    fresh: int = 0


class Model(Protocol):
    """A model that answers in text. Errors are PeerError: unavailable, failed, not_allowed (its key, its quota).

    `name` is how results name it; `context` the tokens that prompt and answer may have together.
    """

    name: str
    context: int
    usage: Usage

    def count(self, messages: Sequence[Message]) -> int:
        """The tokens of these as a prompt, with all that stands between them; never fewer than they will be."""

    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Progress,
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> Said:
        """Its answer, of at most `most` tokens, within `seconds`, or PeerError `failed`; JSON of `schema` if given."""

    def close(self) -> None:
        """Let go of what it holds."""


# -- where strangers' code is run ---------------------------------------------------------------------
@dataclass(frozen=True)
class Job:
    """A shell command to be run on the files of `code`, which it sees read-only and starts in."""

    code: Path
    command: str
    seconds: int
    label: str = ""  # what it is for; containers carry it


@dataclass(frozen=True)
class Ran:
    """How a job ended: its exit status, or None and `ended`, what ended it."""

    status: int | None
    output: str  # of both streams, its middle cut where there was too much
    report: bytes  # pytest's JUnit XML; b"" where there is none. A stranger wrote it
    seconds: float
    ended: Literal["", "time", "memory", "output"] = ""


class Sandbox(Protocol):
    """Where jobs are run. Errors are PeerError: unavailable where there is no engine or no image."""

    kind: str

    def run(self, job: Job) -> Ran:
        """Run it to its end, or to its limits; nothing of it is left then."""

    def close(self) -> None:
        """Let go of what it holds."""
