"""What the design says of plans, as plainly as it can be put: the model that the state machine is held against.

Every rule is written from the design, none from the code. `say` of a session's word answers whether it is granted, and
does to the model what it does to the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

SKEW = 60
WORKED_ON = ("in_progress", "review", "merge_point")
Run = tuple[str, int]  # a session's name, and which of its runs


class No(Exception):
    """It is refused."""


def need(condition: object) -> None:
    """Refused unless that holds."""
    if not condition:
        raise No


@dataclass
class Session:
    """A run of a session that has started and not ended."""

    run: Run
    ttl: int
    heard: int


@dataclass
class Task:
    """A task; `worker` is who has it, `kept` for whom it is kept while it is to do."""

    ident: str
    after: tuple[str, ...] = ()
    parent: str = ""
    phase: str = ""
    paths: tuple[str, ...] = ()
    accept: str = ""
    priority: int = 5
    status: str = "todo"
    worker: Run | None = None
    kept: str = ""
    workers: set[str] = field(default_factory=set)
    commit: str = ""
    result: tuple[str, bool] | None = None


@dataclass
class Phase:
    """A phase; `synced`: who stands on what."""

    name: str
    status: str = "pending"
    synced: dict[str, str] = field(default_factory=dict)


@dataclass
class Contract:
    """A contract."""

    version: int = 1
    locked: bool = False
    approved: set[str] = field(default_factory=set)


@dataclass
class Model:
    """The plan, who is there, and the locks that were taken for tasks: path → (its holder, the task)."""

    now: int
    runs: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    contracts: dict[str, Contract] = field(default_factory=dict)
    uses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    locks: dict[str, tuple[Run, str]] = field(default_factory=dict)

    # -- sessions ---------------------------------------------------------------------------------
    def begin(self, name: str, ttl: int, again: bool = False) -> None:
        """A session starts with its first word; another run of a name does not have what the one before had."""
        if name in self.sessions and not again:
            return
        for task in self.tasks.values():
            if task.status == "in_progress" and task.worker is not None and task.worker[0] == name:
                self.free(task)
        self.locks = {path: held for path, held in self.locks.items() if held[0][0] != name}
        self.runs += 1
        self.sessions[name] = Session((name, self.runs), ttl, self.now)

    def heard(self, name: str) -> None:
        """A word renews the lease."""
        if name in self.sessions:
            self.sessions[name].heard = self.now

    def end(self, name: str) -> None:
        """What it works on is there for others."""
        self.begin(name, 1, again=True)
        del self.sessions[name]

    def is_there(self, run: Run | None) -> bool:
        """Whether that very run has not ended."""
        return run is not None and run[0] in self.sessions and self.sessions[run[0]].run == run

    def is_dead(self, run: Run | None) -> bool:
        """Whether others may take what it has."""
        if run is None or not self.is_there(run):
            return True
        session = self.sessions[run[0]]
        return self.now > session.heard + session.ttl + SKEW

    def is_live(self, name: str) -> bool:
        """Whether its lease runs."""
        session = self.sessions.get(name)
        return session is not None and self.now <= session.heard + session.ttl

    def owns(self, name: str, task: Task) -> bool:
        """Whether the session that bears the name now is the one that has the task."""
        return task.worker is not None and task.worker[0] == name and self.is_there(task.worker)

    # -- families ---------------------------------------------------------------------------------
    def below(self, task: Task) -> list[Task]:
        """Subtasks; dropped ones are none."""
        return [one for one in self.tasks.values() if one.parent == task.ident and one.status != "dropped"]

    def above(self, task: Task) -> Iterator[Task]:
        """The task and its ancestors."""
        yield task
        while task.parent:
            task = self.tasks[task.parent]
            yield task

    def settle(self, had: set[str]) -> None:
        """Parents are what their subtasks are; `had`: who had some before."""
        for _ in self.tasks:
            for task in self.tasks.values():
                below = self.below(task)
                if task.status == "dropped":
                    continue
                if below:
                    task.status = "done" if all(one.status == "done" for one in below) else "in_progress"
                    task.worker, task.kept = None, ""
                elif task.ident in had:
                    task.status = "todo"

    def parents(self) -> set[str]:
        """Who has subtasks."""
        return {task.ident for task in self.tasks.values() if self.below(task)}

    def adopt(self, name: str, task: Task) -> None:
        """May it become a subtask of its parent?"""
        if task.parent:
            parent = self.tasks[task.parent]
            need(parent.status != "dropped")
            if not self.below(parent):
                need(parent.status not in ("done", "review", "merge_point"))
                need(not self.is_there(parent.worker) or self.owns(name, parent))

    # -- what waits for what ----------------------------------------------------------------------
    def consistent(self) -> None:
        """No cycle, nothing that waits for a later phase, no parent in another phase."""
        order = {phase.name: at for at, phase in enumerate(self.phases)}
        last = len(order)
        for task in self.tasks.values():
            need(not task.parent or self.tasks[task.parent].phase == task.phase)
            own = order.get(task.phase, last)
            need(all(order.get(self.tasks[one].phase, -1) <= own for one in task.after))
        before: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for task in self.tasks.values():
            before["begin", task.ident] = {("end", one) for one in task.after}
            if task.parent:
                before["begin", task.ident].add(("begin", task.parent))
            before["end", task.ident] = {("begin", task.ident), *(("end", one.ident) for one in self.below(task))}
        while free := [node for node, wanted in before.items() if not wanted]:
            for node in free:
                del before[node]
            for wanted in before.values():
                wanted.difference_update(free)
        need(not before)

    def waits(self, task: Task) -> bool:
        """Whether it cannot be begun yet."""
        open_ones = {phase.name for phase in self.phases if phase.status == "open"}
        if task.phase and task.phase not in open_ones:
            return True
        return any(self.tasks[dep].status != "done" for one in self.above(task) for dep in one.after)

    def is_ready(self, task: Task) -> bool:
        """Whether somebody could begin it."""
        there = task.status == "todo" or (task.status == "in_progress" and self.is_dead(task.worker))
        return there and not self.below(task) and not self.waits(task)

    def is_for(self, name: str, task: Task) -> bool:
        """Whether a task is not kept for another that is there, or is to come."""
        other = task.kept if task.status == "todo" else ""
        return other in ("", name) or (other in self.sessions and not self.is_live(other))

    def ready(self) -> list[str]:
        """What could be begun, in order."""
        order = {phase.name: at for at, phase in enumerate(self.phases)}
        found = [task for task in self.tasks.values() if self.is_ready(task)]
        return [one.ident for one in sorted(found, key=lambda one: (-one.priority, order.get(one.phase, -1)))]

    # -- words ------------------------------------------------------------------------------------
    def add(self, name: str, task: Task) -> None:
        if task.parent and not task.phase:
            task.phase = self.tasks[task.parent].phase
        need(all(phase.status != "closed" for phase in self.phases if phase.name == task.phase))
        self.adopt(name, task)
        had = self.parents()
        self.tasks[task.ident] = task
        self.consistent()
        self.settle(had)

    def depend(self, task: Task, after: tuple[str, ...]) -> None:
        task.after = after
        self.consistent()

    def acceptance(self, name: str, task: Task, accept: str) -> None:
        need(name not in task.workers and task.status not in ("merge_point", "done"))
        task.accept, task.result = accept, None

    def claim(self, name: str, task: Task, lock: bool) -> None:
        if self.owns(name, task) and task.status == "in_progress":
            if lock:
                self.lock(name, task)
            return
        need(self.is_ready(task) and self.is_for(name, task))
        if lock:
            self.lock(name, task)
        task.status, task.kept = "in_progress", ""
        task.worker = self.sessions[name].run
        task.workers.add(name)

    def is_locked(self, name: str, task: Task) -> bool:
        held = [self.locks[path][0] for path in task.paths if path in self.locks]
        return any(run[0] != name and not self.is_dead(run) for run in held)

    def lock(self, name: str, task: Task) -> None:
        need(not self.is_locked(name, task))
        for path in task.paths:
            if path not in self.locks or self.locks[path][0][0] != name:
                self.locks[path] = self.sessions[name].run, task.ident

    def next(self, name: str, lock: bool) -> None:
        busy = {
            path
            for task in self.tasks.values()
            if task.status == "in_progress" and not self.is_dead(task.worker) and not self.owns(name, task)
            for path in task.paths
        }
        for ident in self.ready():
            task = self.tasks[ident]
            if self.is_for(name, task) and not busy.intersection(task.paths) and not self.is_locked(name, task):
                # A task of one's own that lapsed is ready too: it is taken up again.
                task.worker = None
                self.claim(name, task, lock)
                return
        raise No

    def unlock(self, task: Task) -> None:
        """The locks that its worker took for it end."""
        who = task.worker[0] if task.worker else task.kept
        others = [one for one in self.tasks.values() if one is not task and one.worker and one.worker[0] == who]
        needed = {path for one in others if one.status in WORKED_ON for path in one.paths}
        for path, (run, ident) in list(self.locks.items()):
            its = ident == task.ident or (path in task.paths and self.tasks[ident].status in ("done", "dropped"))
            if run[0] == who and its and path not in needed:
                del self.locks[path]

    def free(self, task: Task) -> None:
        task.status, task.worker = "todo", None

    def release(self, name: str, task: Task) -> None:
        need(task.status == "in_progress" and not self.below(task))
        if self.owns(name, task):
            self.unlock(task)
        else:
            need(self.is_dead(task.worker))
        self.free(task)

    def assign(self, name: str, task: Task, to: str) -> None:
        need(not self.below(task))
        if task.status == "todo":
            task.kept = to
            return
        need(task.status == "in_progress" and self.owns(name, task) and self.is_live(to))
        self.unlock(task)
        task.worker = self.sessions[to].run
        task.workers.add(to)

    def progress(self, name: str, task: Task) -> None:
        need(task.status in WORKED_ON and self.owns(name, task))

    def review(self, name: str, task: Task, commit: str) -> None:
        need(task.status in ("in_progress", "review") and self.owns(name, task))
        need(task.status != "review" or task.commit != commit)
        task.status, task.commit = "review", commit
        if task.result is not None and task.result[0] != commit:
            task.result = None

    def record(self, task: Task, commit: str, passed: bool) -> None:
        need(task.status == "in_progress" or (task.status == "review" and task.commit == commit))
        task.result = commit, passed

    def accept(self, name: str, task: Task) -> None:
        need(task.status == "review" and name not in task.workers)
        need(not task.accept or task.result == (task.commit, True))
        task.status = "merge_point"

    def reject(self, task: Task) -> None:
        need(task.status in ("review", "merge_point"))
        task.status = "in_progress"

    def finish(self, task: Task) -> None:
        need(task.status == "merge_point")
        self.unlock(task)
        task.status = "done"
        self.settle(set())

    def block(self, name: str, task: Task) -> None:
        need(task.status in ("todo", "in_progress") and not self.below(task))
        self.stop(name, task)
        task.status = "blocked"

    def stop(self, name: str, task: Task) -> None:
        """Nobody ends what another, who is there, works on."""
        if task.status in WORKED_ON:
            dead = self.is_dead(task.worker) if task.status == "in_progress" else not self.is_there(task.worker)
            mine = self.owns(name, task)
            need(mine or dead)
            if mine or task.status != "in_progress":
                self.unlock(task)
        else:
            self.unlock(task)
        task.worker, task.kept = None, ""

    def drop(self, name: str, task: Task) -> None:
        need(task.status != "done")
        had = self.parents() - {task.ident}
        gone = [task]
        for one in gone:
            gone += [child for child in self.below(one) if child.status != "done"]
        for one in gone:
            if not self.below(one):
                self.stop(name, one)
        for one in gone:
            one.status = "dropped"
        self.settle(had)

    def reopen(self, name: str, task: Task) -> None:
        need(task.status in ("in_progress", "blocked", "done", "dropped"))
        need(not self.below(task) or task.status == "dropped")
        need(all(phase.status != "closed" for phase in self.phases if phase.name == task.phase))
        lapsed = task.status == "in_progress" and not self.owns(name, task)
        if task.status == "in_progress":
            self.stop(name, task)
        if task.status == "dropped":
            self.adopt(name, task)
        had = self.parents()
        task.status, task.worker, task.kept = "todo", None, ""
        if not lapsed:  # what a dead session left is there with what it handed in, as by any other word
            task.commit, task.result = "", None
        self.consistent()
        self.settle(had)

    def sync(self, name: str, head: str) -> None:
        phase = next((one for one in self.phases if one.status == "open"), None)
        if phase is None:
            raise No
        phase.synced[name] = head
        among = [task for task in self.tasks.values() if task.phase == phase.name and task.status != "dropped"]
        leaves = [task for task in among if not self.below(task)]
        if not among or any(task.status not in ("merge_point", "done") for task in leaves):
            return
        for who in {task.worker[0] for task in leaves if task.worker is not None}:
            there = self.sessions.get(who)
            if phase.synced.get(who) != head and not self.is_dead(there.run if there else None):
                return
        for task in leaves:
            self.unlock(task)
            task.status = "done"
        self.settle(set())
        for task in among:
            for used in self.uses.get(task.ident, ()):
                if used in self.contracts:
                    self.contracts[used].locked = True
        phase.status = "closed"
        self.open()

    def open(self) -> None:
        """The first phase that is not closed is open."""
        for phase in self.phases:
            if phase.status != "closed":
                phase.status = "open"
                return

    def change(self, contract: Contract, saw: int) -> None:
        need(contract.version == saw and not contract.locked)
        contract.version += 1
        contract.approved.clear()

    def approve(self, name: str, contract: Contract, version: int) -> None:
        need(contract.version == version)
        contract.approved.add(name)
