"""notes.rewriteRef of a clone: that git copies our notes, too, when an amend or a rebase replaces commits.

One value more beside the user's own. How notes are joined then (notes.rewriteMode) stays as the user has it: what an
unlucky mode drops, git-peer brings back from what the post-rewrite hook recorded.
"""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks.chain import git
from git_peer.store.clone.clone import Clone

_KEY = "notes.rewriteRef"


def _values(common: Path) -> list[str]:
    """The values in the clone's own config file."""
    _, out = git(None, "config", "--file", common / "config", "-z", "--get-all", _KEY)
    return out.decode("utf-8", "surrogateescape").split("\0")[:-1]


def is_set(common: Path) -> bool:
    """Whether git copies our notes in this clone."""
    return layout.NOTES in _values(common)


def add(clone: Clone) -> None:
    """Add our value, unless it is there; what was not there before is remembered as ours."""
    if is_set(clone.common):
        return
    clone.set_up(rewrites=True)
    _change(clone.common, "--add", _KEY, layout.NOTES)


def remove(clone: Clone) -> None:
    """Take our value out again, and nobody else's."""
    if clone.facts.get("rewrites") and is_set(clone.common):
        _change(clone.common, "--unset", _KEY, f"^{layout.NOTES}$")


def _change(common: Path, *args: str) -> None:
    try:
        status, _ = git(None, "config", "--file", common / "config", *args)
    except PeerError as why:
        raise PeerError(
            "busy", f"cannot write {common / 'config'}: {why.message}", "is somebody else writing it?"
        ) from None
    if status:
        raise PeerError("failed", f"cannot write {common / 'config'}", f"git config --local --get-all {_KEY}")
