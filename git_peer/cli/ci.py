"""git peer verify, landed: what a CI job asks. They need no set-up, no identity and, but to record, no write access."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from git_peer.cli._output import Call, Reply, remark
from git_peer.cli.main import command
from git_peer.core.errors import PeerError

_report = click.option(
    "--report", metavar="FILE", help="Write what was found as a code quality report, as GitLab shows it."
)


@command("verify")
@click.argument("revision", metavar="RANGE")
@click.option(
    "--head-ref", metavar="BRANCH", default="", help="The branch that RANGE is on: its sessions' work is theirs."
)
@_report
def verify_command(call: Call, revision: str, head_ref: str, report: str | None) -> Reply:
    """Whether the commits of RANGE may land, by the log of the remote: for CI. Exit 1 where not.

    It needs no `git peer init`, works in shallow and detached clones, and leaves nothing behind. On GitHub Actions what
    it finds is annotated.
    """
    from git_peer.ops import verify, visit

    with visit.visiting(call.parts()) as peer:
        found = verify.judge(peer, call.parts().repo, revision, head_ref or _head_ref())
        extra = {"guarantee": peer.guarantee, "traffic": peer.traffic}
    if report is not None:
        _write(report, found)
    if not found:
        data = {"allowed": True, "violations": [], **extra}
        return Reply(data, f"{revision} may land: nothing that it changes is somebody else's.")
    from git_peer.ops.refusal import in_words, refusal

    for one in found:
        _annotate(call, "error", in_words([one]), one["path"])
    why = refusal(found)
    raise PeerError(why.code, why.message, why.hint, allowed=False, violations=found, **extra)


@command("landed")
@click.option("--ref", "branch", metavar="BRANCH", default="", help="Look at this integration branch only.")
def landed_command(call: Call, branch: str) -> Reply:
    """End the locks whose work has landed on the integration branch: for CI. Any session's `sync` does so too.

    It needs no `git peer init` and works in shallow and detached clones. Without write access it says what would end.
    """
    from git_peer.ops import landing, visit

    with visit.visiting(call.parts(), writing=True) as peer:
        patience = peer.settings.get("retryTimeout")
        recorded, why = landing.may_write(peer), ""
        try:
            done = landing.settle(peer, patience, write=recorded, deepen=True, only=branch)
        except PeerError as refused:
            if refused.code not in ("rejected", "not_allowed", "unreachable", "failed"):
                raise
            recorded, why = False, refused.message
            done = landing.settle(peer, patience, write=False, deepen=True, only=branch)
        extra = {"guarantee": peer.guarantee, "traffic": peer.traffic}
    for notice in done["notices"]:
        _annotate(call, "warning", notice["message"], notice.get("target", ""))
    verb = "unlocked" if recorded else "would be unlocked"
    lines = [f"The work of {one['session']} on {one['target']} has landed: {verb}." for one in done["released"]]
    if why and done["released"]:
        lines.append(f"Nothing was recorded: {why}")
    still = len(done["waiting"])
    lines.append(f"{still} pending lock{'s wait' if still != 1 else ' waits'} for work that has not landed.")
    data = {"released": done["released"], "recorded": recorded, "waiting": done["waiting"], **extra}
    return Reply(data, lines)


def _head_ref() -> str:
    """The branch of a pull or merge request, as its host names it to a job."""
    return os.environ.get("GITHUB_HEAD_REF") or os.environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or ""


def _annotate(call: Call, level: str, message: str, path: str) -> None:
    """Have GitHub show it beside the file; elsewhere the error says it all, and a warning is a line."""
    from git_peer.ops import annotations

    if os.environ.get("GITHUB_ACTIONS") == "true":
        remark(annotations.github(level, message, path))
    elif level == "warning":
        call.progress(f"warning: {message}")


def _write(path: str, found: Sequence[dict[str, Any]]) -> None:
    """Write GitLab's code quality report."""
    from git_peer.ops import annotations

    try:
        Path(path).write_bytes(annotations.quality(found))
    except OSError as why:
        raise PeerError("failed", f"cannot write {path}: {why.strerror}", "--report names another file") from None
