"""Patches: which files a patch changes, in the forms in which agents send them. Pure; standard library only."""

from __future__ import annotations

import re

_STEP = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+?)\s*$|^\*\*\* Move to: (.+?)\s*$", re.MULTILINE)
_FILE = r"(?:[ab]/)?([^\t\r\n]+)(?:\t[^\n]*)?\r?"
_DIFF = re.compile(rf"^--- {_FILE}\n\+\+\+ {_FILE}$", re.MULTILINE)  # one alone may be a line of the file's
_RENAME = re.compile(r"^rename (?:from|to) (.+)$", re.MULTILINE)


def paths(text: str) -> list[str]:
    """The files that a patch adds, changes, deletes or moves, both ends of a move, in its own order."""
    if "*** Begin Patch" in text or _STEP.search(text):
        named = [first or second for first, second in _STEP.findall(text)]
    else:
        named = [*(path for pair in _DIFF.findall(text) for path in pair), *_RENAME.findall(text)]
    return [path for path in dict.fromkeys(named) if path != "/dev/null"]
