"""Faults, and mutants of the engine: what a worker switches on by name, in its own process only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import decide as taking
from git_peer.core.lock import events as locking
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import LockExpire, LockTake
from git_peer.core.log import command
from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.session import clock as clocks
from git_peer.core.session.expiry import Evidence
from git_peer.core.target import lines as ranges
from git_peer.ops import sync as tentative
from git_peer.ops.peer import Peer
from git_peer.publish import attempts, combine, recovery
from git_peer.store import files
from git_peer.store.clone.clone import Clone
from git_peer.store.git import chain, refs, remote
from git_peer.store.git.objects import TreeWriter
from tests.faults import worker as forked


# -- faults: an honest engine bears them ------------------------------------------------------------
def _deaf() -> None:
    """A push takes effect, its answer is lost, and from then on nothing can be asked."""
    push, fetch = remote.Remote.push, remote.Remote.fetch

    def lost(self: remote.Remote, *args: Any, **given: Any) -> remote.Pushed:
        push(self, *args, **given)
        return remote.Pushed("unknown", "cut")

    def cut(self: remote.Remote, timeout: float, whole: bool = False) -> str | None:
        if self.pushes:
            raise PeerError("unreachable", "cut")
        return fetch(self, timeout, whole)

    remote.Remote.push = lost  # type: ignore[method-assign]
    remote.Remote.fetch = cut  # type: ignore[method-assign]


def _mumbling() -> None:
    """A push takes effect and its answer is lost; a fetch tells."""
    real = remote.Remote.push

    def push(self: remote.Remote, *args: Any, **given: Any) -> remote.Pushed:
        real(self, *args, **given)
        return remote.Pushed("unknown", "cut")

    remote.Remote.push = push  # type: ignore[method-assign]


def _dies_waiting() -> None:
    """The process is killed as soon as it has its place in the queue."""

    def wait(self: Peer, wish: Any, answer: Any, end: float) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    Peer._wait = wait  # type: ignore[method-assign]


def _overtaken() -> None:
    """Between its first decision and the publication all of another's command passes."""
    real = attempts.start

    def start(folder: Path, candidate: str, base: str | None, answer: dict[str, Any]) -> attempts.Attempt:
        attempt = real(folder, candidate, base, answer)
        Path("../decided").touch()
        await_file(Path("../overtaken"))
        return attempt

    attempts.start = start


def await_file(path: Path) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)


# -- mutants ----------------------------------------------------------------------------------------
def _overlap() -> None:
    def against(*_: Any) -> tuple[()]:
        return ()

    locks.against = against  # type: ignore[assignment]


def _neighbours() -> None:
    """Lines that stand next to each other are granted to two."""
    ranges.touch = ranges.overlap


def _expires_the_living() -> None:
    """A lie that the log alone cannot show: it says to have watched for long enough."""

    def lapse(state: State, lock: locks.Lock, scene: Scene) -> Evidence | None:
        session = locks.holder_of(state, lock)
        assert session is not None
        return Evidence(how="watch", height=session.height, at=session.at, watched=lock.ttl + 1)

    taking.lapse = lapse


def _believes_its_clock() -> None:
    """It asks neither the others' clocks nor the monotonic one."""
    clocks.Clock.is_trusted = True  # type: ignore[method-assign,assignment]
    clocks.Clock.longest = lambda self, session: None  # type: ignore[method-assign]


def _old_evidence() -> None:
    """It goes by when the lock was taken, whatever its holder said since; and checks nothing on applying."""

    def lapse(state: State, lock: locks.Lock, scene: Scene) -> Evidence | None:
        return Evidence(how="wall", height=lock.token >> locks.TOKEN_SHIFT, at=lock.at)

    def apply(self: LockExpire, state: State, height: int, index: int) -> None:
        locking._lose(state, self, locking.find(state, self.holder, self.lock), height)

    taking.lapse = lapse
    LockExpire.apply = apply  # type: ignore[method-assign]


def _tokens_begin_anew() -> None:
    real = LockTake.apply

    def apply(self: LockTake, state: State, height: int, index: int) -> None:
        real(self, state, height, index)
        lock = locks.by_pointer(state, self.by, self.id)
        assert lock is not None
        state.put(locks.place(lock.id, lock.target), msgspec.structs.replace(lock, token=index + 1))

    LockTake.apply = apply  # type: ignore[method-assign]


def _no_attempt() -> None:
    """Nothing is on record before the push."""

    def start(folder: Path, candidate: str, base: str | None, answer: dict[str, Any]) -> attempts.Attempt:
        return attempts.Attempt(folder / candidate, candidate, base, answer)

    attempts.start = start


