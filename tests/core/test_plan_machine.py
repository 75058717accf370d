"""Plans under Hypothesis: any order of words, deaths, returns and clock jumps, against a model from the design."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Command, Me, Scene
from git_peer.core.log.state import DictReader, Event, State, encode
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import (
    AddContract,
    AddPhase,
    AddTask,
    ApproveContract,
    ChangeContract,
    ChangeTask,
    EditPlan,
)
from git_peer.core.plan.phases import Sync
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import Assign, Claim, GiveUp, Next
from git_peer.core.plan.task.decide import Move, Progress, Record
from git_peer.core.plan.task.record import Changes, Spec
from git_peer.core.rules import decide as commands
from git_peer.core.rules import fold
from git_peer.core.target import target as targets
from tests.core.bench import Bench, agent
from tests.core.plan_model import WORKED_ON, Contract, Model, No, Phase, Task

PEOPLE = [agent(name, f"c-{name}") for name in "abc"]
TTL = {"a": 100, "b": 200, "c": 400}
MOST = 9  # tasks

WHO = st.sampled_from(PEOPLE)
WHICH = st.integers(0, 2 * MOST)
SOME = st.lists(WHICH, max_size=2)
COMMITS = st.sampled_from(["1" * 40, "2" * 40])


class Mirrored(Bench):
    """A bench whose sessions have leases of their own, and beside it a log that is replayed from the events' lines."""

    def __init__(self) -> None:
        self.ttl = 100
        self.mirror: dict[str, bytes] = {}
        super().__init__()

    @property
    def scene(self) -> Scene:
        return Scene(now=self.now, ident=self.ident, ttl_agent=self.ttl, height=self.height + 1)

    def fold(self, events: list[Event]) -> None:
        lines = [encode(event) for event in events]
        super().fold(events)
        state = State(DictReader(self.mirror))
        fold.apply(state, [fold.parse(line) for line in lines], self.height)
        changes = state.changes.items()
        kept = {path: raw for path, raw in self.mirror.items() if path not in state.changes}
        self.mirror = {**kept, **{path: raw for path, raw in changes if raw is not None}}


