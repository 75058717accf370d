"""The repository that a command runs in: where things are, what it is, what the work tree says."""

from __future__ import annotations

import os
from pathlib import Path

import pygit2
from pygit2.enums import Option, RepositoryOpenFlag

from git_peer import layout
from git_peer.core.errors import PeerError

_GROUP, _ALL = 0o060, 0o064
_SHARED = {
    **dict.fromkeys(("group", "true", "yes", "on", "1"), _GROUP),
    **dict.fromkeys(("all", "world", "everybody", "2"), _ALL),
}


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
        _share(self.git.config)
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

    def what_is(self, path: str) -> str:
        """file, dir, submodule, inside-submodule, or "" for a path from the top that is not there."""
        parts = path.split("/")
        index = self.git.index if not self.git.is_bare else None
        for depth in range(1, len(parts) + 1):
            inner = "/".join(parts[:depth])
            if index is not None and self._is_link(index, inner):
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
        if index is not None and layout.is_utf8(path) and path in index:
            return "file"
        return ""

    @staticmethod
    def _is_link(index: pygit2.index.Index, path: str) -> bool:
        if not layout.is_utf8(path):
            return False
        try:
            return bool(index[path].mode == pygit2.enums.FileMode.COMMIT)
        except KeyError:
            return False

    def blob_at_head(self, path: str) -> str:
        """The blob of `path` in HEAD; "" where there is none."""
        if self.git.head_is_unborn or not layout.is_utf8(path):
            return ""
        try:
            return str(self.git.head.peel(pygit2.Tree)[path].id)
        except (KeyError, pygit2.GitError):
            return ""


def _share(config: pygit2.Config) -> None:
    """Have what this process makes belong to the group, or to all, where core.sharedRepository says so: libgit2 and
    Python do not know that setting."""
    value = str(config["core.sharedrepository"]).lower() if "core.sharedrepository" in config else ""
    bits = _SHARED.get(value, 0)
    if value.startswith("0") and len(value) == 4 and not set(value) - set("01234567"):
        bits = int(value, 8) & 0o077
    if bits:
        os.umask(os.umask(0o077) & ~(bits | bits >> 2 & 0o011))  # a folder that may be read may be entered


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
