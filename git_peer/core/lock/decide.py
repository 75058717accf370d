"""How locks are taken, waited for in turn, and given back: the commands, and how each is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.lock import fence as fences
from git_peer.core.lock import landing
from git_peer.core.lock import queue as waits
from git_peer.core.lock import record as locks
from git_peer.core.lock.events import (
    AGENT_CEILING,
    PERSON_CEILING,
    LockBreak,
    LockPreempt,
    LockRelease,
    LockRenew,
    LockTake,
    named,
)
from git_peer.core.lock.record import Lock, Work
from git_peer.core.log.command import Answer, Command, Me, Scene
from git_peer.core.log.state import Record, State
from git_peer.core.log.txn import MAX_BATCH, Txn, too_large, too_new
from git_peer.core.session import expiry, naming
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Spans, Target

AGENT_PRIORITY, PERSON_PRIORITY = 3, 8  # what a lock has unasked: both may be outranked


class Wish(Record, frozen=True, kw_only=True):
    """What `lock` asks for. `blobs`: path → blob at HEAD; `onto`: the integration branch as it is known here."""

    targets: tuple[Target, ...]
    mode: str = "exclusive"
    ttl: int | None = None
    priority: int | None = None
    reason: str | None = None
    task: str | None = None
    preempt: bool = False
    wait: int | None = None  # seconds to wait for it
    blobs: dict[str, str] = msgspec.field(default_factory=dict)
    onto: str = ""


class Take(Command, tag="lock", frozen=True, kw_only=True):
    """Take locks, all or none."""

    wish: Wish

    def decide(self, txn: Txn) -> Answer:
        """The locks, or a place in the queue for them."""
        size = sum(len(target.path) for target in self.wish.targets)
        if size > MAX_BATCH:  # before each of them is looked up
            raise too_large(size)
        place = waits.own(txn.state, txn.session, self.wish.targets, self.wish.mode)
        try:
            grant = judge(txn, self.wish, place)
        except PeerError as why:
            if why.code != "locked" or self.wish.wait is None:
                raise
            return _wait(txn, self.wish, place, why)
        ids = take(txn, grant)
        if place is not None:
            txn.emit(waits.LockUnwait, wait=place.id)
        holder = txn.session.name

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            taken = [locks.by_pointer(after, holder, ident) or locks.by_id(after, ident) for ident in ids]
            views = [locks.describe(after, lock, scene, "") for lock in taken]
            return {"acquired": True, "locks": views}

        return answer


class Unwait(Command, tag="unwait", frozen=True, kw_only=True):
    """Give up one's place in the queue."""

    targets: tuple[Target, ...]
    mode: str

    def decide(self, txn: Txn) -> Answer:
        """Nothing where one has none."""
        session = sessions.find(txn.state, self.me)
        place = waits.own(txn.state, session, self.targets, self.mode) if session is not None else None
        if place is not None:
            txn.emit(waits.LockUnwait, wait=place.id)
        return lambda after, scene: {"waiting": False}


class Release(Command, tag="unlock", frozen=True, kw_only=True):
    """Give locks back: exact targets, ids, or all of one's own. `force` is the reason for breaking another's.

    `pending`: those with `work` that has not landed wait for that, and refuse nobody meanwhile.
    """

    targets: tuple[Target, ...] = ()
    ids: tuple[str, ...] = ()
    all: bool = False
    force: str | None = None
    pending: bool = False
    work: tuple[Work, ...] = ()

    def decide(self, txn: Txn) -> Answer:
        """One's own session need not have started: a person gives back what an agent held, or breaks another's."""
        session = sessions.find(txn.state, self.me)
        chosen = self._chosen(txn.state, session, txn.scene)
        views = [locks.describe(txn.state, lock, txn.scene, "") for lock in chosen]
        if self.pending:
            return self._pend(txn, chosen)
        if chosen:
            release(txn, chosen, self.force)
        return lambda after, scene: {"released": views}

    def _pend(self, txn: Txn, chosen: list[Lock]) -> Answer:
        """What has work that can land waits for that; the others are given back."""
        if txn.state.log.format < landing.LockPend.came:
            raise too_new("pending lock", txn.state.log.format)
        views = {lock.id: locks.describe(txn.state, lock, txn.scene, "") for lock in chosen}
        waits_for = [lock.id for lock in chosen if lock.state == "pending"]  # as before
        held = [lock for lock in chosen if lock.state == "held"]
        done = release(txn, held, work=self.work, hand_over=True) if held else []
        named = [*waits_for, *done]

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            there = [lock for lock in locks.pending(after) if lock.id in named]
            released = [view for ident, view in views.items() if ident not in named]
            return {"released": released, "pending": [locks.describe(after, lock, scene, "") for lock in there]}

        return answer

    def _chosen(self, state: State, session: Session | None, scene: Scene) -> list[Lock]:
        if self.all:
            if session is None:
                return []
            own = [] if self.pending else [one for one in locks.pending(state) if one.sid == session.sid]
            return [*locks.held_by(state, session.name), *own]
        chosen = [locks.by_id(state, ident) for ident in self.ids]
        for target in self.targets:
            there = [lock for lock in locks.near(state, target) if lock.target == target]
            there += [lock for lock in locks.pending_over(state, target) if lock.target == target]
            own = [lock for lock in there if locks.is_ones(state, session, self.me, lock) or lock.sid in scene.left]
            if not there:
                raise _no_such(state, target)
            if not own and self.force is None:
                raise PeerError(
                    "not_yours",
                    f"{targets.show(target)} is locked by {there[0].session}, not by this session",
                    f"ask {there[0].session} to unlock it",
                    lock=locks.describe(state, there[0], scene, ""),
                )
            chosen.extend(own or there)
        return list({lock.id: lock for lock in chosen}.values())


