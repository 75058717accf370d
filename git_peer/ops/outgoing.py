"""What a push would bring: its commits, whose they are, and the paths they touch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.session import record as sessions
from git_peer.ops.peer import Peer
from git_peer.store.git.remote import run

Author = tuple[str, str, "str | None"]  # (clone, gitdir, session name), as Peer.me_for_gate() gives it


class Update(NamedTuple):
    """One ref of a push: local and remote name and id; an empty id stands for a ref that is or will not be there."""

    local_ref: str
    local: str
    remote_ref: str
    remote: str


def is_zero(ident: str) -> bool:
    """Whether an id as hooks give it stands for none."""
    return not ident.strip("0")


def parse(lines: Iterable[str]) -> list[Update]:
    """The pre-push hook's standard input."""
    rows = [line.split() for line in lines if line.strip()]
    return [
        Update(r[0], "" if is_zero(r[1]) else r[1], r[2], "" if is_zero(r[3]) else r[3]) for r in rows if len(r) == 4
    ]


def refuse_ours(peer: Peer, updates: Sequence[Update], remote: str) -> None:
    """PeerError where a push would write the log's own refs and git-peer did not make it."""
    from git_peer.publish.attempts import is_recorded

    if peer.remote is None or not _same_remote(peer, remote):
        return
    for update in updates:
        if update.remote_ref == layout.NOTES and _adds(peer, update):
            continue  # `git push origin 'refs/notes/*'` of who keeps notes of their own
        ours = update.remote_ref == peer.remote.ref or update.remote_ref.startswith(layout.OURS)
        if ours and not (update.local and is_recorded(peer.engine.attempts, update.local)):
            raise PeerError(
                "not_allowed",
                f"{update.remote_ref} on {remote} is the log of git-peer: only git-peer writes it",
                "leave it out of the push (`git push --mirror` onto the log's own remote would delete it); "
                "`git peer doctor --fix` puts a log back that was deleted or rolled back",
            )


def _adds(peer: Peer, update: Update) -> bool:
    """Whether a push only adds to what the remote's ref has."""
    return bool(update.local) and (not update.remote or peer.chain.descends(update.local, update.remote))


def _same_remote(peer: Peer, remote: str) -> bool:
    if peer.remote is None or remote == peer.remote.name:
        return peer.remote is not None
    top = peer.repo.top or peer.repo.gitdir
    return _spelled_out(remote, top) == _spelled_out(peer.remote.url, top)


def _spelled_out(url: str, top: Path) -> str:
    """A URL, or the absolute path that a local one means."""
    path = url.removeprefix("file://")
    if "://" in path or (":" in path.split("/")[0] and not (top / path).exists()):
        return url
    return os.path.realpath(top / path)


def changes(peer: Peer, updates: Sequence[Update], remote: str, known: Sequence[str] = ()) -> dict[Author, list[str]]:
    """Author → the paths that a push touches: by commits that neither the remote nor `known` has, or that are lost."""
    tracking = f"refs/remotes/{_named(peer, remote)}/"
    if not any(ref.startswith(tracking) for ref in peer.repo.git.references):
        tracking = "refs/remotes/*/"
    commits: dict[Author, list[str]] = {}
    for update in updates:
        _bring(peer, update, remote)
        if update.local:
            has = [update.remote] if update.remote else []
            fresh = _git(peer, ["rev-list", update.local, "--not", *has, *known, f"--glob={tracking}*"]).split()
            for commit, author in _authors(peer, fresh, update).items():
                commits.setdefault(author, []).append(commit)
    lost = _lost(peer, updates, tracking)
    found = {author: touched(peer, made) for author, made in commits.items()}
    if lost:
        mine = peer.me_for_gate()
        found[mine] = [*found.get(mine, []), *touched(peer, lost)]
    return {author: list(dict.fromkeys(paths)) for author, paths in found.items()}


def _named(peer: Peer, remote: str) -> str:
    """The name of the remote that a push goes to; a URL which none has stays as it is."""
    known = {one.url: one.name for one in peer.repo.git.remotes}
    return remote if remote in known.values() else known.get(remote) or remote


