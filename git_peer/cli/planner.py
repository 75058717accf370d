"""git peer plan new, replan, questions, answer: planning with a model."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from git_peer.cli._output import Call, Reply, remark, rewrite, table, write
from git_peer.cli._params import Duration, given_text
from git_peer.cli._signals import interruptible
from git_peer.cli.main import command
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan import questions
from git_peer.core.plan import record as plan

if TYPE_CHECKING:  # `plan show` does without it
    from git_peer.ops.planner import Proposed

_TITLE = '"title"'  # each task has one
MARGIN = 120  # seconds that the lease outlasts the model's time


class _Progress:
    """How far the model is, on stderr: one line that changes on a terminal, else one now and then."""

    def __init__(self, call: Call, used: Any) -> None:
        self._shows = not call.quiet
        self._line = sys.stderr.isatty()
        self._used = used
        self._tail = ""
        self._tasks = 0
        self._size = 0
        self._calls = 0
        self._told = 0.0

    def __call__(self, piece: str, tokens: int) -> None:
        if self._used.calls != self._calls:
            self._calls, self._tasks, self._size, self._tail = self._used.calls, 0, 0, ""
            self._told = 0.0
        joined = self._tail + piece
        self._tasks += joined.count(_TITLE)
        self._tail = joined[1 - len(_TITLE) :]
        self._size += len(piece)
        every = 0.2 if self._line else 5.0
        if self._shows and time.monotonic() - self._told > every:
            self._told = time.monotonic()
            self._say(tokens)

    def _say(self, tokens: int) -> None:
        told = (
            f"planning (answer {self._calls}): {self._tasks} tasks, {self._size:,} characters, {tokens:,} tokens so far"
        )
        (rewrite if self._line else remark)(told)

    def end(self) -> None:
        """What it took in all."""
        if self._shows and self._used.calls:
            used = self._used
            calls = f"{used.calls} call{'s' * (used.calls > 1)}"
            told = f"{used.input_tokens:,} tokens in, {used.output_tokens:,} out, {calls}"
            rewrite(told, end=True) if self._line else remark(told)


def _options(function: Any) -> Any:
    for option in (
        click.option("--wait", type=Duration(), metavar="TIME", help="Wait for another planner, at most so long."),
        click.option("--yes", is_flag=True, help="Write what is proposed without asking."),
        click.option("--ask", is_flag=True, help="The model may first put questions to the team."),
        click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Tokens that one answer may take."),
        click.option("--model", metavar="NAME", help="Which model."),
        click.option(
            "--planner",
            "kind",
            type=click.Choice(["anthropic", "llama"]),
            default="anthropic",
            help="Anthropic's API, or what `run --model` takes.",
        ),
    ):
        function = option(function)
    return function


@command("new")
@click.argument("goal")
@_options
def new(call: Call, goal: str, **given: Any) -> Reply:
    """Have a model break GOAL down into a plan, look at it, and write it. GOAL may be `-` for stdin or @FILE."""
    return _plan(call, given, goal=_goal(given_text(goal)))


@command("replan")
@click.argument("wish", metavar="[TEXT]", default="")
@_options
def replan(call: Call, wish: str, **given: Any) -> Reply:
    """Have a model change the plan: TEXT says how. What is started or done stays as it is."""
    goal = plan.get(call.peer(writing=True).state).goal
    said = text.taken(given_text(wish) or "", "a text", plan.MAX_TEXT)
    return _plan(call, given, goal=goal, wish=said, replan=True)


def _goal(given: str | None) -> str:
    if not (given or "").strip():
        raise PeerError("usage", "an empty goal", "`git peer help plan` shows how")
    return text.taken(given or "", "a goal", plan.MAX_TEXT)


def _plan(call: Call, given: dict[str, Any], **what: Any) -> Reply:
    from git_peer.ops import models, planner

    peer = call.peer(writing=True)
    get = peer.settings.get
    wanted = planner.Wanted(**what, ask=given["ask"], most=get("plannerMaxTasks"))
    planner.refuse(peer.state, wanted)
    seconds = get("plannerTimeout")
    model = models.open_planner(
        given["kind"],
        given["model"] or "",
        peer.settings,
        given["max_tokens"] or get("plannerMaxTokens"),
        seconds,
    )
    progress = _Progress(call, model.usage)
    with interruptible(), planner.holding(peer, wanted.goal, 2 * seconds + MARGIN, given["wait"]) as lease:
        try:
            found = planner.propose(peer, model, wanted, progress)
        finally:
            progress.end()
        used = msgspec.to_builtins(model.usage)
        if found.questions:
            told = _asked(found.questions)
            then = "`git peer plan answer ID TEXT`, in any clone; then run this again: the answers go along."
            return Reply({"questions": found.questions, "usage": used}, [*told, then], network=True, wrote=True)
        data = {**found.view, "diff": found.difference, "warnings": found.warnings, "usage": used}
        nothing = not found.edits
        if not nothing:
            _agreed(call, given["yes"], found, data, wanted.replan)
            lease.renew()
            data |= planner.write(peer, found, wanted)
    shown = _shown(found, wanted.replan) if given["yes"] else ""
    told = ["Nothing was to be changed."] if nothing else [*shown, f"Written: {_count(found)}."]
    return Reply(data, told, network=True, wrote=True)


def _agreed(call: Call, yes: bool, found: Proposed, data: dict[str, Any], replan: bool) -> None:
    """Show what would be written. Returns where that is wanted; PeerError("failed") where not."""
    if yes:
        return
    asks = sys.stdin.isatty() and sys.stderr.isatty() and not call.json
    if not call.json:
        write(_shown(found, replan))
    if asks and click.confirm("Write this plan?", err=True):
        return
    hint = "" if asks else "run it with --yes to have it written without being asked"
    raise PeerError(
        "failed", f"nothing was written of what was proposed: {_count(found)}", hint or "git peer plan replan", **data
    )


def _count(found: Proposed) -> str:
    diff = found.difference
    kinds = (("added", "new"), ("changed", "changed"), ("dropped", "dropped"))
    told = [text.count(len(diff[key]), f"{word} task") for key, word in kinds if diff[key]]
    return ", ".join(told) or "no tasks"


# -- telling ------------------------------------------------------------------------------------------
def _shown(found: Proposed, replan: bool) -> list[str]:
    """A proposal for whoever is to agree to it: everything that it would change."""
    view, diff = found.view, found.difference
    by_id = {task["id"]: task for task in view["tasks"]}
    lines = _field("goal", view["goal"], 0) if "goal" in diff or not replan else []
    for one in view["contracts"]:
        if one["name"] in diff["contracts"]:
            lines += _field(f"{'+ ' * replan}contract {one['name']} ({one['type']})", one["definition"], 0)
    for phase in [*view["phases"], {"id": None, "name": "", "status": ""}]:
        here = [by_id[i] for i in diff["added"] if by_id[i]["phase"] == phase["id"]]
        changed = [one for one in diff["changed"] if by_id[one["id"]]["phase"] == phase["id"]]
        gone = [by_id[i] for i in diff["dropped"] if by_id[i]["phase"] == phase["id"]]
        if not (here or changed or gone or phase["id"] in diff["phases"]):
            continue
        if phase["id"]:
            lines += ["", f"{'+ ' * (replan and phase['id'] in diff['phases'])}{phase['name']} ({phase['id']})"]
        for task in here:
            lines += _task(task, "+ " if replan else "")
        for one in changed:
            lines += _task(by_id[one["id"]], "~ ", one["fields"])
        lines += [f"  - {task['id']}  {_line(task['title'])}" for task in gone]
    lines += [""] * bool(found.warnings) + [f"warning: {one}" for one in found.warnings]
    return lines


def _task(task: dict[str, Any], mark: str, fields: list[str] | None = None) -> list[str]:
    """A task and what a plan says of it; with `fields`, of what changes."""
    lines = [f"  {mark}{task['id']}  {_line(task['title'])}"]
    rows = {
        "description": task["description"],
        "parent": task["parent"] or "",
        "depends_on": ", ".join(task["depends_on"]),
        "paths": ", ".join(task["paths"]),
        "inputs": ", ".join(task["inputs"]),
        "outputs": ", ".join(task["outputs"]),
        "provides": ", ".join(task["provides"]),
        "uses": ", ".join(task["uses"]),
        "accept": task["accept"],
        "checklist": "; ".join(item["text"] for item in task["checklist"]),
        "priority": str(task["priority"]),
        "estimate": f"{task['estimate'] or 0} s",
        "skills": ", ".join(task["skills"]),
        "phase": task["phase"] or "",
    }
    unsaid = {"priority": "5", "estimate": "0 s", "phase": task["phase"] or ""}
    for name, said in rows.items():
        if name in fields if fields is not None else said and said != unsaid.get(name):
            lines += _field(name.replace("_", " "), said or "(none)")
    return lines


def _field(name: str, said: str, indent: int = 7) -> list[str]:
    """All of it: what is agreed to is what was shown."""
    first, *more = text.clean(said).split("\n")
    left = " " * indent
    return [f"{left}{name}: {first}", *(f"{left}  {row}".rstrip() for row in more)]


def _line(said: str) -> str:
    return text.line(said, 200)


def _asked(found: list[dict[str, Any]]) -> list[str]:
    return [f"{one['id']}  to {one['to'] or 'everybody'}: {_line(one['text'])}" for one in found]


# -- questions ----------------------------------------------------------------------------------------
@command("questions")
@click.option("--for", "who", metavar="SESSION", help="Only those that this session may answer.")
def questions_(call: Call, who: str | None) -> Reply:
    """What planners have asked the team, and the answers so far, by the local copy of the log."""
    peer = call.peer()
    if who is not None:
        from git_peer.ops import known

        known.session(peer, who, fetch=False)
    found = [one for one in questions.all_of(peer.state) if who is None or one.to in ("", who)]
    views = [questions.describe(one) for one in found]
    rows = [[v["id"], v["to"] or "everybody", v["session"], str(len(v["answers"])), _line(v["text"])] for v in views]
    told = table(rows, ["ID", "TO", "FROM", "ANSWERS", "QUESTION"])
    for view in views:
        told += [f"{view['id']}: {one['session']} answered {text.quoted(one['text'], 200)}" for one in view["answers"]]
    return Reply({"questions": views}, told or "There are no open questions.")


@command("answer")
@click.argument("ident", metavar="ID")
@click.argument("said", metavar="TEXT")
def answer(call: Call, ident: str, said: str) -> Reply:
    """Answer a planner's question. It goes into the next call of `plan new` or `plan replan`."""
    told = given_text(said) or ""
    if not told.strip():
        raise PeerError("usage", "an empty answer", "`git peer help plan` shows how")
    peer = call.peer(writing=True)
    done = peer.run(questions.Answer(me=peer.me, question=ident, text=told))
    return Reply(done, f"Answered {done['questions'][0]['id']}." if done["questions"] else "", network=True, wrote=True)


COMMANDS = (new, replan, questions_, answer)
