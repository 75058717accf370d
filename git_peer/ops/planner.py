"""Planning with a model: one planner at a time, its proposal checked and mended, and written all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from git_peer import layout
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.lock.decide import Wish
from git_peer.core.log.state import State
from git_peer.core.plan import draft as drafts
from git_peer.core.plan import proposal as proposals
from git_peer.core.plan import questions, sketch
from git_peer.core.plan import record as plan
from git_peer.core.plan.draft import Draft
from git_peer.core.plan.edits import AnyEdit, EditPlan
from git_peer.core.plan.proposal import Proposal
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.rules import decide as commands
from git_peer.core.session import record as sessions
from git_peer.core.target import target as targets
from git_peer.core.text import count
from git_peer.ops import map as mapping
from git_peer.ops import planner_prompt
from git_peer.ops.peer import Peer
from git_peer.ports import Answer, Planner, Progress, Tool

PLANNING = targets.of_path("name", "planning")
CORRECTIONS = 2  # times that what is wrong goes back to the model
_PLAN, _ASK = "propose_plan", "ask_team"


@dataclass(frozen=True)
class Wanted:
    """What is asked of the planner. `wish`: what is to change about the plan that is there; `most`: tasks."""

    goal: str
    wish: str = ""
    replan: bool = False
    ask: bool = False
    most: int = 100


@dataclass(frozen=True)
class Proposed:
    """A plan that could be written, as `view` tells it; or questions to the team, which were put already."""

    edits: tuple[AnyEdit, ...] = ()
    view: dict[str, Any] = field(default_factory=dict)
    difference: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)


def refuse(state: State, wanted: Wanted) -> None:
    """PeerError where a plan is in the way of a new one, or there is none to change."""
    there = list(tasks.all_of(state))
    unfinished = [task for task in there if task.status not in tasks.OVER]
    if wanted.replan and not there and not plan.get(state).goal:
        raise PeerError("not_found", "there is no plan to change", "`git peer plan new GOAL` makes one")
    if not wanted.replan and unfinished:
        left = count(len(unfinished), "unfinished task")
        raise PeerError("exists", f"there is a plan with {left}", "`git peer plan replan` changes it")


# -- one at a time ----------------------------------------------------------------------------------
class Lease:
    """The lock on @planning; `ident` is its id."""

    def __init__(self, peer: Peer, wish: Wish) -> None:
        self._peer = peer
        self._wish = wish
        self.ident = str(peer.take(wish)["locks"][0]["id"])

    def renew(self) -> None:
        """Begin the lease anew. PeerError("locked") where another plans now, ("changed") where one has meanwhile."""
        taken = self._peer.take(msgspec.structs.replace(self._wish, wait=None))
        again = str(taken["locks"][0]["id"])
        if again != self.ident:
            self.ident = again
            raise PeerError(
                "changed", "the lease on @planning ran out, and somebody else may have planned", "try again"
            )

    def end(self) -> None:
        """Give it back; where that cannot be, it runs out."""
        with contextlib.suppress(PeerError):
            self._peer.run(commands.Release(me=self._peer.me, ids=(self.ident,)))


@contextmanager
def holding(peer: Peer, goal: str, ttl: int, wait: int | None) -> Iterator[Lease]:
    """Be the only one who plans; waits for that at most `wait` seconds. PeerError("locked") names who plans."""
    import filelock

    # A session owns its lock in all of its processes: two of one session are told apart here.
    lock = filelock.FileLock(peer.clone.folder / layout.F_PLANNING, mode=0o666)
    try:
        lock.acquire(timeout=wait or 0)
    except filelock.Timeout:
        raise PeerError("locked", "another git-peer command plans in this clone", "wait for it with --wait") from None
    try:
        reason = f"plan: {text.line(goal, 180)}"
        lease = Lease(peer, Wish(targets=(PLANNING,), ttl=ttl, reason=reason, wait=wait))
        try:
            yield lease
        finally:
            lease.end()
    finally:
        lock.release()


# -- proposing --------------------------------------------------------------------------------------
def propose(peer: Peer, planner: Planner, wanted: Wanted, progress: Progress) -> Proposed:
    """Ask the model until there is a plan that can be written. Nothing is, but its questions to the team.

    PeerError("invalid") with `problems` where it does not come to that; every PeerError has `usage`.
    """
    try:
        return _proposed(peer, planner, wanted, progress)
    except PeerError as why:
        why.extra["usage"] = msgspec.to_builtins(planner.usage)
        raise


def _proposed(peer: Peer, planner: Planner, wanted: Wanted, progress: Progress) -> Proposed:
    state = peer.state
    refuse(state, wanted)
    scene = peer.scene(state)
    if planner.small and not wanted.replan and not wanted.ask:
        return _sketched(peer, planner, wanted, progress)
    repo_map = mapping.make(peer.repo, most=planner_prompt.MAP).text
    prompt = planner_prompt.prompt(state, scene, wanted.goal, wanted.wish, repo_map)
    tools = [Tool(_PLAN, "Hand in the plan. Call it once, with all of it.", proposals.schema(wanted.replan))]
    if wanted.ask:
        about = "Put questions to the team before you plan. The answers come with a later call."
        tools.append(Tool(_ASK, about, proposals.question_schema()))
    answer = planner.ask(planner_prompt.system(wanted.ask), prompt, tools, progress)
    good: Proposed | None = None
    for turn in range(CORRECTIONS + 1):
        try:
            found, problems = _judged(peer, state, answer, wanted)
        except PeerError as why:
            if good is None:
                raise
            return _with(good, why.message)
        if found is not None and (not found.warnings or found.questions or turn == CORRECTIONS):
            return found
        good = found or good
        if turn == CORRECTIONS:
            break
        try:
            answer = planner.correct(_said(problems, found), progress)
        except PeerError as why:
            if good is None:
                raise
            return _with(good, why.message)
    if good is not None:
        return good
    told = proposals.listed(problems)
    raise PeerError(
        "invalid",
        f"the model's plan cannot be taken, after {CORRECTIONS + 1} tries:\n" + "\n".join(f"  {one}" for one in told),
        "nothing was written; say the goal in more detail, or ask for less at once",
        problems=told,
    )


def _sketched(peer: Peer, planner: Planner, wanted: Wanted, progress: Progress) -> Proposed:
    """A plan in the small form. What is wrong in it is left out and named; if nothing is left, the goal is one task."""
    repo_map = mapping.make(peer.repo, most=planner_prompt.SMALL_MAP).text
    tools = [Tool(_PLAN, "Hand in the tasks.", sketch.schema(wanted.most))]
    answer = planner.ask(planner_prompt.SMALL, planner_prompt.small_prompt(wanted.goal, repo_map), tools, progress)
    if answer.end != "done":
        _judged(peer, peer.state, answer, wanted)  # says what came of it
    proposal, said = sketch.read(answer.input, wanted.goal, _resolver(peer), wanted.most)
    found, problems = _laid(peer, peer.state, proposal, wanted)
    if found is None:
        wrong = answer.unreadable or "; ".join(problems)
        said = [*said, f"the model's plan was of no use ({text.line(wrong, 200)}): the goal is one task"]
        found, problems = _laid(peer, peer.state, sketch.one_task(wanted.goal), wanted)
    if found is None:
        raise PeerError("invalid", f"no plan can be made of this goal: {'; '.join(problems)}", "", problems=problems)
    return Proposed(found.edits, found.view, found.difference, [*said, *found.warnings])


def _with(good: Proposed, why: str) -> Proposed:
    """A plan that the model was asked to mend, and did not."""
    return Proposed(good.edits, good.view, good.difference, [*good.warnings, f"it was not mended: {why}"])


def _said(problems: Sequence[str], found: Proposed | None) -> str:
    """What goes back to the model."""
    if found is None:
        rows = "\n".join(f"- {one}" for one in proposals.listed(list(problems)))
        return f"The plan cannot be taken:\n{rows}\nMend this, and call the tool again with the whole of it."
    rows = "\n".join(f"- {one}" for one in proposals.listed(found.warnings))
    return (
        f"Agents would collide in this plan:\n{rows}\nOrder such tasks by depends_on, or give them paths that do not "
        "overlap, and call the tool again with the whole plan. Where it must be so, return it as it is."
    )


def _judged(peer: Peer, state: State, answer: Answer, wanted: Wanted) -> tuple[Proposed | None, list[str]]:
    """What an answer comes to, or what is wrong with it. PeerError("failed") where asking again is of no use."""
    if answer.end == "refused":
        said = f": {text.line(answer.text, 300)}" if answer.text.strip() else ""
        raise PeerError("failed", f"the model refused{said}", "nothing was written; say the goal in other words")
    if answer.end == "cut":
        raise PeerError(
            "failed",
            "the model's answer was cut off: it came to the limit of its tokens",
            "nothing was written; `--max-tokens N` gives it more, or ask for less at once",
        )
    if answer.unreadable:
        return None, [f"the input of {text.line(answer.tool, 60)} is no JSON: {answer.unreadable}"]
    if answer.tool == _ASK and wanted.ask:
        return _asked(peer, state, answer)
    if answer.tool != _PLAN:
        what = f"{text.quoted(answer.tool, 60)} is no tool" if answer.tool else "no tool was called"
        said = f" but said {text.quoted(answer.text, 200)}" if answer.text and not answer.tool else ""
        return None, [f"{what}{said}; call {_PLAN}"]
    return _drafted(peer, state, answer.input, wanted)


def _asked(peer: Peer, state: State, answer: Answer) -> tuple[Proposed | None, list[str]]:
    known = {one.name for one in sessions.all_of(state)}
    found, problems = proposals.read_questions(answer.input, known)
    if problems:
        return None, problems
    asked = tuple(questions.Asked(text=said, to=to) for said, to in found)
    return Proposed(questions=peer.run(questions.Ask(me=peer.me, questions=asked))["questions"]), []


def _resolver(peer: Peer) -> proposals.Resolve:
    repo = peer.repo
    top = str(repo.top) if repo.top is not None else ""
    return lambda given: targets.parse(given, "", repo.what_is, top, repo.in_any_tree)


def _drafted(peer: Peer, state: State, raw: Any, wanted: Wanted) -> tuple[Proposed | None, list[str]]:
    proposal, problems = proposals.read(raw, _resolver(peer), wanted.most, wanted.replan)
    return (None, problems) if problems else _laid(peer, state, proposal, wanted)


def _laid(peer: Peer, state: State, proposal: Proposal, wanted: Wanted) -> tuple[Proposed | None, list[str]]:
    """A proposal laid over the plan that is there, or what is wrong with it as a plan."""
    before = Board(state)
    draft = Draft(proposal, before)
    problems = draft.problems(wanted.replan)
    if problems:
        return None, problems
    used = [one.id for one in questions.all_of(state)]
    edits = draft.edits(proposal.goal if wanted.replan else wanted.goal, used)
    overlay, scene = State(state), peer.scene(state)
    try:
        commands.decide(overlay, EditPlan(me=peer.me, edits=edits), scene)
    except PeerError as why:
        return None, [text.line(why.message, 300)]
    after = Board(overlay)
    found = Proposed(
        edits=edits,
        view=after.whole(scene),
        difference=drafts.difference(before, after),
        warnings=drafts.collisions(after, before, draft.new),
    )
    return found, []


def write(peer: Peer, found: Proposed, wanted: Wanted) -> dict[str, Any]:
    """Write all of a proposal, or PeerError, as where the plan was changed meanwhile: the plan that is there now."""
    how = "replan" if wanted.replan else "new"
    peer.run(EditPlan(me=peer.me, edits=found.edits, how=how, why=text.line(wanted.wish, text.SUMMARY)))
    return Board(peer.state).whole(peer.scene(peer.state))
