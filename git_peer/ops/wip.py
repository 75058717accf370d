"""Published work: `refs/peer/wip/<session>` on the remote, a commit of what a work tree has now, where one said so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.session import record as sessions
from git_peer.store.git import merge, present, refs, work

if TYPE_CHECKING:
    from git_peer.core.session.record import Session
    from git_peer.ops.peer import Peer

LARGE = 4 << 20  # bytes; a larger file stays out
PATIENCE = 10.0  # seconds for the remote
_TRAILER = "Peer-Sid"


def publish(peer: Peer) -> str:
    """Have the remote know what this work tree has now; the commit, or "" where there is nothing, or nobody asked.

    Index, work tree, stash and branches stay as they are. Left out: what git ignores, files with secrets, large files.
    The commit stands on where this branch left the integration branch: what is committed goes along as content alone.
    """
    session = peer.session()
    if peer.remote is None or peer.repo.top is None or session is None or not peer.settings.get("publishWork"):
        return ""
    git = peer.repo.git
    name = layout.WIP + peer.name
    made = _commit(peer, session)
    known = refs.read(git, name)
    if not made:
        forget(peer, peer.name)
        return ""
    if known is not None and _same(git, known, made):
        return known
    pushed = peer.remote.push_code(made, name, known, PATIENCE)
    if pushed.end == "rejected":  # another run of that name, or one that was cut off, left something there
        pushed = peer.remote.push_code(made, name, peer.remote.refs(name, PATIENCE).get(name), PATIENCE)
    if pushed.end != "ok":
        code = "unreachable" if pushed.end in ("unreachable", "unknown") else "rejected"
        raise PeerError(code, f"this work tree's work was not published: {pushed.text}", "`git peer sync` tries again")
    _keep(git, name, made)
    return made


def _commit(peer: Peer, session: Session) -> str:
    """The commit of what this work tree has now; "" where that is what it started from."""
    git = peer.repo.git
    assert peer.repo.top is not None
    place = present.Place(peer.repo.gitdir, peer.repo.top, peer.repo.common)
    assert peer.remote is not None
    onto = work.integration(git, peer.state.log.integration, peer.remote.name)
    base = merge.base(git, peer.repo.head, onto) or peer.repo.head
    tree = _fit(peer, base, present.tree(place))
    if base and str(git[base].peel(pygit2.Tree).id) == tree:
        return ""
    who = merge.signature(git)
    text = merge.with_trailers(f"wip: {peer.name} [skip ci]", {_TRAILER: session.sid})
    return str(git.create_commit(None, who, who, text, tree, [base] if base else []))


def _fit(peer: Peer, base: str, tree: str) -> str:
    """The tree as it may be published: of what stays out it has the old state."""
    git = peer.repo.git
    old = (git[base] if base else git[git.TreeBuilder().write()]).peel(pygit2.Tree)
    diff = old.diff_to_tree(git[tree].peel(pygit2.Tree), context_lines=0)
    out = []
    for delta in diff.deltas:
        new = delta.new_file
        if delta.status_char() == "D":
            continue
        if new.mode == FileMode.COMMIT:
            out.append(delta)
            continue
        blob = git[new.id].peel(pygit2.Blob)
        text = blob.data.decode("utf-8", "replace") if blob.size <= LARGE else ""
        if blob.size > LARGE or peer.redacted(text) != text:
            out.append(delta)
    if not out:
        return tree
    index = pygit2.Index()
    index.read_tree(git[tree].peel(pygit2.Tree))
    for delta in out:
        index.remove(layout.from_bytes(delta.new_file.raw_path))
        if delta.status_char() in "MT":
            index.add(
                pygit2.IndexEntry(
                    layout.from_bytes(delta.old_file.raw_path), delta.old_file.id, FileMode(delta.old_file.mode)
                )
            )
    return str(index.write_tree(git))


def _same(git: pygit2.Repository, one: str, other: str) -> bool:
    """Whether two commits say the same of a work tree."""
    a, b = git[one].peel(pygit2.Commit), git[other].peel(pygit2.Commit)
    return (a.tree_id, a.parent_ids, a.message) == (b.tree_id, b.parent_ids, b.message)


def _keep(git: pygit2.Repository, name: str, commit: str) -> None:
    try:
        refs.swap(git, name, commit, refs.read(git, name))
    except refs.Lost:  # another process of this run published too
        return


def forget(peer: Peer, name: str) -> None:
    """A session is over, or has nothing: what was published of it goes. One that published nothing costs nothing."""
    ref = layout.WIP + name
    git = peer.repo.handle
    if peer.remote is None or refs.find(git, ref) is None:
        return
    if peer.remote.delete(ref, PATIENCE).end == "ok":
        refs.delete(git, ref)


def fetch(peer: Peer) -> None:
    """Bring what others have published, and drop what is published no more; PeerError where the remote is away."""
    if peer.remote is None:
        return
    git = peer.repo.git
    there = peer.remote.refs(layout.WIP + "*", PATIENCE)
    here = published(git)
    if any(here.get(name) != commit for name, commit in there.items()):
        peer.remote.bring(layout.WIP + "*", layout.WIP + "*", PATIENCE)
    for name in here.keys() - there.keys():
        refs.delete(git, name)


def published(git: pygit2.Repository) -> dict[str, str]:
    """Ref → commit of what is published, as far as this clone knows."""
    return {ref.name: str(ref.target) for ref in git.references.iterator() if ref.name.startswith(layout.WIP)}


def others(peer: Peer) -> Iterator[tuple[Session, str]]:
    """(live session of another clone, the commit of what it has), as far as this clone knows."""
    git, state, scene = peer.repo.git, peer.state, peer.scene(peer.state)
    for ref, ident in sorted(published(git).items()):
        session = sessions.get(state, ref.removeprefix(layout.WIP))
        if session is None or session.clone == peer.me.clone or not sessions.is_live(session, scene):
            continue
        if ident in git and f"{_TRAILER}: {session.sid}" in git[ident].peel(pygit2.Commit).message:
            yield session, ident
