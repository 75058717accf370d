"""git peer task: the tasks of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from git_peer.cli import _targets, _tasks, task_work
from git_peer.cli._output import Call, Reply, table
from git_peer.cli._params import Duration, given_text
from git_peer.cli.main import command, group
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import AddTask, ChangeTask, EditPlan
from git_peer.core.plan.task import claim as claiming
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import Assign
from git_peer.core.plan.task.record import Changes, Item, Spec
from git_peer.ops import behind, claims, known
from git_peer.store.clone import times

if TYPE_CHECKING:
    from git_peer.ops.peer import Peer

_LISTS = {"after": "depends_on", "path": "paths", "item": "checklist", "skill": "skills"}


@group("task")
def task_command() -> None:
    """The tasks of the plan: add, claim, hand in, accept."""


def _spec_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--description", metavar="TEXT", help="What is to be done, and how."),
            click.option("--phase", metavar="PHASE", help="The phase it belongs to."),
            click.option("--parent", metavar="ID", help="The task that it is a part of."),
            click.option("--after-task", "after", multiple=True, metavar="ID", help="What must be done before."),
            click.option("--path", multiple=True, metavar="TARGET", help="What it changes; `--lock` takes it."),
            click.option("--input", "inputs", multiple=True, metavar="TEXT", help="What it needs."),
            click.option("--output", "outputs", multiple=True, metavar="TEXT", help="What it makes."),
            click.option("--provides", multiple=True, metavar="CONTRACT", help="A contract that it fulfils."),
            click.option("--uses", multiple=True, metavar="CONTRACT", help="A contract that it relies on."),
            click.option("--accept", metavar="CMD", help="The command that must succeed on its commit."),
            click.option("--item", multiple=True, metavar="TEXT", help="An item of its checklist."),
            click.option("--priority", type=click.IntRange(0, tasks.MAX_PRIORITY), help="0 to 10; 5 unless told."),
            click.option("--estimate", type=Duration(), metavar="TIME", help="How long it takes."),
            click.option("--skill", multiple=True, metavar="C", help="A capability that its session must have."),
        )
    ):
        function = option(function)
    return function


def _given(call: Call, options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as a Spec's fields."""
    peer = call.peer()
    found: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or value == ():
            continue
        field = _LISTS.get(name, name)
        if name == "path":
            found[field] = tuple(dict.fromkeys(_targets.parsed(peer.repo, value)))
        elif name == "item":
            found[field] = tuple(Item(text) for text in value)
        elif name == "phase":
            found[field] = _phase(call, value) if value else ""
        elif name in ("after", "parent"):
            idents = tuple(
                _tasks.named(call, one).id if one else "" for one in ((value,) if name == "parent" else value)
            )
            found[field] = idents[0] if name == "parent" else tuple(dict.fromkeys(idents))
        elif name in ("provides", "uses"):
            known.all_contracts(peer, value)
            found[field] = tuple(dict.fromkeys(value))
        elif name in ("description", "accept"):
            found[field] = given_text(value)
        else:
            found[field] = tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value
    return found


def _phase(call: Call, name: str) -> str:
    """The id of the phase that a writing command names."""
    return call.peer().look_up(lambda state: plan.find_phase(plan.get(state), name)).id


@command("add")
@click.argument("title")
@_spec_options
@click.option("--id", "ident", metavar="ID", default="", help="Its id; given in turn without.")
def add(call: Call, title: str, ident: str, **options: Any) -> Reply:
    """Add a task to the plan."""
    peer = call.peer(writing=True)
    spec = Spec(title=_titled(title), **_given(call, options))
    done = peer.run(EditPlan(me=peer.me, edits=(AddTask(spec=spec, id=ident),)))
    view = done["tasks"][0]
    return Reply({"task": view}, f"Added {_tasks.in_words(view)}.", network=True, wrote=True)


def _titled(title: str) -> str:
    clean = " ".join((given_text(title) or "").split())
    if not clean:
        raise PeerError("usage", "a task needs a title", "`git peer help task add` shows how")
    return clean


