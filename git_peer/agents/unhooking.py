"""Edits of git's own files by an agent's tool: those that take the gate away. Standard library only."""

from __future__ import annotations

import os
import re

from git_peer.agents.event import Event, pairs
from git_peer.agents.shell import OPENS, Call, names_gate
from git_peer.hooks import blocks


def calls(event: Event) -> list[Call]:
    """What an edit does to the gate, as shell.changes() gives it of a command."""
    found = []
    for path in event.paths:
        whole = os.path.realpath(os.path.join(event.cwd, path))
        if _opens(event, whole):
            top = whole[: whole.rindex("/.git/")]
            found.append(Call(OPENS, (event.tool or "an edit", whole[len(top) + 1 :]), top))
    return found


def _opens(event: Event, whole: str) -> bool:
    is_settings = whole.endswith("/.git/config")
    if "/.git/" not in whole or not (is_settings or names_gate(whole)):
        return False
    try:
        with open(whole, "rb") as file:
            before = file.read()
    except OSError:
        return False
    after = before
    for old, new in pairs(event, whole):
        after = after.replace(old, new)
    if is_settings:
        return _hooks_path(after) != _hooks_path(before)
    guarded = blocks.guarded(before)
    if guarded is None:  # a hook of the user's own, or one of git-peer's folder
        return "/.git/peer/" in whole
    return after == before or not after.startswith(guarded)  # of a file that is written anew only the path is told


def _hooks_path(settings: bytes) -> list[bytes]:
    """The lines of a git config that say where hooks are, or make a clone strict."""
    return re.findall(rb"(?im)^\s*(?:hookspath|strict)\b[^\n]*", settings)
