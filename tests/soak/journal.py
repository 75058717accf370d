"""What the workers of a soak write down: what each asked, when, and what it was told. Standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Asked:
    """A command: its arguments, when it began and ended (epoch seconds by the machine's true clock), its answer.

    `status` None: its process was killed, and nobody knows what it would have been told.
    """

    ident: str  # of the command; a lock's reason
    session: str
    clone: str
    argv: tuple[str, ...]
    begin: float
    offset: float = 0  # seconds by which its clock was off
    head: str = ""  # the commit that its work tree stood on
    end: float | None = None
    status: int | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    tip: str = ""  # the verified tip of its clone afterwards
    tentative: tuple[str, ...] = ()  # commits of its clone that nobody has arbitrated

    @property
    def kind(self) -> str:
        """The command's name."""
        return self.argv[0]

    @property
    def code(self) -> str:
        """The error code; "" where it was none."""
        return str(self.answer.get("error", {}).get("code", ""))

    def __str__(self) -> str:
        told = "killed" if self.status is None else f"exit {self.status} {self.code}".strip()
        return f"{self.session} in {self.clone}: {' '.join(self.argv)} ({told})"


class Writer:
    """A worker's own file; a line is one write, so that a kill leaves whole lines."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, **line: Any) -> None:
        """Append one line."""
        os.write(self._file, json.dumps(line).encode() + b"\n")


def read(folder: Path) -> list[Asked]:
    """Every command of every worker, by its begin."""
    found: dict[str, Asked] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            if "begin" in row:
                found[row["ident"]] = Asked(**{**row, "argv": tuple(row["argv"])})
            else:
                asked = found[row.pop("ident")]
                for key, value in row.items():
                    setattr(asked, key, tuple(value) if key == "tentative" else value)
    return sorted(found.values(), key=lambda asked: asked.begin)
