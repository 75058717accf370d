"""What a model is asked, step by step. What all steps share comes first, so that a kept prefix stays good. Pure.

The same brief makes the same prompt: it holds no time, no random id and no place on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from git_peer.core import text as texts
from git_peer.core.errors import PeerError
from git_peer.ports import Message
from git_peer.runner import results, shown
from git_peer.runner import steps as wording
from git_peer.runner.shown import Source
from git_peer.runner.steps import Step

Count = Callable[[Sequence[Message]], int]
AGAIN = ("mend", "syntax")  # the steps that follow an attempt


@dataclass(frozen=True)
class Row:
    """A task of the plan in one line; `near` if it is a neighbour of the one that is asked about."""

    text: str
    near: bool = False


@dataclass(frozen=True)
class Asked:
    """The task itself, as the plan says it."""

    id: str
    title: str
    description: str = ""
    paths: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()
    accept: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Brief:
    """All that a prompt may tell. Files stand in their order of relevance; what did not fit anywhere is in `absent`.

    `made` is what the last attempt wrote, `feedback` what its tests said, `problems` why it could not be taken.
    """

    goal: str
    task: Asked
    plan: tuple[Row, ...] = ()
    unlisted: int = 0  # tasks of the plan that are not in it
    contracts: tuple[str, ...] = ()
    deltas: tuple[str, ...] = ()
    files: tuple[Source, ...] = ()
    symbols: str = ""
    absent: tuple[str, ...] = ()
    only: str = ""  # the task's one Python path, if it has one
    test: str = ""  # where its tests go
    made: tuple[Source, ...] = ()
    feedback: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """A prompt before it is fitted: the step, the attempt (from 1), and what may be told."""

    step: Step
    brief: Brief
    attempt: int = 1


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits, what was cut for it, and how many tokens it has."""

    messages: list[Message]
    cut: list[str] = field(default_factory=list)
    tokens: int = 0


def decide(brief: Brief, attempt: int = 1) -> Parts:
    """Whether it can be solved as it is."""
    return Parts("decide", brief, attempt)


def divide(brief: Brief, attempt: int = 1) -> Parts:
    """Which subtasks it is made of."""
    return Parts("divide", brief, attempt)


def write(brief: Brief, attempt: int = 1) -> Parts:
    """Code and tests."""
    return Parts("write", brief, attempt)


def mend(brief: Brief, attempt: int) -> Parts:
    """The same again, after its tests failed: `brief.made` and `brief.feedback`."""
    return Parts("mend", brief, attempt)


def syntax(brief: Brief, attempt: int) -> Parts:
    """The same again, after its answer could not be taken: `brief.made` and `brief.problems`."""
    return Parts("syntax", brief, attempt)


def last_line(step: Step, ident: str, attempt: int) -> str:
    """The last line of a prompt."""
    return f"Step: {step}. Task: {ident}. Attempt: {attempt}."


# -- fitting --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Cuts:
    """How far each part is cut: 0 is whole."""

    plan: int = 0
    news: int = 0
    output: int = 0
    drop: int = 0
    shrink: int = 0
    bare: bool = False  # the task alone


_PLAN = 8  # the goal's and the plan's steps; one more, when all else is cut
_NEWS = 6
_OUTPUT = 6
_SHRINK = 24
_WIDEST = 8  # characters of a token, at most, in what is worth looking at
_SHARE = 0.82  # of a step of the files to the one before it


def fit(parts: Parts, count: Count, room: int) -> Fitted:
    """The prompt with as much of everything as `room` tokens hold, counted by `count`.

    The plan is summarised first, then contracts and deltas are shortened, then test output, files last: the least
    relevant ones whole, then what is long to its relevant regions. What was cut is told in it. PeerError("invalid")
    where even the bare task does not fit.
    """
    # A bound on what is looked at at all, far above what fits, so that no count costs more than a few rooms' worth.
    most = max(room, 256) * _WIDEST
    brief = _bounded(parts.brief, most)
    parts = Parts(parts.step, brief, parts.attempt)
    ladder = _ladder(len(_droppable(parts)))
    tried: dict[int, Fitted] = {}

    def at(rung: int) -> Fitted:
        if rung not in tried:
            messages, cut = _messages(parts, ladder[rung], most)
            tried[rung] = Fitted(messages, cut, count(messages))
        return tried[rung]

    if at(0).tokens <= room:
        return tried[0]
    low, high = 0, len(ladder) - 1  # low does not fit
    if at(high).tokens > room:
        tokens = tried[high].tokens
        raise PeerError(
            "invalid",
            f"task {parts.brief.task.id} alone takes {tokens:,} tokens of a prompt, and there is room for {room:,}",
            "shorten its description or divide it, or give the model a larger context",
        )
    while high - low > 1:
        middle = (low + high) // 2
        if at(middle).tokens <= room:
            high = middle
        else:
            low = middle
    return tried[high]


