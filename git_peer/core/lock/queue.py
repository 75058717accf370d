"""Waiting: first asked, first served, across machines. The queue is in the log; who is dead or late does not block."""

from __future__ import annotations

from collections.abc import Iterator

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Scene
from git_peer.core.log.state import Event, Record, State, decode
from git_peer.core.log.txn import Txn
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

AGING = 60  # seconds of waiting that weigh as much as one step of priority: preemption starves nobody


class Wait(Record, frozen=True, kw_only=True):
    """waits/<id>.json: a session waits for targets for at most `patience` seconds from `at`."""

    id: str
    targets: tuple[Target, ...]
    mode: str
    sid: str
    session: str
    priority: int
    patience: int
    at: int
    turn: int  # height and index of the asking: the order of the queue


class LockWait(Event, tag="lock.wait", frozen=True, kw_only=True):
    """A session takes its place in the queue; the event's id is the wait's."""

    example = {
        "targets": [{"kind": "file", "path": "f"}],
        "mode": "exclusive",
        "priority": 5,
        "patience": 9,
    }

    targets: tuple[Target, ...]
    mode: str
    priority: int
    patience: int

    @classmethod
    def newest(cls) -> int:
        """That of a wait for lines: it compares them."""
        return locks.OF_LINES

    def apply(self, state: State, height: int, index: int) -> None:
        """A place in the queue."""
        sessions.acting(state, self)
        for target in self.targets:
            targets.check(target)
        if not self.targets or self.patience <= 0 or self.mode not in locks.MODES:
            raise Malformed("a wait needs targets, a mode and a time")
        wait = Wait(
            id=self.id,
            targets=self.targets,
            mode=self.mode,
            sid=self.sid,
            session=self.by,
            priority=self.priority,
            patience=self.patience,
            at=self.at,
            turn=(height << locks.TOKEN_SHIFT) + index,
        )
        state.put(place(self.id), wait)
        sessions.touch(state, self, height)

    def says(self) -> str:
        return f"waits for {', '.join(map(targets.show, self.targets))}"


class LockUnwait(Event, tag="lock.unwait", frozen=True, kw_only=True):
    """A wait is over: served, given up, or, of another, past its time."""

    example = {"wait": "w"}

    wait: str

    def apply(self, state: State, height: int, index: int) -> None:
        """One's own, or one that is over by the event's own clock."""
        wait = state.get(place(self.wait), Wait)
        if wait is None:
            raise Malformed(f"there is no wait {self.wait}")
        if wait.sid != self.sid and not _is_over(state, wait, self.at):
            raise Malformed(f"{wait.session} still waits")
        state.delete(place(self.wait))
        sessions.touch(state, self, height)

    def says(self) -> str:
        return f"left the queue (wait {self.wait[:8]})"


def place(ident: str) -> str:
    """The tree path of a wait's record."""
    return f"{layout.T_WAITS}/{ident}.json"


def all_of(state: State) -> list[Wait]:
    """Every wait, first asked first."""
    waits = [decode(raw, Wait) for _, raw in state.walk(layout.T_WAITS)]
    return sorted(waits, key=lambda wait: wait.turn)


def is_live(state: State, wait: Wait, scene: Scene) -> bool:
    """Whether the wait counts: until it is proved, as a lock's expiry must be, that it or its session is past its time.

    A clock alone that was set forward gets nobody past those who wait.
    """
    session = sessions.get(state, wait.session)
    if session is None or session.sid != wait.sid or expiry.evidence(session, session.ttl, scene) is not None:
        return False
    if session.height == wait.turn >> locks.TOKEN_SHIFT:  # silent since it asked
        return expiry.evidence(session, wait.patience, scene) is None
    return not (scene.clock_trusted and not session.skewed and scene.now > wait.at + wait.patience + scene.skew)


def own(state: State, session: Session, wanted: tuple[Target, ...], mode: str) -> Wait | None:
    """The place that the session has in the queue for just this."""
    mine = (wait for wait in all_of(state) if wait.sid == session.sid)
    return next((wait for wait in mine if wait.targets == wanted and wait.mode == mode), None)


def _weight(wait: Wait, scene: Scene) -> int:
    return wait.priority + max(0, scene.now - wait.at, scene.watched.get(wait.sid, 0)) // AGING


def ahead(
    state: State, wanted: tuple[Target, ...], mode: str, sid: str, turn: int | None, over: int | None, scene: Scene
) -> Iterator[tuple[Target, Wait]]:
    """Others who asked before `turn` (None: now) for what cannot be had together with `wanted`.

    `over` is the priority of one who preempts: those who weigh less do not stand before it.
    """
    folds = state.log.folds
    for wait in all_of(state):
        earlier = wait.sid != sid and (turn is None or wait.turn < turn) and "exclusive" in (mode, wait.mode)
        if not earlier or not is_live(state, wait, scene) or (over is not None and _weight(wait, scene) < over):
            continue
        for target in wanted:
            if any(
                targets.meet(other, target, targets.carried(other, target, scene.carry), folds)
                for other in wait.targets
            ):
                yield target, wait
                break


def cycle(state: State, session: Session, blockers: set[str], scene: Scene) -> list[str]:
    """The names around the circle that waiting for `blockers` (sids) would close; [] where there is none."""
    waiting = [wait for wait in all_of(state) if is_live(state, wait, scene)]
    names = {s.sid: s.name for s in sessions.all_of(state)}

    def next_of(sid: str) -> set[str]:
        before: set[str] = set()
        for wait in waiting:
            if wait.sid == sid:
                for target in wait.targets:
                    before |= {
                        k.sid
                        for k in locks.against(state, target, wait.mode, sid, locks.seen_with(state, target, scene))
                        if locks.is_live(state, k, scene)
                    }
                before |= {w.sid for _, w in ahead(state, wait.targets, wait.mode, sid, wait.turn, None, scene)}
        return before

    trail: dict[str, str] = dict.fromkeys(blockers, session.sid)
    todo = list(blockers)
    while todo:
        sid = todo.pop()
        for further in next_of(sid):
            if further == session.sid:
                path = [sid]
                while path[-1] != session.sid:
                    path.append(trail[path[-1]])
                return [names.get(sid, sid) for sid in [session.sid, *path]][::-1]
            if further not in trail:
                trail[further] = sid
                todo.append(further)
    return []


def refuse_cycle(state: State, session: Session, blockers: set[str], scene: Scene) -> None:
    """PeerError("cycle") where waiting would go round in a circle."""
    names = cycle(state, session, blockers, scene)
    if names:
        round_ = " waits for ".join(names)
        raise PeerError("cycle", f"waiting would never end: {round_}", "unlock what the others wait for", cycle=names)


def sweep(txn: Txn) -> None:
    """Whoever asks takes waits out of the queue that are past their time, where everybody can check that."""
    for wait in all_of(txn.state):
        if not is_live(txn.state, wait, txn.scene) and _is_over(txn.state, wait, txn.scene.now):
            txn.emit(LockUnwait, wait=wait.id)


def _is_over(state: State, wait: Wait, now: int) -> bool:
    session = sessions.get(state, wait.session)
    return session is None or session.sid != wait.sid or now > wait.at + wait.patience
