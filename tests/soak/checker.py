"""Whether a log explains all that its writers were told: the invariants of the design, by number.

1 locks do not overlap, every removal is an event. 2 one parent, heights, no tip leaves the chain. 3 each tree is
what its events make. 4 ids are unique, a command lands once. 5 answers are true. 6 expiries have evidence. 7 tokens.
8 what is tentative is decided. 9 landed code is there. 10 nothing is held for who was told no. "fair": the queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pygit2

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import events as locking
from git_peer.core.lock import landing
from git_peer.core.lock import record as locks
from git_peer.core.lock.landing import RefUpdate
from git_peer.core.target.target import Target, overlap, show
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain
from tests.soak.journal import Asked
from tests.soak.model import Model, Step, Waiting

SECOND = 2.0  # what is lost to clocks of whole seconds
TRUSTED = 302  # seconds by which the clock of one who takes a lapsed lock may be ahead


def check(repository: Path, ref: str, asked: Sequence[Asked]) -> list[str]:
    """Violations in words, each beginning with the number of the invariant; none where the log explains all."""
    chain = Chain(pygit2.Repository(str(repository)))
    tip = str(chain.git.lookup_reference(ref).target)
    model, wrong = Model(), list[str]()
    commits = _walk(chain, tip, wrong)
    for number, commit in enumerate(commits):
        _fold(chain, model, commits[number - 1] if number else None, commit, number + 1, wrong)
    wrong += model.wrong
    told = _Told(chain, model, set(commits), asked)
    return [*wrong, *told.violations()]


def _walk(chain: Chain, tip: str, wrong: list[str]) -> list[str]:
    """The commits of the chain, oldest first."""
    found, at = [], tip
    while at:
        found.append(at)
        parents = chain.git.git_object_lookup_prefix(at).peel(pygit2.Commit).parent_ids
        if len(parents) > 1:
            wrong.append(f"2: {at[:12]} has {len(parents)} parents")
        at = str(parents[0]) if parents else ""
    return found[::-1]


def _fold(chain: Chain, model: Model, parent: str | None, commit: str, height: int, wrong: list[str]) -> None:
    """One commit: replayed by git-peer's own check, and folded into the model."""
    try:
        chain.check(parent, commit)
    except (Malformed, PeerError) as why:
        wrong.append(f"3: {commit[:12]} is not what its events make of its parent: {why}")
    entry = chain.entry(commit)
    if entry.height != height:
        wrong.append(f"2: {commit[:12]} has height {entry.height}, not {height}")
    for index, event in enumerate(entry.events):
        model.apply(Step(event, commit, height, index))
    there = {lock.id: lock for lock in locks.all_of(chain.state(commit))}
    if there.keys() != model.held.keys():
        odd = sorted(there.keys() ^ model.held.keys())
        wrong.append(f"1: in {commit[:12]} locks came or went without an event: {odd}")
    both = [(there[ident], model.held[ident]) for ident in sorted(there.keys() & model.held.keys())]
    wrong.extend(
        f"7: {show(lock.target)} has token {lock.token}, not {held.token}"
        for lock, held in both
        if lock.token != held.token
    )


def _patience(one: Asked) -> float:
    """The seconds of --wait."""
    return float(one.argv[one.argv.index("--wait") + 1].rstrip("s"))