def _ladder(drops: int) -> list[_Cuts]:
    """Every step of cutting, each one more than the one before it."""
    rungs = [_Cuts()]
    rungs += [_Cuts(plan) for plan in range(1, _PLAN + 1)]
    rungs += [_Cuts(_PLAN, news) for news in range(1, _NEWS + 1)]
    rungs += [_Cuts(_PLAN, _NEWS, output) for output in range(1, _OUTPUT + 1)]
    rungs += [_Cuts(_PLAN, _NEWS, _OUTPUT, drop) for drop in range(1, drops + 1)]
    rungs += [_Cuts(_PLAN, _NEWS, _OUTPUT, drops, shrink) for shrink in range(1, _SHRINK + 1)]
    return [*rungs, _Cuts(_PLAN + 1, _NEWS, _OUTPUT, drops, _SHRINK), _Cuts(bare=True)]


def _droppable(parts: Parts) -> list[Source]:
    """The files that may go whole, the least relevant first: not the task's own, unless they were written anew."""
    brief = parts.brief
    again = {one.path for one in brief.made} if parts.step in AGAIN else set[str]()
    others = [one for one in brief.files if one.relevance > 0 or one.path in again]
    order = {one.path: at for at, one in enumerate(brief.files)}
    return sorted(others, key=lambda one: (-one.relevance, -order[one.path]))


