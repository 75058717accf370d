"""What is told of a public symbol, whoever found it."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 200  # characters of a signature
MOST = 2_000  # symbols of one file


@dataclass(frozen=True)
class Symbol:
    """A public symbol: its name (`Class.method` for a member), kind, signature in one line, and line from 1."""

    name: str
    kind: str
    signature: str
    line: int

    @property
    def inner(self) -> bool:
        """Whether it is a member of another symbol."""
        return "." in self.name


def one_line(text: str) -> str:
    """A signature in one line: white space folded, what opens a body cut off, at most LONGEST characters."""
    folded = " ".join(text[: LONGEST * 20].split())
    folded = re.sub(r",? \)", ")", folded.replace("( ", "("))
    short = re.sub(r"\s*(?:=>|\{\s*\}|[{:;=,])+$", "", folded)
    return short if len(short) <= LONGEST else short[: LONGEST - 1] + "…"


def is_constant(name: str) -> bool:
    """Whether a name is spelled as constants are."""
    return name.isupper() and not name.startswith("_")
