"""Quality gates: which a project has, what they are asked about, and whom they hold.

The gate at a commit and a push is hooks/gate.py, what is told of it ops/gate.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pygit2

from git_peer.core import near
from git_peer.core.errors import PeerError
from git_peer.core.quality_gate import definition
from git_peer.core.quality_gate.definition import Definition
from git_peer.store.git.repo import Repo
from git_peer.store.settings import FILE

if TYPE_CHECKING:
    from git_peer.ops.gate_runs import Outcomes, Result, Run
    from git_peer.ops.peer import Peer

_MAIN = (
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
)


class Span(NamedTuple):
    """What is judged: what `tip` adds to `base`. All are commits, or "".

    `baseline` is what tests and coverage are compared with; `rules`, whose file says which gates there are.
    """

    tip: str
    base: str
    baseline: str
    rules: str


def span(repo: Repo, peer: Peer | None, given: str, baseline: str = "") -> Span:
    """The span of a RANGE: `A..B`, one commit, or HEAD; without A from where the integration branch was left.

    PeerError not_found for what is no commit.
    """
    old, dots, new = given.partition("..")
    tip = repo.commit((new.lstrip(".") if dots else old) or "HEAD")
    rules = repo.commit(old or "HEAD") if dots else integration_tip(repo, peer)
    base = _base(repo.git, rules, tip) if rules else ""
    if base == tip and not dots:  # it has landed: what it changed itself
        parents = repo.git[tip].peel(pygit2.Commit).parent_ids
        base = str(parents[0]) if parents and parents[0] in repo.git else ""
        rules = base
    compared = repo.commit(baseline) if baseline else base
    return Span(tip, base if dots or not baseline else _base(repo.git, compared, tip), compared, rules or base)


def _base(git: pygit2.Repository, one: str, other: str) -> str:
    try:
        return str(git.merge_base(one, other) or "")
    except KeyError:  # a shallow clone has not got so far
        return ""


def integration_tip(repo: Repo, peer: Peer | None) -> str:
    """The commit of the integration branch as this clone knows it; "" where there is none."""
    if peer is not None:
        from git_peer.ops import task_base

        found = task_base.tip(peer, peer.state.log.integration)
        if found:
            return found
    for name in _MAIN:
        if name in repo.git.references:
            return str(repo.git.references[name].peel(pygit2.Commit).id)
    return ""


# -- which gates there are ------------------------------------------------------------------------
def rules(repo: Repo, at: Span) -> tuple[dict[str, Definition], list[str]]:
    """The gates that hold for a span, and what somebody should know of them.

    They are the baseline's: who is judged does not say by what. Until it has some, the commit's own.
    """
    before = _table(repo.git, at.rules) if at.rules else None
    after = _table(repo.git, at.tip)
    found, warnings = definition.read(before if before is not None else after or {})
    if before is not None and before != after:
        warnings.append(f"{FILE} changes the gates: that counts once it has landed")
    return found, warnings


def _table(git: pygit2.Repository, commit: str) -> dict[str, Any] | None:
    """What [gates] says in a commit; None where it says nothing."""
    try:
        blob = git[commit].peel(pygit2.Tree)[FILE].peel(pygit2.Blob)
    except (KeyError, pygit2.InvalidSpecError, pygit2.GitError):
        return None
    import tomli

    try:
        found = tomli.loads(blob.data.decode("utf-8"))
    except (ValueError, RecursionError) as why:
        raise PeerError("invalid", f"{FILE} of {commit[:12]}: {why}", "mend the file") from None
    table: dict[str, Any] | None = found.get("gates")
    return table


def requires(peer: Peer) -> dict[str, Definition]:
    """The gates that the integration branch requires."""
    top = integration_tip(peer.repo, peer)
    table = _table(peer.repo.git, top) if top else None
    found = definition.read(table)[0] if table else {}
    return {name: one for name, one in found.items() if one.get("required")}


def chosen(found: dict[str, Definition], only: Sequence[str]) -> dict[str, Definition]:
    """Those that were asked for by name, as if the file named them; else all. PeerError not_found names a wrong one."""
    for name in only:
        if name not in found:
            raise unknown(name, found)
    return {name: found[name]._replace(declared=True) for name in dict.fromkeys(only)} or found


def unknown(name: str, found: dict[str, Definition]) -> PeerError:
    """The error for a gate that there is not."""
    return PeerError(
        "not_found", f"there is no gate {name!r}", near.hint(name, found, "`git peer gate explain` lists them")
    )


# -- whom they hold -------------------------------------------------------------------------------
def hold(peer: Peer, task: str, commit: str, run: Run | None = None, read: Outcomes | None = None) -> None:
    """PeerError `failed`, or `unknown`, where a gate that this project requires has not passed on a commit.

    They are those of the integration branch. `run` runs a command; without it only what was run here before counts,
    and `read` is asked for the tests of a report.
    """
    required = requires(peer)
    if not required:
        return
    from git_peer.ops import gate_runs

    top = integration_tip(peer.repo, peer)
    base = _base(peer.repo.git, top, commit)
    at = Span(commit, base, base, top)
    run = run or gate_runs.remembered(peer.repo, peer.settings)
    results = gate_runs.evaluate(peer.repo, peer.settings, peer, at, required, run, read)
    held = [one for one in results if one.verdict.word != "pass"]
    if not held:
        return
    code = "failed" if any(one.verdict.word == "fail" for one in held) else "unknown"
    told = "; ".join(f"{one.name}: {one.verdict.why}" for one in held)
    only = "".join(f" --only {one.name}" for one in held)
    raise PeerError(
        code,
        f"{task} is held by what {FILE} requires of {commit[:12]}: {told}",
        f"`git peer gate {commit[:12]}{only}` runs and shows it",
        gates=[one.view(peer.settings) for one in held],
    )


def stopped(results: Sequence[Result], definitions: dict[str, Definition]) -> PeerError | None:
    """Why a commit does not pass, where it does not: a gate failed, or one that counts is unknown."""
    failed = [one.name for one in results if one.verdict.word == "fail"]
    open_ = [
        one.name
        for one in results
        if one.verdict.word == "unknown" and (definitions[one.name].declared or not definitions[one.name].kind.advisory)
    ]
    if failed:
        return PeerError(
            "failed", f"does not pass: {', '.join(failed)}", f"`git peer gate explain {failed[0]}` tells what it wants"
        )
    if open_:
        return PeerError(
            "unknown",
            f"could not be run: {', '.join(open_)}",
            f"`git peer gate explain {open_[0]}` tells what it needs",
        )
    return None
