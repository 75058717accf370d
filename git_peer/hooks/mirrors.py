"""Remotes whose fetch refspec takes every ref, as a mirror's: `git fetch --prune` would delete ours, the log with them.

One negative refspec beside the user's own keeps git's hands off refs/peer/.
"""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks.chain import git
from git_peer.store.clone.clone import Clone

_OURS = layout.OURS[0]
_NOT_OURS = f"^{_OURS}*"


def _values(common: Path) -> dict[str, list[str]]:
    """`remote.<name>.fetch` → its values in the clone's own config."""
    _, out = git(None, "config", "--file", common / "config", "-z", "--get-regexp", r"^remote\..*\.fetch$")
    values: dict[str, list[str]] = {}
    for row in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, _, value = row.partition("\n")
        values.setdefault(key, []).append(value)
    return values


def unguarded(common: Path) -> list[str]:
    """The keys by which a fetch may prune our refs."""
    return [key for key, found in _values(common).items() if any(map(_takes, found)) and _NOT_OURS not in found]


def _takes(refspec: str) -> bool:
    """Whether a refspec writes to refs of ours."""
    into = refspec.rpartition(":")[2] if ":" in refspec else ""
    return into.endswith("*") and _OURS.startswith(into[:-1])


def guard(clone: Clone) -> None:
    """Add our refspec where it is wanted; what was not there before is remembered as ours."""
    for key in unguarded(clone.common):
        clone.set_up(mirrors=sorted({*clone.facts.get("mirrors", ()), key}))
        _change(clone.common, "--add", key, _NOT_OURS)


def unguard(clone: Clone) -> None:
    """Take ours out again, and nobody else's."""
    values = _values(clone.common)
    for key in clone.facts.get("mirrors", ()):
        if _NOT_OURS in values.get(key, ()):
            _change(clone.common, "--unset", key, rf"^\^{_OURS}\*$")


def _change(common: Path, *args: str) -> None:
    status, _ = git(None, "config", "--file", common / "config", *args)
    if status:
        raise PeerError("failed", f"cannot write {common / 'config'}", "git config --local --get-regexp remote")
