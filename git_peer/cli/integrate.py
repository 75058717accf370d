"""git peer integrate."""

from __future__ import annotations

import time

import click

from git_peer import layout
from git_peer.cli._output import Call, Reply, write
from git_peer.cli._params import Duration
from git_peer.cli._signals import interruptible
from git_peer.cli.main import command
from git_peer.core.errors import PeerError


@command("integrate")
@click.option(
    "--into", metavar="BRANCH", default=layout.MERGED, show_default=True, help="The branch that is merged into."
)
@click.option("--phase", metavar="PHASE", default="", help="Only the tasks of this phase.")
@click.option(
    "--sandbox", "box", type=click.Choice(["docker", "none"]), default="docker", show_default=True,
    help="Where acceptance commands are run.",
)  # fmt: skip
@click.option("--max-time", type=Duration(), metavar="TIME", help="After this no further task is begun.")
@click.option("--send-back", is_flag=True, help="What is refused goes back to who worked on it, with the reason.")
@click.option("--prune", is_flag=True, help="The branches of tasks that are merged are deleted.")
def integrate_command(
    call: Call, into: str, phase: str, box: str, max_time: int | None, send_back: bool, prune: bool
) -> Reply:
    """Accept what is in review, merge what is finished, in the order of the plan, and land it on one branch.

    Each merge is made in memory and tried in the sandbox. What conflicts or fails is told to those whom it concerns,
    and stops only what depends on it; exit 1 then. Run again it goes on where it was.
    """
    from git_peer.ops import integrate as integrating
    from git_peer.ops import integration_text as integration_words
    from git_peer.ops import sandboxes
    from git_peer.runner import results

    def count(report: bytes) -> tuple[int, int]:
        tests = results.parse(report)
        return tests.passed, tests.failed + tests.errors

    peer = call.peer(writing=True)
    options = integrating.Options(
        into=into,
        phase=phase,
        seconds=peer.settings.get("sandboxTimeout"),
        until=time.monotonic() + max_time if max_time else None,
        count=count,
        read=results.outcomes,
        send_back=send_back,
        prune=prune,
    )
    sandbox = sandboxes.Later(box, peer.settings, call.progress)
    try:
        with interruptible():
            done = integrating.integrate(peer, sandbox, options, call.progress)
    finally:
        sandbox.close()
    said = integration_words.in_words(done)
    problem = integration_words.problem(done)
    if problem:
        if not call.json and not call.quiet:
            write(said)
        hint = "`git peer deltas` has the details; a task that is mended is handed in with `git peer task review`"
        raise PeerError("failed", problem, hint, **done)
    return Reply(done, said, network=True, wrote=True)
