"""peer.strict of a clone: by it the reference-transaction hook is installed with the others."""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks.chain import git
from git_peer.hooks.site import is_strict
from git_peer.store.clone.clone import Clone


def add(common: Path) -> bool:
    """Make a clone strict; whether it was not."""
    if is_strict(common, None):
        return False
    status, _ = git(None, "config", "--file", common / "config", layout.STRICT, "true")
    if status:
        raise PeerError("failed", f"cannot write {common / 'config'}", "git config --local --list")
    return True


def remove(clone: Clone) -> None:
    """Take the setting out again, where it is ours."""
    if clone.facts.get("strict"):
        take_out(clone.common)


def take_out(common: Path) -> None:
    """Take the setting out of a clone's config."""
    git(None, "config", "--file", common / "config", "--unset-all", layout.STRICT)
