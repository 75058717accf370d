"""What a branch has that has not landed: recorded with its holder's locks, so that they end when it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pygit2

from git_peer import layout
from git_peer.core import note
from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.lock.landing import of_lock
from git_peer.core.lock.push_rule import Content
from git_peer.core.lock.record import Lock, Work
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target.glob import covers
from git_peer.ops.destination import HEADS, Gates, Place
from git_peer.ops.makers import as_session, owner
from git_peer.ops.peer import Peer
from git_peer.store.clone import times
from git_peer.store.git import notes
from git_peer.store.git import work as branches
from git_peer.store.git.history import History
from git_peer.store.git.remote import run

LARGEST, MOST = 1 << 20, 400  # bytes of a blob, and blobs of one branch, that the log's tree keeps
COMMITS = 500  # that are asked for their authors

Covers = Callable[[str], bool]


def spelled(content: Content) -> str:
    """What stands at a path, as records have it."""
    return " ".join(content) if content is not None else ""


def content(text: str) -> Content:
    """The inverse of spelled()."""
    mode, _, ident = text.partition(" ")
    return (mode, ident) if ident else None


def landing(peer: Peer) -> Gates:
    """The branches on which work lands."""
    return Gates(peer, Place("", ""))


def known_tip(peer: Peer, gates: Gates | None = None) -> str:
    """Where the project's integration branch stands, as this clone knows it; "" where it knows none."""
    gates = gates or landing(peer)
    remote = gates.code if peer.remote is not None else ""
    found = (branches.integration(peer.repo.handle, name, remote) for name in gates.landing)
    return next((tip for tip in found if tip), "")


def of(peer: Peer, mine: Iterable[Lock], commit: str = "", branch: str = "", pushed: bool = False) -> Work | None:
    """What this work tree's branch has that has not landed, as far as these locks cover it.

    None where that cannot be told: no commit, no integration branch, no history. `pushed`: it goes out just now.
    """
    head, name = commit or peer.repo.head, branch or peer.repo.branch
    onto = known_tip(peer)
    if not head or not onto:
        return None
    try:
        history = History(peer.repo)
        bases = history.bases(head, onto)
        base = bases[0] if bases else ""
        found = between(peer, history, base, head, covering(peer, mine))
    except PeerError:
        return None
    kept = peer.remote is None or pushed or _is_out(peer, head)
    return made(peer, found, head, base, name, pushed=kept and peer.remote is not None, keep=kept)


def made(
    peer: Peer,
    paths: dict[str, tuple[Content, Content]],
    commit: str,
    base: str,
    branch: str,
    pushed: bool,
    keep: bool,
    of: Session | None = None,
) -> Work:
    """The record of some work, by the session that acts or by `of`."""
    gitdir, host, tree = (of.gitdir, of.host, of.worktree) if of else (peer.me.gitdir, peer.me.host, peer.me.worktree)
    return Work(
        commit=commit,
        base=base,
        branch=branch if layout.is_utf8(branch) else "",
        pushed=pushed,
        authors=_authors(peer, base, commit),
        clone=peer.me.clone,
        gitdir=gitdir,
        host=host,
        worktree=tree,
        at=times.now(),
        paths={layout.percent(path): (spelled(a), spelled(b)) for path, (a, b) in sorted(paths.items())},
        blobs=_blobs(peer, paths) if keep else (),
    )


def between(
    peer: Peer, history: History, base: str, commit: str, covered: Covers
) -> dict[str, tuple[Content, Content]]:
    """What a commit has otherwise than its base, at the paths that are covered."""
    return {path: both for path, both in history.changed(base, commit).items() if covered(path)}


def covering(peer: Peer, among: Iterable[Lock]) -> Covers:
    """Whether one of these locks covers a path."""
    folds, wanted = peer.state.log.folds, [lock.target for lock in among]
    return lambda path: any(covers(one.kind, one.real, path, folds) for one in wanted)


def everywhere(peer: Peer, held: Sequence[Lock]) -> tuple[Work, ...]:
    """What the branch that one is on has, and then each other branch here on which a holder has committed since.

    Nothing where that cannot be told.
    """
    first = of(peer, held)
    if first is None:
        return ()
    found = [first]
    scene = peer.scene(peer.state)
    left = [lock for lock in held if lock.work is None or lock.work.branch != first.branch]
    left = [lock for lock in left if of_lock(peer.state, scene, lock, first) is None]
    for tip, branch, at in _others(peer, left) if left else ():
        among = [lock for lock in left if lock.at <= at]
        work = of(peer, among, tip, branch) if among and branch != first.branch else None
        if work is not None:
            found.append(work)
    return tuple(found)


