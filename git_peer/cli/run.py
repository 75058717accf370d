"""git peer run."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from git_peer.cli._output import Call, remark, write
from git_peer.cli._params import Duration
from git_peer.cli._signals import interruptible
from git_peer.cli.main import command
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import record as tasks
from git_peer.core.session import naming
from git_peer.core.session import record as sessions

if TYPE_CHECKING:
    from git_peer.ops.peer import Peer
    from git_peer.runner.work import Outcome, Solver


@command("run")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option(
    "--model", metavar="M", help="A GGUF file, a name of `model list`, http://HOST:PORT/v1#NAME, anthropic:M."
)
@click.option("--exec", "program", metavar="CMD", help="An agent's command line instead; {prompt_file} is its prompt.")
@click.option("--loop", is_flag=True, help="Go on until nothing is left to do; accept what others hand in.")
@click.option("--attempts", type=click.IntRange(1), metavar="N", help="How often a task is tried.")
@click.option("--votes", type=click.IntRange(1, 9), default=1, metavar="N", help="Solve each N times; the best lands.")
@click.option(
    "--sandbox", "box", type=click.Choice(["docker", "none"]), default="docker", show_default=True,
    help="Where tests are run; `none` is this machine, unprotected.",
)  # fmt: skip
@click.option("--capability", "capabilities", multiple=True, metavar="C", help="What it can do; may be repeated.")
@click.option("--max-tasks", type=click.IntRange(1), metavar="N", help="End after N tasks.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="End once N tokens are used.")
@click.option("--max-time", type=Duration(), metavar="TIME", help="End after so long; what is begun goes back.")
def run_command(call: Call, ids: tuple[str, ...], **given: Any) -> int:
    """Take tasks of the plan, solve them with a model, test them in a sandbox, and hand in commits.

    With IDs these tasks, without the next that is ready. One JSON object a task with --json.
    """
    if given["program"] is not None and (given["model"] or given["votes"] > 1):
        raise PeerError("usage", "--exec goes without --model and --votes", "`git peer help run` shows how")
    bad = 0
    with interruptible(), ExitStack() as held:
        for outcome in _outcomes(call, ids, given, held):
            bad += outcome.outcome in ("blocked", "lost")
            if call.json:
                call.line(outcome.view())
            elif not call.quiet:
                write(_line(outcome))
    return 1 if bad else 0


def _outcomes(call: Call, ids: tuple[str, ...], given: dict[str, Any], held: ExitStack) -> Iterator[Outcome]:
    from git_peer.ops.sandboxes import open_sandbox
    from git_peer.runner.worker import Limits, Options, Worker

    start: str | None = None
    named = os.environ.get("GIT_PEER_SESSION", "")
    name = call.name or (named and naming.mapped(named)) or f"{sessions.RUNNER}-{secrets.token_hex(3)}"
    peer = peer_of(name, given["capabilities"])
    get = peer.settings.get
    if given["program"] is not None:
        start = _work_tree(peer, held)
        peer = peer_of(name, given["capabilities"], start)
    found = [peer.look_up(partial(tasks.find, name=one)).id for one in ids]
    sandbox = open_sandbox(given["box"], peer.settings, _warn)
    held.callback(sandbox.close)
    solver = _solver(peer, given)
    held.callback(solver.close)
    until = time.monotonic() + given["max_time"] if given["max_time"] else None
    options = Options(
        ids=tuple(dict.fromkeys(found)),
        loop=given["loop"],
        attempts=given["attempts"] or get("runnerAttempts"),
        votes=given["votes"],
        seconds=get("sandboxTimeout"),
        limits=Limits(given["max_tasks"], given["max_tokens"], until),
    )
    yield from Worker(
        lambda: peer_of(name, given["capabilities"], start), solver, sandbox, options, call.progress
    ).run()


def peer_of(name: str, capabilities: tuple[str, ...], start: str | None = None) -> Peer:
    """A Peer of the runner's session: a runner is an agent, whoever started it. `start`: where its work tree is."""
    from git_peer.ops.wiring import Parts

    parts = Parts(name, writing=True, start=start)
    parts.me = msgspec.structs.replace(parts.me, name=name, agent=sessions.RUNNER, capabilities=capabilities)
    return parts.peer(writing=True)


def _work_tree(peer: Peer, held: ExitStack) -> str:
    """An agent's command line works in a work tree of its own, which is gone when the runner ends."""
    from git_peer.ops.work_tree import work_tree

    if peer.repo.top is None:
        raise PeerError("invalid", "--exec needs a repository with a work tree", "run it in one")
    return str(held.enter_context(work_tree(peer.repo.top)))


def _solver(peer: Peer, given: dict[str, Any]) -> Solver:
    get = peer.settings.get
    if given["program"] is not None:
        from git_peer.runner.command import CommandSolver

        return CommandSolver(given["program"], Path(peer.repo.here), get("runnerTimeout"))
    spec = given["model"] or get("runnerModel")
    if not spec:
        raise PeerError("usage", "run needs --model or --exec", "`git peer model pull` fetches one; peer.runnerModel")
    from git_peer.ops.models import open_model
    from git_peer.runner.solve import ModelSolver

    model = open_model(spec, peer.settings)
    return ModelSolver(model, get("runnerContext"), get("runnerAnswer"), get("runnerTimeout"))


def _warn(text: str) -> None:
    remark(f"warning: {text}")


def _line(outcome: Outcome) -> str:
    tests = outcome.tests
    told = [f"{tests['passed']} tests passed"] if tests["passed"] else []
    told += [f"{tests['failed']} failed"] if tests["failed"] else []
    told += [f"attempt {outcome.attempts}"] if outcome.attempts else []
    told += [f"{outcome.seconds:.0f} s"] + ([f"{outcome.tokens:,} tokens"] if outcome.tokens else [])
    where = f" on {outcome.branch} at {outcome.commit[:12]}" if outcome.commit else ""
    why = f": {outcome.why}" if outcome.why else ""
    return f"{outcome.task} {outcome.outcome}{where}{why} ({', '.join(told)})"
