"""What a check found, as the hosts of CI jobs take it: beside the file that it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from git_peer.ops.refusal import in_words


def github(level: str, message: str, path: str = "") -> str:
    """A line that GitHub Actions shows as an annotation; `level` is error, warning or notice."""
    where = f"file={_escaped(path, ':,')}," if path else ""
    return f"::{level} {where}title=git-peer::{_escaped(message)}"


def quality(found: Sequence[dict[str, Any]]) -> bytes:
    """Violations, as Peer.violation() tells them, as GitLab's code quality report."""
    rows = []
    for one in found:
        said = in_words([one])
        rows.append(
            {
                "description": said,
                "check_name": "git-peer",
                "fingerprint": sha256(f"{one['path']} {said}".encode("utf-8", "replace")).hexdigest(),
                "severity": "blocker",
                "location": {"path": one["path"], "lines": {"begin": 1}},
            }
        )
    return json.dumps(rows, indent=1).encode() + b"\n"


def _escaped(text: str, more: str = "") -> str:
    """As GitHub's commands take text."""
    for char in ("%", "\r", "\n", *more):
        text = text.replace(char, f"%{ord(char):02X}")
    return text
