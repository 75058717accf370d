"""git peer status, version, help."""

from __future__ import annotations

import click

from git_peer.cli import _news
from git_peer.cli._output import Call, Reply, version
from git_peer.cli.main import cli, command
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import record as sessions


@command("status")
def status_command(call: Call) -> Reply:
    """The state of things in short, by the local copy of the log."""
    from git_peer.ops import news  # pygit2 comes with them: `version` does without
    from git_peer.ops.sync import untold

    peer = call.peer(once=True)
    at = peer.engine.look()
    state, scene = at.state, at.scene
    held = peer.locks()
    tentative = sum(view["guarantee"] == "tentative" for view in held) + len(untold(peer))
    told, argued = news.pending(peer), news.debated(peer)
    live = [s for s in at.sessions if sessions.is_live(s, scene)]
    working = [task for task in tasks.claimed(state) if task.status in tasks.WORKED_ON]
    log = state.log
    data = {
        "mode": log.mode,
        "branch": peer.repo.branch or None,
        "head": peer.repo.head or None,
        "log": {"height": log.height, "age": peer.clone.stale_for, "tentative": tentative, "id": log.id},
        "locks": held,
        "tasks": [tasks.describe(task) for task in working],
        "deltas": told,
        "debates": argued,
        "sessions": [view for view in peer.peers() if view["live"]],
    }
    where = f"{log.mode} log" + (f" on {peer.remote.name}" if peer.remote else "")
    lines = [f"{where}, height {log.height}; you are {peer.name}."]
    waiting = sum(view["state"] == "pending" for view in held)
    pending = f", {waiting} of them pending" if waiting else ""
    lines.append(
        f"{len(live)} live session{'s' * (len(live) != 1)}, {len(held)} lock{'s' * (len(held) != 1)}{pending}."
    )
    for view in held[:20]:
        mine = "yours" if view["session"] == peer.name else view["session"]
        why = f" ({view['reason']})" if view["reason"] else ""
        until = (
            f"pending on {view['branch'] or 'its work'}"
            if view["state"] == "pending"
            else f"until {view['expires_at']}"
        )
        lines.append(f"  {view['target']}  {mine}, {until}{why}")
    if len(held) > 20:
        lines.append(f"  and {len(held) - 20} more: git peer locks")
    for task in working[:20]:
        mine = "you" if task.assignee == peer.name else task.assignee
        lines.append(f"  {task.id}  {task.title}: {mine}, {task.status}, {task.progress} %")
    if len(working) > 20:
        lines.append(f"  and {len(working) - 20} more tasks: git peer task list")
    if told["pending"]:
        more = "one or more want your answer" if told["requires_action"] else "none wants your answer"
        lines.append(
            f"{told['pending']} delta{'s' * (told['pending'] != 1)} that you have not answered, {more}: git peer deltas"
        )
    lines += [f"  {_news.debate(view)}" for view in argued[:20]]
    if len(argued) > 20:
        lines.append(f"  and {len(argued) - 20} more debates: git peer debate list")
    return Reply(data, lines)


@command("version")
def version_command(call: Call) -> Reply:
    """The version of git-peer."""
    return version()


@command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]")
def help_command(call: Call, names: tuple[str, ...]) -> Reply:
    """Help on git-peer, or on a command."""
    found: click.Command | None = cli
    ctx = click.Context(cli, info_name="git peer")
    for name in names:
        found = found.get_command(ctx, name) if isinstance(found, click.Group) else None
        if found is None:
            raise PeerError("usage", f"no command {' '.join(names)}", "git peer help")
        ctx = click.Context(found, info_name=name, parent=ctx)
    assert found is not None
    told = found.get_help(ctx)
    return Reply({"help": told}, told.split("\n"))
