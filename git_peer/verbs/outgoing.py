"""What a push would bring: its commits, whose they are, and the paths they touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_peer import layout
from git_peer.app import Peer
from git_peer.core import naming, sessions
from git_peer.core.errors import PeerError
from git_peer.store.remote import run

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
    from git_peer.store.attempts import is_recorded

    log = f"refs/heads/{peer.settings.get('branch')}"
    if peer.remote is None or not _same_remote(peer, remote):
        return
    for update in updates:
        ours = update.remote_ref == log or update.remote_ref.startswith(layout.OURS)
        if ours and not (update.local and is_recorded(peer.engine.attempts, update.local)):
            raise PeerError(
                "not_allowed",
                f"{update.remote_ref} on {remote} is the log of git-peer: only git-peer writes it",
                "leave it out of the push (`git push --mirror` onto the log's own remote would delete it)",
            )


def _same_remote(peer: Peer, remote: str) -> bool:
    return peer.remote is not None and remote in (peer.remote.name, peer.remote.url)


def changes(peer: Peer, updates: Sequence[Update], remote: str) -> dict[Author, list[str]]:
    """Author → the paths that the push's commits touch, for commits that the remote does not have."""
    known = peer.repo.git.references
    tracked = [f"--remotes={remote}"] if any(r.startswith(f"refs/remotes/{remote}/") for r in known) else ["--remotes"]
    found: dict[Author, list[str]] = {}
    for update in updates:
        if not update.local:
            continue
        has = [update.remote] if update.remote and _has(peer, update.remote) else []
        fresh = _git(peer, ["rev-list", update.local, "--not", *has, *tracked]).split()
        for commit, author in _authors(peer, fresh, update).items():
            found.setdefault(author, []).extend(touched(peer, [commit]))
        if has:
            # A forced push also undoes what it leaves out: that is the pusher's doing.
            dropped = _git(peer, ["rev-list", update.remote, "--not", update.local]).split()
            mine = peer.me_for_gate()
            foreign = [c for c, author in _authors(peer, dropped, update).items() if author != mine]
            found.setdefault(mine, []).extend(touched(peer, foreign))
    return {author: list(dict.fromkeys(paths)) for author, paths in found.items()}


def _has(peer: Peer, ident: str) -> bool:
    return ident in peer.repo.git


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


def _recorded(peer: Peer, fields: Sequence[str]) -> Author:
    gitdir, name, kind, ident = (("" if field in ("-", ".") else field) for field in fields[:4])
    env = {"GIT_PEER_SESSION": name} if name else {}
    if kind:
        # The same derivation as at the commit: an agent's session is named after its id and work tree.
        mark = {"claude": ("CLAUDECODE", "CLAUDE_CODE_SESSION_ID"), "codex": ("CODEX_", "CODEX_SESSION_ID")}
        flag, key = mark.get(kind, ("GEMINI_CLI", "GEMINI_SESSION_ID"))
        env |= {flag: "1", key: ident}
    return peer.me.clone, gitdir, naming.name_from(env, gitdir)[0]
