"""git peer task: how a task goes from being begun to being done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from git_peer.cli import _tasks
from git_peer.cli._output import Call, Reply
from git_peer.cli._params import Duration, given_text
from git_peer.cli.main import command
from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.plan.task.claim import GiveUp
from git_peer.core.plan.task.decide import Move, Progress

if TYPE_CHECKING:
    from git_peer.core.plan.task.record import Task

_note = click.option("--note", metavar="TEXT", default="", help="What there is to say about it.")
_force = click.option("--force", is_flag=True, help="Against its session's will. A person's right; needs --reason.")
_reason = click.option("--reason", metavar="TEXT", help="Why; its session reads it.")


def _forced(force: bool, reason: str | None) -> str | None:
    if force and not reason:
        raise PeerError("usage", "--force needs --reason", "whoever has the task is told why")
    return given_text(reason) if force else None


@command("release")
@click.argument("ident", metavar="ID")
@_note
@_force
@_reason
def release(call: Call, ident: str, note: str, force: bool, reason: str | None) -> Reply:
    """Give a task back, with the locks that were taken for it."""
    peer = call.peer(writing=True)
    done = peer.run(GiveUp(me=peer.me, task=ident, note=given_text(note) or "", force=_forced(force, reason)))
    return Reply(done, f"Released {_tasks.in_words(done['task'])}.", network=True, wrote=True)


@command("progress")
@click.argument("ident", metavar="ID")
@click.argument("percent", type=click.IntRange(0, 100), required=False)
@click.option("--note", metavar="TEXT", help="How it goes.")
@click.option("--check", multiple=True, metavar="ITEM", help="An item of the checklist is done: number or text.")
@click.option("--uncheck", multiple=True, metavar="ITEM", help="It is not, after all.")
@click.option("--offline", is_flag=True, help="Keep it here; `git peer sync` sends it.")
def progress(
    call: Call,
    ident: str,
    percent: int | None,
    note: str | None,
    check: tuple[str, ...],
    uncheck: tuple[str, ...],
    offline: bool,
) -> Reply:
    """Say how far your task is."""
    if percent is None and note is None and not check and not uncheck:
        raise PeerError("usage", "progress needs a percentage, --note, --check or --uncheck", "")
    peer = call.peer(writing=True)
    told = Progress(me=peer.me, task=ident, percent=percent, note=given_text(note), check=check, uncheck=uncheck)
    from git_peer.ops import sync as tentative

    done = tentative.send(peer, told, offline)
    kept = " (kept for `git peer sync`)" if done.get("guarantee") == "tentative" else ""
    return Reply(done, f"{done['task']['id']}: {done['task']['progress']} %{kept}.", network=True, wrote=True)


@command("review")
@click.argument("ident", metavar="ID")
@click.option("--commit", "rev", metavar="REV", default="HEAD", show_default=True, help="What is handed in.")
@_note
def review(call: Call, ident: str, rev: str, note: str) -> Reply:
    """Hand your task in: another session accepts it, or sends it back.

    With a remote the commit goes to the task's branch there, peer/task/ID, so that every clone can have it.
    """
    peer = call.peer(writing=True)
    from git_peer.ops import reviews

    commit = peer.repo.commit(rev)
    done = reviews.hand_in(peer, ident, commit, given_text(note) or "", _outcomes)
    lines = [f"Handed in {_tasks.in_words(done['task'])} at {commit[:12]}."]
    lines += _waiting(done)
    lines += [f"Pushed to {one['ref'].removeprefix('refs/heads/')}." for one in done["pushed"]]
    return Reply(done, lines, network=True, wrote=True)


def _waiting(done: dict[str, Any]) -> list[str]:
    return [f"{one['target']} is pending until its work has landed." for one in done.get("pending", ())]


@command("result")
@click.argument("ident", metavar="ID")
@click.option("--run", is_flag=True, help="Run the acceptance command here, and record what it says.")
@click.option("--passed", "verdict", flag_value="passed", help="It was run, and succeeded.")
@click.option("--failed", "verdict", flag_value="failed", help="It was run, and failed.")
@click.option("--commit", "rev", metavar="REV", default="HEAD", show_default=True, help="What it was run on.")
@click.option("--output", metavar="TEXT", default="", help="What it said; @FILE reads a file.")
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="With --run: how long it may take.")
def result(call: Call, ident: str, run: bool, verdict: str | None, rev: str, output: str, timeout: int) -> Reply:
    """Record what the acceptance command of a task said of a commit. Without it nobody accepts the task."""
    if run == (verdict is not None):
        raise PeerError("usage", "result needs --run, or --passed or --failed", "`git peer help task result` shows how")
    from git_peer.ops import acceptance as accepting

    peer = call.peer(writing=True)
    done = (
        accepting.run(peer, ident, timeout)
        if run
        else accepting.record(peer, ident, peer.repo.commit(rev), verdict == "passed", given_text(output) or "")
    )
    said = done["task"]["result"]
    told = f"{done['task']['id']}: acceptance {'passed' if said['passed'] else 'failed'} on {said['commit'][:12]}."
    more = [] if said["passed"] else text.framed(said.get("output", ""))
    return Reply(done, [told, *more], network=True, wrote=True)


def _outcomes(report: bytes) -> dict[str, str] | None:
    """The tests of a report; only a gate that compares them asks."""
    from git_peer.runner import results

    return results.outcomes(report)


def _reopened(task: Task) -> str:
    from git_peer.ops.acceptance import reopened

    return reopened(task)


def _mover(name: str, status: str, deed: str, doc: str, needs_note: bool = False, force: bool = False) -> click.Command:
    """A command that gives a task another status."""

    def run(call: Call, ident: str, note: str, force: bool = False, reason: str | None = None) -> Reply:
        if needs_note and not note:
            raise PeerError(
                "usage", f"{name} needs --note", f"say why: `git peer task {name} {text.word(ident)} --note TEXT`"
            )
        peer = call.peer(writing=True)
        to = status or _reopened(_tasks.named(call, ident))
        why = _forced(force, reason)
        said = given_text(note) or ""
        if to == "merge_point":
            from git_peer.ops import reviews

            done = reviews.accept(peer, ident, said, _outcomes)
        else:
            from git_peer.ops import unlanded

            work = unlanded.for_end(peer) if to == "done" else {}
            done = peer.run(Move(me=peer.me, task=ident, status=to, note=said, force=why, **work))
        if to == "done":
            from git_peer.ops import reviews

            reviews.warn_of_unlanded(peer, done["task"]["id"])
        lines = [f"{deed} {_tasks.in_words(done['task'])}.", *_waiting(done)]
        return Reply(done, lines, network=True, wrote=True)

    run.__doc__ = doc
    decorated: Any = _note(run)
    if force:
        decorated = _force(_reason(decorated))
    made: click.Command = command(name)(click.argument("ident", metavar="ID")(decorated))
    return made


merge_point = _mover(
    "merge-point", "merge_point", "Accepted", "Accept a task that is in review: its work may be merged."
)
done_ = _mover("done", "done", "Finished", "A task that was accepted is done: its work is merged.")
reject = _mover(
    "reject", "in_progress", "Sent back", "Send a task back to whoever works on it, and say why.", needs_note=True
)
reopen = _mover("reopen", "", "Reopened", "Take a task back to be worked on: from review, blocked, dropped or done.")
block = _mover("block", "blocked", "Blocked", "A task cannot go on, with the reason.", needs_note=True, force=True)
drop = _mover("drop", "dropped", "Dropped", "A task, and what is below it, is not to be done.", force=True)

COMMANDS = (release, progress, review, result, merge_point, done_, reject, reopen, block, drop)