def _others(peer: Peer, held: Sequence[Lock]) -> Iterator[tuple[str, str, int]]:
    """(tip, branch, when it was committed) of those on which the holders have committed, the newest first."""
    owners = [one for lock in held if (one := locks.holder_of(peer.state, lock)) is not None]
    since, onto, gates = min(lock.at for lock in held), known_tip(peer), landing(peer)
    made, named = _made(peer, owners, since), {one.branch for one in owners}
    remote = f"refs/remotes/{gates.code}/"
    args = ["for-each-ref", "--sort=-committerdate", f"--no-merged={onto}", "--format=%(objectname) %(refname)"]
    ran = run(
        [*args, HEADS, *([remote] if gates.code else [])], peer.repo.gitdir, 10, {"GIT_DIR": str(peer.repo.gitdir)}
    )
    seen: set[str] = set()
    for row in ran.out.splitlines():
        tip, _, ref = row.partition(" ")
        branch = ref.removeprefix(remote).removeprefix(HEADS)
        if branch in seen or gates.lands(HEADS + branch):
            continue
        seen.add(branch)
        try:
            at = peer.repo.git[tip].peel(pygit2.Commit).commit_time
            if at < since:
                return
            walker = peer.repo.git.walk(tip)
            walker.hide(onto)
            if branch in named or any(str(one.id) in made for one in islice(walker, COMMITS)):
                yield tip, branch, at
        except (KeyError, ValueError, AttributeError, pygit2.GitError):
            continue


def _made(peer: Peer, owners: Sequence[Session], since: int) -> set[str]:
    """The commits since then that are these sessions' by the hooks' record."""
    who = [as_session(one) for one in owners]
    told: dict[tuple[str, ...], bool] = {}
    found: set[str] = set()
    for row in notes.rows(peer.clone.folder)[0]:
        if isinstance(row, notes.Rewritten):
            if row.old in found:
                found.add(row.new)
        elif row.at >= since:
            if row.words not in told:
                author = peer.me.clone, *note.who(row.words)
                told[row.words] = any(owner(author, one) for one in who)
            if told[row.words]:
                found.add(row.commit)
    return found


def mine(peer: Peer, name: str = "") -> list[Lock]:
    """The locks of who runs this, and of its agents here; or of the session of that name."""
    session = peer.session()
    owners = [
        s for s in sessions.all_of(peer.state) if s.name == name or (not name and sessions.owns(session, peer.me, s))
    ]
    return [lock for owner in owners for lock in locks.held_by(peer.state, owner.name)]


def for_end(peer: Peer, name: str = "") -> dict[str, Any]:
    """What a command that ends locks has to know of their work: its `work`, or nothing where there is none to tell."""
    held = mine(peer, name)
    ended = sessions.get(peer.state, name) if name else None
    if ended is not None and ended.gitdir != peer.me.gitdir:
        return {}
    found = everywhere(peer, held) if held else ()
    return {"work": found} if found else {}


def for_word(peer: Peer) -> dict[str, Any]:
    """The same for who says that locks are to wait; PeerError where what they wait for cannot be told."""
    found = for_end(peer)
    if found or not peer.repo.head or all(lock.work is not None for lock in mine(peer)):
        return found
    if not known_tip(peer):
        names = ", ".join(landing(peer).landing)
        hint = "`git config peer.integration BRANCH` names it; `git peer unlock` gives the lock back at once"
        raise PeerError("not_found", f"there is no branch that work could land on: {names}", hint)
    hint = "in a shallow clone `git fetch --unshallow` brings it; `git peer unlock` gives the lock back at once"
    raise PeerError("unavailable", "what your branch has in common with the integration branch is not here", hint)


def _is_out(peer: Peer, commit: str) -> bool:
    """Whether a commit has been pushed, as this clone knows: nothing else of the code is put into the log."""
    remote = landing(peer).code
    args = ["for-each-ref", "--count=1", f"--contains={commit}", "--format=x", f"refs/remotes/{remote}/"]
    ran = run(args, peer.repo.gitdir, 10, {"GIT_DIR": str(peer.repo.gitdir)})
    return ran.status == 0 and bool(ran.out.strip())


def _authors(peer: Peer, base: str, commit: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    try:
        walker = peer.repo.git.walk(commit)
        if base:
            walker.hide(base)
        for number, one in enumerate(walker):
            if number >= COMMITS:
                break
            found[one.author.email or ""] = None
    except (KeyError, ValueError, pygit2.GitError):
        pass
    return tuple(one for one in found if one)[:20]


def _blobs(peer: Peer, paths: dict[str, tuple[Content, Content]]) -> tuple[str, ...]:
    """The blobs by which the work is told, of files that are not too large."""
    git, found = (
        peer.repo.git,
        dict.fromkeys(one[1] for both in paths.values() for one in both if one is not None and one[0] != "160000"),
    )
    if len(found) > MOST:
        return ()
    kept = []
    for ident in found:
        try:
            if git.odb.read_header(ident)[1] <= LARGEST:
                kept.append(ident)
        except (KeyError, ValueError, pygit2.GitError, AttributeError):
            continue
    return tuple(sorted(kept))
