"""The worker: takes tasks one after the other, has each solved, hands the result in, and accepts others' work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from git_peer.core.errors import PeerError
from git_peer.core.plan.edits import AddTask, EditPlan
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import GiveUp
from git_peer.core.plan.task.decide import Move
from git_peer.core.plan.task.record import Task
from git_peer.core.session import record as sessions
from git_peer.core.text import count
from git_peer.ops import acceptance as accepting
from git_peer.ops import ballots, claims, task_base, trials
from git_peer.ops import integrate as integrating
from git_peer.ops.peer import Peer
from git_peer.ports import Sandbox
from git_peer.runner import alive
from git_peer.runner import handover as handing
from git_peer.runner import votes as voting
from git_peer.runner.check import Checker
from git_peer.runner.journal import Journal
from git_peer.runner.work import Errand, Outcome, Solution, Solver, Tell, TimeUp

DEPTH = 2  # how often a task may be divided, and its parts again
BACK = 2  # how often a task may be sent back to a runner, before people look at it
PATIENCE = 60.0  # seconds without news after which nobody is expected to accept what waits for others
RECENT = 3600  # seconds since its last word for which another runner is taken to be there
KNOWN = 500  # runs on trees that are remembered
LOOK = 5.0  # seconds between two looks at an unchanged plan
NOT_OURS = ("not_yours", "held", "fenced", "locked", "changed", "lost")  # while it was worked on, somebody else got it
STOPS = ("changed", "failed", "invalid", "unsupported")  # another try would come to the same


@dataclass
class Limits:
    """How much a worker may do: tasks, tokens, and a point on the monotonic clock; None is no limit."""

    tasks: int | None = None
    tokens: int | None = None
    until: float | None = None

    def left(self) -> float:
        """Seconds that there are."""
        return float("inf") if self.until is None else self.until - time.monotonic()


@dataclass
class Options:
    """What a worker is to do: the tasks named, else what is ready; with `loop` until nothing is left to do."""

    ids: tuple[str, ...] = ()
    loop: bool = False
    attempts: int = 3
    votes: int = 1  # candidates of each task, of which the best is handed in; with more than one it helps others, too
    seconds: int = 30  # that a check may take
    limits: Limits = field(default_factory=Limits)


class Worker:
    """`peer_of` makes a Peer of the worker's session, anew for each task: it may run for days."""

    def __init__(
        self, peer_of: Callable[[], Peer], solver: Solver, sandbox: Sandbox, options: Options, tell: Tell
    ) -> None:
        self._peer_of = peer_of
        self._solver = solver
        self._sandbox = sandbox
        self._options = options
        self._tell = tell
        self._given = list(options.ids)
        self._done = 0
        self._seen: Mapping[str, str] = {}  # what waited for acceptance when this worker last tried to
        self._known: trials.Known = {}
        self._lost: set[str] = set()  # tasks that were given up, and may come again
        self._voted: set[tuple[str, str]] = set()  # (task, base) of the votes that this worker had a part in
        self._quiet = 0.0  # seconds without news

    def run(self) -> Iterator[Outcome]:
        """What became of each task. PeerError where none can be had, or the solver gives up for good."""
        limits = self._options.limits
        while self._options.limits.left() > 0 and (limits.tasks is None or self._done < limits.tasks):
            if limits.tokens is not None and self._solver.tokens >= limits.tokens:
                self._tell(f"{self._solver.tokens:,} tokens are used: that is all there are")
                return
            peer = self._peer_of()
            task = self._take(peer)
            if task is not None:
                self._done += 1
                outcome = self._do(peer, task)
                if outcome is None:
                    return
                yield outcome
            elif not self._options.loop or not self._wait(peer):
                return
            if not self._given and (self._options.ids or not self._options.loop):
                return

    # -- taking ---------------------------------------------------------------------------------------
    def _take(self, peer: Peer) -> Task | None:
        """A task that is this session's: one that it has already, one that was named, or the next that is ready."""
        mine = [one for one in tasks.claimed_by(peer.state, peer.name) if one.status == "in_progress"]
        mine = [one for one in mine if not one.children and (not self._options.ids or one.id in self._given)]
        if mine:
            ident = mine[0].id
        elif self._given:
            ident = self._given[0]
        elif self._options.ids:
            return None
        else:
            try:
                taken = claims.take_next(peer, True, None)["task"]["id"]
            except PeerError as why:
                if why.code != "not_found" or not self._options.loop:
                    raise
                return None
            return tasks.find(peer.state, taken)
        done = claims.claim(peer, ident, True, None)
        if ident in self._given:
            self._given.remove(ident)
        return tasks.find(peer.state, done["task"]["id"])

    # -- solving --------------------------------------------------------------------------------------
    def _do(self, peer: Peer, task: Task) -> Outcome | None:
        """Have a task solved and see it through; None where there was no time for it, and it went back."""
        began, used = time.monotonic(), self._solver.tokens
        outcome = Outcome(task.id, "lost")
        try:
            self._tell(f"{task.id}: {task.title}")
            with alive.renewed(self._peer_of, _every(peer)), self._errand(peer, task) as errand:
                self._finish(*self._solved(errand), outcome)
        except TimeUp:
            self._hand_back(peer, task, "there was no time left for it")
            return None
        except PeerError as why:
            if why.code not in NOT_OURS:
                self._hand_back(peer, task, f"could not go on: {why.message}")
                raise
            outcome.why = why.message
            self._lose(peer, task, why, outcome)
        except BaseException:
            self._hand_back(peer, task, "interrupted")
            raise
        outcome.seconds = time.monotonic() - began
        outcome.tokens = self._solver.tokens - used
        self._tell(f"{task.id}: {outcome.outcome}" + (f" ({outcome.why})" if outcome.why else ""))
        return outcome

    @contextmanager
    def _errand(self, peer: Peer, task: Task, base: str = "") -> Iterator[Errand]:
        """A task to be solved, with what that takes."""
        checker = Checker(peer.repo.git, self._sandbox, self._options.seconds, {})
        try:
            yield Errand(
                peer=peer,
                task=task,
                base=base,
                checker=checker,
                attempts=self._options.attempts,
                journal=Journal(peer.clone.folder, task.id, peer.name),
                tell=lambda line: self._tell(f"{task.id}: {line}"),
                left=self._left,
                divisible=_depth(peer, task) < DEPTH,
                feedback=task.note if _sent_back(task) else "",
            )
        finally:
            checker.close()

    def _solved(self, errand: Errand) -> tuple[Errand, Solution]:
        """The solution, and the errand with what it began from; what no other try would mend is a reason to stop."""
        back = _sent_back(errand.task)
        if len(back) > BACK:
            return errand, Solution(0, stuck=f"it was sent back {len(back)} times, at last: {errand.task.note}")
        try:
            begun = replace(errand, base=task_base.of(errand.peer, errand.task))
            return begun, voting.solve(self._solver, begun, self._options.votes)
        except PeerError as why:
            if why.code not in STOPS:
                raise
            self._left()  # a model that was cut off because the time is up has not failed
            return errand, Solution(0, stuck=why.message)

    def _lose(self, peer: Peer, task: Task, why: PeerError, outcome: Outcome) -> None:
        """Give up a task that somebody stands in the way of; for good, where that was so before."""
        if task.id in self._lost:
            with suppress(PeerError):
                peer.run(Move(me=peer.me, task=task.id, status="blocked", note=accepting.end_of(peer, why.message)))
                outcome.outcome = "blocked"
                return
        self._lost.add(task.id)
        self._hand_back(peer, task, f"could not go on: {why.message}")

    def _left(self) -> float:
        """Seconds that there are; TimeUp where none, or no tokens, are left."""
        limits = self._options.limits
        if limits.left() <= 0 or (limits.tokens is not None and self._solver.tokens >= limits.tokens):
            raise TimeUp
        return limits.left()

    def _finish(self, errand: Errand, solution: Solution, outcome: Outcome) -> None:
        """What was found goes into the repository and the log."""
        peer, task = errand.peer, errand.task
        outcome.attempts = solution.attempts
        if solution.checked is not None:
            tests = solution.checked.tests
            outcome.tests = {"passed": tests.passed, "failed": tests.failed + tests.errors}
        if solution.parts:
            made = tuple(AddTask(spec=one, id=f"~{at}") for at, one in enumerate(solution.parts))
            done = peer.run(EditPlan(me=peer.me, edits=made))
            outcome.outcome = "divided"
            outcome.why = "into " + ", ".join(view["id"] for view in done["tasks"])
        elif solution.tree:
            try:
                handed = handing.hand_in(errand, solution)
            except PeerError as why:
                if "gates" not in why.extra:
                    raise
                note = accepting.end_of(peer, why.message)
                peer.run(Move(me=peer.me, task=task.id, status="blocked", note=note))
                outcome.outcome, outcome.why = "blocked", why.message[:200]
                return
            outcome.outcome, outcome.branch, outcome.commit = "done", handed.branch, handed.commit
        else:
            note = accepting.end_of(peer, solution.stuck)
            peer.run(Move(me=peer.me, task=task.id, status="blocked", note=note))
            outcome.outcome, outcome.why = "blocked", solution.stuck.strip().split("\n")[0][:200]

    @staticmethod
    def _hand_back(peer: Peer, task: Task, note: str) -> None:
        """Give the task to whoever comes next; where that cannot be said, the lease runs out by itself.

        Who is told to end just when its time is up anyway, or twice, still says so.
        """
        back = GiveUp(me=peer.me, task=task.id, note=accepting.end_of(peer, note))
        with suppress(PeerError):
            try:
                peer.run(back)
            except KeyboardInterrupt:
                with suppress(PeerError):
                    peer.run(back)
                raise

    # -- waiting --------------------------------------------------------------------------------------
    def _wait(self, peer: Peer) -> bool:
        """Do for others what they wait for, or wait for them; False where nothing is to be expected."""
        waiting = self._acceptable(peer)
        if waiting and waiting != self._seen:
            if len(self._known) > KNOWN:
                self._known.clear()
            options = integrating.Options(
                seconds=self._options.seconds, until=self._options.limits.until, send_back=True, known=self._known
            )
            try:
                done = integrating.integrate(peer, self._sandbox, options, self._tell)
            except PeerError as why:  # somebody else was faster, or the remote is away
                self._tell(f"not integrated: {why.message}")
            else:
                self._seen = waiting
                self._tell(f"integrated {count(len(done['merged']), 'task')}")
                return True
        if self._helped(peer):
            return True
        board = Board(peer.state)
        if not self._expects(peer, board):
            self._tell(f"nothing is left to do: {_counted(board)}")
            return False
        began, tip = time.monotonic(), peer.engine.tip()
        end = began + min(LOOK, self._options.limits.left())
        while time.monotonic() < end and peer.engine.tip() == tip:
            peer.sleep_until_news(max(0.0, end - time.monotonic()))
        took = time.monotonic() - began
        self._quiet = 0.0 if peer.engine.tip() != tip else self._quiet + took
        return self._quiet < PATIENCE or bool(list(board.working(peer.scene(peer.state))))

    def _helped(self, peer: Peer) -> bool:
        """Have a part in a vote that another runner has called; whether there was one."""
        if self._options.votes == 1 or not any(Board(peer.state).working(peer.scene(peer.state))):
            return False
        try:
            new = (one for one in ballots.calls(peer) if (one.task.id, one.base) not in self._voted)
            call = next((one for one in new if set(one.task.skills) <= set(peer.me.capabilities)), None)
            if call is None:
                return False
            self._voted.add((call.task.id, call.base))
            self._tell(f"{call.task.id}: a candidate for {call.task.assignee}: {call.task.title}")
            with self._errand(peer, call.task, call.base) as errand:
                if voting.help_with(self._solver, errand, call):
                    self._tell(f"{call.task.id}: offered")
        except TimeUp:
            return False
        except PeerError as why:
            if why.code not in (*voting.AWAY, *STOPS):
                raise
            self._tell(f"no candidate: {why.message}")
            return False
        return True

    def _acceptable(self, peer: Peer) -> dict[str, str]:
        """Task → commit of what others have handed in, and this session may accept."""
        return {
            one.id: one.commit
            for one in tasks.all_of(peer.state)
            if one.status in ("review", "merge_point") and one.commit and peer.name not in one.workers
        }

    @staticmethod
    def _expects(peer: Peer, board: Board) -> bool:
        """Whether something may still become ready: somebody works, or another runner may accept what waits.

        Who holds nothing shows no signs of life: a runner that is idle is one that was heard of not long ago.
        """
        now = time.time()
        others = [
            one.name
            for one in sessions.all_of(peer.state)
            if one.agent == peer.me.agent and one.name != peer.name and now - one.at < RECENT
        ]
        leaves = [one for one in board.tasks.values() if not one.children]
        working = [one for one in leaves if one.status == "in_progress" and one.assignee != peer.name]
        waiting = [one for one in leaves if one.status in ("review", "merge_point")]
        return bool(working) or any(who not in one.workers for one in waiting for who in others)


def _counted(board: Board) -> str:
    """How many tasks there are of each status."""
    found = Counter(one.status for one in board.tasks.values())
    return ", ".join(f"{count} {status}" for status, count in sorted(found.items())) or "there is no plan"


def _every(peer: Peer) -> float:
    """Seconds between two looks at the lease: each may come late, and it still holds."""
    session = peer.session()
    return max(1.0, (session.ttl if session else 1800) / 6)


def _depth(peer: Peer, task: Task) -> int:
    """How many tasks this one is a part of."""
    found = 0
    while task.parent:
        task = tasks.find(peer.state, task.parent)
        found += 1
    return found


def _sent_back(task: Task) -> list[str]:
    """Why it was sent back since it was claimed, each time."""
    found: list[str] = []
    for entry in reversed(task.history):
        if entry.what == "claimed":
            break
        if entry.what == "in_progress":
            found.append(entry.note)
    return found[::-1]
