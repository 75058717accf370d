"""The worker program, the same in every arm: what differs is the set of git-peer commands that it may use.

A worker is a generator: it does a step for real, then yields the simulated minutes until its next. The policy is all
here. Without a command a worker does what it can without it; nowhere does it know in which arm it is.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.duplicate import work
from benchmarks.duplicate.work import Item
from benchmarks.duplicate.world import BRANCH, World

Steps = Iterator[float]
_UPSTREAM = f"origin/{BRANCH}"


@dataclass(frozen=True)
class Policy:
    """How a worker behaves, in all arms alike; times are (least, most) simulated minutes, drawn evenly.

    `pick`: "any" of the items that it believes to be open, or the "first" by priority. `look_again`: it pulls once
    more when it begins to edit, and leaves an item that it finds done.
    """

    pick: str = "any"
    look_again: bool = False
    survey: tuple[float, float] = (4, 8)
    write: tuple[float, float] = (15, 35)
    change: tuple[float, float] = (10, 25)
    rename: tuple[float, float] = (10, 20)
    rework: tuple[float, float] = (3, 8)
    test: tuple[float, float] = (0.5, 1)  # between rebase and push
    wait: tuple[float, float] = (4, 6)  # where nothing can be begun
    tries: int = 5  # items that it asks locks for before it waits
    patience: int = 6  # how often it asks again for files that an item needs besides
    pushes: int = 12  # lost races before it gives an edit up


class Worker:
    """One worker; `name` is its session and its work tree."""

    def __init__(self, world: World, name: str, seed: int, policy: Policy) -> None:
        self.world = world
        self.name = name
        self.policy = policy
        self.top = world.trees[name]
        self.rng = random.Random(f"{seed}-{name}")
        self.executions = 0
        self.items = {item.id: item for item in world.todo.items}

    def may(self, command: str) -> bool:
        """Whether this git-peer command is on the list."""
        return command in self.world.allowed

    def peer(self, *args: str) -> dict[str, Any]:
        """A git-peer command of this worker's session."""
        return self.world.peer(self.name, *args)

    def git(self, *args: str) -> bool:
        """A git command in this worker's work tree."""
        return self.world.git(self.name, *args)

    def minutes(self, kind: str) -> float:
        """How long something takes this time."""
        return self.rng.uniform(*getattr(self.policy, kind))

    # -- the program ------------------------------------------------------------------------------
    def run(self) -> Steps:
        """Look, choose, edit, land, until there is nothing left to do."""
        while True:
            self.update()
            yield self.minutes("survey")
            while (item := self.choose()) is None:
                if self.over():
                    return
                yield self.minutes("wait")
                self.update()
            yield from self.carry_out(item)

    def update(self) -> None:
        """Make the work tree what the remote has now. Nothing uncommitted is in it that is to be kept."""
        self.world.fetch(self.name)
        self.git("reset", "-q", "--hard", _UPSTREAM)

    def done(self) -> set[str]:
        """The items that this work tree shows to be done: what the worker believes, until it updates."""
        return self.world.todo.done(lambda path: (self.top / path).read_text())

    def over(self) -> bool:
        """Whether nothing is left: by the plan, where it may be read, else by the work tree."""
        if self.may("task"):
            return all(task["status"] in ("done", "dropped") for task in self.peer("task", "list")["tasks"])
        return len(self.done()) == len(self.items)

    def choose(self) -> Item | None:
        """The next item, its files locked where that may be; None where nothing can be begun now."""
        if self.may("task"):
            answer = self.peer("task", "next", "--lock")
            return self.items[answer["task"]["id"]] if answer["ok"] else None
        done = self.done()
        ready = [item for item in self.world.todo.items if item.id not in done and done.issuperset(item.after)]
        if self.policy.pick == "any":
            self.rng.shuffle(ready)
        else:
            ready.sort(key=lambda item: -item.priority)
        return next((item for item in ready[: self.policy.tries] if self.lock(item.files)), None)

    def lock(self, files: Sequence[str]) -> bool:
        """Whether the files may be edited: all are locked now, or there is no locking."""
        return not files or not self.may("lock") or self.peer("lock", *files)["ok"]

    def carry_out(self, item: Item) -> Steps:
        """Edit, heed what others told meanwhile, commit, land, hand in."""
        if self.policy.look_again or not self.done().issuperset(item.after):
            self.update()
            if item.id in self.done():
                self.hand_in(item, done=True)
                return
        for _ in range(self.policy.patience):
            if self.lock([file for file in work.touches(item, self.top) if file not in item.files]):
                break
            yield self.minutes("wait")
        else:
            self.hand_in(item, done=False)
            return
        self.executions += 1
        execution = f"{self.name}.{self.executions}"
        work.edit(item, self.top, execution, self.rng)
        yield self.minutes(item.kind)
        yield from self.heed(item, execution)
        landed = yield from self.land(item, execution)
        if landed and item.kind == "rename":
            self.tell(item)
        self.hand_in(item, done=item.id in self.done())

    # -- news -------------------------------------------------------------------------------------
    def heed(self, item: Item, execution: str) -> Steps:
        """What others told that touches this item: take it in, do the edit again by it, and answer."""
        while self.may("deltas"):
            news = [delta["id"] for delta in self.peer("deltas")["deltas"] if delta["requires_action"]]
            if not news:
                return
            self.update()
            work.edit(item, self.top, execution, self.rng)
            self.peer("ack", *news)
            yield self.minutes("rework")

    def tell(self, item: Item) -> None:
        """Tell the others that a name has changed."""
        if self.may("push-delta"):
            summary = f"constant {item.constant} is now {work.name_of(self.top, item.constant)}"
            about = ("--contract", work.contract(item.constant))
            self.peer("push-delta", "--type", "contract_change", "--summary", summary, *about)

    # -- landing ----------------------------------------------------------------------------------
    def land(self, item: Item, execution: str) -> Generator[float, None, bool]:
        """Commit, rebase, push. On a conflict: if the item is done there, drop one's own; else one's own side wins.

        Returns whether it landed. What could not be pushed after many tries is dropped.
        """
        self.world.commit(self.name, f"{item.id} by {execution}")
        for _ in range(self.policy.pushes):
            self.world.fetch(self.name)
            if not self.world.rebase(self.name) and not self.resolve(item):
                self.update()
                return False
            yield self.minutes("test")
            if self.push():
                return True
        self.update()
        return False

    def resolve(self, item: Item) -> bool:
        """After a conflict: one's own commit on top, its side taken where both changed; False where it is dropped."""
        self.git("branch", "-f", f"{self.name}-mine", "HEAD")
        self.git("reset", "-q", "--hard", _UPSTREAM)
        if item.id in self.done():
            return False
        if self.git("cherry-pick", "-X", "theirs", f"{self.name}-mine"):
            return True
        self.git("cherry-pick", "--abort")
        return False

    def push(self) -> bool:
        """Whether the commit is on the remote's branch now."""
        if self.may("push"):
            return bool(self.peer("push", "origin", f"HEAD:{BRANCH}")["ok"])
        return self.git("push", "-q", "origin", f"HEAD:{BRANCH}")

    def hand_in(self, item: Item, done: bool) -> None:
        """Give back what was taken for an item; where there is a plan, say whether it is done."""
        if self.may("task"):
            self.peer("task", "review" if done else "release", item.id)
        if self.may("unlock"):
            self.peer("unlock", "--all")


def lead(world: World, minutes: float = 5) -> Steps:
    """Who accepts what was handed in, in every arm: where there is a plan to accept it in."""
    while True:
        yield minutes
        if "task" in world.allowed:
            for task in world.peer("lead", "task", "list", "--status", "review")["tasks"]:
                for word in ("merge-point", "done"):
                    world.peer("lead", "task", word, task["id"])
