"""Git's own directory, under every name that git, NTFS or HFS take for it. Pure."""

from __future__ import annotations

import re

from git_peer.core.target import glob as globs

_HFS_IGNORES = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def is_one(part: str) -> bool:
    """Whether a path component is one."""
    low = part.lower()
    if _HFS_IGNORES.sub("", low) == ".git":
        return True
    return any(piece.partition(":")[0].rstrip(" .") in {".git", "git~1"} for piece in low.split("\\"))


def has(path: str, glob: bool) -> bool:
    """Whether a path goes through one; of a glob, by what it spells out."""
    parts = path.split("/")
    if glob:
        parts = [globs.unescape(part) for part in parts if not globs.is_glob(part)]
    return any(map(is_one, parts))