@command("edit")
@click.argument("ident", metavar="ID")
@click.option("--title", metavar="TEXT", help="Its title.")
@_spec_options
@click.option("--clear", multiple=True, type=click.Choice(tasks.FIELDS[1:]), help="Empty this; may be repeated.")
def edit(call: Call, ident: str, title: str | None, clear: tuple[str, ...], **options: Any) -> Reply:
    """Change what the plan says of a task. A list that is given replaces the one that was there."""
    peer = call.peer(writing=True)
    task = _tasks.named(call, ident)
    given = _given(call, options)
    if title is not None:
        given["title"] = _titled(title)
    empty = Spec(title="-")
    given |= {name: getattr(empty, name) for name in clear}
    if not given:
        raise PeerError("usage", "nothing to change was given", "`git peer help task edit` shows how")
    saw = Changes(**{name: getattr(task, name) for name in given})
    change = ChangeTask(id=task.id, changes=Changes(**given), saw=saw)
    peer.run(EditPlan(me=peer.me, edits=(change,)))
    return _shown(call, task.id, "Changed")


def _shown(call: Call, ident: str, word: str) -> Reply:
    peer = call.peer()
    board = Board(peer.state)
    view = board.describe(board[ident], peer.scene(peer.state))
    return Reply({"task": view}, f"{word} {_tasks.in_words(view)}.", network=True, wrote=True)


@command("move")
@click.argument("ident", metavar="ID")
@click.argument("phase")
def move(call: Call, ident: str, phase: str) -> Reply:
    """Put a task, with its subtasks, into another phase."""
    peer = call.peer(writing=True)
    task = _tasks.named(call, ident)
    to = _phase(call, phase)
    change = ChangeTask(id=task.id, changes=Changes(phase=to), saw=Changes(phase=task.phase))
    peer.run(EditPlan(me=peer.me, edits=(change,)))
    return _shown(call, task.id, f"Moved to {to}:")


@command("split")
@click.argument("ident", metavar="ID")
@click.argument("titles", nargs=-1, required=True, metavar="TITLE...")
@click.option("--in-order", is_flag=True, help="Each after the one before it.")
def split(call: Call, ident: str, titles: tuple[str, ...], in_order: bool) -> Reply:
    """Divide a task into subtasks: it is done when they are. They inherit its priority, skills and acceptance."""
    peer = call.peer(writing=True)
    task = _tasks.named(call, ident)
    made = []
    for at, title in enumerate(titles):
        spec = Spec(
            title=_titled(title),
            parent=task.id,
            phase=task.phase,
            priority=task.priority,
            skills=task.skills,
            accept=task.accept,
            depends_on=(f"~{at - 1}",) if in_order and at else (),
        )
        made.append(AddTask(spec=spec, id=f"~{at}"))
    done = peer.run(EditPlan(me=peer.me, edits=tuple(made)))
    text = [f"Split {task.id} {task.title}:", *(f"  {_tasks.in_words(view)}" for view in done["tasks"])]
    parent = tasks.describe(tasks.find(peer.state, task.id))
    return Reply({"task": parent, "tasks": done["tasks"]}, text, network=True, wrote=True)


@command("assign")
@click.argument("ident", metavar="ID")
@click.argument("session", default="")
def assign(call: Call, ident: str, session: str) -> Reply:
    """Keep a task for SESSION, or hand your own over to it. Without SESSION, anybody may take it."""
    peer = call.peer(writing=True)
    known.session(peer, session)
    done = peer.run(Assign(me=peer.me, task=ident, to=session))
    return Reply(done, f"Assigned {_tasks.in_words(done['task'])}.", network=True, wrote=True)


# -- looking --------------------------------------------------------------------------------------
@command("show")
@click.argument("ident", metavar="ID")
def show(call: Call, ident: str) -> Reply:
    """A task with all that is known of it, and its history."""
    peer = call.peer()
    board = Board(peer.state)
    task = board[tasks.find(peer.state, ident).id]
    view = board.describe(task, peer.scene(peer.state))
    history = tasks.past(task)
    rows = [("phase", view["phase"]), ("part of", view["parent"]), ("priority", view["priority"])]
    rows += [("progress", f"{view['progress']} %"), ("waits for", ", ".join(view["waits_for"]))]
    rows += [(name.replace("_", " "), ", ".join(view[name])) for name in ("depends_on", "paths", "inputs", "outputs")]
    rows += [(name, ", ".join(view[name])) for name in ("provides", "uses", "skills", "children")]
    rows += [("acceptance", view["accept"]), ("left by", view["left_by"]), ("commit", view["commit"])]
    if task.result is not None:
        rows.append(("result", f"{'passed' if task.result.passed else 'failed'} on {task.result.commit[:12]}"))
    rows.append(("note", view["note"]))
    lines = [
        _tasks.in_words(view),
        *(f"  {name + ':':<12}{value}" for name, value in rows if value not in (None, "", "0 %")),
    ]
    lines += [f"  [{'x' if item.done else ' '}] {item.text}" for item in task.checklist]
    lines += ["", *text.framed(task.description)] if task.description else []
    lines += [
        "",
        *(f"  {times.when(one['at'])}  {one['by']}  {one['what']}  {one['note']}".rstrip() for one in history),
    ]
    return Reply({"task": view, "history": history}, lines)


