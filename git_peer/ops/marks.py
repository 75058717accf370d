"""Attributes of ours (peer-lock, peer-free): whether there are any, and the marker by which the commit hook sees it."""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.core.lock import rule as verdict
from git_peer.hooks import gate
from git_peer.ops.peer import Peer


def sharing(path: str) -> str:
    """What there is to do about a path that many commits touch; "" for any other."""
    return gate.sharing(path) if gate.is_busy(path) else ""


def note(peer: Peer) -> None:
    """Set the marker, or take it away, by what the index has. Where it cannot be written the push still looks."""
    from git_peer.ops.destination import environment, top_of
    from git_peer.store.git.remote import run

    marker = Path(peer.clone.folder) / layout.F_MARKED
    words = ("grep", "--cached", "-q", "-I", "-w", "-e", verdict.NEEDED, "-e", verdict.FREE, "--")
    ran = run((*words, ":(top,glob)**/.gitattributes"), top_of(peer), 10, environment(peer))
    try:
        if ran.status == 0:
            marker.touch()
        elif ran.status == 1:
            marker.unlink(missing_ok=True)
    except OSError:
        pass
