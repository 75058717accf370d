"""What has come of the lines of one blob in another, by what this repository has."""

from __future__ import annotations

from git_peer.core.target import lines as ranges
from git_peer.store.git import libgit2
from git_peer.store.git.libgit2 import GitError, Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git_peer.core.target.lines import Spans

LARGEST = 16 << 20  # bytes of a file whose lines are compared


class Lines:
    """The blobs of one repository, each read once."""

    def __init__(self, git: Repository) -> None:
        self._git = git
        self._known: dict[str, bytes | None] = {}

    def read(self, blob: str) -> bytes | None:
        """The content of a blob; None where it is not here, is none, or is too large to be compared."""
        if blob not in self._known:
            try:
                found = libgit2.raw(self._git, blob)
            except (KeyError, ValueError, GitError):
                found = None
            self._known[blob] = found if found is not None and len(found) <= LARGEST else None
        return self._known[blob]

    def carry(self, old: str, new: str, spans: Spans) -> Spans | None:
        """What has come in blob `new` of lines of blob `old`: a target.Carry."""
        return ranges.carried(self.read(old), self.read(new), spans)
