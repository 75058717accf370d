"""How fast a model is here, and what memory it takes."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

from git_peer.ports import Message, Model

PROMPT, ANSWER = 512, 64  # tokens to be read, about, and to be written


@dataclass(frozen=True)
class Speed:
    """Tokens a second of a prompt that it has not seen and of its answer (None: too short to tell)."""

    prompt_tokens: int
    prompt_rate: float | None
    tokens: int
    rate: float | None


def memory() -> int:
    """The most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def measure(model: Model, seconds: float) -> Speed:
    """Have it read and write something. PeerError as the model's own."""
    ask = "Name a word for each of these numbers, one a line, and go on with greater ones."
    wanted = min(PROMPT, model.context // 2)
    numbers = 0
    messages = [Message("user", ask)]
    while model.count(messages) < wanted and numbers < PROMPT:
        numbers += 8
        messages = [Message("user", f"{ask}\n" + "\n".join(map(str, range(numbers))))]
    times: list[float] = []
    start = time.monotonic()
    said = model.say(
        messages, min(ANSWER, model.context // 4), seconds, lambda _piece, _tokens: times.append(time.monotonic())
    )
    first = times[0] - start if times else 0.0
    span = times[-1] - times[0] if times else 0.0
    return Speed(
        said.input_tokens,
        said.fresh / first if first and said.fresh else None,
        said.output_tokens,
        (said.output_tokens - 1) / span if span and said.output_tokens > 1 else None,
    )
