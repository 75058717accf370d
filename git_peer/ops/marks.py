"""The marker by which the commit hook, in a few lines of sh, sees that attributes of ours stand below the top."""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.core.lock import rule as verdict
from git_peer.ops.destination import environment, top_of
from git_peer.ops.peer import Peer
from git_peer.store.git.remote import run


def note(peer: Peer) -> None:
    """Set the marker, or take it away, by what the index has. Where it cannot be written the push still looks."""
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