class _Told:
    """What the writers were told, against the chain."""

    def __init__(self, chain: Chain, model: Model, commits: set[str], asked: Sequence[Asked]) -> None:
        self.chain, self.model, self.commits, self.asked = chain, model, commits, asked
        self.by_ident = {one.ident: one for one in asked}

    def violations(self) -> Iterable[str]:
        """All of them."""
        for one in self.asked:
            if one.tip and one.tip not in self.commits:
                yield f"2: the tip {one.tip[:12]} that {one.clone} had verified has left the chain ({one})"
            for commit in sorted(self.commits.intersection(one.tentative)):
                yield f"8: the tentative commit {commit[:12]} of {one.clone} reached the remote undecided"
            if one.status not in (None, 0, 1, 3):
                yield f"5: {one} is no answer for a sound clone: {one.answer.get('error')}"
            if one.kind == "lock":
                yield from self._offline(one) if "--offline" in one.argv else self._lock(one)
            elif one.kind == "unlock" and one.status == 0:
                yield from self._unlocked(one)
            elif one.kind == "push":
                yield from self._pushed(one)
        yield from self._tokens()
        yield from self._expiries()
        yield from self._overtaken()
        yield from self._code()

    # -- locks ------------------------------------------------------------------------------------
    def _lock(self, one: Asked) -> Iterable[str]:
        granted = [step for step in self.model.by_reason.get(one.ident, ()) if isinstance(step.event, locking.LockTake)]
        targets = [step.event.target for step in granted if isinstance(step.event, locking.LockTake)]
        if len({step.commit for step in granted}) > 1 or len(set(targets)) < len(targets):
            yield f"4: {one} landed {len(granted)} times"
        if one.status == 1 and granted:
            yield f"5: {one} has a grant in {granted[0].commit[:12]}"
        if one.status == 3:
            if granted and one.code != "unknown":
                yield f"5: {one} has a grant in {granted[0].commit[:12]}"
            if any(step.event.id in self.model.held for step in granted):
                yield f"10: {one}: it is held still, for nobody"
        for view in one.answer.get("locks", ()) if one.status == 0 else ():
            step = self.model.taken.get(view["id"])
            if step is None:
                yield f"5: {one} has no grant in the chain"
            elif step.order != view["token"]:
                yield f"7: {one} was told token {view['token']}, and it is {step.order}"
            elif view["id"] in self.model.released and not self._gave_back(one, view["target"]):
                yield f"5: {one}: it was given back unasked"

    def _gave_back(self, one: Asked, target: str) -> bool:
        """Whether its session asked for a release of `target` after it was granted."""
        later = (other for other in self.asked if other.session == one.session and other.begin >= one.begin)
        ends = (other for other in later if other.kind in ("unlock", "push", "session"))
        return any(other.kind != "unlock" or {"--all", target}.intersection(other.argv) for other in ends)

    def _unlocked(self, one: Asked) -> Iterable[str]:
        for view in one.answer.get("released", ()):
            if view["token"] and (view["id"] in self.model.held or view["id"] not in self.model.taken):
                yield f"5: {one}: {view['target']} was not released"

    def _tokens(self) -> Iterable[str]:
        """What was told, in the order of the chain."""
        told: list[tuple[int, int, Target]] = []
        seen: dict[int, str] = {}
        for one in self.asked:
            for view in one.answer.get("locks", ()) if one.status == 0 and one.kind == "lock" else ():
                step = self.model.taken.get(view["id"])
                if step is None or not isinstance(step.event, locking.LockTake) or view["token"] is None:
                    continue
                if seen.setdefault(view["token"], view["id"]) != view["id"]:
                    yield f"7: token {view['token']} was told twice, to {one} too"
                told.append((step.order, view["token"], step.event.target))
        told.sort(key=lambda row: row[0])
        for number, (order, token, target) in enumerate(told):
            for before, other, over in told[max(0, number - 50) : number]:
                if before < order and other >= token and overlap(over, target):
                    yield f"7: {show(target)}: token {token} came after {other}"

    # -- time -------------------------------------------------------------------------------------
    def _asked_for(self, step: Step) -> Asked | None:
        """The command behind an event: that of a grant in its commit, to the same session."""
        for steps in self.model.by_reason.values():
            for other in steps:
                if other.commit == step.commit and other.event.sid == step.event.sid:
                    found = self.by_ident.get(getattr(other.event, "reason", ""))
                    if found is not None:
                        return found
        return None

    def _expiries(self) -> Iterable[str]:
        """By the machine's own clock, which all workers share whatever they believe."""
        for step, lock in self.model.expired:
            event, taker, owner = step.event, self._asked_for(step), self.by_ident.get(lock.reason)
            assert isinstance(event, locking.LockExpire)
            if taker is None or owner is None or taker.end is None or event.evidence.how == "gone":
                continue
            # Whoever combined lent them its clock: how far it was ahead is to be seen in the event.
            ahead = max(0.0, event.at - taker.end) if event.evidence.how == "wall" else 0.0
            behind = event.evidence.how == "wall" and event.evidence.at < owner.begin - SECOND
            if behind:
                continue  # a clock that is behind holds nothing
            if taker.end - owner.begin + (ahead if ahead <= TRUSTED else 0.0) + SECOND < lock.ttl:
                yield (
                    f"6: {lock.session} lost {show(lock.target)} to {event.by} after at most "
                    f"{taker.end - owner.begin:.1f} s of {lock.ttl} ({event.evidence.how}, a clock {ahead:.0f} s ahead)"
                )

    def _overtaken(self) -> Iterable[str]:
        """By the machine's own clock: no wrong one gets its session past who waits and is within its time."""
        for step, wait in self.model.overtaken:
            one, waiter = self._asked_for(step), self._waiter(wait)
            if one is None or one.end is None or "--preempt" in one.argv or waiter is None:
                continue
            if waiter.offset < 0:
                continue  # a clock that is behind holds nothing
            if one.end <= waiter.begin + _patience(waiter) - SECOND:
                yield f"fair: {one} overtook {waiter}"

    def _waiter(self, wait: Waiting) -> Asked | None:
        """The command behind a place in the queue."""
        asks = [one for one in self.asked if one.session == wait.session and "--wait" in one.argv]
        found = [one for one in asks if 0 <= wait.at - one.offset - one.begin + SECOND <= _patience(one) + SECOND]
        return found[-1] if found else None

    # -- tentative --------------------------------------------------------------------------------
    def _offline(self, one: Asked) -> Iterable[str]:
        if one.status != 0 or one.answer.get("guarantee") != "tentative" or self.model.by_reason.get(one.ident):
            return
        later = [other for other in self.asked if other.begin >= one.begin and other.clone == one.clone]
        targets = {view["target"] for view in one.answer["locks"]}
        for other in later:
            lost = other.answer.get("lost", ()) if other.kind == "sync" else ()
            if any(loss["session"] == one.session and targets <= set(loss["command"].split(" ")[1:]) for loss in lost):
                return
            # A push arbitrates too, and tells its own story: who lost by it learns that from the next answer.
            notices = other.answer.get("notices", ()) if other.session == one.session else ()
            if targets <= {notice["target"] for notice in notices if notice["code"] == "lost"}:
                return
            ended = other.session == one.session and other.kind in ("unlock", "session")
            if ended and (other.status is None or {"--all", "end", *targets}.intersection(other.argv)):
                return
            again = other.session == one.session and other is not one and "--offline" in other.argv
            if again and other.status == 0 and {view["target"] for view in other.answer["locks"]} >= targets:
                return  # the later word for the same lock stands for both
        yield f"8: {one}: it neither landed nor was its loss named"

    # -- code -------------------------------------------------------------------------------------
    def _pushed(self, one: Asked) -> Iterable[str]:
        lands = [step.event for step in self.model.landed if isinstance(step.event, landing.PushLand)]
        mine = [land for land in lands if any(update.new == one.head for update in land.refs)]
        if one.status == 0 and one.answer.get("pushed") and not mine:
            yield f"5: {one} has no landing in the chain"
        if one.status == 1 and mine:
            yield f"5: {one} landed all the same"
        if len(mine) > 1:
            yield f"4: {one} landed {len(mine)} times"

    def _code(self) -> Iterable[str]:
        for step in self.model.landed:
            assert isinstance(step.event, landing.PushLand)
            for update in step.event.refs:
                if update.new and not self._has(update):
                    yield f"9: {step.event.by} landed {update.new[:12]}, and {update.ref} does not have it"

    def _has(self, update: RefUpdate) -> bool:
        tip = refs.read(self.chain.git, update.ref)
        return tip is not None and self.chain.descends(tip, update.new)
