"""Big logs, made in process through the store's public pieces: thousands of locks in seconds."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import Option

from git_peer import layout
from git_peer.core.lock.events import LockRelease, LockTake
from git_peer.core.log.state import Event
from git_peer.core.session.record import SessionStart
from git_peer.core.target import target as targets
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain

HOLDERS = 20  # sessions of other clones, which share the locks evenly
_BATCH = 1000  # lock.take events in a commit
_STANDING = 50  # locks that stand in a log of single steps
_TTL = 86400


class Writer:
    """Appends to the log of a repository that `git peer init` has set up, in the name of other clones' sessions."""

    def __init__(self, repo: Path) -> None:
        self.git = pygit2.Repository(str(repo))
        pygit2.option(Option.ENABLE_FSYNC_GITDIR, False)  # nobody is told of this; it may be lost
        self.chain = Chain(self.git)
        self.start = self.tip = str(self.chain.tip)
        self.now = int(time.time())
        self.sids = {f"holder-{number}": secrets.token_hex(8) for number in range(HOLDERS)}
        names = list(self.sids)
        self.append(
            [SessionStart(**self.envelope(name), clone=f"clone-of-{name}", host="far", ttl=_TTL) for name in names]
        )

    def envelope(self, name: str) -> dict[str, Any]:
        """What every event of that session carries."""
        return {"id": secrets.token_hex(8), "at": self.now, "by": name, "sid": self.sids[name]}

    def append(self, events: Sequence[Event]) -> None:
        """One more commit."""
        self.tip = self.chain.append(self.tip, events, self.now)

    def take(self, number: int, path: str) -> LockTake:
        """The grant of `path` to one of the sessions."""
        by = self.envelope(f"holder-{number % HOLDERS}")
        return LockTake(**by, target=targets.of_path("file", path), mode="exclusive", ttl=_TTL, priority=5)

    def release(self, taken: LockTake) -> LockRelease:
        """Its end."""
        return LockRelease(**self.envelope(taken.by), lock=taken.id)

    def publish(self) -> None:
        """Move the log's ref to what was appended."""
        refs.swap(self.git, layout.TIP, self.tip, self.start)


def fill(repo: Path, paths: Sequence[str]) -> None:
    """Lock each path, all by others."""
    writer = Writer(repo)
    takes = [writer.take(number, path) for number, path in enumerate(paths)]
    for first in range(0, len(takes), _BATCH):
        writer.append(takes[first : first + _BATCH])
    writer.publish()


def lengthen(repo: Path, commits: int) -> None:
    """Append so many commits: locks come and go one at a time, a few dozen stand."""
    writer = Writer(repo)
    standing: list[LockTake] = []
    for number in range(commits - 1):
        if len(standing) > _STANDING:
            writer.append([writer.release(standing.pop(0))])
        else:
            standing.append(writer.take(number, f"src/d{number % 25:02}/f{number}.py"))
            writer.append([standing[-1]])
    writer.publish()