def _bring(peer: Peer, update: Update, remote: str) -> None:
    """Fetch what the remote's ref stands on, so that it can be told what a push takes away."""
    if not update.remote or update.remote in peer.repo.git:
        return
    args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap="]
    ran = run([*args, remote, update.remote_ref], peer.repo.gitdir, 120, {"GIT_DIR": str(peer.repo.gitdir)})
    if ran.status or update.remote not in peer.repo.git:
        said = ran.err.strip() or "it has moved meanwhile"
        raise PeerError("unreachable", f"cannot fetch {update.remote_ref} from {remote}: {said}", "try again")


def _lost(peer: Peer, updates: Sequence[Update], tracking: str) -> list[str]:
    """Others' commits that no ref of the remote will have after a forced push or a deletion: the pusher's doing."""
    olds = [update.remote for update in updates if update.remote]
    if not olds:
        return []
    kept = [update.local for update in updates if update.local]
    moved = [f"--exclude={tracking}{update.remote_ref.removeprefix('refs/heads/')}" for update in updates]
    rest = [*moved, f"--exclude={tracking}HEAD", f"--glob={tracking}*"]
    lost = _git(peer, ["rev-list", *olds, "--not", *kept, *rest]).split()
    records = peer.clone.owner_of_commit(set(lost))
    mine = peer.me_for_gate()
    return [commit for commit in lost if commit not in records or _recorded(peer, records[commit]) != mine]


def _git(peer: Peer, args: Sequence[str], stdin: bytes | None = None) -> str:
    ran = run(args, peer.repo.gitdir, 120, {"GIT_DIR": str(peer.repo.gitdir)}, stdin)
    if ran.status:
        raise PeerError("failed", f"git {args[0]} failed: {ran.err.strip()}", "`git fsck` may tell more")
    return ran.out


def touched(peer: Peer, commits: Sequence[str]) -> list[str]:
    """The paths that commits change; of a merge those in which it differs from all its parents."""
    if not commits:
        return []
    args = [
        "diff-tree",
        "--stdin",
        "-r",
        "-c",
        "--root",
        "--no-commit-id",
        "--name-only",
        "--no-renames",
        "-z",
        "--ignore-submodules=none",
    ]
    out = _git(peer, args, "".join(f"{commit}\n" for commit in commits).encode())
    return [path for path in out.split("\0") if path]


def between(peer: Peer, revision: str) -> list[str]:
    """The paths that the commits of a range (or one commit) touch."""
    args = ["rev-list", "--no-walk" if ".." not in revision else "--topo-order", revision, "--"]
    ran = run(args, peer.repo.gitdir, 120, {"GIT_DIR": str(peer.repo.gitdir)})
    if ran.status:
        raise PeerError("usage", f"not a revision or range: {revision}", "as `git rev-list` takes it: main..topic")
    return list(dict.fromkeys(touched(peer, ran.out.split())))


def staged(peer: Peer) -> list[str]:
    """The paths that the index changes."""
    base = "HEAD" if not peer.repo.git.head_is_unborn else str(peer.repo.git.TreeBuilder().write())
    args = ["diff-index", "--cached", "--no-renames", "--name-only", "-z", "--ignore-submodules=none", base, "--"]
    return [path for path in _git(peer, args).split("\0") if path]


def _authors(peer: Peer, commits: Sequence[str], update: Update) -> dict[str, Author]:
    """commit → whose it is: its record by post-commit, else the branch's session, else the pusher."""
    records = peer.clone.owner_of_commit(set(commits))
    branch = update.local_ref.removeprefix("refs/heads/")
    on_branch = [
        s
        for s in sessions.all_of(peer.state)
        if s.clone == peer.me.clone and s.branch and s.branch == branch and update.local_ref.startswith("refs/heads/")
    ]
    pusher = peer.me_for_gate()
    fallback = (on_branch[0].clone, on_branch[0].gitdir, on_branch[0].name) if len(on_branch) == 1 else pusher
    found: dict[str, Author] = {}
    for commit in commits:
        fields = records.get(commit)
        found[commit] = _recorded(peer, fields) if fields else fallback
    return found


def _recorded(peer: Peer, words: Sequence[str]) -> Author:
    return peer.me.clone, *notes.who(words)
