"""A file as a range of commits changes it, as the gates see it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_TRACKER = re.compile(r"(?<![\w&#])#\d+\b|(?<![\w-])[A-Z][A-Z0-9]{1,9}-\d+\b|https?://\S+/\S*\d")
_OWN = re.compile(r"(?<![\w-])t\d+\b")


@dataclass(frozen=True)
class Change:
    """A changed file: `old` and `new` are its text, None where it is not there or is no text.

    `added` has the numbers, from 1, of the lines of `new` that are new; `removed` counts those of `old` that are gone.
    `state` is `vendored`, `generated` or `binary` where nobody wrote it here, else "".
    """

    path: str
    old: str | None
    new: str | None
    added: frozenset[int] = frozenset()
    removed: int = 0
    language: str = ""
    state: str = ""
    test: bool = False
    old_path: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of `new`."""
        return (self.new or "").split("\n")


def names_a_task(text: str, tasks: Collection[str] | None) -> bool:
    """Whether a text names a task: of `tasks` (None: any `t12` does), or `#12`, `ABC-12`, a URL with a number."""
    if _TRACKER.search(text):
        return True
    if tasks is None:
        return _OWN.search(text) is not None
    return bool(tasks) and not set(re.findall(r"[\w.-]*\w", text)).isdisjoint(tasks)
