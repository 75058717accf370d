"""What every topic is handed: how many rounds, how big, and the repositories that several of them use."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import logs
from benchmarks.scratch import Scratch

FOLDERS = 100  # over which locks are spread


@dataclass
class Bench:
    """One run of the benchmarks. `quick` makes everything a tenth as big."""

    scratch: Scratch
    rounds: int
    quick: bool
    _locked: dict[tuple[int, bool], Path] = field(default_factory=dict)

    def size(self, full: int) -> int:
        """How big to make what is `full` in a full run."""
        return full // 10 if self.quick else full

    def locked(self, count: int, spread: bool = True) -> Path:
        """A repository in local mode with `count` locks held by others, over 100 folders or all in one."""
        key = (count, spread)
        if key not in self._locked:
            repo = self.scratch.repo(f"locked-{count}-{'spread' if spread else 'together'}")
            self.scratch.peer(repo, "init")
            logs.fill(repo, [locked_path(number, spread) for number in range(count)])
            self.scratch.git(repo, "gc", "-q")
            self._locked[key] = repo
        return self._locked[key]

    def end(self) -> None:
        """Remove the scratch folder."""
        shutil.rmtree(self.scratch.folder, ignore_errors=True)


def locked_path(number: int, spread: bool) -> str:
    """The path of lock `number`."""
    return f"src/d{number % FOLDERS:02}/f{number:05}.py" if spread else f"src/d00/f{number:05}.py"
