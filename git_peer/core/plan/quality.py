"""A plan's quality: how long it takes at least, how many may work at once, and where they would collide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_peer.core.plan import contracts
from git_peer.core.plan.task import graph
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import OVER, Task
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

MOST = 1000  # findings of one kind that are told
EXACT = 400  # unfinished tasks up to which the width is exact


class Order:
    """What comes before what among the unfinished tasks that somebody works on: those without subtasks.

    `before[i]` has a bit for each task that ends before task i begins.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.tasks = [task for task in board.tasks.values() if not task.children and task.status not in OVER]
        self.index = {task.id: at for at, task in enumerate(self.tasks)}
        phase = {p.id: at for at, p in enumerate(board.plan.phases)}
        earlier = [0] * (len(phase) + 1)
        for at, task in enumerate(self.tasks):
            if task.phase in phase:
                earlier[phase[task.phase] + 1] |= 1 << at
        for at in range(1, len(earlier)):
            earlier[at] |= earlier[at - 1]
        self.before = [0] * len(self.tasks)
        done: set[int] = set()
        for root in range(len(self.tasks)):
            stack = [root]
            while stack:
                at = stack[-1]
                direct = [one for one in self._direct(self.tasks[at]) if one != at]
                missing = [one for one in direct if one not in done]
                if missing and at not in done:
                    stack.extend(missing)
                    continue
                stack.pop()
                if at not in done:
                    mask = earlier[phase[self.tasks[at].phase]] if self.tasks[at].phase in phase else 0
                    for one in direct:
                        mask |= self.before[one] | (1 << one)
                    self.before[at] = mask
                    done.add(at)

    def _direct(self, task: Task) -> list[int]:
        """The tasks that this one waits for, a parent standing for all that is below it."""
        found: list[int] = []
        for name in dict.fromkeys(dep for one in graph.ancestry(self.board, task) for dep in one.depends_on):
            found.extend(self.index[leaf] for leaf in self._leaves(name) if leaf in self.index)
        return found

    def _leaves(self, ident: str) -> Iterator[str]:
        task = self.board[ident]
        if not task.children:
            yield ident
        for child in task.children:
            yield from self._leaves(child)

    def together(self, a: int, b: int) -> bool:
        """Whether two tasks may run at the same time."""
        return not (self.before[a] >> b & 1 or self.before[b] >> a & 1)