def _no_such(state: State, target: Target) -> PeerError:
    from git_peer.core import near  # only where something is wrong

    over, wanted = [targets.show(lock.target) for lock in locks.overlapping(state, target)][:3], targets.show(target)
    if over:
        hint = f"`unlock` takes exact targets; there is a lock on {', '.join(over)}"
    else:
        held = (targets.show(lock.target) for lock in locks.all_of(state))
        hint = near.hint(wanted, held, "`git peer locks --mine` shows what you hold")
    return PeerError("not_found", f"there is no lock on {wanted}", hint)


# -- taking -------------------------------------------------------------------------------------
class Grant(msgspec.Struct):
    """How a wish is to be granted. Nothing has happened yet."""

    wish: Wish
    ttl: int
    priority: int
    # By id: locks of others that end for it, with the evidence that their lease ran out, or None: it outranks them.
    ends: dict[str, tuple[Lock, Evidence | None]] = msgspec.field(default_factory=dict)
    # For each target one's own lock on it, and that of an agent of one's own that answers for it.
    standing: dict[Target, tuple[Lock | None, Lock | None]] = msgspec.field(default_factory=dict)


def judge(txn: Txn, wish: Wish, place: waits.Wait | None) -> Grant:
    """How `wish` is granted: all of it; PeerError("locked") with `conflicts` where somebody has it, or comes first.

    `place` is what the session has in the queue for it.
    """
    _queue(txn, wish, place)
    state, session, scene = txn.state, txn.session, txn.scene
    person = sessions.is_person(session, txn.me)
    ttl = min(wish.ttl or (scene.ttl_person if person else scene.ttl_agent), scene.ttl_max)
    grant = Grant(wish, ttl, priority_of(wish, session, txn.me))
    conflicts: list[tuple[Target, Lock]] = []
    for target in dict.fromkeys(wish.targets):
        mine, agents = grant.standing[target] = already(state, target, session, txn.me, scene)
        if agents is not None or (mine is not None and wish.mode in (mine.mode, "shared")):
            continue
        for lock in locks.against(state, target, wish.mode, session.sid, locks.seen_with(state, target, scene)):
            evidence = lapse(state, lock, scene)
            if evidence is not None or (wish.preempt and lock.priority < grant.priority):
                grant.ends[lock.id] = lock, evidence
            else:
                conflicts.append((target, lock))
    if conflicts:
        raise locked(state, conflicts, scene)
    return grant


def take(txn: Txn, grant: Grant) -> list[str]:
    """Grant it: the ids of the locks that it comes to. One's own are renewed."""
    ended = [lock for lock, _ in grant.ends.values()]
    for lock, evidence in grant.ends.values():
        end: dict[str, Any] = {"lock": lock.id, "holder": lock.session, "paths": named(lock, ended)}
        if evidence is not None:
            landing.lapsed(txn, lock, evidence, ended)
        else:
            txn.emit(LockPreempt, **end, priority=grant.priority)
    ids = []
    for target, (mine, agents) in grant.standing.items():
        if mine is not None:
            _renew(txn, mine, grant)
            ids.append(mine.id)
        elif agents is not None:
            ids.append(agents.id)
        else:
            ids.append(_take(txn, target, grant))
    return ids


