"""The repository that a command runs in: where things are, what it is, what the work tree says."""

from __future__ import annotations

import os
from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store.git import libgit2, refs
from git_peer.store.git.libgit2 import GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pygit2

_LINK = b"\0\0\xe0\0"  # in an index: the mode of a submodule
_LINKED = 0o160000
_WHOLE_PATHS = (b"\0\0\0\2", b"\0\0\0\3")  # versions of an index
_SPLIT = b"link\0"  # the part of an index that tells of another file, in which the rest is

_GROUP, _ALL = 0o060, 0o064
_SHARED = {
    **dict.fromkeys(("group", "true", "yes", "on", "1"), _GROUP),
    **dict.fromkeys(("all", "world", "everybody", "2"), _ALL),
}


class Repo:
    """A repository as git's own environment names it (GIT_DIR, GIT_WORK_TREE, GIT_INDEX_FILE are seen).

    `start` stands for the current directory, which it is by default.
    """

    def __init__(self, start: str | None = None) -> None:
        # libgit2 looks at GIT_DIR only where it is given no place to start from.
        self.here = os.path.abspath(start or os.getcwd())
        where = os.environ.get("GIT_DIR") or self.here
        try:
            self.handle = libgit2.opened(where)  # what hot commands need, without pygit2
        except GitError as why:
            raise _cannot_open(where, str(why)) from None
        _share(libgit2.config(self.handle, "core.sharedrepository"))
        self._whole: pygit2.Repository | None = None
        self._index: bytes | None = None
        self.gitdir = Path(self.handle.path or "").resolve()
        self.common = common_of(self.gitdir)
        work = self.handle.workdir
        self.top = Path(work).resolve() if work else None

    @property
    def git(self) -> pygit2.Repository:
        """The same with all of pygit2, which takes its time to be imported."""
        if self._whole is None:
            self._whole = libgit2.whole(self.handle)
        return self._whole

    @property
    def gitdir_name(self) -> str:
        """The work tree's git directory relative to the common one: "" for the main work tree."""
        return "" if self.gitdir == self.common else os.path.relpath(self.gitdir, self.common)

    @property
    def branch(self) -> str:
        """The branch that HEAD is on; "" where it is detached."""
        head = refs.find(self.handle, "HEAD")
        name = head.raw_target if head is not None else ""
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        return text.removeprefix("refs/heads/") if text.startswith("refs/heads/") else ""

    @property
    def head(self) -> str:
        """The commit at HEAD; "" where there is none yet."""
        return "" if self.handle.head_is_unborn else str(self.handle.head.target)

    @property
    def prefix(self) -> str:
        """The current directory relative to the top of the work tree, with a slash behind it; "" at the top."""
        here = os.path.realpath(self.here)
        if self.top is None or not os.path.join(here, "").startswith(os.path.join(self.top, "")):
            return ""
        inner = os.path.relpath(here, self.top)
        return "" if inner == "." else inner + "/"

    def what_is(self, path: str) -> str:
        """file, dir, submodule, inside-submodule, or "" for a path from the top that is not there."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            inner = "/".join(parts[:depth])
            if self._is_link(inner):
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
        return "file" if self.is_indexed(path) else ""

    # -- the index: pygit2 parses it only where a look at its bytes does not tell -----------------------
    def is_indexed(self, path: str) -> bool:
        """Whether the index has `path`."""
        if not layout.is_utf8(path) or not self._may_have(path.encode()):
            return False
        return path in self.git.index

    def _is_link(self, path: str) -> bool:
        """Whether the index has a submodule at `path`."""
        if not layout.is_utf8(path) or not self._may_have(_LINK):
            return False
        try:
            return bool(self.git.index[path].mode == _LINKED)
        except KeyError:
            return False

    def _may_have(self, sought: bytes) -> bool:
        """Whether the index may have these bytes, of a mode or a path. Where paths are shortened it may have any."""
        if self._index is None:
            try:
                with open(os.environ.get("GIT_INDEX_FILE") or self.gitdir / "index", "rb") as file:
                    self._index = file.read() if self.top is not None else b""
            except OSError:
                self._index = b""
        raw = self._index
        shortened = sought is not _LINK and raw[4:8] not in _WHOLE_PATHS
        return bool(raw) and (sought in raw or shortened or _SPLIT in raw)

    def blob_at_head(self, path: str) -> str:
        """The blob of `path` in HEAD; "" where there is none."""
        if self.handle.head_is_unborn or not layout.is_utf8(path):
            return ""
        try:
            return str(self.handle.head.peel(libgit2.Tree)[path].id)
        except (KeyError, GitError):
            return ""


def _share(found: list[tuple[str, str]]) -> None:
    """Have what this process makes belong to the group, or to all, where core.sharedRepository says so: libgit2 and
    Python do not know that setting."""
    value = found[-1][1].lower() if found else ""
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
