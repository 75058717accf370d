"""The board: the whole plan in memory. What is ready, what waits for what, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Phase
from git_peer.core.plan.task import graph
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.core.session import expiry
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session


class Board:
    """Every task of a state, each read once: `tasks` in the order in which they were added."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.plan = plan.get(state)
        self.tasks = {task.id: task for task in sorted(tasks.all_of(state), key=lambda task: task.order)}
        self._open = {phase.id for phase in self.plan.phases if phase.status == "open"}

    def __getitem__(self, ident: str) -> Task:
        return self.tasks[ident]

    # -- readiness --------------------------------------------------------------------------------
    def lapsed(self, task: Task, scene: Scene) -> bool:
        """Whether who worked on a task is dead, so that it is there for others again."""
        if task.status != "in_progress" or task.children:
            return False
        holder = tasks.assignee_of(self.state, task)
        return expiry.evidence(holder, holder.ttl if holder else 0, scene) is not None

    def waits_for(self, task: Task) -> list[str]:
        """What keeps a task from being begun: ids of tasks, `phase build`."""
        closed = [f"phase {task.phase}"] if task.phase and task.phase not in self._open else []
        return closed + graph.waits_for(self, task)

    def kept_for(self, task: Task, scene: Scene) -> str:
        """The session for which a task that is todo is kept; "" where there is none, or it is dead."""
        if task.status != "todo" or not task.assignee:
            return ""
        session = sessions.get(self.state, task.assignee)
        return task.assignee if session is None or sessions.is_live(session, scene) else ""

    def is_ready(self, task: Task, scene: Scene) -> bool:
        """Whether somebody could begin a task now."""
        if task.children or not (task.status == "todo" or self.lapsed(task, scene)):
            return False
        return not self.waits_for(task)

    def ready(self, scene: Scene) -> list[Task]:
        """The tasks that somebody could begin now: the highest priority first, then as they were added."""
        found = [task for task in self.tasks.values() if self.is_ready(task, scene)]
        return sorted(found, key=lambda task: (-task.priority, self.plan.order(task.phase), task.order))

    def working(self, scene: Scene) -> Iterator[tuple[Task, Session]]:
        """The tasks that a live session works on now, with it."""
        for task in self.tasks.values():
            if task.status == "in_progress" and not task.children:
                session = tasks.assignee_of(self.state, task)
                if session is not None and not self.lapsed(task, scene):
                    yield task, session

    # -- telling ----------------------------------------------------------------------------------
    def progress(self, task: Task) -> int:
        """Percent, of a parent by its subtasks."""
        children = [self.tasks[child] for child in task.children if self.tasks[child].status != "dropped"]
        if not children:
            return 100 if task.status == "done" else task.progress
        return sum(self.progress(child) for child in children) // len(children)

    def describe(self, task: Task, scene: Scene) -> dict[str, Any]:
        """A task as the command contract's T, with what it waits for; a dead session's is todo again."""
        view = tasks.describe(task)
        view["progress"] = self.progress(task)
        if self.lapsed(task, scene):
            view |= {"status": "todo", "assignee": None, "left_by": task.assignee, "lapsed": True}
        waits = self.waits_for(task) if task.status in ("todo", "in_progress", "blocked") else []
        view["waits_for"] = waits
        view["ready"] = self.is_ready(task, scene)
        return view

    def phase(self, phase: Phase, scene: Scene) -> dict[str, Any]:
        """A phase as the contract tells it."""
        waits = waiting_for(self.state, phase, "", scene, list(self.tasks.values()))
        return {
            "id": phase.id,
            "name": phase.name,
            "status": phase.status,
            "waiting_for": waits if phase.status == "open" else None,
            "head": phase.head or None,
        }

    def whole(self, scene: Scene) -> dict[str, Any]:
        """The plan as the contract tells it: goal, phases, tasks, contracts."""
        return {
            "goal": self.plan.goal,
            "phases": [self.phase(phase, scene) for phase in self.plan.phases],
            "tasks": [self.describe(task, scene) for task in self.tasks.values()],
            "contracts": [contracts.describe(contract) for contract in contracts.all_of(self.state)],
        }


# -- merge points ---------------------------------------------------------------------------------
def members(state: State, phase: Phase, known: Iterable[Task] | None = None) -> list[Task]:
    """The tasks of a phase, of all or of those `known`, dropped ones left out."""
    every = tasks.all_of(state) if known is None else known
    return [task for task in every if task.phase == phase.id and task.status != "dropped"]


def unfinished(among: Iterable[Task]) -> list[Task]:
    """Those that are not accepted yet; a parent is what its subtasks are."""
    return [task for task in among if task.status not in ("merge_point", "done") and not task.children]


def workers(among: Iterable[Task]) -> list[str]:
    """The names of the sessions that have work among these tasks."""
    return sorted({task.assignee for task in among if task.assignee and task.status in (*tasks.WORKED_ON, "done")})


def waiting_for(
    state: State, phase: Phase, head: str, scene: Scene, known: Iterable[Task] | None = None
) -> dict[str, Any]:
    """Whom and what a phase waits for: {tasks, sessions, dead}; `head` "" takes what most of them stand on."""
    among = members(state, phase, known)
    live: list[str] = []
    dead: list[str] = []
    for name in workers(among):
        session = sessions.get(state, name)
        (live if session is not None and sessions.is_live(session, scene) else dead).append(name)
    heads = [phase.synced[name] for name in live if name in phase.synced]
    wanted = head or (max(heads, key=heads.count) if heads else "")
    late = [name for name in live if not wanted or phase.synced.get(name) != wanted]
    return {
        "tasks": [{"id": t.id, "status": t.status, "assignee": t.assignee or None} for t in unfinished(among)],
        "sessions": late,
        "dead": dead,
    }
