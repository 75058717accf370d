"""git peer go."""

from __future__ import annotations

import secrets
import time
from typing import Any

import click

from git_peer.cli._output import Call, Reply
from git_peer.cli._params import Duration, given_text
from git_peer.cli._signals import interruptible
from git_peer.cli.main import command
from git_peer.core.errors import PeerError


@command("go")
@click.argument("goal")
@click.option("--runners", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help="How many work.")
@click.option(
    "--timeout", type=Duration(), metavar="TIME", help="How long all of it may take; then what is done is told."
)
@click.option("--model", metavar="M", help="The model that runners ask, as `git peer run --model` takes it.")
@click.option("--exec", "program", metavar="CMD", help="An agent's command line instead, as `git peer run --exec`.")
@click.option(
    "--votes", type=click.IntRange(1, 9), metavar="N", help="Candidates of each task, as `git peer run --votes`."
)
@click.option(
    "--planner", type=click.Choice(["anthropic", "llama"]), default="anthropic", show_default=True,
    help="Whose models plan.",
)  # fmt: skip
@click.option("--planner-model", metavar="NAME", help="Which model plans; with `--planner llama` that of --model.")
@click.option(
    "--sandbox", "box", type=click.Choice(["docker", "none"]), default="docker", show_default=True,
    help="Where tests are run.",
)  # fmt: skip
@click.option("--into", metavar="BRANCH", help="Where the work goes, as `git peer integrate --into`.")
def go_command(call: Call, goal: str, **given: Any) -> Reply:
    """The whole chain for GOAL: plan it, have N runners work, integrate, and tell what came of it.

    GOAL may be `-` for stdin or @FILE. Started again with the same goal it goes on where it was.
    """
    from git_peer.runner import go as going

    goal = given_text(goal) or ""
    if not goal.strip():
        raise PeerError("usage", "an empty goal", "`git peer help go` shows how")
    if given["program"] and (given["model"] or given["votes"]):
        raise PeerError("usage", "--exec goes without --model and --votes", "`git peer help go` shows how")
    peer = call.peer(writing=True)
    until = time.monotonic() + given["timeout"] if given["timeout"] else None
    name = call.name or f"go-{secrets.token_hex(3)}"
    chain = going.Chain(peer.repo.top or peer.repo.gitdir, name, until, call.progress)
    planner_model = given["planner_model"] or (given["model"] if given["planner"] == "llama" else None)
    plan = [f"--planner={given['planner']}", *_option("model", planner_model)]
    run = [*_option("model", given["model"]), *_option("exec", given["program"]), f"--sandbox={given['box']}"]
    run += _option("votes", given["votes"])
    integrate = [*_option("into", given["into"]), f"--sandbox={given['box']}", "--send-back"]
    with interruptible():
        done = going.go(chain, goal.strip(), given["runners"], plan, run, integrate, call.progress)
    return Reply(done, _told(done), status=1 if done["partial"] else 0, network=True, wrote=True)


def _option(name: str, value: object) -> list[str]:
    return [f"--{name}={value}"] if value else []


def _told(done: dict[str, Any]) -> list[str]:
    from git_peer.ops.integration_text import in_words

    lines = in_words(done)
    if done["open"]:
        lines += ["", "Not finished:"]
        lines += [f"  {one['task']} ({one['status']}) {one['note']}".rstrip() for one in done["open"]]
    lines += [f"A runner ended: {one.get('message', '')}" for one in done["errors"]]
    return lines
