"""A log in memory on which commands are decided and folded, for the tests of the rules."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import pytest

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock.decide import Wish
from git_peer.core.log import record as log
from git_peer.core.log.command import Command, Me, Scene
from git_peer.core.log.state import DictReader, Event, State, encode
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.core.target import lines as ranges
from git_peer.core.target import target as targets


class Bench:
    """A log in memory: commands are decided and folded, one commit each, with a clock that the test moves."""

    def __init__(self, format: int = layout.FORMAT) -> None:  # noqa: A002 - the log's word
        self.blobs: dict[str, bytes] = {}
        self.height = 0
        self.now = 1_000_000
        self._ids = count(1)
        self.trusted = True
        self.files: dict[str, bytes] = {}  # what the repository has by way of blobs
        root = log.LogCreate(
            id=self.ident(), at=self.now, by="git-peer", log="L", format=format, mode="local", readme="r"
        )
        self.fold([root])

    def ident(self) -> str:
        return f"{next(self._ids):016x}"

    @property
    def state(self) -> State:
        return State(DictReader(self.blobs))

    @property
    def scene(self) -> Scene:
        return Scene(
            now=self.now,
            ident=self.ident,
            clock_trusted=self.trusted,
            height=self.height + 1,
            carry=lambda old, new, spans: ranges.carried(self.files.get(old), self.files.get(new), spans),
        )

    def fold(self, events: list[Event]) -> None:
        for event in events:  # emit() takes fields by name: here each is shown to be of its type
            assert fold.parse(encode(event)) == event
        state = self.state
        fold.apply(state, events, self.height + 1)
        self.height += 1
        for path, raw in state.changes.items():
            if raw is None:
                self.blobs.pop(path, None)
            else:
                self.blobs[path] = raw

    def do(self, command: Command) -> dict[str, Any]:
        outcome = commands.decide(self.state, command, self.scene)
        if outcome.events:
            self.fold(outcome.events)
        return outcome.answer(self.state, self.scene)

    def lock(self, me: Me, *paths: str, **wish: Any) -> list[dict[str, Any]]:
        wanted = tuple(targets.parse(path, "", lambda _: "") for path in paths)
        found: list[dict[str, Any]] = self.do(taking.Take(me=me, wish=Wish(targets=wanted, **wish)))["locks"]
        return found

    def unlock(self, me: Me, path: str, force: str | None = None) -> None:
        self.do(commands.Release(me=me, targets=(targets.parse(path, "", lambda _: ""),), force=force))


def agent(name: str, clone: str = "c1", gitdir: str = "") -> Me:
    return Me(name=name, agent="claude", clone=clone, gitdir=gitdir, host="h", worktree="w")


def person(clone: str = "c1", gitdir: str = "") -> Me:
    return Me(name=None, agent="", clone=clone, gitdir=gitdir, host="h", user="u", worktree="w")


def example(kind: type[Event]) -> Event:
    """The event that a kind gives as its example."""
    return msgspec.convert({"kind": kind.kind(), "id": "i", "at": 1, "by": "a", "sid": "s", **kind.example}, kind)


A, B = agent("a"), agent("b", "c2")


def refused(code: str) -> Any:
    return pytest.raises(PeerError, check=lambda why: isinstance(why, PeerError) and why.code == code)