class Plans(RuleBasedStateMachine):
    """Every rule says a word to both, and compares what they make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Mirrored()
        self.model = Model(self.bench.now)

    def say(self, me: Me, command: Command, word: Callable[[Model, str], None], begins: bool = True) -> None:
        """A command that starts its session where it has to, and what the model says of it."""
        name = str(me.name)
        after = deepcopy(self.model)
        try:
            if begins:
                after.begin(name, TTL[name], again=me.takeover)
            word(after, name)
            after.heard(name)
            granted = True
        except No:
            granted = False
        self.bench.ttl = TTL[name]
        height, before = self.bench.height, self.bench.blobs.copy()
        try:
            self.bench.do(command)
        except PeerError as why:
            assert not granted, f"{command} was refused: {why.code}, {why}"
            assert why.code not in ("internal", "usage")
            assert self.bench.blobs == before
            return
        assert granted, f"{command} was granted"
        if self.bench.height > height:  # what changes nothing is no sign of life
            self.model = after

    def task(self, which: int) -> str:
        return sorted(self.model.tasks)[which % len(self.model.tasks)]

    def on(
        self, me: Me, which: int, word: Callable[[Model, str, Task], None], kind: Callable[..., Command], **how: Any
    ) -> None:
        ident = self.task(which)
        self.say(me, kind(me=me, task=ident, **how), lambda model, name: word(model, name, model.tasks[ident]))

    def move(self, me: Me, which: int, to: str, word: Callable[[Model, str, Task], None], **how: Any) -> None:
        if self.model.tasks[self.task(which)].status == to and to != "review":
            word = _nothing if to in ("done", "dropped", "blocked", "todo") else _no
        self.on(me, which, word, Move, status=to, note="why", **how)

    # -- the plan ---------------------------------------------------------------------------------
    @initialize(count=st.integers(0, 3))
    def phases(self, count: int) -> None:
        for number in range(count):
            self.phase(PEOPLE[0], number)

    def phase(self, me: Me, number: int) -> None:
        def word(model: Model, name: str) -> None:
            model.phases.append(Phase(f"p{number}"))
            model.open()

        self.say(me, EditPlan(me=me, edits=(AddPhase(name=f"p{number}"),)), word)

    @precondition(lambda self: len(self.model.tasks) < MOST)
    @rule(
        me=WHO,
        after=SOME,
        parent=st.none() | WHICH,
        phase=st.integers(-2, 2),
        paths=st.lists(st.sampled_from("fg"), max_size=2, unique=True),
        accept=st.sampled_from(["", "make"]),
        priority=st.integers(4, 6),
        uses=st.lists(st.sampled_from(["api", "db"]), max_size=1),
    )
    def add(
        self, me: Me, after: list[int], parent: int | None, phase: int, paths: list[str], accept: str, priority: int,
        uses: list[str],
    ) -> None:  # fmt: skip
        there = sorted(self.model.tasks)
        deps = tuple(dict.fromkeys(self.task(one) for one in after)) if there else ()
        under = self.task(parent) if there and parent is not None else ""
        named = f"p{phase}" if 0 <= phase < len(self.model.phases) else ""
        ident = f"t{len(there) + 1}"
        wanted = tuple(targets.of_path("file", path) for path in paths)
        spec = Spec(
            title=ident, depends_on=deps, parent=under, phase=named, paths=wanted, accept=accept, priority=priority,
            uses=tuple(uses),
        )  # fmt: skip
        new = Task(ident, deps, under, named, tuple(paths), accept, priority)

        def word(model: Model, name: str) -> None:
            model.add(name, deepcopy(new))
            model.uses[ident] = tuple(uses)

        self.say(me, EditPlan(me=me, edits=(AddTask(id=ident, spec=spec),)), word)

    def edit(self, me: Me, which: int, word: Callable[[Model, str, Task], None], **changes: Any) -> None:
        ident = self.task(which)
        edit = ChangeTask(id=ident, changes=Changes(**changes))
        self.say(me, EditPlan(me=me, edits=(edit,)), lambda model, name: word(model, name, model.tasks[ident]))

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH, after=SOME)
    def depend(self, me: Me, which: int, after: list[int]) -> None:
        deps = tuple(dict.fromkeys(self.task(one) for one in after))
        self.edit(me, which, lambda model, name, task: model.depend(task, deps), depends_on=deps)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH, accept=st.sampled_from(["", "make", "true"]))
    def acceptance(self, me: Me, which: int, accept: str) -> None:
        def word(model: Model, name: str, task: Task) -> None:
            if task.accept != accept:
                model.acceptance(name, task, accept)

        self.edit(me, which, word, accept=accept)

    # -- working ----------------------------------------------------------------------------------
    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH, lock=st.booleans())
    def claim(self, me: Me, which: int, lock: bool) -> None:
        self.on(me, which, lambda model, name, task: model.claim(name, task, lock), Claim, lock=lock)

    @rule(me=WHO, lock=st.booleans())
    def next(self, me: Me, lock: bool) -> None:
        self.say(me, Next(me=me, lock=lock), lambda model, name: model.next(name, lock))

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def release(self, me: Me, which: int) -> None:
        self.on(me, which, Model.release, GiveUp)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH, to=st.sampled_from(["", "a", "b", "c"]))
    def assign(self, me: Me, which: int, to: str) -> None:
        self.on(me, which, lambda model, name, task: model.assign(name, task, to), Assign, to=to)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def progress(self, me: Me, which: int) -> None:
        self.on(me, which, Model.progress, Progress, percent=7)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH, commit=COMMITS)
    def review(self, me: Me, which: int, commit: str) -> None:
        self.move(me, which, "review", lambda model, name, task: model.review(name, task, commit), commit=commit)

    @precondition(lambda self: any(task.status in WORKED_ON for task in self.model.tasks.values()))
    @rule(me=WHO, which=WHICH, commit=COMMITS, passed=st.booleans())
    def record(self, me: Me, which: int, commit: str, passed: bool) -> None:
        seen = self.model.tasks[self.task(which)].accept
        word = lambda model, name, task: model.record(task, commit, passed)  # noqa: E731 - the type is said by on()
        self.on(me, which, word, Record, commit=commit, passed=passed, seen=seen)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def accept(self, me: Me, which: int) -> None:
        self.move(me, which, "merge_point", Model.accept)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def finish(self, me: Me, which: int) -> None:
        self.move(me, which, "done", lambda model, name, task: model.finish(task))

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def reject(self, me: Me, which: int) -> None:
        self.move(me, which, "in_progress", lambda model, name, task: model.reject(task))

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def block(self, me: Me, which: int) -> None:
        self.move(me, which, "blocked", Model.block)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def drop(self, me: Me, which: int) -> None:
        self.move(me, which, "dropped", Model.drop)

    @precondition(lambda self: self.model.tasks)
    @rule(me=WHO, which=WHICH)
    def reopen(self, me: Me, which: int) -> None:
        self.move(me, which, "todo", Model.reopen)

    @rule(me=WHO, which=WHICH, commit=COMMITS)
    def all_the_way(self, me: Me, which: int, commit: str) -> None:
        """A stretch of the way in one go, for the plan to come to its end now and then."""
        if not self.model.ready():
            return
        ident = self.model.ready()[which % len(self.model.ready())]
        at = sorted(self.model.tasks).index(ident)
        self.claim(me, at, lock=False)
        self.review(me, at, commit)
        self.record(me, at, commit, passed=True)
        other = PEOPLE[(PEOPLE.index(me) + 1) % len(PEOPLE)]
        self.accept(other, at)
        if which % 2:
            self.finish(other, at)

    # -- phases and contracts ---------------------------------------------------------------------
    @rule(me=WHO, head=COMMITS)
    def sync(self, me: Me, head: str) -> None:
        self.say(me, Sync(me=me, head=head), lambda model, name: model.sync(name, head))

    @rule(head=COMMITS)
    def sync_all(self, head: str) -> None:
        for me in PEOPLE:
            self.sync(me, head)

    @rule(me=WHO, contract=st.sampled_from(["api", "db"]))
    def promise(self, me: Me, contract: str) -> None:
        if contract not in self.model.contracts:
            new = AddContract(name=contract, type="free", definition="1")
            self.say(me, EditPlan(me=me, edits=(new,)), lambda m, name: m.contracts.update({contract: Contract()}))

    @precondition(lambda self: self.model.contracts)
    @rule(me=WHO, which=WHICH, saw=st.integers(1, 4), force=st.booleans())
    def change(self, me: Me, which: int, saw: int, force: bool) -> None:
        contract = sorted(self.model.contracts)[which % len(self.model.contracts)]
        new = ChangeContract(name=contract, saw=saw, definition=f"{saw + 1}", force="why" if force else None)
        self.say(me, EditPlan(me=me, edits=(new,)), lambda model, name: model.change(model.contracts[contract], saw))

    @precondition(lambda self: self.model.contracts)
    @rule(me=WHO, which=WHICH, version=st.integers(1, 4))
    def approve(self, me: Me, which: int, version: int) -> None:
        contract = sorted(self.model.contracts)[which % len(self.model.contracts)]
        new = ApproveContract(name=contract, version=version)
        word = lambda model, name: model.approve(name, model.contracts[contract], version)  # noqa: E731 - as above
        self.say(me, EditPlan(me=me, edits=(new,)), word)

    # -- dying and coming back --------------------------------------------------------------------
    @rule(me=WHO)
    def end(self, me: Me) -> None:
        def word(model: Model, name: str) -> None:
            if name not in model.sessions:
                raise No
            model.end(name)

        self.say(me, commands.End(me=me), word, begins=False)

    @rule(me=WHO)
    def another_run(self, me: Me) -> None:
        again = agent(str(me.name), me.clone)
        taken = Me(**{f: getattr(again, f) for f in again.__struct_fields__ if f != "takeover"}, takeover=True)
        self.say(taken, commands.Start(me=taken), lambda model, name: None)

    @rule(seconds=st.sampled_from([1, 99, 101, 161, 261, 461]))
    def time_passes(self, seconds: int) -> None:
        self.bench.now += seconds
        self.model.now += seconds

    # -- what must hold ---------------------------------------------------------------------------
    @invariant()
    def the_plan_is_what_the_model_says(self) -> None:
        found = {}
        for task in tasks.all_of(self.bench.state):
            who = task.assignee
            found[task.id] = (task.status, who, set(task.workers), task.commit, task.accept)
            if task.result is not None:
                assert (task.result.commit, task.result.passed) == self.model.tasks[task.id].result
            else:
                assert self.model.tasks[task.id].result is None
            assert bool(task.sid) == (who != "" and task.status != "todo")
        wanted = {
            one.ident: (one.status, one.worker[0] if one.worker else one.kept, one.workers, one.commit, one.accept)
            for one in self.model.tasks.values()
        }
        assert found == wanted

    @invariant()
    def what_is_ready_is_what_the_model_says(self) -> None:
        board = Board(self.bench.state)
        assert [task.id for task in board.ready(self.bench.scene)] == self.model.ready()

    @invariant()
    def phases_and_contracts_are_what_the_model_says(self) -> None:
        state = self.bench.state
        phases = plan.get(state).phases
        assert [(one.id, one.status) for one in phases] == [(one.name, one.status) for one in self.model.phases]
        assert [one.status for one in phases].count("open") == any(one.status != "closed" for one in phases)
        found = {one.name: (one.version, one.status == "locked", set(one.approved)) for one in contracts.all_of(state)}
        assert found == {name: (one.version, one.locked, one.approved) for name, one in self.model.contracts.items()}

    @invariant()
    def the_locks_are_what_the_model_says(self) -> None:
        found = {lock.target.path: (lock.session, lock.task) for lock in locks.all_of(self.bench.state)}
        assert found == {path: (run[0], task) for path, (run, task) in self.model.locks.items()}

    @invariant()
    def a_task_that_is_worked_on_waited_for_nothing_when_it_was_begun(self) -> None:
        """One that is in progress, and not a parent, has a worker; no two have it."""
        for task in tasks.all_of(self.bench.state):
            if task.status in WORKED_ON and not task.children:
                assert task.assignee
                assert task.assignee in task.workers

    @invariant()
    def the_index_agrees_with_the_tasks(self) -> None:
        prefix = f"{layout.T_CLAIMS}/"
        index = {path[len(prefix) :]: raw.decode() for path, raw in self.bench.blobs.items() if path.startswith(prefix)}
        assert index == {
            f"{task.assignee}/{task.id}": task.status
            for task in tasks.all_of(self.bench.state)
            if task.assignee and task.status not in tasks.OVER
        }

    @invariant()
    def children_agree_with_parents(self) -> None:
        every = list(tasks.all_of(self.bench.state))
        for task in every:
            below = {one.id for one in every if one.parent == task.id and one.status != "dropped"}
            assert set(task.children) == below
            assert len(task.children) == len(below)

    @invariant()
    def the_log_replays_to_the_same_tree(self) -> None:
        mirror, blobs = self.bench.mirror, self.bench.blobs
        assert {
            path: (mirror.get(path), blobs.get(path))
            for path in {*mirror, *blobs}
            if mirror.get(path) != blobs.get(path)
        } == {}


def _nothing(model: Model, name: str, task: Task) -> None:
    """It is so already."""


def _no(model: Model, name: str, task: Task) -> None:
    """It is so already, and to say it again would be a mistake."""
    raise No


TestPlans = Plans.TestCase
TestPlans.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
