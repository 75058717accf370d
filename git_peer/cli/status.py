"""git peer status, version, help."""

from __future__ import annotations

from typing import Any

import click

from git_peer.cli import _news
from git_peer.cli._output import Call, Reply, version
from git_peer.cli.main import Unknown, cli, command
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.record import Task
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.store.clone import times


@command("status")
def status_command(call: Call) -> Reply:
    """The state of things in short, by the local copy of the log."""
    from git_peer.ops import inbox, news, notices, reviews  # pygit2 comes with them: `version` does without
    from git_peer.ops.sync import untold

    peer = call.peer(once=True)
    at = peer.engine.look()
    state = at.state
    held = peer.locks()
    tentative = sum(view["guarantee"] == "tentative" for view in held) + len(untold(peer))
    told, argued = news.pending(peer), news.debated(peer)
    working = [task for task in tasks.claimed(state) if task.status in tasks.WORKED_ON]
    to_review = list(reviews.waiting(peer))
    log = state.log
    here = [view for view in peer.peers() if view["live"]]
    noted = notices.of(peer)
    waits = inbox.as_name(peer, inbox.quick(peer, noted, to_review, argued), call.name)
    data = {
        "mode": log.mode,
        "branch": peer.repo.branch or None,
        "head": peer.repo.head or None,
        "log": {"height": log.height, "age": peer.clone.stale_for, "tentative": tentative, "id": log.id},
        "locks": held,
        "tasks": [tasks.describe(task) for task in working],
        "inbox": waits,
        "reviews": to_review,
        "deltas": told,
        "debates": argued,
        "sessions": here,
    }
    where = f"{log.mode} log" + (f" on {peer.remote.name}" if peer.remote else "")
    branch = f" on {peer.repo.branch}" if peer.repo.branch else ""
    lines = [f"{where}, height {log.height}; you are {peer.name}{branch}."]
    needs = [f"{one['message']} → `{one['command']}`" for one in waits if one["kind"] != "review"]
    lines += _part("Needs you", needs, "git peer inbox")
    own = [view for view in held if peer.is_mine(view)]
    others = [view for view in held if view not in own]
    reviewing = [
        f"{one['task']} of {one['by']}: {one['command']} (to see it: {reviews.how_to_see(peer, one)})"
        for one in to_review
    ]
    lines += _part("Waiting for your review", reviewing, "git peer task list --status review")
    lines += _part("Your locks", [_lock(view, peer.name) for view in own], "git peer locks --mine")
    lines += _part("Others' locks", [_lock(view) for view in others], "git peer locks")
    lines += _part("Tasks", [_task(task, peer.name) for task in working], "git peer task list")
    if told["pending"]:
        wants = "one or more want your answer" if told["requires_action"] else "none wants your answer"
        news_of = f"{text.count(told['pending'], 'delta')} that you have not answered, {wants}"
        lines += ["", f"News: {news_of}: git peer deltas"]
    lines += _part("Debates", [_news.debate(view) for view in argued], "git peer debate list")
    lines += _part("Sessions", [_session(view, peer.name) for view in here], "git peer peers")
    return Reply(data, lines, notices=(noted, inbox.told_in(waits, noted)))


SHOWN = 20  # entries of a part


def _part(title: str, rows: list[str], more: str) -> list[str]:
    """A part of the answer: its title with how many there are, and the first of them; nothing where there is none."""
    if not rows:
        return []
    rest = [f"  and {len(rows) - SHOWN} more: {more}"] if len(rows) > SHOWN else []
    return ["", f"{title} ({len(rows)}):", *(f"  {row}" for row in rows[:SHOWN]), *rest]


def _lock(view: dict[str, Any], name: str = "") -> str:
    who = "" if view["session"] == name else f"{view['session']}{_where(view)}, "
    state = "tentative, " if view["guarantee"] == "tentative" else ""
    if view["state"] == "pending":
        state = f"pending on {view['branch'] or 'its work'}, "
    why = f": {view['reason']}" if view["reason"] else ""
    return f"{view['target']}  {who}{state}{times.lapse(view['expires_at'], view['live'])}{why}"


def _task(task: Task, name: str) -> str:
    who = "you" if task.assignee == name else task.assignee
    return f"{task.id}  {task.title}: {who}, {task.status}, {task.progress} %"


def _session(view: dict[str, Any], name: str) -> str:
    you = " (you)" if view["name"] == name else ""
    branch = f", {view['branch']}" if view["branch"] else ""
    said = sessions.told(view, 60)
    return f"{view['name']}{you}{_where(view)}{branch}" + (f": {said}" if said else "")


def _where(view: dict[str, Any]) -> str:
    """Where a session is, unless its name says so."""
    where = naming.where(str(view.get("name") or view["session"]), view["host"], view["worktree"])
    return f" ({where})" if where else ""


@command("version")
def version_command(call: Call) -> Reply:
    """The version of git-peer."""
    return version()


@command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]")
def help_command(call: Call, names: tuple[str, ...]) -> Reply:
    """Help on git-peer, or on a command."""
    found: click.Command = cli
    ctx = click.Context(cli, info_name="git peer")
    for name in names:
        inner = found.get_command(ctx, name) if isinstance(found, click.Group) else None
        if inner is None:
            why = Unknown(ctx, name)
            raise PeerError("usage", why.message, why.hint)
        found, ctx = inner, click.Context(inner, info_name=name, parent=ctx)
    told = found.get_help(ctx)
    return Reply({"help": told}, told.split("\n"))
