"""The end of an integration: what was merged is done, whom a failure concerns is told once, and the summary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pygit2

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import DeltaPush
from git_peer.core.errors import PeerError
from git_peer.core.plan.task import integration
from git_peer.core.plan.task.decide import Move
from git_peer.core.plan.task.events import TaskAdd, TaskMove
from git_peer.core.plan.task.integration import Landed
from git_peer.core.plan.task.record import Task
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops import news, pull_request, task_branches, trials
from git_peer.ops import notes as noting
from git_peer.ops import sync as tentative
from git_peer.ops.peer import Peer

if TYPE_CHECKING:  # what it ends
    from git_peer.ops.integrate import Integration, Refused

KEPT = 4000  # characters of an output that are told: its end


def finish(run: Integration) -> dict[str, Any]:
    """Say in the log what has landed, tell what was refused, and put the answer together."""
    done = _accept(run)
    told = [_tell(run, one) for one in run.refused if one.why != "changed"]
    told += [_tell_broken(run, run.board[ident]) for ident in run.broken]
    if run.options.send_back:
        _send_back(run)
    _note(run)
    pruned = _pruned(run) if run.options.prune else []
    known = run.board.tasks
    return {
        "merged": [task.id for task in run.merged],
        "conflicts": [
            {"task": one.task.id, "paths": list(one.paths), "with": list(one.with_), "commit": one.task.commit}
            for one in run.refused
            if one.why == "conflict"
        ],
        "failed": [_failed(one) for one in run.refused if one.why != "conflict"],
        "stopped": [
            {"task": ident, "waits_for": list(why.waits_for), "why": why.why}
            for ident, why in run.stopped.items()
            if integration.is_handed_in(known[ident])
        ],
        "broken": run.broken,
        "accepted": done["accepted"],
        "left": done["left"],
        "deltas": [ident for ident in told if ident],
        "pruned": pruned,
        "into": run.branch.name,
        "base": run.branch.base or None,
        "head": _head(run) or None,
        "landed": bool(run.steps),
        "partial": run.partial,
        "summary": _summary(run),
    }


def _head(run: Integration) -> str:
    """The commit that the branch stands on now; "" where it is not there yet."""
    return run.head if run.steps else run.branch.base


def _failed(one: Refused) -> dict[str, Any]:
    view = {"task": one.task.id, "why": one.why, "message": one.message, "commit": one.task.commit}
    more = {"command": one.task.accept, "with": list(one.with_), "output": text.clean(_tail(one.output))}
    return {**view, **{key: value for key, value in more.items() if value}}


def _accept(run: Integration) -> dict[str, Any]:
    """What is in the branch now is accepted and done; one command, so one push of the log."""
    there = [*run.present.values(), *run.merged]
    landed = tuple(Landed(task=one.id, commit=one.commit) for one in there if one.status != "done")
    if not landed:
        return {"accepted": [], "left": []}
    return run.peer.run(integration.Integrate(me=run.peer.me, landed=landed))


def _note(run: Integration) -> None:
    """Whose the merge commits are, as the hook would have noted it had git made them; and all notes on their way."""
    peer, session = run.peer, run.peer.session()
    lines = {}
    for step in run.steps:
        if session is not None and step.head != step.task.commit:
            line = notes.provenance(notes.fragment(session, step.task.id, ()), step.head, int(time.time()))
            lines[step.head] = [line]
    with contextlib.suppress(PeerError):  # what cannot be noted now is noted by the next command
        with peer.clone.writing(peer.settings.get("retryTimeout")):
            noting.settled(peer, lines)
        noting.carry(peer)


def _pruned(run: Integration) -> list[str]:
    """The tasks whose branches were deleted. What cannot be deleted is told, and no failure: the work is in."""
    try:
        cleared, why = task_branches.clear(run.peer, _head(run))
    except PeerError as refusal:
        cleared, why = [], refusal.message
    if why:
        run.tell(f"not all branches of tasks were deleted: {why}")
    return cleared


# -- telling --------------------------------------------------------------------------------------
def _tell(run: Integration, refused: Refused) -> str:
    """A blocking delta to those whom it concerns; its id, "" where it was told before."""
    task, branch = refused.task, run.branch.name
    others = [run.board[ident] for ident in refused.with_ if ident in run.board.tasks]
    lines = [task.title]
    if refused.with_:
        lines.append(f"It does not go together with {', '.join(refused.with_)}.")
    if refused.why == "conflict":
        lines += ["Conflicts:", *(f"  {layout.percent(path)}" for path in refused.paths[:50])]
    if refused.why in ("conflict", "merged", "breaks"):
        lines.append(f"Take {branch} in, mend it there, and hand the task in again with `git peer task review`.")
    where = [targets.of_path("file", path) for path in refused.paths] or list(task.paths)
    return _once(run.peer, task, refused.message, lines, refused.output, [task, *others], where, "blocking")


def _tell_broken(run: Integration, task: Task) -> str:
    """The acceptance of something that was merged before has come to fail, and not by a merge of this run."""
    ran = run.trials.run(run.branch.start, task.accept, task.id)
    message = f"the acceptance of {task.id} fails on {run.branch.name}"
    return _once(run.peer, task, message, [task.title], trials.said(ran), [task], list(task.paths), "warning")


def _once(
    peer: Peer,
    task: Task,
    message: str,
    lines: Sequence[str],
    output: str,
    among: Sequence[Task],
    paths: Sequence[Target],
    severity: str,
) -> str:
    summary = text.line(message, text.SUMMARY)
    if _is_told(peer, task, summary):
        return ""
    own = peer.name
    workers = [one.assignee or next(iter(one.workers[::-1]), "") for one in among]
    about: dict[str, Any] = {
        "severity": severity,
        "paths": list(dict.fromkeys(paths))[: deltas.MOST],
        "tasks": [one.id for one in among][: deltas.MOST],
        "commit": task.commit if task.commit in peer.repo.git else None,
        "to": [name for name in dict.fromkeys(workers) if name and name != own],
    }
    body = text.clean("\n".join(lines))
    said = f"{body}\n\n{_end(peer, output)}" if output else body
    kind = "blocker" if severity == "blocking" else "discovery"
    done = news.tell(peer, kind, summary, body=said, **about)
    return str(done["delta"]["id"])


def _is_told(peer: Peer, task: Task, summary: str) -> bool:
    """Whether anybody has told this of the commit that is handed in: looked for back to when it was."""
    if any(one.summary == summary and task.id in one.tasks for one in tentative.untold(peer)):
        return True
    for entry in peer.chain.history(peer.engine.tip()):
        for event in entry.events:
            if isinstance(event, DeltaPush) and event.summary == summary and task.id in event.tasks:
                return True
            if isinstance(event, (TaskMove, TaskAdd)) and (event.task, event.commit) == (task.id, task.commit):
                return False
    return False


def _send_back(run: Integration) -> None:
    """What is under review and was refused is its worker's again, who reads why."""
    for one in run.refused:
        if one.task.status != "review" or one.why in ("changed", "missing"):
            continue
        note = f"{one.message}\n{_end(run.peer, one.output, 2000)}".strip()
        move = Move(me=run.peer.me, task=one.task.id, status="in_progress", note=note, commit=one.task.commit)
        try:
            run.peer.run(move)
        except PeerError as why:
            if why.code not in ("changed", "invalid", "not_found"):  # else somebody has done something about it
                raise