def _bounded(brief: Brief, most: int) -> Brief:
    """The brief with no more than a prompt could ever hold of each list and text."""
    rows: list[Row] = []
    left = most
    for row in sorted(brief.plan, key=lambda row: not row.near):
        left -= len(row.text) + 1
        if left < 0:
            break
        rows.append(row)
    kept = {id(row) for row in rows}
    files: list[Source] = []
    left = most
    for one in sorted(brief.files, key=lambda one: one.relevance):
        left -= len(one.text) + 200
        if left < 0 and files:
            break
        files.append(one)
    here = {id(one) for one in files}
    gone = tuple(one.path for one in brief.files if id(one) not in here)
    plan = tuple(row for row in brief.plan if id(row) in kept)
    missing = len(brief.plan) - len(plan)
    return replace(
        brief,
        goal=_head(brief.goal, most // 4),
        plan=plan,
        unlisted=brief.unlisted + missing,
        contracts=tuple(_head(one, most // 8) for one in brief.contracts[:200]),
        deltas=tuple(_head(one, most // 8) for one in brief.deltas[:200]),
        files=tuple(one for one in brief.files if id(one) in here),
        symbols=_head(brief.symbols, most // 4),
        absent=(*brief.absent, *gone),
        made=brief.made[:50],
        feedback=results.middle_cut(results.scrub(results.middle_cut(brief.feedback, most)), most // 4),
        problems=brief.problems[:20],
    )


def _head(said: str, most: int) -> str:
    found = said if len(said) <= most * 2 else said[: most * 2]
    found = texts.clean(found)
    return found if len(found) <= most and len(said) <= most * 2 else f"{found[:most]}\n(the rest is left out)"


# -- the text -------------------------------------------------------------------------------------
def _messages(parts: Parts, cuts: _Cuts, most: int) -> tuple[list[Message], list[str]]:
    """The prompt with those cuts, and what they are in words."""
    brief, cut = parts.brief, list[str]()
    again = parts.step in AGAIN
    if cuts.bare:
        cut.append("everything but the task" + " and why your last answer could not be taken" * bool(brief.problems))
        sections = [_task(brief)]
    else:
        sections = [_project(brief, cuts.plan, cut), _task(brief)]
        sections += _news(brief, cuts.news, cut)
        sections += _files(parts, cuts, most, cut)
    if again and brief.problems:
        shortest = cuts.bare or cuts.shrink == _SHRINK
        told = [f"- {texts.line(one, 200 if shortest else 400)}" for one in brief.problems[: 3 if shortest else None]]
        sections.append(_data("why your last answer could not be taken", "\n".join(told)))
    if brief.feedback and not cuts.bare:
        what = "what the last run said" if again else "what was said of an earlier attempt"
        sections.append(_data(what, _output(brief.feedback, cuts.output, cut)))
    if cut:
        sections.append("Left out for want of room: " + "; ".join(cut) + ".")
    sections.append(wording.ASKED[parts.step] + _where(parts))
    sections.append(last_line(parts.step, brief.task.id, parts.attempt))
    user = "\n\n".join(section for section in sections if section)
    return [Message("system", wording.SYSTEM), Message("user", user)], cut


def _where(parts: Parts) -> str:
    brief = parts.brief
    if parts.step in {"decide", "divide"}:
        return ""
    where = f" The code goes into {shown.name(brief.only, 300)}." if brief.only else ""
    return where + (f" Tests go into {shown.name(brief.test, 300)}." if brief.test else "")


def _data(what: str, said: str) -> str:
    """A stranger's text between tags that it cannot close, without marks that a model's template has."""
    said = shown.untagged(shown.harmless(texts.clean(said)))
    return f'<data about="{what}">\n{said}\n</data>'


def _project(brief: Brief, level: int, cut: list[str]) -> str:
    """Goal and plan; level 0 is all, from 3 on the neighbours only, the last a sentence."""
    longest = (1 << 30, 8_000, 4_000, 3_000, 2_000, 1_500, 1_000, 800, 600, 300)[level]
    goal = _head(brief.goal, longest)
    if len(goal) < len(texts.clean(brief.goal)):
        cut.append("the end of the goal")
    rows = list(brief.plan)
    if level:
        most = (0, 200, 100, 60, 40, 20, 10, 7, 5, 0)[level]
        ranked = sorted(range(len(rows)), key=lambda at: (not rows[at].near, at))
        if level >= 3:
            ranked = [at for at in ranked if rows[at].near]
        wide = 300 if level < 4 else 160
        kept = sorted(ranked[:most])
        told = [texts.line(rows[at].text, wide) for at in kept]
    else:
        told = [texts.line(row.text, 1_000) for row in rows]
    every = len(rows) + brief.unlisted
    if len(told) < every:
        cut.append(f"{every - len(told):,} of the plan's {every:,} tasks")
    plan = _data("the plan", "\n".join(told)) if told else ""
    return "\n\n".join(part for part in ("The project:", _data("the goal", goal) if goal else "", plan) if part)


def _task(brief: Brief) -> str:
    """The task, always whole."""
    task = brief.task
    lines = [f"title: {task.title}"]
    if task.description:
        lines.append(f"description:\n{task.description}")
    for name, found in (("what it takes in", task.inputs), ("what it brings out", task.outputs)):
        if found:
            lines.append(f"{name}: {'; '.join(found)}")
    if task.checklist:
        lines.append("checklist:\n" + "\n".join(f"- {one}" for one in task.checklist))
    lines.append(f"paths that it may write: {', '.join(task.paths) or 'any but settings'}")
    if task.accept:
        lines.append(f"it is accepted by: {task.accept}")
    return f"Your task, {task.id}:\n\n" + _data(f"task {task.id}", "\n".join(lines))


def _news(brief: Brief, level: int, cut: list[str]) -> list[str]:
    """Contracts, deltas and symbols, ever shorter."""
    wide = (1 << 30, 4_000, 2_000, 1_000, 500, 250, 120)[level]
    many = (1 << 30, 40, 20, 12, 8, 4, 2)[level]
    found = []
    for name, said in (("contracts that it must keep to", brief.contracts), ("news from the team", brief.deltas)):
        kept = [_head(one, wide) for one in said[:many]]
        if kept:
            found.append(_data(name, "\n\n".join(kept)))
        if len(kept) < len(said) or any(len(one) > wide for one in said):
            cut.append(f"parts of the {name.split(' ', maxsplit=1)[0]}")
    if brief.symbols:
        symbols = _head(brief.symbols, (1 << 30, 8_000, 4_000, 2_000, 1_000, 400, 0)[level]) if level < _NEWS else ""
        if len(symbols) < len(texts.clean(brief.symbols)):
            cut.append("symbols of other files")
        if symbols:
            found.append(_data("what other files define", symbols))
    return found


def _output(said: str, level: int, cut: list[str]) -> str:
    most = (1 << 30, 12_000, 6_000, 3_000, 2_000, 1_200, 600)[level]
    if len(said) > most:
        cut.append("the middle of the output")
    return results.middle_cut(said, most)


def _files(parts: Parts, cuts: _Cuts, longest: int, cut: list[str]) -> list[str]:
    """Files as they are, and what the last attempt wrote; what it replaced is the first to go."""
    brief = parts.brief
    again = parts.step in AGAIN
    drops = _droppable(parts) if cuts.drop else []
    gone = {one.path for one in drops[: cuts.drop]}
    kept = [one for one in brief.files if one.path not in gone]
    made = list(brief.made) if again else []
    words = shown.words(brief.task.id, brief.task.title, brief.task.description, *brief.task.checklist, brief.feedback)
    spots = shown.spots(brief.feedback)
    sizes = [len(one.text) for one in (*kept, *made)]
    most = 0 if cuts.shrink == _SHRINK else int(min(sum(sizes), longest) * _SHARE**cuts.shrink)
    budgets = shown.shares(sizes, most)
    told: list[str] = []
    partly: list[str] = []
    for at, one in enumerate((*kept, *made)):
        text, is_whole = shown.regions(one, budgets[at], words, spots)
        if not text and not is_whole:
            gone.add(one.path)
            continue
        told.append(shown.file(one.path, text, made=at >= len(kept), whole=is_whole))
        partly += [] if is_whole else [one.path]
    absent = [*brief.absent, *(one.path for one in (*kept, *made, *drops) if one.path in gone)]
    cut += shown.listed("the file", "the files", dict.fromkeys(absent))
    cut += shown.listed("parts of", "parts of", dict.fromkeys(partly))
    if partly:
        told.append("Change files that are shown in part by SEARCH/REPLACE only.")
    return told
