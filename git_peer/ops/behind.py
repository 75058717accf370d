"""What whoever takes a path should know of it: what has landed there since this branch left the integration branch, and
whose work there has not landed yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from git_peer import layout
from git_peer.core import text
from git_peer.core.lock import record as locks
from git_peer.core.lock.record import Lock, Work
from git_peer.core.target import glob as globs
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.layout import unpercent
from git_peer.ops.peer import Peer
from git_peer.store.clone import times
from git_peer.store.git import work

MOST = 5  # targets that are told of one by one


def of(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """The notices of both."""
    asked = list(wanted)
    return [*_landed(peer, asked), *unlanded(peer, asked)]


def unlanded(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """A notice of each pending lock of others on these targets: the branch, whose it is, how old, and which paths."""
    state, mine = peer.state, peer.session()
    if not any(state.entries(layout.T_PENDING) or ()):
        return []
    found: dict[str, dict[str, Any]] = {}
    for target in wanted:
        for lock in locks.pending_over(state, target):
            if lock.work is None or lock.id in found or locks.is_ones(state, mine, peer.me, lock):
                continue
            paths = [path for path in lock.work.paths if _concerns(peer, target, unpercent(path))]
            if lock.work.paths and not paths:
                continue
            found[lock.id] = _of_work(peer, target, lock, lock.work, paths)
    return list(found.values())[:MOST]


def _concerns(peer: Peer, target: Target, path: str) -> bool:
    return globs.covers(target.kind, target.real, path, peer.state.log.folds)


def _of_work(peer: Peer, target: Target, lock: Lock, work: Work, paths: list[str]) -> dict[str, Any]:
    shown, age = targets.show(target), max(0, times.now() - lock.since)
    where = text.word(work.branch or work.commit[:12])
    by = f", by {', '.join(map(text.word, work.authors[:2]))}" if work.authors else ""
    what = f" (it changes {', '.join(map(text.word, paths[:3]))}{', …' if len(paths) > 3 else ''})" if paths else ""
    asked = f"builds on {where}?" if work.branch else f"builds on {work.commit[:12]}?"
    shows = f"`git diff {work.base[:12]}..{work.commit[:12]}` shows it"
    return {
        "code": "pending",
        "message": f"{shown} {asked} {lock.session} has work there that has not landed, {_ago(age)}{by}{what}",
        "target": shown,
        "lock": lock.id,
        "session": lock.session,
        "branch": work.branch,
        "commit": work.commit,
        "authors": list(work.authors),
        "age": age,
        "paths": paths,
        "hint": f"{shows}; start from that branch, or expect to merge it",
    }


def _ago(seconds: int) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = seconds // unit
            return f"{count} {name}{'s' * (count > 1)} old"
    return "just now"


def _landed(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """A notice of each file or folder that stands otherwise on the integration branch, as far as it was fetched."""
    git, branch = peer.repo.handle, peer.state.log.integration
    remote = peer.remote.name if peer.remote is not None else ""
    by_path = {one.real: one for one in wanted if one.kind in ("file", "dir") and one.real}
    onto = work.integration(git, branch, remote) if branch and by_path else ""
    late = work.behind(git, peer.repo.head, onto, list(by_path))
    where = f"{remote}/{branch}" if remote else branch
    found = []
    for path in late[:MOST]:
        shown = targets.show(by_path[path])
        more = f", and {len(late) - MOST} more" if len(late) > MOST and path == late[MOST - 1] else ""
        found.append(
            {
                "code": "behind",
                "message": f"{shown} has changed on {where} ({onto[:12]}) since your branch left it{more}",
                "target": shown,
                "commit": onto,
                "hint": f"take it in before you change it: `git merge {where}` or `git rebase {where}`",
            }
        )
    return found
