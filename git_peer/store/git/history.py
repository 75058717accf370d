"""The history of the code, as a push is judged by it: what differs, who is whose base, what stands at a path.

Where it can be had git itself is asked, with its plumbing: its settings change nothing of what that prints, and in a
partial clone it fetches what is missing, for as long as `patience` allows.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

import pygit2

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock.push_rule import Content
from git_peer.store.git.objects import Objects
from git_peer.store.git.remote import Ran, run
from git_peer.store.git.repo import Repo

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # the empty tree, which git knows without having it
MOST = 200  # three-way merges of one push; what is beyond them counts as a conflict
RAW = ("-r", "--raw", "-z", "--no-renames", "--no-abbrev", "--ignore-submodules=none", "--no-relative")
_FILE = "100"  # how the modes of plain files begin


class Missing(PeerError):
    """An object is not to be had: a shallow or a partial clone."""

    def __init__(self, what: str) -> None:
        super().__init__("unavailable", f"what is needed to judge this is not in this clone: {what}", "`git fetch` it")


class Commit(NamedTuple):
    """A commit: its parents, and the sessions that its trailers name."""

    parents: tuple[str, ...]
    sessions: tuple[str, ...]


class History:
    """The history in one repository. Ids are full; "" is no commit, whose tree is empty."""

    def __init__(self, repo: Repo, patience: float = 60) -> None:
        self._repo = repo.git
        self._gitdir = repo.gitdir
        self._top = repo.top  # attributes and merge drivers are looked up there
        self._patience = patience
        self._objects = Objects(repo.git)
        self._trees: dict[str, str] = {}
        self._bases: dict[tuple[str, str], tuple[str, ...]] = {}
        self._merged: dict[tuple[Content, Content, Content], set[Content]] = {}
        self._wholes: dict[tuple[str, str], tuple[dict[str, Content], frozenset[str]] | None] = {}

    def _run(self, args: Sequence[str], stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> Ran:
        where = {"GIT_DIR": str(self._gitdir), **({"GIT_WORK_TREE": str(self._top)} if self._top else {})}
        return run(args, self._top or self._gitdir, self._patience, {**where, **(env or {})}, stdin)

    def _git(self, args: Sequence[str], stdin: bytes | None = None) -> str:
        ran = self._run(args, stdin)
        if ran.status:
            raise PeerError("failed", f"git {args[0]} failed: {ran.err.strip()}", "`git fsck` may tell more")
        return ran.out

    # -- commits --------------------------------------------------------------------------------------
    def commit(self, name: str) -> str:
        """The commit that an id comes to, a tag's too; "" where that is none, or not here."""
        try:
            return str(self._repo[name].peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return ""

    def parents(self, commit: str) -> tuple[str, ...]:
        """A commit's parents; Missing where it is not here."""
        try:
            return tuple(map(str, self._repo[commit].peel(pygit2.Commit).parent_ids))
        except (KeyError, ValueError, pygit2.GitError) as why:
            raise Missing(str(why)) from None

    @property
    def shallow(self) -> bool:
        """Whether commits of the past are missing here on purpose."""
        return bool(self._repo.is_shallow)

    def bases(self, one: str, *others: str) -> tuple[str, ...]:
        """The best common ancestors of `one` and any of `others`; empty for none. Missing where that is not known."""
        named = [other for other in others if other]
        if not one or not named:
            return ()
        known = (one, " ".join(named))
        if known not in self._bases:
            quick = self._base(one, named[0]) if len(named) == 1 else ""
            if quick:
                self._bases[known] = (quick,)
                return self._bases[known]
            ran = self._run(["merge-base", "--all", one, *named])
            if ran.status not in (0, 1):
                raise Missing(ran.err)
            self._bases[known] = tuple(ran.out.split())
        if not self._bases[known] and self.shallow:
            raise Missing("the clone is shallow")
        return self._bases[known]

    def _base(self, one: str, other: str) -> str:
        """The one that comes before the other, where it does: most bases are found without a process."""
        try:
            base = str(self._repo.merge_base(one, other) or "")
        except (KeyError, ValueError, pygit2.GitError):
            return ""
        return base if base in (one, other) else ""

    def commits(self, old: str, new: str) -> dict[str, Commit]:
        """The commits that `new` has and `old` has not, children first."""
        form = "%H %P%x00%(trailers:key=Peer-Session,valueonly,separator=%x20)%x00"
        args = [
            "rev-list",
            "--topo-order",
            "--no-commit-header",
            f"--format={form}",
            new,
            *([f"^{old}"] if old else []),
        ]
        rows = self._git(args).split("\0")
        found: dict[str, Commit] = {}
        for ids, names in zip(rows[::2], rows[1::2], strict=False):
            commit, *parents = ids.split()
            found[commit] = Commit(tuple(parents), tuple(names.split()))
        return found

    # -- what differs ---------------------------------------------------------------------------------
    def changed(self, old: str, new: str) -> dict[str, tuple[Content, Content]]:
        """Path → what stands there in `old` and in `new`, where that differs."""
        out = self._git(["diff-tree", *RAW, old or EMPTY, new or EMPTY, "--"])
        return {path: (before, after) for _, path, before, after in raw_rows(out)}

    def touches(self, commits: Collection[str]) -> Iterator[tuple[str, str, Content, Content]]:
        """(commit, path, before, after) of all that commits change, of a merge against each of its parents."""
        if commits:
            ids = "".join(f"{commit}\n" for commit in commits).encode()
            yield from raw_rows(self._git(["diff-tree", "--stdin", "-m", "--root", *RAW], ids))

    def content(self, commit: str, path: str) -> Content:
        """What stands at a path: of files, links and submodules; None for a folder, too."""
        if not commit:
            return None
        try:
            return self._content(commit, path)
        except (KeyError, ValueError, pygit2.GitError):
            pass
        # Fetched by git, where it is one of those clones.
        ran = self._run(["diff-tree", *RAW, EMPTY, commit, "--"])
        if ran.status:
            raise Missing(f"{commit}:{path}")
        return next((after for _, name, _, after in raw_rows(ran.out) if name == path), None)

    def _content(self, commit: str, path: str) -> Content:
        if commit not in self._trees:
            self._trees[commit] = str(self._repo[commit].peel(pygit2.Commit).tree_id)
        ident, mode = self._trees[commit], "40000"
        for part in path.split("/"):
            if mode != "40000":
                return None
            idents, modes = self._objects.tree(ident)
            if part not in idents:
                return None
            ident, mode = idents[part], modes[part].decode()
        return None if mode == "40000" else (mode, ident)

    # -- merges ---------------------------------------------------------------------------------------
    def merges(self, path: str, base: Content, ours: Content, theirs: Content) -> set[Content]:
        """What a three-way merge of a file may come to, by git's ways of comparing lines; empty: a conflict."""
        known = base, ours, theirs
        if known not in self._merged:
            self._merged[known] = set()
            if len(self._merged) <= MOST:
                self._merged[known] = {*self._as_a_tree(path, *known), *self._as_a_file(*known)}
        return self._merged[known]

    def whole(self, ours: str, theirs: str, path: str) -> tuple[Content, ...]:
        """What a merge of two commits makes of a path, which follows renames; nothing where that conflicts."""
        known = ours, theirs
        if known not in self._wholes:
            self._wholes[known] = None
            if len(self._wholes) <= MOST and ours and theirs:
                with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
                    self._wholes[known] = self._merge(Path(scratch), ours, theirs, ())
        made = self._wholes[known]
        if made is None or path in made[1]:
            return ()
        return (made[0][path] if path in made[0] else self.content(ours, path),)

    def _merge(
        self, scratch: Path, ours: str, theirs: str, options: Sequence[str]
    ) -> tuple[dict[str, Content], frozenset[str]] | None:
        """(what differs from `ours`, paths in conflict) of a merge whose objects go to a folder; None for no answer."""
        store = os.fspath(_objects(self._gitdir))
        more = os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
        env = {
            "GIT_OBJECT_DIRECTORY": os.fspath(scratch),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": ":".join(filter(None, (_quoted(store), more))),
        }
        how = ("--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories")
        ran = self._run([*options, "merge-tree", *how, ours, theirs], env=env)
        tree, *conflicts = ran.out.split("\0")
        if ran.status not in (0, 1) or len(tree) < 40:
            return None  # git before 2.38, or objects that are missing
        differs = self._run(["diff-tree", *RAW, ours, tree, "--"], env=env)
        if differs.status:
            return None
        return {path: after for _, path, _, after in raw_rows(differs.out)}, frozenset(filter(None, conflicts))

    def _as_a_tree(self, path: str, base: Content, ours: Content, theirs: Content) -> set[Content]:
        """By `git merge-tree`, on commits that have nothing but this file: with its attributes and merge drivers."""
        with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
            folder = Path(scratch)
            root = _commit(folder, path, base, ())
            mine, other = (_commit(folder, path, side, (root,)) for side in (ours, theirs))
            made = self._merge(folder, mine, other, ("-c", "merge.renames=false"))
        if made is None or path in made[1]:
            return set()
        return {made[0].get(path, ours)}

    def _as_a_file(self, base: Content, ours: Content, theirs: Content) -> set[Content]:
        """By `git merge-file`, which compares lines otherwise, and which every git has."""
        if base is None or ours is None or theirs is None:
            return set()
        if not all(side[0].startswith(_FILE) for side in (base, ours, theirs)):
            return set()
        modes = {ours[0]} if theirs[0] in (base[0], ours[0]) else {theirs[0]} if ours[0] == base[0] else set()
        sides = [self.blob(side[1]) for side in (base, ours, theirs)]
        if None in sides or not modes:
            return set()
        made = self.merged_text(*(side for side in sides if side is not None))
        return {(mode, str(pygit2.hash(made))) for mode in modes} if made is not None else set()

    def blob(self, ident: str) -> bytes | None:
        """The content of a blob; None where it is not here."""
        try:
            return bytes(self._repo.odb.read(ident)[1])
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def merged_text(self, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        """What `git merge-file` makes of three texts; None where they conflict."""
        with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
            names = [os.path.join(scratch, name) for name in ("ours", "base", "theirs")]
            for name, side in zip(names, (ours, base, theirs), strict=True):
                Path(name).write_bytes(side)
            ran = self._run(["merge-file", "-q", *names])
            return None if ran.status else Path(names[0]).read_bytes()


def _objects(gitdir: Path) -> Path:
    """The folder of a repository's objects."""
    given = os.environ.get("GIT_OBJECT_DIRECTORY")
    if given:
        return Path(given).absolute()
    pointer = gitdir / "commondir"
    common = (gitdir / pointer.read_text().rstrip("\n")) if pointer.is_file() else gitdir
    return common.resolve() / "objects"


def _quoted(path: str) -> str:
    """A path in a list that git splits at colons."""
    if ":" not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def raw_rows(out: str) -> Iterator[tuple[str, str, Content, Content]]:
    """(commit or "", path, before, after) of each row that diff-tree prints with --raw -z."""
    commit = ""
    words = iter(out.split("\0"))
    for word in words:
        if not word.startswith(":"):
            commit = word or commit
            continue
        old, new, before, after, _ = word[1:].split(" ")
        yield commit, next(words), _content(old, before), _content(new, after)


def _content(mode: str, ident: str) -> Content:
    return None if mode == "000000" else (mode, ident)


def _commit(folder: Path, path: str, content: Content, parents: Sequence[str]) -> str:
    """A commit whose tree has this at a path and nothing else, written to a folder of loose objects; its id."""
    ident, mode = "", ""
    if content is not None:
        mode, ident = content[0], content[1]
        for part in reversed(path.split("/")):
            body = f"{mode.lstrip('0')} ".encode() + layout.to_bytes(part) + b"\0" + bytes.fromhex(ident)
            mode, ident = "40000", _write(folder, b"tree", body)
    tree = ident or _write(folder, b"tree", b"")
    who = "git-peer <git-peer@localhost> 0 +0000"
    head = "".join(f"parent {parent}\n" for parent in parents)
    return _write(folder, b"commit", f"tree {tree}\n{head}author {who}\ncommitter {who}\n\nx\n".encode())


def _write(folder: Path, kind: bytes, body: bytes) -> str:
    raw = b"%s %d\0" % (kind, len(body)) + body
    ident = sha1(raw, usedforsecurity=False).hexdigest()
    path = folder / ident[:2] / ident[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(raw, 1))
    return ident
