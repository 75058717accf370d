"""The repository that a command runs in: where things are, what it is, what the work tree says."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
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
_GITS_OWN = (b"link\0", b"sdir\0")  # parts of a split and a sparse index, which libgit2 cannot read; or a path's end

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
        _absolute()
        # libgit2 looks at GIT_DIR only where it is given no place to start from.
        self.here = os.path.abspath(start or os.getcwd())
        where = os.environ.get("GIT_DIR") or self.here
        try:
            self.handle = libgit2.opened(where)  # what hot commands need, without pygit2
        except GitError as why:
            if not (_is_anothers(why) and _git_trusts(where)):
                raise _cannot_open(where, str(why)) from None
            libgit2.trust()
            self.handle = libgit2.opened(where)
        _share(libgit2.config(self.handle, "core.sharedrepository"))
        self._whole: pygit2.Repository | None = None
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
        """file, dir, submodule, or "" for a path from the top that is not there.

        inside-submodule, inside-repository and beyond-link for what git would not take from this work tree.
        """
        parts = path.split("/")
        linked, there = self._may_have(_LINK), self.top is not None
        for depth in range(1, len(parts) + 1):
            inner = "/".join(parts[:depth])
            if linked and self.mode_of(inner) == _LINKED:
                return "submodule" if depth == len(parts) else "inside-submodule"
            if there and depth < len(parts):
                whole = os.path.join(os.fsencode(str(self.top)), layout.to_bytes(inner))
                if os.path.islink(whole):
                    return "beyond-link"
                if os.path.lexists(os.path.join(whole, b".git")):
                    return "inside-repository"
                there = os.path.isdir(whole)  # else nothing is below it
            if not (linked or there):
                break
        if self.top is None:
            return ""
        full = os.path.join(os.fsencode(self.top), layout.to_bytes(path))
        if os.path.islink(full) or os.path.isfile(full):
            return "file"
        if os.path.isdir(full):
            return "dir"
        return "file" if self.mode_of(path) else ""

    def in_any_tree(self, path: str) -> str | None:
        """The path from the top of what lies at an absolute path in a work tree of this clone; None for elsewhere.

        Links on the way to it are followed, itself it is not.
        """
        whole = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        tops = sorted((top for top in self.tops() if whole == top or whole.startswith(f"{top}/")), key=len)
        between = os.path.dirname(whole)
        while tops and len(between) > len(tops[-1]):
            if os.path.lexists(os.path.join(between, ".git")):
                return None  # another repository in it
            between = os.path.dirname(between)
        return layout.from_bytes(os.fsencode(whole[len(tops[-1]) + 1 :])) if tops else None

    def leads_to(self, path: str) -> str | None:
        """Where a link at a path from the top leads to, from the top; None for no link, or one that leads elsewhere."""
        whole = os.path.join(str(self.top or ""), path)
        if self.top is None or not layout.is_utf8(path) or not os.path.islink(whole):
            return None
        found = self.in_any_tree(os.path.realpath(whole))
        return found if found and found != path and self.what_is(found) in ("file", "dir") else None

    def tops(self) -> list[str]:
        """The work trees of the clone."""
        found = [str(self.top)] if self.top is not None else []
        if self.common.name == ".git":
            found.append(str(self.common.parent))
        pointers = (file.read_text("utf-8", "surrogateescape") for file in self.common.glob("worktrees/*/gitdir"))
        return [*found, *(os.path.realpath(os.path.dirname(pointer.rstrip("\n"))) for pointer in pointers)]

    # -- the index: pygit2 parses it only where a look at its bytes does not tell, git where libgit2 cannot ------
    def mode_of(self, path: str) -> int:
        """The mode that the index has for a path from the top; 0 where it has no such entry."""
        if not self._may_have(layout.to_bytes(path)):
            return 0
        if any(mark in self._index for mark in _GITS_OWN) or not layout.is_utf8(path):
            return self._listed.get(path, 0)
        try:
            return int(self.git.index[path].mode)
        except KeyError:
            return 0
        except GitError:
            return self._listed.get(path, 0)

    def is_ignored(self, path: str) -> bool:
        """Whether git passes over a path from the top, where the index has no such entry."""
        try:
            return self.handle.path_is_ignored(path)
        except GitError:
            return self.top is not None and bool(
                self._ask(["check-ignore", "--no-index", "-z", "--stdin"], path, (0, 1))
            )

    def changed(self, specs: Sequence[str] = (), patience: float = 60) -> list[str]:
        """The paths, as they are from the top, that differ from HEAD, are in conflict, or are not tracked yet.

        `specs`: pathspecs, all of it without any. What git does not tell in `patience` seconds is not told.
        """
        if self.top is None:
            return []
        from git_peer.store.git.remote import run

        args = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", *specs]
        out = run(args, self.top, patience, {"GIT_OPTIONAL_LOCKS": "0"}).out
        return [row[3:] for row in out.split("\0") if len(row) > 3]

    def _may_have(self, sought: bytes) -> bool:
        """Whether the index may have these bytes, of a mode or a path. Where paths are shortened it may have any."""
        raw = self._index
        shortened = sought is not _LINK and raw[4:8] not in _WHOLE_PATHS
        return bool(raw) and (sought in raw or shortened or any(mark in raw for mark in _GITS_OWN))

    @functools.cached_property
    def _index(self) -> bytes:
        """The index as it is on disk; nothing where there is none."""
        try:
            with open(os.environ.get("GIT_INDEX_FILE") or self.gitdir / "index", "rb") as file:
                return file.read() if self.top is not None else b""
        except OSError:
            return b""

    @functools.cached_property
    def _listed(self) -> dict[str, int]:
        """Path → mode of what the index has, by git itself, which can read every index that it writes.

        Of a damaged one that which HEAD has: what is locked does not hang on it.
        """
        try:
            said = self._ask(["ls-files", "--stage", "-z"])
        except PeerError:
            said = self._ask(["ls-tree", "-r", "-z", "--full-tree", "HEAD"], good=(0, 128))  # unborn: nothing
        rows = (row.partition("\t") for row in said.split("\0") if row)
        return {path: int(info[:6], 8) for info, _, path in rows}

    def _ask(self, args: Sequence[str], stdin: str = "", good: Sequence[int] = (0,)) -> str:
        """What git says, in this work tree; PeerError where it says that it cannot."""
        where = {"GIT_DIR": str(self.gitdir), "GIT_WORK_TREE": str(self.top), "GIT_OPTIONAL_LOCKS": "0"}
        import subprocess  # 9 ms that only such an index costs

        ran = subprocess.run(
            ["git", *args], cwd=self.top, env={**os.environ, **where}, input=layout.to_bytes(stdin), capture_output=True
        )
        if ran.returncode not in good:
            said = layout.from_bytes(ran.stderr).strip().partition("\n")[0]
            raise PeerError("failed", f"git {args[0]} failed: {said}", "`git status` tells more")
        return layout.from_bytes(ran.stdout).removesuffix("\0")

    def commit(self, rev: str) -> str:
        """The id of the commit that `rev` means, as `git rev-parse` takes it; PeerError("usage") for none."""
        try:
            return str(self.handle.revparse_single(rev).peel(libgit2.Commit).id)
        except (KeyError, ValueError, GitError):
            from git_peer.core import text

            hint = self.near_revision(rev, "as `git rev-parse` takes it")
            raise PeerError("usage", f"not a commit: {text.line(rev, 80)}", hint) from None

    def near_revision(self, rev: str, otherwise: str) -> str:
        """A hint for what is no revision: branches and tags with a near name."""
        from git_peer.core import near

        named = ("refs/heads/", "refs/remotes/", "refs/tags/")
        names = [name.split("/", 2)[2] for name in self.git.references if name.startswith(named)]
        return near.hint(rev.partition("..")[0].partition("~")[0].partition("^")[0], names, otherwise)

    def blob_at_head(self, path: str) -> str:
        """The blob of `path` in HEAD; "" where there is none."""
        if self.handle.head_is_unborn or not layout.is_utf8(path):
            return ""
        try:
            return str(self.handle.head.peel(libgit2.Tree)[path].id)
        except (KeyError, GitError):
            return ""


def _absolute() -> None:
    """The places that the environment names, as they are from here: git is run in other folders too."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"):
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.environ[name])


def _is_anothers(why: object) -> bool:
    low = str(why).lower()
    return "not owned by current user" in low or "dubious ownership" in low


def _git_trusts(where: str) -> bool:
    """Whether git itself opens it: libgit2 does not see `safe.directory` on a command line, or in the environment."""
    import subprocess  # only where libgit2 refuses

    folder = where if os.path.isdir(where) else os.getcwd()
    ran = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    return ran.returncode == 0


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
    if _is_anothers(why):
        return PeerError(
            "untrusted",
            f"{where} belongs to another user, so git will not trust it",
            "`git status` there says how to allow it",
        )
    return PeerError("not_set_up", f"not a git repository: {where}", "run it inside a repository, or `git init` first")
