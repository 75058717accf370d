"""Merge points: sessions say that they stand on the integration head; the last one closes the phase."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock.events import LockRelease, named
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State
from git_peer.core.log.txn import Txn
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import events as tasking
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import members, unfinished, waiting_for, workers
from git_peer.core.plan.task.claim import its_locks
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence


class PhaseSync(plan.PhaseEvent, tag="phase.sync", frozen=True, kw_only=True):
    """The session stands on the integration head `head`."""

    example = {"phase": "p", "head": "1a"}
    does = "stands on the head of phase"

    head: str

    def apply(self, state: State, height: int, index: int) -> None:
        """Kept with the phase until it closes."""
        sessions.touch(state, self, height)
        phase = plan.phase_of(state, self.phase)
        if phase.status != "open" or not self.head:
            raise Malformed(f"phase {self.phase} is {phase.status}")
        plan.change(state, msgspec.structs.replace(phase, synced={**phase.synced, self.by: self.head}))

    def says(self) -> str:
        return f"stands on the head of phase {self.phase}, {self.head[:12]}"


class PhaseClose(plan.PhaseEvent, tag="phase.close", frozen=True, kw_only=True):
    """A merge point: every task is accepted, and who works there stands on `head`, or is dead, by this evidence."""

    example = {"phase": "p", "head": "1a"}
    does = "closed phase"

    head: str
    dead: dict[str, Evidence] = msgspec.field(default_factory=dict)

    def apply(self, state: State, height: int, index: int) -> None:
        """Tasks are done, their contracts locked, the next phase opens."""
        phase = plan.phase_of(state, self.phase)
        among = members(state, phase)
        if phase.status != "open" or unfinished(among):
            raise Malformed(f"phase {self.phase} is not at its merge point")
        for name in workers(among):
            if name in self.dead:
                worker = sessions.get(state, name)
                expiry.check(self.dead[name], worker, worker.ttl if worker else 0, self, state)
            elif phase.synced.get(name) != self.head:
                raise Malformed(f"{name} does not stand on {self.head[:12]}")
        sessions.touch(state, self, height)
        for task in among:
            if task.status == "merge_point":
                move = tasking.TaskMove(id=self.id, at=self.at, by=self.by, sid=self.sid, task=task.id, status="done")
                move.apply(state, height, index)
            for name in (*task.provides, *task.uses):
                contracts.lock(state, name)
        there = plan.get(state)
        closed = msgspec.structs.replace(phase, status="closed", head=self.head, synced={})
        phases = tuple(closed if other.id == phase.id else other for other in there.phases)
        plan.put(state, msgspec.structs.replace(there, phases=plan.opened_next(phases)))

    def says(self) -> str:
        return f"closed phase {self.phase} on {self.head[:12]}"


class PhaseDrop(plan.PhaseEvent, tag="phase.drop", frozen=True, kw_only=True):
    """A phase without tasks goes; where it was the open one, the next opens."""

    part = ""
    example = {"phase": "p"}

    def apply(self, state: State, height: int, index: int) -> None:
        """Only where nothing is in it."""
        sessions.touch(state, self, height)
        plan.phase_of(state, self.phase)
        if any(task.phase == self.phase for task in tasks.all_of(state)):
            raise Malformed(f"phase {self.phase} has tasks")
        there = plan.get(state)
        left = tuple(phase for phase in there.phases if phase.id != self.phase)
        plan.put(state, msgspec.structs.replace(there, phases=plan.opened_next(left)))

    def says(self) -> str:
        return f"dropped phase {self.phase}"


class Sync(Command, tag="phase-sync", frozen=True, kw_only=True):
    """This session stands on the integration head `head`; no phase: the one that is open."""

    stateful = True

    head: str
    phase: str = ""

    def decide(self, txn: Txn) -> Answer:
        """The word of one, and the closing of the phase where it was the last."""
        session = txn.session
        phase = _phase(txn.state, self.phase)
        if phase.synced.get(session.name) != self.head:
            txn.emit(PhaseSync, phase=phase.id, head=self.head)
            phase = plan.phase_of(txn.state, phase.id)
        dead = self._dead(txn, phase)
        if dead is not None:
            txn.emit(PhaseClose, phase=phase.id, head=self.head, dead=dead)
            _free(txn)

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            there = plan.phase_of(after, phase.id)
            waits = waiting_for(after, there, self.head, scene) if there.status == "open" else None
            opens = next((other.id for other in plan.get(after).phases if other.status == "open"), None)
            return {
                "phase": there.id,
                "status": there.status,
                "closed": there.status == "closed",
                "head": self.head,
                "waiting_for": waits,
                "open": opens,
            }

        return answer

    def _dead(self, txn: Txn, phase: Phase) -> dict[str, Evidence] | None:
        """Who is dead of those that work in the phase; None while it waits for a task, or for one of them.

        An empty phase closes only when it is named.
        """
        among = members(txn.state, phase)
        if unfinished(among) or not (among or self.phase):
            return None
        dead: dict[str, Evidence] = {}
        for name in workers(among):
            if phase.synced.get(name) == self.head:
                continue
            worker = sessions.get(txn.state, name)
            proof = expiry.evidence(worker, worker.ttl if worker else 0, txn.scene)
            if proof is None:
                return None
            dead[name] = proof
        return dead


def _phase(state: State, text: str) -> Phase:
    there = plan.get(state)
    if text:
        phase = plan.find_phase(there, text)
    else:
        opened = next((other for other in there.phases if other.status == "open"), None)
        if opened is None:
            why = "every phase is closed" if there.phases else "the plan has no phases"
            raise PeerError("not_found", f"no phase is open: {why}", "`git peer phase list`")
        phase = opened
    if phase.status != "open":
        raise PeerError("invalid", f"phase {phase.id} is {phase.status}, not open", "`git peer phase list`")
    return phase


def _free(txn: Txn) -> None:
    """End the locks of the tasks that the closing made done; two of them may share one."""
    done = [task for task in tasks.all_of(txn.state) if task.status == "done" and task.assignee]
    freed = {lock.id: lock for task in done for lock in its_locks(txn.state, task)}
    for lock in freed.values():
        txn.emit(LockRelease, lock=lock.id, paths=named(lock, freed.values()))
