"""The log about itself: how it begins, where it lives, and how it recovers."""

from __future__ import annotations

import re

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, Log, State
from git_peer.core.session import record as sessions

MODES = ("local", "moving", "remote")
_ID = re.compile("[0-9A-Za-z._-]{1,64}")


def is_log_id(name: str) -> bool:
    """Whether `name` may be a log's id: part of a ref."""
    return _ID.fullmatch(name) is not None and ".." not in name and name[0] != "." and not name.endswith((".", ".lock"))


class LogCreate(Event, tag="log.create", frozen=True, kw_only=True):
    """The first event of a log: its id, its format, and the text of its README."""

    example = {"log": "L", "format": 1, "mode": "local"}

    log: str
    format: int
    mode: str
    integration: str = ""
    folds: bool = False
    readme: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """Only at the root."""
        if height != 1 or index != 0 or self.mode not in MODES:
            raise Malformed("log.create belongs at the root of a log")
        state.set_log(
            Log(
                format=self.format,
                id=self.log,
                mode=self.mode,
                height=height,
                integration=self.integration,
                folds=self.folds,
            )
        )
        state.write(layout.T_README, self.readme.encode())

    def says(self) -> str:
        return f"began the log {self.log}"


class LogMode(Event, tag="log.mode", frozen=True, kw_only=True):
    """Where the log lives: `moving` announces a publication, `remote` or `local` ends it."""

    example = {"mode": "moving"}

    mode: str

    def apply(self, state: State, height: int, index: int) -> None:
        """local → moving → remote, or back."""
        moves = {("local", "moving"), ("moving", "local"), ("moving", "remote")}
        if (state.log.mode, self.mode) not in moves:
            raise Malformed(f"a log cannot go from {state.log.mode} to {self.mode}")
        state.set_log(msgspec.structs.replace(state.log, mode=self.mode))

    def says(self) -> str:
        does = {"moving": "began to move the log to a remote", "remote": "moved the log to a remote"}
        return does.get(self.mode, "keeps the log in one clone")


class LogFolds(Event, tag="log.folds", frozen=True, kw_only=True):
    """A clone joined whose file system folds case: from here on such paths conflict."""

    def apply(self, state: State, height: int, index: int) -> None:
        """Never taken back."""
        state.set_log(msgspec.structs.replace(state.log, folds=True))

    def says(self) -> str:
        return "noted that a clone's file system folds case: such paths conflict from here on"


class LogIntegration(Event, tag="log.integration", frozen=True, kw_only=True):
    """The integration branch, as the remote's HEAD names it."""

    example = {"branch": "main"}

    branch: str

    def apply(self, state: State, height: int, index: int) -> None:
        """Recorded, for apply() reads no remote."""
        state.set_log(msgspec.structs.replace(state.log, integration=self.branch))

    def says(self) -> str:
        return f"noted that work lands on {self.branch}"


class LogFormat(Event, tag="log.format", frozen=True, kw_only=True):
    """From here on the log has a newer format: a release that does not know it reads on, and writes no more."""

    example = {"format": 2}

    format: int

    def apply(self, state: State, height: int, index: int) -> None:
        """Upwards only, a step at a time, and by the log's own: so that no number at random stops every writer."""
        if self.format != state.log.format + 1 or self.sid:
            raise Malformed(f"a log of format {state.log.format} cannot go to {self.format}")
        state.set_log(msgspec.structs.replace(state.log, format=self.format))

    def says(self) -> str:
        return f"moved the log to format {self.format}"


class LogVoid(Event, tag="log.void", frozen=True, kw_only=True):
    """Nothing: it stands on a base so that nothing else can, and so settles a publish whose answer was lost."""

    settles: str = ""

    def apply(self, state: State, height: int, index: int) -> None:
        """A sign of life where a session wrote it."""
        if self.sid:
            sessions.touch(state, self, height)

    def says(self) -> str:
        return "settled a push whose answer was lost"


class LogRepair(Event, tag="log.repair", frozen=True, kw_only=True):
    """The tree goes on from commit `good`; the commits in `voids`, which no honest software wrote, are void."""

    example = {"good": "1a", "voids": ["2b"]}

    good: str
    voids: tuple[str, ...]

    def apply(self, state: State, height: int, index: int) -> None:
        """The store checks `good` and `voids` against the chain; the tree stays the good one's."""
        if index != 0 or not self.voids:
            raise Malformed("log.repair stands first in its commit and voids something")

    def says(self) -> str:
        return f"repaired the log: went on from {self.good[:12]}, {text.count(len(self.voids), 'commit')} void"