def critical_path(order: Order) -> tuple[list[str], int]:
    """(the longest chain of unfinished tasks, its length in seconds of estimates; 0 where there are none)."""
    given = sorted(task.estimate for task in order.tasks if task.estimate)
    usual = given[len(given) // 2] if given else 1
    cost = [task.estimate or usual for task in order.tasks]
    best = [0] * len(order.tasks)
    via: list[int | None] = [None] * len(order.tasks)
    for at in sorted(range(len(order.tasks)), key=lambda one: order.before[one].bit_count()):
        mask = order.before[at]
        while mask:
            one = mask.bit_length() - 1
            mask ^= 1 << one
            if best[one] > best[at]:
                best[at], via[at] = best[one], one
        best[at] += cost[at]
    if not best:
        return [], 0
    last: int | None = max(range(len(best)), key=lambda one: best[one])
    length = best[last] if given and last is not None else 0
    chain: list[str] = []
    while last is not None:
        chain.append(order.tasks[last].id)
        last = via[last]
    return chain[::-1], length


def width(order: Order) -> tuple[int, bool]:
    """(how many tasks could be worked on at once at most, whether that is exact)."""
    count = len(order.tasks)
    if count > EXACT:  # by what may begin once all of some size has ended: a lower bound
        levels: dict[int, int] = {}
        depth = [0] * count
        for at in sorted(range(count), key=lambda one: order.before[one].bit_count()):
            direct = order._direct(order.tasks[at])
            depth[at] = 1 + max((depth[one] for one in direct), default=0)
            key = depth[at] + 100_000 * order.board.plan.order(order.tasks[at].phase)
            levels[key] = levels.get(key, 0) + 1
        return max(levels.values(), default=0), False
    # Dilworth: the largest set of tasks of which none waits for another is what the fewest chains cover.
    owner: dict[int, int] = {}

    def extend(at: int, seen: set[int]) -> bool:
        mask = order.before[at]
        while mask:
            one = mask.bit_length() - 1
            mask ^= 1 << one
            if one in seen:
                continue
            seen.add(one)
            if one not in owner or extend(owner[one], seen):
                owner[one] = at
                return True
        return False

    matched = sum(extend(at, set()) for at in range(count))
    return count - matched, True


def collisions(order: Order) -> list[dict[str, Any]]:
    """Pairs of tasks that may run together and touch the same paths: [{tasks: [a, b], paths: [...]}]."""
    folds = order.board.state.log.folds
    at_root: dict[str, list[tuple[int, Target]]] = {}
    for at, task in enumerate(order.tasks):
        for target in task.paths:
            root = targets.root_path(target)
            at_root.setdefault(root.casefold() if folds else root, []).append((at, target))
    found: dict[tuple[int, int], dict[str, None]] = {}
    for root, here in at_root.items():
        above = list(_above(root))
        for place, (at, target) in enumerate(here):
            near = [*here[place + 1 :], *(other for folder in above for other in at_root.get(folder, ()))]
            for other, meets in near:
                if other != at and targets.overlap(target, meets, folds) and order.together(at, other):
                    pair = (min(at, other), max(at, other))
                    found.setdefault(pair, {})[targets.show(target)] = None
            if len(found) >= MOST:
                break
    return [
        {"tasks": [order.tasks[a].id, order.tasks[b].id], "paths": list(paths)}
        for (a, b), paths in sorted(found.items())[:MOST]
    ]


def _above(path: str) -> Iterator[str]:
    """The folders over a path, the top last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def promises(order: Order) -> list[dict[str, Any]]:
    """Contracts that are used without being there, or before they are provided: [{contract, task, problem}]."""
    board = order.board
    known = {contract.name for contract in contracts.all_of(board.state)}
    providers: dict[str, list[Task]] = {}
    for task in board.tasks.values():
        if task.status != "dropped":
            for name in task.provides:
                providers.setdefault(name, []).append(task)
    found: list[dict[str, Any]] = []
    for at, task in enumerate(order.tasks):
        for name in task.uses:
            makers = providers.get(name, [])
            if name not in known:
                found.append({"contract": name, "task": task.id, "problem": "it is not defined"})
            elif not makers:
                found.append({"contract": name, "task": task.id, "problem": "no task provides it"})
            elif (
                not any(one.status == "done" or _comes_before(order, one, at) for one in makers) and task not in makers
            ):
                late = ", ".join(one.id for one in makers)
                found.append(
                    {"contract": name, "task": task.id, "problem": f"it may be used before {late} provides it"}
                )
    return found[:MOST]


def _comes_before(order: Order, task: Task, at: int) -> bool:
    leaves = [order.index[leaf] for leaf in order._leaves(task.id) if leaf in order.index]
    return all(order.before[at] >> leaf & 1 for leaf in leaves)


def report(board: Board) -> dict[str, Any]:
    """All of it, as `git peer plan check` tells it."""
    order = Order(board)
    chain, length = critical_path(order)
    most, exact = width(order)
    dropped = [
        {"task": task.id, "on": dep}
        for task in order.tasks
        for dep in task.depends_on
        if board[dep].status == "dropped"
    ]
    return {
        "open": len(order.tasks),
        "critical_path": chain,
        "critical_seconds": length or None,
        "width": most,
        "width_exact": exact,
        "collisions": collisions(order),
        "without_acceptance": [task.id for task in order.tasks if not task.accept],
        "contracts": promises(order),
        "depends_on_dropped": dropped,
    }