def _take(txn: Txn, target: Target, grant: Grant) -> str:
    for lock in list(locks.pending_over(txn.state, target)):
        if targets.contains(target, lock.target) and locks.is_ones(txn.state, txn.session, txn.me, lock):
            txn.emit(LockRelease, lock=lock.id)  # its work goes on under the new one
    wish, path = grant.wish, target.path if target.kind == "file" else ""
    granted = txn.emit(
        LockTake,
        target=target,
        v=locks.OF_LINES if target.region else 1,
        maps=_maps(txn, target) if target.region else {},
        mode=wish.mode,
        ttl=grant.ttl,
        priority=grant.priority,
        reason=wish.reason or "",
        task=wish.task or "",
        head=txn.me.head,
        blobs={path: wish.blobs[path]} if path in wish.blobs else {},
        onto=wish.onto,
    )
    return granted.id


def _maps(txn: Txn, target: Target) -> dict[str, Spans]:
    """What has come of others' lines of that file on the blob of `target`, as far as that can be told."""
    state, sid = txn.state, txn.session.sid
    others = {lock.id: lock.target for lock in locks.near(state, target) if lock.sid != sid}
    others |= fences.of_lines(state, target)
    found = {ident: targets.carried(one, target, txn.scene.carry) for ident, one in others.items()}
    return {ident: spans for ident, spans in found.items() if spans}


def _renew(txn: Txn, lock: Lock, grant: Grant) -> None:
    def news(given: Any, had: Any) -> Any:
        return given if given is not None and given != had else None

    wish = grant.wish
    txn.emit(
        LockRenew,
        lock=lock.id,
        mode=news(wish.mode, lock.mode),
        ttl=news(grant.ttl if wish.ttl else None, lock.ttl),
        reason=news(wish.reason, lock.reason),
        priority=news(wish.priority, lock.priority),
        task=news(wish.task, lock.task),
    )


def lapse(state: State, lock: Lock, scene: Scene) -> Evidence | None:
    """The evidence by which anyone may end this lock; None while it must be taken for alive."""
    return expiry.evidence(locks.holder_of(state, lock), lock.ttl, scene)


def priority_of(wish: Wish, session: Session, me: Me) -> int:
    """The priority of a wish: what it asks for, within what its kind of session may have."""
    person = sessions.is_person(session, me)
    ceiling = PERSON_CEILING if person else AGENT_CEILING
    if wish.priority is None:
        return PERSON_PRIORITY if person else AGENT_PRIORITY
    if not 0 <= wish.priority <= ceiling:
        message = f"priority {wish.priority} is not yours: at most {ceiling} here"
        raise PeerError("not_allowed", message, f"`--priority` takes 0 to {ceiling}")
    return wish.priority


def already(state: State, target: Target, session: Session, me: Me, scene: Scene) -> tuple[Lock | None, Lock | None]:
    """(one's own lock on this very target, an agent's live lock that a person may answer with)."""
    agents = None
    for lock in locks.near(state, target):
        on = targets.carried(lock.target, target, scene.carry)
        if lock.sid == session.sid:
            if lock.target == target or _goes_on(lock.target, target, on):
                return lock, None
            continue
        holder = locks.holder_of(state, lock)
        if holder is None or lock.mode != "exclusive":
            continue
        if not sessions.owns(session, me, holder) and not sessions.is_elsewhere(me, holder):
            continue
        covers = targets.contains(lock.target, target) or (on is not None and targets.covers(on, target.region))
        if locks.is_live(state, lock, scene) and covers:
            agents = lock
    return None, agents


def _goes_on(mine: Target, target: Target, on: Spans | None) -> bool:
    """Whether one's own lock on lines of an earlier version is on these; `on`: what has come of them."""
    return on is not None and (mine.kind, mine.section) == (target.kind, target.section) and on == target.region


def locked(state: State, conflicts: list[tuple[Target, Lock]], scene: Scene) -> PeerError:
    """The refusal that names what stands in the way."""
    target, lock = conflicts[0]
    view = locks.describe(state, lock, scene, "")
    until = "its lease has run out, and may be taken a little later"
    if view["live"]:
        until = f"lapses {scene.when(locks.ends(state, lock, scene))}"
    where = naming.where(lock.session, view["host"], view["worktree"])
    place = f", at {text.word(where)}" if where else ""
    why = f": {text.quoted(lock.reason)}" if lock.reason else ""
    more = f", and {len(conflicts) - 1} more" if len(conflicts) > 1 else ""
    wanted, taken = targets.show(target), targets.show(lock.target)
    what = f"{lock.mode}, {taken}" if taken != wanted else lock.mode
    hint = f"ask {lock.session}, work on something else, or try again later; `git peer locks` shows what is taken"
    apart = targets.of_one_file(lock.target, target) and lock.target.blob != target.blob
    if apart and targets.carried(lock.target, target, scene.carry) is None:
        hint = (
            f"the lines of {lock.session} are counted on a version that this clone does not have, "
            "so they are the whole file here: `git fetch` it"
        )
    return PeerError(
        "locked",
        f"{wanted} is locked by {lock.session} ({what}, {until}{place}){why}{more}",
        hint,
        acquired=False,
        conflicts=[{"target": targets.show(t), "lock": locks.describe(state, c, scene, "")} for t, c in conflicts],
    )