def _listed(views: list[dict[str, Any]], empty: str) -> Reply:
    rows = [
        [
            v["id"],
            v["status"],
            v["assignee"] or "",
            str(v["priority"]),
            f"{v['progress']} %",
            v["phase"] or "",
            v["title"],
        ]
        for v in views
    ]
    return Reply({"tasks": views}, table(rows, ["ID", "STATUS", "WHO", "PRIORITY", "DONE", "PHASE", "TITLE"]) or empty)


@command("list")
@click.option("--status", "wanted", multiple=True, type=click.Choice(tasks.STATUSES), help="Only these; repeatable.")
@click.option("--phase", metavar="PHASE", help="Only of this phase.")
@click.option("--mine", is_flag=True, help="Only this session's.")
def list_(call: Call, wanted: tuple[str, ...], phase: str | None, mine: bool) -> Reply:
    """The tasks of the plan, by the local copy of the log."""
    peer = call.peer()
    board, scene, name = Board(peer.state), peer.scene(peer.state), peer.name
    only = plan.find_phase(board.plan, phase).id if phase else None
    views = (board.describe(t, scene) for t in board.tasks.values() if only is None or t.phase == only)
    found = [v for v in views if (not wanted or v["status"] in wanted) and (not mine or v["assignee"] == name)]
    return _listed(found, "No tasks.")


@command("ready")
def ready(call: Call) -> Reply:
    """The tasks that could be begun now, the most important first; what a dead session left is among them."""
    peer = call.peer()
    board, scene = Board(peer.state), peer.scene(peer.state)
    return _listed([board.describe(task, scene) for task in board.ready(scene)], "Nothing is ready.")


# -- working --------------------------------------------------------------------------------------
_lock = click.option("--lock", is_flag=True, help="Lock its paths too, in the same transaction.")
_ttl = click.option("--ttl", type=Duration(), metavar="TIME", help="How long the locks hold without a sign of life.")


def _claimed(call: Call, take: Callable[[Peer], dict[str, Any]]) -> Reply:
    peer = call.peer(writing=True, once=True)
    done = take(peer)
    view = done["task"]
    peer.warned += behind.of(peer, claiming.lockable(tasks.find(peer.state, view["id"])))
    lines = [f"{view['id']} is yours: {view['title']}."]
    lines += [f"Locked {lock['target']}; lapses {times.when(lock['expires_at'])}." for lock in done["locks"]]
    if view["accept"]:
        lines.append(f"Accepted by: {view['accept']}")
    return Reply(done, lines, network=True, wrote=True)


@command("claim")
@click.argument("ident", metavar="ID")
@_lock
@_ttl
def claim(call: Call, ident: str, lock: bool, ttl: int | None) -> Reply:
    """Take a ready task: nobody else can have it while this session lives."""
    return _claimed(call, lambda peer: claims.claim(peer, ident, lock, ttl))


@command("start")
@click.argument("ident", metavar="ID")
@_lock
@_ttl
def start(call: Call, ident: str, lock: bool, ttl: int | None) -> Reply:
    """The same as `claim`."""
    return _claimed(call, lambda peer: claims.claim(peer, ident, lock, ttl))


@command("next")
@_lock
@_ttl
def next_(call: Call, lock: bool, ttl: int | None) -> Reply:
    """Claim the ready task with the highest priority that fits this session and whose paths are free."""
    return _claimed(call, lambda peer: claims.take_next(peer, lock, ttl))


for _each in (add, edit, move, split, assign, show, list_, ready, claim, start, next_, *task_work.COMMANDS):
    task_command.add_command(_each)
