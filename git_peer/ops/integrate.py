"""`git peer integrate`: what is in review is accepted, and what is finished merged, in the order of the plan.

Everything is tried in the object store and a scratch folder first. Then the branch moves in one step, and only then
the log says so: whoever is killed before leaves nothing half done, and after that the next run finishes it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.plan import record as plan
from git_peer.core.plan.task import integration
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Task
from git_peer.ops import acceptance as accepting
from git_peer.ops import integration_end, quality_gates, trials
from git_peer.ops.gate_runs import Outcomes
from git_peer.ops.integration_branch import Branch
from git_peer.ops.peer import Peer
from git_peer.ops.trials import Known, Trials
from git_peer.ports import Ran, Sandbox
from git_peer.store.git import merge as merges
from git_peer.store.git import work
from git_peer.store.git.remote import backoff

Tell = Callable[[str], None]
"""Told what goes on, a line each."""
Count = Callable[[bytes], tuple[int, int]]
"""(passed, failed) of the tests in a JUnit report."""

TRIES = 20  # at a branch that others push to at the same time


@dataclass
class Options:
    """What to integrate: into which branch, of which phase ("": all), and until when on the monotonic clock.

    `seconds` is what one acceptance may take. Whoever integrates again and again gives the same `known`: what was run
    on a tree before is not run again. `send_back` has the workers of what was refused take it up again, `prune` has the
    branches of what is merged deleted.
    """

    into: str = layout.MERGED
    phase: str = ""
    seconds: int = 30
    until: float | None = None
    count: Count | None = None
    read: Outcomes | None = None
    send_back: bool = False
    prune: bool = False
    known: Known = field(default_factory=dict)


class Step(NamedTuple):
    """A task that was merged, and the commit that the branch comes to with it."""

    task: Task
    head: str


@dataclass
class Refused:
    """A task that was not merged. `why`: conflict, acceptance, gates, merged, breaks, missing, invalid, changed.

    `with_` names the tasks that it does not go together with; `message` is one line, `output` what a command said.
    """

    task: Task
    why: str
    message: str
    with_: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    output: str = ""


class Stopped(NamedTuple):
    """A task that was not looked at: the tasks that it waits for, and why in a line."""

    waits_for: tuple[str, ...]
    why: str


def integrate(peer: Peer, sandbox: Sandbox, options: Options, tell: Tell) -> dict[str, Any]:
    """Accept and merge what is finished, land it, and tell those whom a failure concerns; docs/integrate.md.

    {merged, conflicts, failed, stopped, left, accepted, deltas, into, base, head, landed, partial, summary}: a second
    call finds nothing new. PeerError where it cannot begin, or the branch cannot be moved.
    """
    peer.writable()
    branch = Branch(peer, options.into)
    running = Trials(peer.repo.git, sandbox, options.seconds, options.known)
    try:
        for turn in range(TRIES):
            branch.look()
            run = Integration(peer, branch, running, options, tell)
            run.merge()
            if not run.steps or branch.land(run.head, [step.task for step in run.steps]):
                return integration_end.finish(run)
            tell(f"{branch.name} was moved by somebody else: once more")
            backoff(min(turn, 5), random.random())  # noqa: S311 - spreads retries, guards nothing
    finally:
        running.close()
    raise PeerError("busy", f"others move {branch.name} all the time", "try again")


class Integration:
    """One attempt: from where the branch stands, as far as it goes."""

    def __init__(self, peer: Peer, branch: Branch, running: Trials, options: Options, tell: Tell) -> None:
        self.peer = peer
        self.branch = branch
        self.options = options
        self.trials = running
        self.tell = tell
        self.board = Board(peer.state)
        self.order = integration.ordered(self.board)
        self.steps: list[Step] = []
        self.present: dict[str, Task] = {}  # handed in, and in the branch already
        self.refused: list[Refused] = []
        self.stopped: dict[str, Stopped] = {}
        self.broken: list[str] = []  # in the branch already, and their acceptance failed there before this run
        self.partial = False
        self._phases = {one.id: one.status for one in self.board.plan.phases}
        self._phase = plan.find_phase(self.board.plan, options.phase).id if options.phase else ""
        self._tried: set[str] = set()  # tasks under review whose acceptance this run has seen pass
        self._there: set[str] = set()  # tasks that are in the head
        self._gone: set[str] = set()  # refused or stopped
        self._git = peer.repo.git
        self._who = merges.signature(peer.repo.git)

    @property
    def head(self) -> str:
        """The commit that everything merged so far comes to."""
        return self.steps[-1].head if self.steps else self.branch.start

    @property
    def merged(self) -> list[Task]:
        """What this run adds to the branch."""
        return [step.task for step in self.steps]

    # -- merging --------------------------------------------------------------------------------------
    def merge(self) -> None:
        """Merge what can be; then see that nothing that came later broke what came before."""
        for task in self.order:
            self._next(task)
        while self.steps:
            found = self._broken()
            if found is None:
                return
            self._leave_out(*found)

    def _next(self, task: Task) -> None:
        """Merge a task, or note why not."""
        mine = integration.is_handed_in(task) and (not self._phase or task.phase == self._phase)
        if task.status == "done" and self._phases.get(task.phase) == "closed":
            mine = False  # a merge point has seen to it
        waits = integration.holding(self.board, task, self._there, self._gone)
        if waits:
            # What is done without a commit holds up what comes after it, but is not told of.
            if mine or task.status == "done":
                self._stop(task, f"it waits for {', '.join(waits)}", waits)
        elif mine and self.options.until is not None and monotonic() >= self.options.until:
            self.partial = True
            self._stop(task, "there was no time left for it")
        elif mine and task.status == "review" and self.peer.name in task.workers:
            self._stop(task, f"{self.peer.name} worked on it: another session accepts it")
        elif mine:
            refused = self._merge(task)
            if refused is not None:
                self.tell(refused.message)
                self._refuse(refused)

    def _stop(self, task: Task, why: str, waits: Sequence[str] = ()) -> None:
        self.stopped[task.id] = Stopped(tuple(waits), why)
        self._gone.add(task.id)

    def _refuse(self, refused: Refused) -> None:
        self.refused.append(refused)
        self._gone.add(refused.task.id)

    def _merge(self, task: Task) -> Refused | None:
        """The work of one task onto the head; why not, where it does not go."""
        if not self.branch.has(task):
            if task.status == "done":  # merged by somebody, and its branch cleared away
                return None
            text = f"{task.id} cannot be merged: its commit {task.commit[:12]} is not to be had"
            return Refused(task, "missing", text)
        try:
            start, who = self.branch.start, self._who
            if work.has_landed(self._git, task.commit, start):
                refused, head = self._accepted(task), ""
            else:
                made = merges.merged(self._git, self.head, task.commit, self._message(task), who, self._trailers(task))
                if not made.commit:
                    return self._conflict(task, made.conflicts)
                self.tell(f"{task.id}: {task.title}")
                head = made.commit
                refused = self._accepted(task) or self._fits(task, head)
        except PeerError as why:
            if why.code != "invalid":
                raise
            text = f"{task.id} cannot be merged: {task.commit[:12]} is not sound"
            return Refused(task, "invalid", text, output=why.message)
        if refused is None:
            self._there.add(task.id)
            if head:
                self.steps.append(Step(task, head))
            else:
                self.present[task.id] = task
        return refused

    def _fits(self, task: Task, head: str) -> Refused | None:
        """Why a task does not pass on the merged tree."""
        ran = self.trials.run(head, task.accept, task.id) if task.accept else None
        if ran is None or trials.passed(ran):
            return None
        text = f"{task.id} fails its acceptance once {task.commit[:12]} is merged into {self.branch.name}"
        return Refused(task, "merged", text, output=trials.said(ran))

    def _conflict(self, task: Task, paths: tuple[str, ...]) -> Refused:
        there = [*self.present.values(), *self.merged]
        with_ = tuple(one.id for one in there if not integration_end.touched(self._git, one).isdisjoint(paths))
        text = f"{task.id} does not merge into {self.branch.name}: {task.commit[:12]} conflicts with what is there"
        return Refused(task, "conflict", text, with_, paths)

    def _message(self, task: Task) -> str:
        return f"Merge task {task.id}: {' '.join(task.title.split())}"[:200]

    def _trailers(self, task: Task) -> dict[str, str]:
        return {"Peer-Task": task.id, "Peer-Session": self.peer.name}

    # -- accepting ------------------------------------------------------------------------------------
    def _accepted(self, task: Task) -> Refused | None:
        """See that the acceptance of the very commit under review has passed, and is on record; why not, else."""
        if task.status != "review" or task.id in self._tried:
            return None
        held = self._held(task)
        if held is not None or not task.accept:
            return held
        text = f"{task.id} fails its acceptance on {task.commit[:12]}"
        result = task.result
        if result is not None and (result.commit, result.command) == (task.commit, task.accept):
            if result.passed:
                return None
            return Refused(task, "acceptance", text, output=result.output)  # and whoever mends it hands in another one
        ran = self.trials.run(task.commit, task.accept, task.id)
        try:
            accepting.recorded(self.peer, task, task.commit, trials.passed(ran), trials.said(ran))
        except PeerError as why:
            if why.code not in ("changed", "invalid"):
                raise
            return Refused(task, "changed", f"{task.id} was changed meanwhile: {why.message}")
        if not trials.passed(ran):
            return Refused(task, "acceptance", text, output=trials.said(ran))
        self._tried.add(task.id)
        return None

    def _held(self, task: Task) -> Refused | None:
        """Why a gate that the project requires does not let a task pass."""

        def run(commit: str, command: str, seconds: int, label: str) -> Ran:
            return self.trials.run(commit, command, label, seconds)

        try:
            quality_gates.hold(self.peer, task.id, task.commit, run, self.options.read)
        except PeerError as why:
            if why.code not in ("failed", "unknown"):
                raise
            rows = [row for one in why.extra["gates"] for row in one["findings"]]
            said = [f"{row.get('path', '')} {row['message']}".strip() for row in rows]
            said += [one["output"] for one in why.extra["gates"] if one["output"]]
            return Refused(task, "gates", why.message, output="\n".join(said))
        return None

    # -- what came before -----------------------------------------------------------------------------
    def _watched(self) -> list[Task]:
        """What was merged before and a merge may break: not what has landed, which is for the project's own tests.

        On the integration branch itself everything has; there what is in a closed phase is left out.
        """
        if self.branch.is_main:
            return [one for one in self.present.values() if one.accept and self._phases.get(one.phase) != "closed"]
        main = self.branch.main
        return [one for one in self.present.values() if one.accept and not work.has_landed(self._git, one.commit, main)]

    def _passes(self, task: Task, commit: str) -> bool:
        return trials.passed(self.trials.run(commit, task.accept, task.id))

    def _broken(self) -> tuple[Task, int] | None:
        """A task whose acceptance fails on the final tree, and the number of the step that broke it."""
        for task in self._watched():
            if task.id not in self.broken and not self._passes(task, self.head):
                if self._passes(task, self.branch.start):
                    return task, self._breaker(task, -1)
                self.broken.append(task.id)
        for number, step in enumerate(self.steps):
            if step.task.accept and not self._passes(step.task, self.head):
                return step.task, self._breaker(step.task, number)
        return None

    def _breaker(self, task: Task, good: int) -> int:
        """The step with which a task's acceptance began to fail: it passes after `good`, and fails after the last."""
        bad = len(self.steps) - 1
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._passes(task, self.steps[middle].head) else (good, middle)
        return bad

    def _leave_out(self, broken: Task, number: int) -> None:
        """Go on without the step that broke a task: what came after it is merged anew, what depends on it is not."""
        culprit, later = self.steps[number], self.steps[number + 1 :]
        ran = self.trials.run(culprit.head, broken.accept, broken.id)
        text = f"{culprit.task.id} breaks the acceptance of {broken.id}: {culprit.task.commit[:12]} was left out"
        self.tell(text)
        del self.steps[number:]
        self._there -= {step.task.id for step in (culprit, *later)}
        self._refuse(Refused(culprit.task, "breaks", text, (broken.id,), output=trials.said(ran)))
        for step in later:
            self._next(step.task)

    # -- the end --------------------------------------------------------------------------------------
    def final(self) -> Iterator[tuple[Task, Ran]]:
        """The last runs on the final tree, one of each command; none where nothing was merged."""
        seen: set[str] = set()
        for task in [*self._watched(), *self.merged] if self.steps else ():
            if task.accept and task.accept not in seen:
                seen.add(task.accept)
                yield task, self.trials.run(self.head, task.accept, task.id)