# -- waiting ------------------------------------------------------------------------------------
def _queue(txn: Txn, wish: Wish, place: waits.Wait | None) -> None:
    """Who asked earlier comes first: PeerError("locked") that names the waiter."""
    state, session, me, scene = txn.state, txn.session, txn.me, txn.scene
    wanted = []
    for target in wish.targets:
        mine, agents = already(state, target, session, me, scene)
        if agents is None and (mine is None or (wish.mode == "exclusive" and mine.mode == "shared")):
            wanted.append(target)
    over = priority_of(wish, session, me) if wish.preempt else None
    turn = place.turn if place is not None else None
    earlier = list(waits.ahead(state, tuple(wanted), wish.mode, session.sid, turn, over, scene))
    if earlier:
        target, first = earlier[0]
        raise PeerError(
            "locked",
            f"{targets.show(target)} is free for {first.session} first, who has been waiting for it",
            "`git peer lock --wait 10m` takes a place in the queue",
            acquired=False,
            conflicts=[
                {"target": targets.show(t), "lock": None, "waiter": w.session, "sid": w.sid} for t, w in earlier
            ],
        )


def _wait(txn: Txn, wish: Wish, place: waits.Wait | None, why: PeerError) -> Answer:
    """A place in the queue, or the news that one still has it."""
    conflicts = why.extra["conflicts"]
    blockers = {conflict["sid"] if conflict.get("lock") is None else conflict["lock"]["sid"] for conflict in conflicts}
    waits.refuse_cycle(txn.state, txn.session, blockers, txn.scene)
    if place is None:
        priority = priority_of(wish, txn.session, txn.me)
        waits.sweep(txn)
        txn.emit(
            waits.LockWait,
            v=locks.OF_LINES if any(target.region for target in wish.targets) else 1,
            targets=wish.targets,
            mode=wish.mode,
            priority=priority,
            patience=wish.wait or 1,
        )
    answer = {"acquired": False, "waiting": True, "conflicts": conflicts, "why": why.message}
    return lambda after, scene: answer


# -- giving back --------------------------------------------------------------------------------
def release(
    txn: Txn, chosen: list[Lock], force: str | None = None, work: Sequence[Work] = (), hand_over: bool = False
) -> list[str]:
    """End the chosen locks: one's own by release, another's by force with its reason, or because its lease ran out.

    With `hand_over` those of one's own that cover some of `work`, or of what is on record, become pending: their ids.
    """
    session = txn.begin()
    handed = []
    for lock in chosen:
        there = locks.by_pointer(txn.state, lock.session, lock.id) or locks.waiting(txn.state, lock.session, lock.id)
        if there is None:
            txn.opens()  # the session's beginning swept it: that it ended was asked for
        elif locks.is_ones(txn.state, session, txn.me, there):
            if hand_over and there.state == "held":
                handed += [lock.id] if landing.hand_over(txn, there, work) else []
            else:
                txn.emit(LockRelease, lock=lock.id, paths=named(lock, chosen))
        elif force is not None:
            sessions.may_force(session, txn.me, txn.scene, "break another's lock")
            txn.emit(LockBreak, lock=lock.id, holder=lock.session, reason=force, paths=named(lock, chosen))
        elif there.state == "pending" or not expire(txn, lock):
            raise PeerError(
                "not_yours",
                f"{targets.show(lock.target)} is locked by {lock.session}, not by {session.name}",
                f"ask {lock.session} to unlock it",
                lock=locks.describe(txn.state, lock, txn.scene, ""),
            )
    return handed


def expire(txn: Txn, lock: Lock) -> bool:
    """End a lock whose lease ran out; whether it did."""
    evidence = lapse(txn.state, lock, txn.scene)
    if evidence is not None:
        landing.lapsed(txn, lock, evidence)
    return evidence is not None
