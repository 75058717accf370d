"""The transaction: decide on the verified tip, record the attempt, publish, and only then report.

Its three ends: lost the race (decide again), lost the answer (settle it), rejected (say so).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.log import record as log
from git_peer.core.log.command import Command, Outcome, Scene
from git_peer.core.log.state import State
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.publish import attempts, inbox, snapshot
from git_peer.publish.attempts import Attempt
from git_peer.publish.snapshot import Snapshot, World
from git_peer.store.clone import held as holdings
from git_peer.store.clone import times, told
from git_peer.store.clone.clone import LAST, Clone
from git_peer.store.git import durable, refs
from git_peer.store.git.chain import Chain, Problem
from git_peer.store.git.libgit2 import GitError
from git_peer.store.git.objects import Missing

if TYPE_CHECKING:  # with it comes what starts processes, which local mode does without
    from git_peer.store.clone.arrivals import Arrivals
    from git_peer.store.git.remote import Pushed, Remote

# A refusal of these kinds does not depend on how fresh the state is.
FINAL = frozenset({"usage", "invalid", "not_allowed", "unsupported", "not_set_up", "untrusted", "newer_format"})

_LAST_LOOK = 1.0  # seconds that the fetch after an unanswered push has at least: "unknown" costs its user more


def is_final(refusal: PeerError) -> bool:
    """Whether a refusal would be the same on any state."""
    return refusal.code in FINAL and not refusal.stateful


Publish = Callable[[str, "str | None", float], "Pushed"]
Decide = Callable[[State, Scene, bool], Outcome]  # the bool: the state was fetched by this command


def receive(
    chain: Chain, remote: Remote, old: str | None, timeout: float
) -> tuple[str | None, list[str] | None, list[Problem]]:
    """Fetch the log: (where it stands, the commits since `old` or None where it does not descend, what is wrong)."""
    for whole in (False, True):
        new = remote.fetch(timeout, whole)
        if new is None or new == old:
            break
        try:
            arrived = chain.path(old, new)
            return new, arrived, chain.verify(old, arrived) if arrived is not None else []
        except Missing:
            if whole:
                raise
    return new, [], []


class Undelivered(PeerError):
    """A member of a batch could not be left its answer: the attempt stays on record, by which it gets it later."""


def _silent(what: str) -> None:
    """Nobody is told."""


class Options(NamedTuple):
    """How an engine goes about it. Times are in seconds."""

    patience: float  # how long it tries
    staleness: float  # how long what it fetched counts as fresh
    waits: Callable[[str], None] = _silent  # told what a command waits for
    moves: bool = False  # whether it is the one that moves the log to a remote
    defers: bool = False  # whether a face calls told() just before it reports; else an answer counts as told at once
    steady: bool = False  # whether one look at the tip serves until this engine moves it: for who answers once and ends


class Engine:
    """Publishes transactions of one clone. `remote` None: local mode. All calls stand under the kernel lock."""

    def __init__(self, chain: Chain, clone: Clone, remote: Remote | None, world: World, options: Options) -> None:
        self.chain = chain
        self.clone = clone
        self.remote = remote
        self.world = world
        self.options = options
        self.fetched = 0  # commits that came in
        self._at: Snapshot | None = None  # the last look
        self._sent = 0.0  # when the last push began
        self._telling: list[Callable[[], None]] = []

    @property
    def patience(self) -> float:
        """Seconds for which it tries."""
        return self.options.patience

    def follow(self, remote: Remote) -> None:
        """The log has moved to a remote: publish there from now on."""
        self.remote = remote

    @property
    def attempts(self) -> Any:
        """Where attempts are recorded."""
        return self.clone.folder / layout.D_ATTEMPTS

    @staticmethod
    def _jitter() -> float:
        from random import random  # who has lost a race has the time

        return random()  # noqa: S311 - spreads retries, guards nothing

    def _back_off(self, turn: int, longest: float = 1.0) -> None:
        from git_peer.store.git.remote import backoff

        backoff(turn, self._jitter(), longest)

    # -- the tip ----------------------------------------------------------------------------------
    def tip(self) -> str:
        """The verified tip; PeerError where the log is gone."""
        tip = self.chain.tip
        if tip is None:
            raise PeerError(
                "untrusted", f"the log is gone here: {layout.TIP} is missing", "`git peer doctor --fix` brings it back"
            )
        if self._at is not None and self._at.tip != tip:
            self._at = None  # somebody else moved it
        return tip

    def look(self) -> Snapshot:
        """What the log stands on; a steady engine looks once, and again when something may have moved."""
        if self._at is None or not self.options.steady:
            tip = self.tip()  # forgets the last look where the tip has moved
            at = self._at
            self._at = (
                self._look_at(tip) if at is None else snapshot.seen_anew(self.clone, self.world, at, self.clone.seen)
            )
        return self._at

    @property
    def state(self) -> State:
        """The state at the tip; it is not to be changed."""
        if self._at is None or not self.options.steady:
            tip = self.tip()
            if self._at is None:
                self._at = self._look_at(tip)
        return self._at.state

    def look_again(self) -> None:
        """Something may have moved the tip meanwhile."""
        self._at = None

    def _look_at(self, tip: str) -> Snapshot:
        return snapshot.look(self.clone, self.world, tip, self.chain.state(tip))

    def advance(self, timeout: float) -> bool:
        """Fetch and verify what the remote has; True where the tip moved.

        Raises PeerError: unreachable, untrusted (rolled back, rewritten or malformed), newer_format.
        """
        assert self.remote is not None
        self._remember()
        old, began = self.tip(), time.time()
        try:
            new, arrived, problems = receive(self.chain, self.remote, old, timeout)
        except PeerError as why:
            if why.extra.get("verified", old) != old:
                self.move(why.extra["verified"], old)
            raise
        self.clone.fetched(began, self.options.staleness)
        if new == old:
            return False
        from git_peer.publish import loss  # only where a remote was asked

        wrong = loss.astray(self.chain, self.remote, old, new)
        if wrong is not None:
            raise wrong
        assert new is not None
        assert arrived is not None
        if problems:
            raise loss.poisoned(problems[0])
        self.move(new, old)
        self.fetched += len(arrived)
        return True

    def move(self, new: str, old: str | None) -> None:
        """Pin a verified tip."""
        self._saw(self._pin(new, old))

    def _pin(self, new: str, old: str | None) -> Snapshot:
        """Move the tip; what it stands on then, for another process may have moved it further."""
        before = self._at
        self._at = None
        try:
            self.clone.move_tip(self.chain.git, new, old)
        except refs.Lost:
            tip = self.tip()
            if not self.chain.descends(tip, new):
                raise PeerError("busy", "another process moved the log's tip", "try again") from None
            return self._look_at(tip)
        if before is not None and before.tip == old:
            return snapshot.after(self.clone, self.world, before, new, self.chain.state(new))
        return self._look_at(new)

    def _saw(self, at: Snapshot) -> None:
        """Note what there is to be seen at the tip, and stand there."""
        since = str(at.seen.get(LAST, {}).get("tip", ""))

        @cache
        def came() -> Arrivals:
            from git_peer.store.clone import arrivals  # most commits take nothing from anybody

            return arrivals.of(self.chain, self.clone.ident, since, at.tip)

        near = self.chain.parent(at.tip) == since  # one commit, of one's own most often
        if not near or told.WRITING.search(self.chain.message(at.tip)):
            told.deliver(self.clone.folder, came().letters)
        seen = self.clone.saw(at.tip, at.state, at.sessions, at.seen, lambda: came().ends)
        self._at = snapshot.seen_anew(self.clone, self.world, at, seen)

    def _remember(self) -> None:
        """After a new start of the machine: what its sessions hold may not have reached the disk, and is in the log."""
        at = self.look()
        if self.clone.is_new_boot(at.seen):
            holdings.restore(self.chain, self.clone, at.tip)
            self._saw(at)

    # -- one transaction --------------------------------------------------------------------------
    def transact(self, command: Command, publish: Publish | None = None) -> dict[str, Any]:
        """Decide and publish `command`; its answer, or PeerError. `publish` replaces the plain push of the log."""
        return self.attempt(lambda state, scene, fresh: commands.decide(state, command, scene), publish)

    def attempt(self, decide: Decide, publish: Publish | None = None) -> dict[str, Any]:
        """Decide on the tip and publish, again and again until it has an end or patience runs out."""
        deadline = time.monotonic() + self.patience
        self._remember()
        mine: list[Attempt] = []
        fresh = self.remote is None
        try:
            for turn in range(1 << 30):
                at = self.look()
                self._stays(at.state)
                try:
                    outcome = decide(State(at.state), at.scene, fresh)
                except PeerError as refusal:
                    if fresh or is_final(refusal):
                        landed = self.settle(mine, deadline)
                        if landed is not None:
                            return self._won(mine, landed, None)
                        raise
                    self.refresh(refusal, deadline)
                    fresh = True
                    continue
                if not outcome.events and outcome.stateful and not fresh:
                    self.refresh(PeerError("changed", "there is nothing to do"), deadline)
                    fresh = True
                    continue
                if not outcome.events:
                    known = outcome.answer(at.state, at.scene)
                    self._deliver(known)
                    return known
                answer = self._try(outcome, at, publish, deadline, mine, turn)
                if answer is not None:
                    return answer
                fresh = True
                if time.monotonic() > deadline:
                    raise self._out_of_time(mine)
            raise AssertionError("unreachable")
        except (PeerError, OSError, GitError) as why:
            sent = [attempt for attempt in mine if attempt.handle >= 0]
            if sent and not isinstance(why, Undelivered):
                unknown = self._out_of_time(sent, str(why))  # whoever shares the batch is told no grant either
                if not isinstance(why, PeerError) or why.status == 1:
                    raise unknown from why  # it may have landed: "no" would not be true
            raise
        finally:
            for attempt in mine:
                attempt.leave()

    def _stays(self, state: State) -> None:
        """PeerError("busy") with `moved` where another command is moving, or has moved, this local log to a remote."""
        if self.remote is None and state.log.mode != "local" and not self.options.moves:
            raise PeerError("busy", "the log has just moved to a remote", "run it again", moved=True)

    def refresh(self, refusal: PeerError, deadline: float) -> None:
        """A refusal counts only on a tip that this command has fetched."""
        try:
            self.advance(deadline - time.monotonic())
        except PeerError as why:
            if why.code != "unreachable":
                raise
            raise PeerError(why.code, f"{why.message}; by the local copy, {refusal.message}", why.hint) from None
        self.look_again()  # where the tip has not moved, time has

    def _try(
        self, outcome: Outcome, at: Snapshot, publish: Publish | None, deadline: float, mine: list[Attempt], turn: int
    ) -> dict[str, Any] | None:
        """One publish: the answer, or None to decide again."""
        candidate = tip = at.tip
        for part in fold.split(outcome.events) if outcome.large else [outcome.events]:
            candidate = self.chain.append(candidate, part, times.now())
        after = snapshot.after(self.clone, self.world, at, candidate, self.chain.state(candidate))
        answer = outcome.answer(after.state, after.scene)
        attempt = attempts.start(self.attempts, candidate, tip, answer)
        mine.append(attempt)
        if self.remote is None:
            try:
                self.clone.move_tip(self.chain.git, candidate, tip)
            except refs.Lost:
                self._at = None
                self._closed(mine, attempt)
                return None
            except PeerError:
                if self.tip() == tip:
                    self._closed(mine, attempt)  # nothing was moved
                raise
            return self._won(mine, attempt, after)
        attempt.keep()
        push, began, self._sent = publish or self.remote.push, time.monotonic(), time.time()
        try:
            pushed = push(candidate, tip, deadline - time.monotonic())
        except PeerError:  # it refused before anything was sent
            self._closed(mine, attempt)
            landed = self.settle(mine, deadline)
            if landed is not None:
                return self._won(mine, landed, None)
            raise
        if pushed.end == "ok":
            return self._won(mine, attempt, after, tip)
        if pushed.end == "unreachable":
            self._closed(mine, attempt)  # nothing was sent
            if mine:
                raise self._out_of_time(mine)
            raise PeerError(
                "unreachable",
                f"cannot reach {self.remote.name}: {pushed.text}",
                "check the network and try again",
            )
        if pushed.end == "rejected":
            self._let_others_by(turn, time.monotonic() - began, deadline)
        self._look(attempt, pushed, deadline, mine)
        for sent in mine:
            if self.chain.descends(self.tip(), sent.candidate):
                return self._won(mine, sent, None)
        if pushed.end in ("rejected", "denied"):
            self._closed(mine, attempt)
            if self.tip() == tip:
                raise self._rejected(pushed)
        return None

    def _let_others_by(self, turn: int, took: float, deadline: float) -> None:
        """Wait after a lost race, up to twice as long each time. `took`: seconds that the push took.

        Before the fetch, not after it: the next push then goes out while what it stands on is new. The first loss
        is most often that of an old copy, not a race.
        """
        assert self.remote is not None
        self.options.waits(f"for {self.remote.name}: others are writing too (try {turn + 2})")
        longest = took * 2 ** min(turn, 3) if turn else 0.0
        time.sleep(max(0.0, min(longest * self._jitter(), deadline - time.monotonic())))

    def _look(self, attempt: Attempt, pushed: Pushed, deadline: float, mine: list[Attempt]) -> None:
        """Fetch after a push that was not plainly ok: whatever the text says, a moved tip means a lost race."""
        for turn in range(1 << 30):
            try:
                self.advance(max(deadline - time.monotonic(), _LAST_LOOK))
                return
            except PeerError as why:
                if why.code != "unreachable":
                    raise
                if pushed.end in ("rejected", "denied"):
                    self._closed(mine, attempt)
                    raise
                if time.monotonic() > deadline:
                    raise self._out_of_time(mine) from None
                self._back_off(min(turn, 6))
        raise AssertionError("unreachable")

    def _won(
        self, mine: list[Attempt], winner: Attempt, after: Snapshot | None, pushed_on: str | None = None
    ) -> dict[str, Any]:
        """Note what was won, and leave its answers. `after`: the log with it; `pushed_on`: where the pin still is."""
        # Memory first: what is remembered as held and is gone would read as lost.
        holdings.published(self.chain, self.clone, winner.base, winner.candidate)
        if pushed_on is not None:
            self.move(winner.candidate, pushed_on)
            self.clone.fetched(self._sent, self.options.staleness)
        elif after is not None:
            self._saw(after)
        self._deliver(winner.answer)  # before the attempt is forgotten: by it others find out who was not told
        for attempt in mine:
            self.when_told(attempt.close)
        mine.clear()
        durable.tidy(self.chain.git)
        return winner.answer

    def when_told(self, end: Callable[[], None]) -> None:
        """Have `end` called when the answer goes out. Who is killed before that was not told, and keeps nothing."""
        self._telling.append(end)
        if not self.options.defers:
            self.told()

    def told(self) -> None:
        """The answers of this engine go out now."""
        while self._telling:
            self._telling.pop(0)()

    def _deliver(self, answer: dict[str, Any]) -> None:
        """Leave those who wait in the inbox their part of a batch's answer."""
        folder = self.clone.folder / layout.D_INBOX
        batch = answer.get("batch", {}).items()
        try:
            inbox.give_answers(folder, {ident: part for ident, part in batch if inbox.is_known(folder, ident)})
        except PeerError as why:
            raise Undelivered("unknown", why.message, why.hint) from why

    @staticmethod
    def _closed(mine: list[Attempt], attempt: Attempt) -> None:
        attempt.close()
        mine.remove(attempt)

    def _rejected(self, pushed: Pushed) -> PeerError:
        assert self.remote is not None
        return PeerError(
            "rejected",
            f"{self.remote.name} refused the push to {self.remote.branch}: {pushed.text}",
            "may you push that branch there? protect it against deletion and force only, or choose another "
            "with `git peer init --branch NAME`",
        )

    def _out_of_time(
        self, mine: list[Attempt], why: str = "the remote did not say, and cannot be asked now"
    ) -> PeerError:
        if mine:
            for attempt in mine:
                attempt.nobody_told()
            return PeerError(
                "unknown",
                f"whether this was done is not known: {why}",
                "run any git-peer command later: it settles this, and gives back what you were not told of",
            )
        return PeerError("busy", f"lost the race for the log for {self.patience:.0f} s", "try again")

    # -- settling ---------------------------------------------------------------------------------
    def settle(self, mine: Sequence[Attempt], deadline: float) -> Attempt | None:
        """Before a refusal is told: no attempt of this command may still land. A void commit takes its place.

        The attempt that landed before the void could is left open and returned: it is no refusal then.
        """
        said = ""
        for attempt in list(mine):
            for turn in range(1 << 30):
                if attempt.base != self.tip() or time.monotonic() > deadline:
                    break
                if turn:  # a server that takes nothing now is not asked at full speed until time is up
                    self._back_off(turn, max(0.0, min(8.0, (deadline - time.monotonic()) / 2)))
                void = self.chain.append(self.tip(), [self._void(attempt)], times.now())
                assert self.remote is not None
                pushed = self.remote.push(void, attempt.base, deadline - time.monotonic())
                if pushed.end == "ok":
                    self.move(void, attempt.base)
                else:
                    said = pushed.text
                    self.advance(deadline - time.monotonic())
            if attempt.base == self.tip():
                raise self._out_of_time(list(mine), *([said] if said else []))
            if self.chain.descends(self.tip(), attempt.candidate):
                return attempt
            attempt.close()
        return None

    def _void(self, attempt: Attempt) -> log.LogVoid:
        return log.LogVoid(
            id=self.world.scene.ident(),
            at=times.now(),
            by="git-peer",
            settles=attempt.candidate,
        )
