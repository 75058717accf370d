"""The log about itself: how it begins, where it lives, and how it recovers."""

from __future__ import annotations

import re

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed
from git_peer.core.log.state import Event, Log, State
from git_peer.core.session import record as sessions

MODES = ("local", "moving", "remote")
_ID = re.compile("[0-9A-Za-z._-]{1,64}")


def is_log_id(text: str) -> bool:
    """Whether `text` may be a log's id: part of a ref."""
    return _ID.fullmatch(text) is not None and ".." not in text and text[0] != "." and not text.endswith((".", ".lock"))


class LogCreate(Event, tag="log.create", frozen=True, kw_only=True):
    """The first event of a log: its id, its format, and the text of its README."""

    log: str
    format: int
    mode: str
    integration: str = ""
    folds: bool = False
    readme: str = ""


class LogMode(Event, tag="log.mode", frozen=True, kw_only=True):
    """Where the log lives: `moving` announces a publication, `remote` or `local` ends it."""

    mode: str


class LogFolds(Event, tag="log.folds", frozen=True, kw_only=True):
    """A clone joined whose file system folds case: from here on such paths conflict."""


class LogIntegration(Event, tag="log.integration", frozen=True, kw_only=True):
    """The integration branch, as the remote's HEAD names it."""

    branch: str


class LogFormat(Event, tag="log.format", frozen=True, kw_only=True):
    """From here on the log has a newer format: a release that does not know it reads on, and writes no more."""

    format: int


class LogVoid(Event, tag="log.void", frozen=True, kw_only=True):
    """Nothing: it stands on a base so that nothing else can, and so settles a publish whose answer was lost."""

    settles: str = ""


class LogRepair(Event, tag="log.repair", frozen=True, kw_only=True):
    """The tree goes on from commit `good`; the commits in `voids`, which no honest software wrote, are void."""

    good: str
    voids: tuple[str, ...]


def apply_create(state: State, event: LogCreate, height: int, index: int) -> None:
    """Only at the root."""
    if height != 1 or index != 0 or event.mode not in MODES:
        raise Malformed("log.create belongs at the root of a log")
    state.set_log(
        Log(
            format=event.format,
            id=event.log,
            mode=event.mode,
            height=height,
            integration=event.integration,
            folds=event.folds,
        )
    )
    state.write(layout.T_README, event.readme.encode())


def apply_mode(state: State, event: LogMode, height: int, index: int) -> None:
    """local → moving → remote, or back."""
    moves = {("local", "moving"), ("moving", "local"), ("moving", "remote")}
    if (state.log.mode, event.mode) not in moves:
        raise Malformed(f"a log cannot go from {state.log.mode} to {event.mode}")
    state.set_log(msgspec.structs.replace(state.log, mode=event.mode))


def apply_folds(state: State, event: LogFolds, height: int, index: int) -> None:
    """Never taken back."""
    state.set_log(msgspec.structs.replace(state.log, folds=True))


def apply_integration(state: State, event: LogIntegration, height: int, index: int) -> None:
    """Recorded, for apply() reads no remote."""
    state.set_log(msgspec.structs.replace(state.log, integration=event.branch))


def apply_format(state: State, event: LogFormat, height: int, index: int) -> None:
    """Upwards only, a step at a time, and by the log's own: so that no number at random stops every writer."""
    if event.format != state.log.format + 1 or event.sid:
        raise Malformed(f"a log of format {state.log.format} cannot go to {event.format}")
    state.set_log(msgspec.structs.replace(state.log, format=event.format))


def apply_void(state: State, event: LogVoid, height: int, index: int) -> None:
    """A sign of life where a session wrote it."""
    if event.sid:
        sessions.touch(state, event, height)


def apply_repair(state: State, event: LogRepair, height: int, index: int) -> None:
    """The store checks `good` and `voids` against the chain; the tree stays the good one's."""
    if index != 0 or not event.voids:
        raise Malformed("log.repair stands first in its commit and voids something")