def _end(peer: Peer, output: str, most: int = KEPT) -> str:
    """The end of what a command said, as it may stand in the log."""
    return _tail(peer.redacted(text.clean(output)), most)


def _tail(output: str, most: int = KEPT) -> str:
    return output if len(output) <= most else "…" + output[-most:]


# -- the summary ----------------------------------------------------------------------------------
def changed(git: pygit2.Repository, onto: str, commit: str) -> dict[str, str]:
    """Path → what became of it (A, M, D, …) in `commit` since it left `onto`; "" stands for nothing."""
    there = git[commit].peel(pygit2.Commit)
    base = git.merge_base(onto, commit) if onto else None
    if base is None:
        diff = there.tree.diff_to_tree(swap=True, context_lines=0)
    else:
        diff = git[base].peel(pygit2.Commit).tree.diff_to_tree(there.tree, context_lines=0)
    return {layout.from_bytes(one.new_file.raw_path): one.status_char() for one in diff.deltas}


def touched(git: pygit2.Repository, task: Task) -> set[str]:
    """The paths that a task's commit changed: as against its parent."""
    commit = git[task.commit].peel(pygit2.Commit)
    return set(changed(git, str(commit.parent_ids[0]) if commit.parent_ids else "", task.commit))


def _summary(run: Integration) -> dict[str, Any]:
    """What was built, its files and tests, how to run it, where it is, and how to open a pull request."""
    peer, branch = run.peer, run.branch
    inside = {*run.present, *(task.id for task in run.merged)}
    there = [task for task in run.order if task.id in inside]
    head = _head(run)
    files = changed(peer.repo.git, branch.base if branch.is_main else branch.main, head) if head else {}
    remote = peer.remote.name if peer.remote is not None else ""
    main = peer.state.log.integration
    fetched = "FETCH_HEAD" if remote else branch.name
    run_it = [f"git fetch {remote} {branch.name}"] if remote else []
    return {
        "built": [{"task": one.id, "title": one.title, "commit": one.commit} for one in there],
        "files": [{"path": path, "status": status} for path, status in sorted(files.items())],
        "tests": _tests(run),
        "run": [*run_it, f"git switch --detach {fetched}", *dict.fromkeys(one.accept for one in there if one.accept)],
        "where": {"branch": branch.name, "remote": remote or None, "head": head or None},
        "pull_request": None
        if branch.is_main or not main
        else pull_request.of(remote, peer.remote.url if peer.remote is not None else "", branch.name, main),
        "partial": run.partial,
    }


def _tests(run: Integration) -> dict[str, Any] | None:
    """{commands: [{command, passed}], passed, failed} on the final tree; None where nothing was merged."""
    ran = list(run.final())
    if not ran:
        return None
    counts = [run.options.count(one.report) for _, one in ran if run.options.count is not None and one.report]
    return {
        "commands": [{"command": task.accept, "passed": trials.passed(one)} for task, one in ran],
        "passed": sum(good for good, _ in counts),
        "failed": sum(bad for _, bad in counts),
    }
