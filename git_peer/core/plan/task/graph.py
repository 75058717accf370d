"""What waits for what: dependencies, parents and phases as one graph, and the check that it has no cycle.

A task begins after what it depends on, and after its parent has begun; a parent ends after its children. So a
task has two nodes, its beginning and its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from git_peer.core.errors import Malformed
from git_peer.core.log.state import State
from git_peer.core.plan import record as plan
from git_peer.core.plan.record import Plan
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task

Node = tuple[str, bool]  # (task, whether its end)


class Known(Protocol):
    """Where tasks are looked up: a state, or a whole plan in memory."""

    def __getitem__(self, ident: str) -> Task:
        """The task of that id; KeyError where there is none."""


class Lookup:
    """Tasks of a state, each read once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, Task] = {}

    def __getitem__(self, ident: str) -> Task:
        found = self._known.get(ident)
        if found is None:
            found = tasks.get(self._state, ident)
            if found is None:
                raise KeyError(ident)
            self._known[ident] = found
        return found


def ancestry(known: Known, task: Task) -> Iterator[Task]:
    """The task, its parent, that one's parent, and so on; ends even where they go round."""
    seen: set[str] = set()
    while task.id not in seen:
        seen.add(task.id)
        yield task
        if not task.parent:
            return
        task = known[task.parent]


def waits_for(known: Known, task: Task) -> list[str]:
    """The tasks that this one waits for and that are not done: its own dependencies and its parents'."""
    wanted = dict.fromkeys(dep for one in ancestry(known, task) for dep in one.depends_on)
    return [dep for dep in wanted if known[dep].status != "done"]


def unmet(state: State, task: Task) -> list[str]:
    """What keeps a task from being begun: tasks that are not done, or its phase (`phase build`)."""
    there = plan.get(state)
    phase = there.phase(task.phase) if task.phase else None
    closed = [f"phase {phase.id}"] if phase is not None and phase.status != "open" else []
    return closed + waits_for(Lookup(state), task)


def after(known: Known, node: Node) -> Iterator[Node]:
    """What must come before `node`."""
    ident, end = node
    task = known[ident]
    if end:
        yield (ident, False)
        for child in task.children:
            yield (child, True)
    else:
        for dep in task.depends_on:
            yield (dep, True)
        if task.parent:
            yield (task.parent, False)


def cycle(known: Known, idents: Iterable[str]) -> list[str]:
    """The tasks of a cycle that can be reached from `idents`, in order, the first again at the end; [] for none."""
    done: set[Node] = set()
    for ident in idents:
        path: list[Node] = []
        on_path: set[Node] = set()
        stack: list[tuple[Node, Iterator[Node]]] = []
        start = (ident, True)
        if start in done:
            continue
        stack.append((start, after(known, start)))
        path.append(start)
        on_path.add(start)
        while stack:
            node, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                stack.pop()
                path.pop()
                on_path.discard(node)
                done.add(node)
            elif step in on_path:
                around = path[path.index(step) :]
                named = list(dict.fromkeys(one for one, _ in around))
                return [*named, named[0]]
            elif step not in done:
                stack.append((step, after(known, step)))
                path.append(step)
                on_path.add(step)
    return []


def late(there: Plan, known: Known, task: Task) -> str:
    """The dependency of a task that belongs to a later phase than its own; "" for none."""
    order = {phase.id: at for at, phase in enumerate(there.phases)}
    own = order.get(task.phase, len(order)) if task.phase else len(order)
    return next((dep for dep in task.depends_on if order.get(known[dep].phase, -1) > own), "")


def topological(specs: Mapping[str, Iterable[str]]) -> list[str]:
    """The ids of `specs` (id → ids that must come before it, of which unknown ones do not count), in such an order.

    Keeps the given order where it can; what goes round comes last, for the check to name.
    """
    found: dict[str, None] = {}
    for root in specs:
        stack = [root]
        walking: set[str] = set()
        while stack:
            ident = stack[-1]
            if ident in found:
                stack.pop()
                continue
            walking.add(ident)
            missing = [dep for dep in specs[ident] if dep in specs and dep not in found and dep not in walking]
            if missing:
                stack.extend(reversed(missing))
            else:
                found[ident] = None
                stack.pop()
    return list(found)


def check(state: State) -> None:
    """Malformed unless the tasks that a commit linked anew stand in a plan without cycles and loose ends."""
    if not state.relinked:
        return
    known = Lookup(state)
    idents = [one.id for one in tasks.all_of(state)] if "" in state.relinked else sorted(state.relinked)
    there = plan.get(state)
    try:
        for ident in idents:
            task = known[ident]
            for name in (*task.depends_on, *((task.parent,) if task.parent else ())):
                _ = known[name]
            if task.parent and known[task.parent].phase != task.phase:
                raise Malformed(f"task {ident} is in another phase than its parent {task.parent}")
            behind = late(there, known, task)
            if behind:
                raise Malformed(f"task {ident} depends on {behind} of a later phase")
        around = cycle(known, idents)
    except KeyError as why:
        raise Malformed(f"no task {why}") from None
    if around:
        raise Malformed(f"a cycle of tasks: {' → '.join(around)}", "cycle", "take one of these dependencies out")
    state.relinked.clear()
