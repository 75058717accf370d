"""Merging: a session says that it stands on the integration head; the last one closes the phase. Command, decide()."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.lock.events import LockRelease
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State
from git_peer.core.log.txn import Txn
from git_peer.core.plan import phases
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.claim import its_locks
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.expiry import Evidence


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
            txn.emit(phases.PhaseSync, phase=phase.id, head=self.head)
            phase = plan.phase_of(txn.state, phase.id)
        dead = self._dead(txn, phase)
        if dead is not None:
            txn.emit(phases.PhaseClose, phase=phase.id, head=self.head, dead=dead)
            _free(txn)

        def answer(after: State, scene: Scene) -> dict[str, Any]:
            there = plan.phase_of(after, phase.id)
            waits = phases.waiting_for(after, there, self.head, scene) if there.status == "open" else None
            opens = next((one.id for one in plan.get(after).phases if one.status == "open"), None)
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
        among = phases.members(txn.state, phase)
        if phases.unfinished(among) or not (among or self.phase):
            return None
        dead: dict[str, Evidence] = {}
        for name in phases.workers(among):
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
        found = next((one for one in there.phases if one.status == "open"), None)
        if found is None:
            what = "every phase is closed" if there.phases else "the plan has no phases"
            raise PeerError("not_found", f"no phase is open: {what}", "`git peer phase list`")
        phase = found
    if phase.status != "open":
        raise PeerError("invalid", f"phase {phase.id} is {phase.status}, not open", "`git peer phase list`")
    return phase


def _free(txn: Txn) -> None:
    """End the locks of the tasks that the closing made done; two of them may share one."""
    done = [task for task in tasks.all_of(txn.state) if task.status == "done" and task.assignee]
    for ident in dict.fromkeys(lock.id for task in done for lock in its_locks(txn.state, task)):
        txn.emit(LockRelease, lock=ident)
