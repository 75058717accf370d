"""What a runner asked and was answered, step by step: files of this clone, for whoever wants to know why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from git_peer.ports import Message

KEPT = 20  # tasks' folders that a clone keeps


class Journal:
    """The steps of one task, `<n>-<step>.json` in a folder of its own."""

    def __init__(self, clone: Path, task: str, session: str) -> None:
        self.folder = clone / "runs" / f"{task}-{session}"
        self._count = 0

    def step(self, name: str, asked: Sequence[Message], said: str, **more: Any) -> None:
        """Keep a step; a disk that is full stops no task."""
        self._count += 1
        entry = {"step": name, **more, "asked": [[one.role, one.content] for one in asked], "said": said}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(entry, ensure_ascii=True, indent=1)
            (self.folder / f"{self._count:02}-{name}.json").write_text(text, "utf-8")
        except OSError:
            return
        if self._count == 1:
            self._sweep()

    def _sweep(self) -> None:
        """Only the newest tasks are kept."""
        try:
            folders = sorted(self.folder.parent.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
            for old in folders[KEPT:]:
                for entry in old.iterdir():
                    entry.unlink(missing_ok=True)
                old.rmdir()
        except OSError:  # another runner sweeps too
            return
