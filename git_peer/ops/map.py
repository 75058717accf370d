"""A bounded map of what is tracked: folders, languages, and the public symbols of source files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pygit2
from pygit2.enums import AttrCheck

from git_peer import layout
from git_peer.adapters import languages, outlines
from git_peer.adapters.grammars import Grammars
from git_peer.adapters.symbols import Symbol
from git_peer.core.errors import PeerError
from git_peer.ops import map_page as mapping_page
from git_peer.store.git.objects import parse
from git_peer.store.git.remote import run
from git_peer.store.git.repo import Repo

MOST = 12_000  # characters, where nothing else is asked for
LEAST = 1_000  # below, nothing useful fits
LARGE = 256 * 1024  # bytes; a larger file is not read
COUNTED_FILES, COUNTED_BYTES = 30_000, 128 * 1024 * 1024  # whose lines are counted
READ_FILES, READ_BYTES = 1_000, 16 * 1024 * 1024  # whose symbols are looked for
_PER_FILE = 60  # characters of the text that a file with one symbol takes about
_DIR, _LINK, _SUBMODULE = b"40000", b"120000", b"160000"


@dataclass
class File:
    """A tracked file: `state` is "" for one that is read, else why not."""

    path: str
    blob: str
    language: str
    state: str = ""  # vendored, generated, large, binary, missing, uncounted
    size: int = 0
    lines: int = 0
    header: bool = False
    symbols: list[Symbol] = field(default_factory=list)


@dataclass
class Tree:
    """What a commit tracks below some paths."""

    commit: str = ""
    files: list[File] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)  # (path, submodule | symlink)
    attributes: list[str] = field(default_factory=list)  # blobs of .gitattributes
    missing: int = 0  # folders that this clone does not have


@dataclass(frozen=True)
class Map:
    """A map: the same things as data for JSON and as text, which is at most as long as was asked for."""

    data: dict[str, Any]
    text: str


def make(repo: Repo, paths: Sequence[str] = (), most: int = MOST) -> Map:
    """The map of HEAD in at most `most` characters; of `paths` from the top, if any are given.

    It reads objects that are here, and neither the work tree nor the network. PeerError("usage") for a bound that is
    too small, PeerError("not_found") for a path that HEAD does not have.
    """
    if most < LEAST:
        raise PeerError("usage", f"a map of {most} characters tells nothing", f"at least {LEAST:,}")
    tree = _tree(repo, [path.strip("/") for path in paths])
    _by_attributes(repo, tree)
    _count(repo.git, tree.files)
    chosen = _chosen(tree.files, most)
    tools, involved = _read(repo, tree.commit, chosen)
    read = {file.path for file in chosen}
    return Map(*mapping_page.made(tree, tools, read, involved, most))


# -- what is tracked ------------------------------------------------------------------------------
def _tree(repo: Repo, paths: Sequence[str]) -> Tree:
    found = Tree(repo.head)
    wanted = {path for path in paths if path}
    met: set[str] = set()
    if not found.commit:
        if wanted:
            raise _absent(min(wanted))
        return found
    root = str(repo.git[found.commit].peel(pygit2.Tree).id)
    whole = not wanted or "" in paths
    odb = repo.git.odb
    above = {"/".join(path.split("/")[:depth]) for path in wanted for depth in range(path.count("/") + 1)}
    todo = [("", root, whole)]
    while todo:
        folder, ident, inside = todo.pop()
        try:
            rows = parse(odb.read(ident)[1], len(ident) // 2)
        except KeyError:
            found.missing += 1
            continue
        for mode, raw, oid in rows:
            path = f"{folder}/{layout.from_bytes(raw)}" if folder else layout.from_bytes(raw)
            here = inside or path in wanted
            met |= {path} & wanted
            if raw == b".gitattributes" and mode != _DIR:
                found.attributes.append(oid.hex())
            if mode == _DIR:
                if here or path in above:
                    todo.append((path, oid.hex(), here))
            elif not here:
                continue
            elif mode in {_LINK, _SUBMODULE}:
                found.links.append((path, "symlink" if mode == _LINK else "submodule"))
            else:
                found.files.append(File(path, oid.hex(), languages.of(path), languages.unwritten(path)))
    if wanted - met:
        raise _absent(min(wanted - met))
    found.files.sort(key=lambda file: file.path)
    found.links.sort()
    _headers(found.files)
    return found


def _absent(path: str) -> PeerError:
    return PeerError("not_found", f"HEAD has no {path}", "a map is of what is committed; `git ls-tree HEAD` shows it")


def _headers(files: Iterable[File]) -> None:
    """Which language the headers are in: C++ where there are more sources of it than of C."""
    headers = [file for file in files if file.path.lower().endswith(".h")]
    names = Counter(file.language for file in files if file.language in {"C", "C++"})
    for file in files:
        file.header = (
            file.language in {"C", "C++"} and re.search(r"\.(?:h|hh|hpp|hxx|h\+\+)$", file.path.lower()) is not None
        )
    if names["C++"] > names["C"] - len(headers):
        for file in headers:
            file.language = "C++"


def _by_attributes(repo: Repo, tree: Tree) -> None:
    """What linguist's attributes, as they are committed, say is vendored or generated, and what is not."""
    if not any(b"linguist-" in _blob(repo.git, ident)[:LARGE] for ident in tree.attributes):
        return
    flags = AttrCheck.INDEX_ONLY | AttrCheck.INCLUDE_COMMIT | AttrCheck.NO_SYSTEM
    for file in tree.files:
        for what in ("vendored", "generated"):
            said = repo.git.get_attr(layout.to_bytes(file.path), f"linguist-{what}", flags, tree.commit)
            if said is True or said == "true":
                file.state = what
            elif (said is False or said == "false") and file.state == what:
                file.state = ""