def _keeps() -> None:
    """What nobody was told of is not given back."""
    recovery.give_back = lambda engine, granted: None


def _twice() -> None:
    """Every command of a batch is decided twice, as if it had not been seen."""
    real = combine._batch

    def batch(state: State, scene: Scene, fresh: bool, members: Any) -> command.Outcome:
        return real(state, scene, fresh, [*members, *members])

    combine._batch = batch
    taking.already = lambda *_: (None, None)


def _undecided() -> None:
    """Sync pushes a session's tentative commit as it is."""

    def sync(peer: Peer) -> dict[str, Any]:
        assert peer.remote is not None
        for sid in peer.clone.tentative():
            commit = refs.read(peer.repo.git, layout.TENTATIVE + sid)
            assert commit is not None
            peer.remote.push(commit, peer.engine.tip(), 10)
            tentative._remove(peer, peer.clone.folder / layout.D_TENTATIVE / f"{sid}.json")
        return {"fetched": 0, "pushed": 1, "landed": [], "lost": []}

    tentative.sync = sync


def _mum() -> None:
    """Sync and the notices keep losses to themselves."""
    real = tentative.sync

    def sync(peer: Peer) -> dict[str, Any]:
        done = real(peer)
        tentative._name(peer, done["lost"])
        return {**done, "lost": []}

    tentative.sync = sync
    Clone.lost = lambda *_: None  # type: ignore[method-assign]


def _forged() -> None:
    """Its trees hold what no event made."""
    real = TreeWriter.build

    def build(self: TreeWriter, base: str | None, changes: Any) -> str:
        return real(self, base, {**changes, "deltas/forged.json": b"{}\n"})

    TreeWriter.build = build  # type: ignore[method-assign]


def _credulous() -> None:
    """What arrives is not verified."""
    chain.Chain.verify = lambda self, base, commits: []  # type: ignore[method-assign]


def _no_queue() -> None:
    taking._queue = lambda *_: None


def _waits_by_the_clock() -> None:
    """Whether a wait is over is asked of the wall clock alone."""

    def is_live(state: State, wait: waits.Wait, scene: Scene) -> bool:
        return scene.now <= wait.at + wait.patience + scene.skew

    waits.is_live = is_live


def _says_no() -> None:
    """The answer to a grant is a refusal."""

    def opened(sealed: dict[str, Any]) -> dict[str, Any]:
        if sealed.get("answer", {}).get("locks"):
            raise PeerError("locked", "no", conflicts=[])
        return real(sealed)

    real = combine._opened
    combine._opened = opened


def _skips_heights() -> None:
    real = chain.Chain.height_after
    chain.Chain.height_after = lambda self, base, events: real(self, base, events) + 1  # type: ignore[method-assign]


def _no_code() -> None:
    """The log's half of a push is published, the code's is not."""
    real = remote.Remote.push

    def push(self: remote.Remote, candidate: str, base: str | None, timeout: float, *_: Any) -> remote.Pushed:
        return real(self, candidate, base, timeout)

    remote.Remote.push = push  # type: ignore[method-assign, assignment]


def _gives_back_the_told() -> None:
    """Every grant is taken for one that nobody was told of."""
    real = attempts.Attempt.close

    def close(self: attempts.Attempt) -> None:
        if self.handle < 0:
            return
        kept = files.read_json(self.path)
        real(self)
        files.write_json(self.path, {**kept, "answer": {}})

    attempts.Attempt.close = close  # type: ignore[method-assign]


WEAK: dict[str, Callable[[], None]] = {
    **forked._WEAK,
    "deaf": _deaf,
    "mumbling": _mumbling,
    "dies waiting": _dies_waiting,
    "overtaken": _overtaken,
    "overlap": _overlap,
    "neighbours": _neighbours,
    "expires the living": _expires_the_living,
    "believes its clock": _believes_its_clock,
    "old evidence": _old_evidence,
    "tokens begin anew": _tokens_begin_anew,
    "no attempt": _no_attempt,
    "keeps": _keeps,
    "twice": _twice,
    "undecided": _undecided,
    "mum": _mum,
    "forged": _forged,
    "credulous": _credulous,
    "no queue": _no_queue,
    "says no": _says_no,
    "waits by the clock": _waits_by_the_clock,
    "skips heights": _skips_heights,
    "no code": _no_code,
    "gives back the told": _gives_back_the_told,
}
