"""The repository that a command runs in: where things are, what it is, what the work tree says."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pygit2
from pygit2.enums import Option, RepositoryOpenFlag

from git_peer import layout
from git_peer.core.errors import PeerError


class Repo:
    """A repository as git's own environment names it (GIT_DIR, GIT_WORK_TREE, GIT_INDEX_FILE are seen)."""

    def __init__(self, start: str | None = None) -> None:
        # libgit2 looks at GIT_DIR only where it is given no place to start from.
        where = start or os.environ.get("GIT_DIR") or os.getcwd()
        try:
            self.git = pygit2.Repository(where, RepositoryOpenFlag.FROM_ENV)
        except pygit2.GitError as why:
            raise _cannot_open(where, str(why)) from None
        pygit2.option(Option.ENABLE_FSYNC_GITDIR, True)
        self.gitdir = Path(self.git.path).resolve()
        self.common = common_of(self.gitdir)
        work = self.git.workdir
        self.top = Path(work).resolve() if work else None

    @property
    def gitdir_name(self) -> str:
        """The work tree's git directory relative to the common one: "" for the main work tree."""
        return "" if self.gitdir == self.common else os.path.relpath(self.gitdir, self.common)

    @property
    def branch(self) -> str:
        """The branch that HEAD is on; "" where it is detached."""
        head = self.git.references.get("HEAD")
        name = head.raw_target if head is not None else ""
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        return text.removeprefix("refs/heads/") if text.startswith("refs/heads/") else ""

    @property
    def head(self) -> str:
        """The commit at HEAD; "" where there is none yet."""
        return "" if self.git.head_is_unborn else str(self.git.head.target)

    @property
    def prefix(self) -> str:
        """The current directory relative to the top of the work tree, with a slash behind it; "" at the top."""
        here = Path.cwd().resolve()
        if self.top is None or not here.is_relative_to(self.top):
            return ""
        inner = os.fspath(here.relative_to(self.top))
        return "" if inner == "." else inner + "/"

    @functools.cached_property
    def _index(self) -> pygit2.index.Index | None:
        """The index; None where there is none, or libgit2 cannot read it: a sparse or a split one among others."""
        try:
            return None if self.git.is_bare else self.git.index
        except pygit2.GitError:
            return None

    @functools.cached_property
    def _listed(self) -> dict[str, int]:
        """Path → mode of what the index has, by git itself, which can read every index that it writes."""
        if self.git.is_bare:
            return {}
        args = ["--no-optional-locks", "ls-files", "--stage", "-z"]
        rows = (row.partition("\t") for row in self._ask(args).split("\0") if row)
        return {path: int(info[:6], 8) for info, _, path in rows}

    def _ask(self, args: Sequence[str], stdin: str = "", good: Sequence[int] = (0,)) -> str:
        """What git says, in this work tree; PeerError where it says that it cannot."""
        where = {"GIT_DIR": str(self.gitdir), **({"GIT_WORK_TREE": str(self.top)} if self.top else {})}
        ran = subprocess.run(
            ["git", *args],
            cwd=self.top or self.gitdir,
            env={**os.environ, **where},
            input=layout.to_bytes(stdin),
            capture_output=True,
        )
        if ran.returncode not in good:
            said = layout.from_bytes(ran.stderr).strip().partition("\n")[0]
            raise PeerError("failed", f"git {args[-1]} failed: {said}", "`git status` tells more")
        return layout.from_bytes(ran.stdout).removesuffix("\0")

    def mode_of(self, path: str) -> int:
        """The mode that the index has for a path from the top; 0 where it has no such entry."""
        if self._index is None or not layout.is_utf8(path):
            return self._listed.get(path, 0)
        try:
            return int(self._index[path].mode)
        except KeyError:
            return 0

    def is_ignored(self, path: str) -> bool:
        """Whether git passes over a path from the top that is not in the index."""
        if self._index is not None:
            return self.git.path_is_ignored(path)
        return not self.git.is_bare and bool(self._ask(["check-ignore", "-z", "--stdin"], path, (0, 1)))

    def what_is(self, path: str) -> str:
        """file, dir, submodule, inside-submodule, or "" for a path from the top that is not there."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            inner = "/".join(parts[:depth])
            if self.mode_of(inner) == pygit2.enums.FileMode.COMMIT:
                return "submodule" if depth == len(parts) else "inside-submodule"
            if depth < len(parts) and self.top is not None and os.path.islink(self.top / inner):
                break
        if self.top is None:
            return ""
        full = os.path.join(os.fsencode(self.top), layout.to_bytes(path))
        if os.path.islink(full) or os.path.isfile(full):
            return "file"
        if os.path.isdir(full):
            return "dir"
        return "file" if self.mode_of(path) else ""

    def blob_at_head(self, path: str) -> str:
        """The blob of `path` in HEAD; "" where there is none."""
        if self.git.head_is_unborn or not layout.is_utf8(path):
            return ""
        try:
            return str(self.git.head.peel(pygit2.Tree)[path].id)
        except (KeyError, pygit2.GitError):
            return ""


def common_of(gitdir: Path) -> Path:
    """The common git directory of a work tree's one."""
    pointer = gitdir / "commondir"
    return (gitdir / pointer.read_text().rstrip("\n")).resolve() if pointer.is_file() else gitdir


def _cannot_open(where: str, why: str) -> PeerError:
    low = why.lower()
    if "extension" in low and "refstorage" in low:
        return PeerError(
            "unsupported",
            "this repository keeps its refs as reftable, which libgit2 cannot open",
            "`git refs migrate --ref-format=files` turns it back",
        )
    if "objectformat" in low or "sha256" in low or "object format" in low or "object id type" in low:
        return PeerError(
            "unsupported", "this repository has SHA-256 object ids, which this release cannot work with", ""
        )
    if "not owned by current user" in low or "dubious ownership" in low:
        return PeerError(
            "untrusted",
            f"{where} belongs to another user, so git will not trust it",
            "`git status` there says how to allow it",
        )
    return PeerError("not_set_up", f"not a git repository: {where}", "run it inside a repository, or `git init` first")
