"""The present work of a work tree as a tree of git's: index and work tree, neither of them touched."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from git_peer.core.errors import PeerError
from git_peer.store.git.remote import run

PATIENCE = 30.0  # seconds for each question to git
# No hook, daemon or setting of the user's may write beside the index that we gave git.
_QUIET = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.splitIndex=false", "-c", "gc.auto=0",
    "-c", "core.safecrlf=false", "-c", "advice.addEmbeddedRepo=false",
)  # fmt: skip


class Place(NamedTuple):
    """A work tree: its git directory, its top, and the common git directory."""

    gitdir: Path
    top: Path
    common: Path


def places(common: Path) -> list[Place]:
    """The work trees of a clone that are there, the main one first; none of a bare repository's own."""
    found = []
    ran = run(["worktree", "list", "--porcelain", "-z"], common, PATIENCE, {"GIT_DIR": str(common)})
    out = ran.out
    if ran.status:  # git before 2.36 has no -z
        out = run(["worktree", "list", "--porcelain"], common, PATIENCE, {"GIT_DIR": str(common)}).out
        out = out.replace("\n", "\0")
    for record in out.split("\0\0"):
        rows = dict(row.partition(" ")[::2] for row in record.split("\0") if row)
        top = Path(rows.get("worktree", ""))
        if "bare" in rows or not rows.get("worktree") or not top.is_dir():
            continue
        gitdir = _gitdir(top)
        if gitdir is not None:
            found.append(Place(gitdir, top, common))
    return found


def _gitdir(top: Path) -> Path | None:
    pointer = top / ".git"
    if pointer.is_dir():
        return pointer
    try:
        text = pointer.read_text("utf-8", "surrogateescape").rstrip("\n").removeprefix("gitdir: ")
    except OSError:
        return None
    found = (top / text).resolve()
    return found if found.is_dir() else None


def tree(place: Place, objects: Path | None = None) -> str:
    """The tree that `git add -A` and `git write-tree` would make; new objects go into the folder `objects`, if given.

    Ignored files are not in it. PeerError("failed") where git cannot.
    """
    with tempfile.TemporaryDirectory(prefix="git-peer-") as folder:
        index = Path(folder, "index")
        if (place.gitdir / "index").exists():
            shutil.copy2(place.gitdir / "index", index)  # with its time, by which git knows what may have changed since
        env = {
            "GIT_DIR": str(place.gitdir), "GIT_WORK_TREE": str(place.top), "GIT_INDEX_FILE": str(index),
            "GIT_COMMON_DIR": str(place.common), "GIT_LITERAL_PATHSPECS": "0",
        }  # fmt: skip
        if objects is not None:
            env |= {
                "GIT_OBJECT_DIRECTORY": str(objects),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(place.common / "objects"),
            }
        added = run([*_QUIET, "add", "-A", "--ignore-errors", "--", ":/"], place.top, PATIENCE, env)
        made = run([*_QUIET, "write-tree", "--missing-ok"], place.top, PATIENCE, env)
    if made.status:
        said = (made.err or added.err).strip().partition("\n")[0]
        raise PeerError("failed", f"cannot look at {place.top}: {said}", "`git status` there tells more")
    return made.out.strip()


def _quoted(path: Path) -> str:
    """A path in a list that `:` divides."""
    text = os.fspath(path)
    if ":" not in text and not text.startswith('"'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
