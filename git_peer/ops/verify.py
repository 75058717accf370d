"""`git peer verify`: whether a range of commits may land, by the log of the remote: what a CI job asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.ops import destination, outgoing
from git_peer.ops.destination import HEADS
from git_peer.ops.makers import as_session
from git_peer.ops.peer import Peer
from git_peer.ops.span import Span
from git_peer.store.git.history import History, Missing
from git_peer.store.git.remote import run
from git_peer.store.git.repo import Repo

_FETCHED = 200  # commits that are asked for by their ids
_DEEPER = (100, 1000, 0)  # commits by which a shallow clone is deepened, one after the other; 0: all the way


def judge(peer: Peer, home: Repo, revision: str, head_ref: str) -> list[dict[str, Any]]:
    """Violations, as Peer.violation() tells them, if a range landed on what it leaves out.

    `home` is where the range is named; `head_ref` the branch that it is on, whose sessions may change what they hold.
    """
    old, new = _ends(peer, home, revision)
    found = [_judged(peer, old, new, head_ref, who) for who in _whose(peer, head_ref)]
    stands = [
        {(one["path"], str(one["lock"] or one.get("holder") or one.get("debate"))) for one in rows} for rows in found
    ]
    both = set.intersection(*stands)  # what any session of that branch may do is no violation
    return [
        one for one in found[0] if (one["path"], str(one["lock"] or one.get("holder") or one.get("debate"))) in both
    ]


def _whose(peer: Peer, head_ref: str) -> list[Session | None]:
    """The sessions of a branch, by where they are, what they pushed, and the work under their locks; else [None]."""
    name = head_ref.removeprefix(HEADS)
    pushed = outgoing.pushed(peer) if name else {}
    under = {lock.sid for lock in locks.all_of(peer.state) if lock.work is not None and lock.work.branch == name}
    found: list[Session | None] = [
        one
        for one in sessions.all_of(peer.state)
        if name and (one.branch == name or one.sid in under or HEADS + name in pushed.get(one.sid, {}))
    ]
    return found or [None]


def _tips(peer: Peer, history: History) -> dict[str, list[str]]:
    """sid → the commits that a session is known to stand on: what it pushed, its branch, and the work it locked.

    They are fetched where they are not here: a merge or a squash of them is the holder's work.
    """
    found = {sid: list(refs.values()) for sid, refs in outgoing.pushed(peer).items()}
    for lock in locks.all_of(peer.state):
        if lock.work is not None:
            found.setdefault(lock.sid, []).append(lock.work.commit)
    gates = destination.Gates(peer, destination.Place("", ""))
    branches = {one.sid: HEADS + one.branch for one in sessions.all_of(peer.state) if one.branch}
    branches = {sid: ref for sid, ref in branches.items() if not gates.lands(ref)}  # pushed by plain git, perhaps
    there = destination.listed(peer, gates.code_url, branches.values(), 30) if branches else None
    for sid, ref in branches.items():
        if there and ref in there:
            found.setdefault(sid, []).append(there[ref])
    missing = sorted({tip for tips in found.values() for tip in tips if not history.commit(tip)})
    if missing:
        _fetch(peer, missing[:_FETCHED])
    return found


def _judged(peer: Peer, old: str, new: str, head_ref: str, who: Session | None) -> list[dict[str, Any]]:
    own = peer.me
    name = (None if who.default else who.name) if who is not None else ""
    peer.me = msgspec.structs.replace(
        own,
        name=name,
        clone=who.clone if who is not None else "",
        gitdir=who.gitdir if who is not None else "",
        agent="" if who is None or who.default else own.agent or "ci",
    )
    try:
        history = History(peer.repo)
        span = Span(peer, history, old, new, local_ref=HEADS + head_ref.removeprefix(HEADS) if head_ref else "")

        def look() -> None:
            span.look_closer([old] if old else [])
            tips = _tips(peer, history)
            for one in sessions.all_of(peer.state):
                session = as_session(one)
                span.stands_on(session, [tip for tip in tips.get(one.sid, ()) if not span.is_others(tip, session)])

        stands = span.judged(look)
        return [{**peer.violation(raw), "how": raw["how"]} for raw in stands]
    finally:
        peer.me = own


def _ends(peer: Peer, home: Repo, revision: str) -> tuple[str, str]:
    """(what the range leaves out, where it ends), both here, with what they have in common."""
    first, _, last = revision.replace("...", "..").partition("..")
    if ".." not in revision:
        first, last = f"{revision}^", revision
    new = _resolved(peer, home, last or "HEAD")
    without = _resolved(peer, home, first or "HEAD") if ".." in revision or _has(home, first) else ""
    if not without:
        return "", new
    for depth in (None, *_DEEPER):
        if depth is not None:
            _deepen(peer, (without, new), depth)
        try:
            bases = History(Repo(str(peer.repo.gitdir))).bases(new, without)
        except Missing:
            continue
        if depth is not None:
            peer.repo = Repo(str(peer.repo.gitdir))
        return bases[0] if bases else "", new
    raise PeerError("unavailable", f"what {revision} has in common is not in this clone", "fetch more of its history")


def _has(home: Repo, name: str) -> bool:
    return bool(_named(home, name))


def _named(home: Repo, name: str) -> str:
    where = {"GIT_DIR": str(home.gitdir)}
    return run(
        ["rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}"], home.gitdir, 30, where
    ).out.strip()


def _resolved(peer: Peer, home: Repo, name: str) -> str:
    """The commit of that name, fetched where it is not here: a CI job may have cloned one commit only."""
    found = _named(home, name)
    if not found and _is_id(name):
        _fetch(peer, [name])
        found = name if History(peer.repo).commit(name) else ""
    if not found or name.startswith("-"):
        hint = home.near_revision(name, "as `git rev-list` takes it: main..topic")
        raise PeerError("usage", f"not a revision or range: {name}", hint)
    return found


def _is_id(name: str) -> bool:
    return len(name) in (40, 64) and set(name) <= set("0123456789abcdef")


def _fetch(peer: Peer, what: Sequence[str], *how: str) -> None:
    url = destination.Gates(peer, destination.Place("", "")).code_url
    args = ["-c", "core.hooksPath=/dev/null", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap="]
    run([*args, *how, url, *what], destination.top_of(peer), 120, destination.environment(peer))


def _deepen(peer: Peer, what: Sequence[str], depth: int) -> None:
    if not (peer.repo.common / "shallow").exists():
        return
    _fetch(peer, what, f"--deepen={depth}" if depth else "--unshallow")
