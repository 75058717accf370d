"""Targets that there is nothing at yet: a new file may be locked before it is written, and a typo looks alike."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer


def of(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """A notice of each file or folder that is neither in this work tree nor in HEAD; of a glob its folder counts."""
    top = peer.repo.top
    found: list[dict[str, Any]] = []
    if top is None:
        return found
    for target in dict.fromkeys(wanted):
        path = _place(target)
        if not path or os.path.lexists(os.fsencode(top / path)) or peer.repo.blob_at_head(path):
            continue
        what = "file" if target.kind == "file" else "folder"
        said = f"there is no {what} {targets.show(target)} yet" if target.kind != "glob" else f"there is no {path}/ yet"
        found.append({"code": "absent", "message": said + _meant(top / path), "target": targets.show(target)})
    return found


def _place(target: Target) -> str:
    """The path that should be there: a target's own, or the folder above the first wildcard of a glob."""
    if target.kind in ("file", "dir"):
        return target.real
    return re.split(r"[*?\[{]", target.real)[0].rpartition("/")[0] if target.kind == "glob" else ""


def _meant(path: Path) -> str:
    from git_peer.core import near  # only where something is wrong

    try:
        beside = os.listdir(path.parent)
    except OSError:
        return ""
    hint = near.hint(path.name, beside, "")
    return f": {hint}" if hint else ""