def _blob(git: pygit2.Repository, ident: str) -> bytes:
    """A blob; empty where this clone does not have it."""
    try:
        return bytes(git.odb.read(ident)[1])
    except KeyError:
        return b""


def _count(git: pygit2.Repository, files: Iterable[File]) -> None:
    """Size and lines of each file that is worth it."""
    counted = total = 0
    for file in files:
        if file.state or not file.language:
            continue
        if counted >= COUNTED_FILES or total >= COUNTED_BYTES:
            file.state = "uncounted"
            continue
        counted += 1
        try:
            file.size = git.odb.read_header(file.blob)[1]
        except KeyError:
            file.state = "missing"
            continue
        if file.size > LARGE:
            file.state = "large"
            continue
        raw = _blob(git, file.blob)
        total += len(raw)
        if b"\0" in raw[:8000]:  # as git tells it
            file.state = "binary"
            continue
        file.lines = raw.count(b"\n") + (raw[-1:] not in {b"", b"\n"})


# -- their symbols --------------------------------------------------------------------------------
def _chosen(files: Iterable[File], most: int) -> list[File]:
    """The files whose symbols are looked for: the longest of each folder first, near the top first, tests last."""
    ranked = sorted(
        (file for file in files if not file.state and file.language in languages.SYMBOLS and file.size),
        key=lambda file: (file.path.rpartition("/")[0], -file.lines, file.path),
    )
    rank: Counter[str] = Counter()
    order = []
    for file in ranked:
        folder = file.path.rpartition("/")[0]
        order.append((languages.is_test(file.path), rank[folder], file.path.count("/"), file.path, file))
        rank[folder] += 1
    order.sort(key=lambda row: row[:4])
    found, left = [], READ_BYTES
    for *_, file in order[: min(READ_FILES, most // _PER_FILE + 1)]:
        left -= file.size
        if left < 0:
            break
        found.append(file)
    return found


def is_test(path: str) -> bool:
    """Whether a file is one of tests, by its path."""
    return languages.is_test(path)


def python(sources: Iterable[bytes]) -> Iterator[list[Symbol]]:
    """What each of these Python files defines; nothing where one cannot be read."""
    grammars = Grammars()
    for raw in sources:
        yield (grammars.symbols("Python", raw) if grammars.has("Python") else outlines.python(raw)) or []


def _read(repo: Repo, commit: str, files: Sequence[File]) -> tuple[dict[str, str], int]:
    """Find the files' symbols. (language → what found them, how many files were too involved to be read)"""
    grammars = Grammars()
    tools: dict[str, set[str]] = {}
    for_git: dict[str, File] = {}
    involved = 0
    for file in files:
        symbols: list[Symbol] | None
        if grammars.has(file.language):
            tool, symbols = "tree-sitter", grammars.symbols(file.language, _blob(repo.git, file.blob), file.header)
            involved += symbols is None
        else:
            tool, symbols = "ast", None
            if file.language == "Python":
                symbols = outlines.python(_blob(repo.git, file.blob))
            if symbols is None:
                tool = "git"
                if file.path.isprintable() and '"' not in file.path and "\\" not in file.path:  # git would quote it
                    for_git[file.path] = file
        file.symbols = symbols or []
        tools.setdefault(file.language, set()).add(tool)
    if for_git:
        where = {"GIT_DIR": str(repo.gitdir), "GIT_NO_LAZY_FETCH": "1"}
        if repo.top is not None:
            where["GIT_WORK_TREE"] = str(repo.top)
        said = run(outlines.git_args(commit, sorted(for_git)), repo.top or repo.gitdir, 60, where)
        kinds = {path: file.language for path, file in for_git.items()}
        for path, found in outlines.of_git(said.out, commit, kinds).items():
            for_git[path].symbols = found
    return {language: "+".join(sorted(used)) for language, used in sorted(tools.items())}, involved
