"""A folder that has the files of a tree, for commands to be run on: written from objects, without filters or hooks."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Self

import pygit2
from pygit2.enums import DeltaStatus, FileMode

from git_peer import layout
from git_peer.core.errors import PeerError


class Scratch:
    """A folder that takes one tree after the other; what they have in common stays. Readable by every user.

    A tree may come from a stranger: nothing is ever written outside, whatever its entries are called or link to.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="git-peer-"))
        self.folder.chmod(0o755)  # a sandbox's user has another number
        self._tree: pygit2.Tree | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay(self, git: pygit2.Repository, tree: str) -> Path:
        """Make the folder hold the tree (or a commit's); the folder. PeerError `invalid` for a tree that cannot be."""
        there = git[tree].peel(pygit2.Tree)
        before, self._tree = self._tree, None  # what breaks off here is laid anew the next time
        if before is None:
            self._empty()
            diff = there.diff_to_tree(swap=True, context_lines=0)
        else:
            diff = before.diff_to_tree(there, context_lines=0)
        deltas = list(diff.deltas)
        for delta in deltas:
            if delta.status != DeltaStatus.ADDED:
                self._remove(layout.from_bytes(delta.old_file.raw_path))
        for delta in deltas:
            if delta.status != DeltaStatus.DELETED:
                new = delta.new_file
                self._write(git, layout.from_bytes(new.raw_path), str(new.id), FileMode(new.mode))
        self._tree = there
        return self.folder

    def _empty(self) -> None:
        for entry in os.scandir(self.folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)

    def _at(self, path: str) -> bytes:
        """Where a path of the tree stands here; its folders are made, and are none of them a link."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or "\0" in path:
            raise PeerError("invalid", f"a tree with the entry {path!r}", "git itself would not check it out")
        at = os.fsencode(self.folder)
        for part in parts[:-1]:
            at = os.path.join(at, layout.to_bytes(part))
            try:
                os.mkdir(at, 0o755)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(at).st_mode):
                    raise PeerError("invalid", f"a tree that has {path!r} twice over", "") from None
            else:
                os.chmod(at, 0o755)  # noqa: S103 - a sandbox's user reads it
        return os.path.join(at, layout.to_bytes(parts[-1]))

    def _remove(self, path: str) -> None:
        at = self._at(path)
        try:
            os.rmdir(at) if os.path.isdir(at) and not os.path.islink(at) else os.unlink(at)
        except FileNotFoundError:
            return
        root = os.fsencode(self.folder)
        parent = os.path.dirname(at)
        while parent != root:
            try:
                os.rmdir(parent)
            except OSError:
                return
            parent = os.path.dirname(parent)

    def _write(self, git: pygit2.Repository, path: str, ident: str, mode: FileMode) -> None:
        at = self._at(path)
        if mode == FileMode.COMMIT:
            os.makedirs(at, exist_ok=True)
            return
        content = git[ident].peel(pygit2.Blob).data if ident in git else None
        if content is None:
            raise PeerError("unavailable", f"{path} is not in this clone: it is a partial one", "`git fetch` it first")
        if mode == FileMode.LINK:
            os.symlink(content, at)
            return
        made = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(made, "wb") as file:
            file.write(content)
        os.chmod(at, 0o755 if mode == FileMode.BLOB_EXECUTABLE else 0o644)
