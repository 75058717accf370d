"""The brief of a task: what the plan and the tree of a commit have for whoever is to solve it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import pygit2
from pygit2.enums import FileMode, ObjectType

from git_peer.core import text
from git_peer.core.delta import record as deltas
from git_peer.core.log.state import State
from git_peer.core.plan import contracts
from git_peer.core.plan.contracts import Contract
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Task
from git_peer.core.target import glob as globs
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.layout import from_bytes, is_utf8
from git_peer.ops import map as mapping
from git_peer.runner import paths
from git_peer.runner.prompts import Asked, Brief, Row
from git_peer.runner.shown import Source

__all__ = ["Brief", "Listing", "allowed", "of_task"]

TREE = 50_000  # files of a tree that are looked at
LARGE, ALL = 200 * 1024, 1024 * 1024  # bytes of a file, and of all that are read
MOST, OUTLINED = 60, 120  # files that are read whole, and whose symbols are listed
NEWS = 40  # deltas

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+([^\n#]+)|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_PATH = re.compile(r"(?<![\w./-])\w[\w./-]{0,300}\.\w{1,8}")


class Entry(NamedTuple):
    """A file of a tree: its blob, and whether it is a plain file (no link, no submodule)."""

    blob: pygit2.Oid
    plain: bool


def _entry(found: pygit2.Object) -> Entry:
    return Entry(found.id, found.filemode in {FileMode.BLOB, FileMode.BLOB_EXECUTABLE})


class Listing:
    """The files of a commit's tree by path, read as they are asked for; at most TREE of them."""

    def __init__(self, git: pygit2.Repository, commit: str) -> None:
        self._git = git
        self._root = git[commit].peel(pygit2.Tree)
        self.files: dict[str, Entry] = {}
        todo: list[tuple[str, pygit2.Tree]] = [("", self._root)]
        while todo:
            folder, tree = todo.pop()
            for one in tree:
                name = from_bytes(one.raw_name or b"")
                path = f"{folder}/{name}" if folder else name
                if one.filemode == FileMode.TREE:
                    if isinstance(one, pygit2.Tree):
                        todo.append((path, one))
                elif len(self.files) < TREE:
                    self.files[path] = _entry(one)

    def entry(self, path: str) -> Entry | None:
        """What is at a path, also where it is one file too many to be listed; None for nothing, or a folder."""
        if path in self.files or len(self.files) < TREE:
            return self.files.get(path)
        try:
            found = self._root[path]
        except (KeyError, ValueError):
            return None
        return None if isinstance(found, pygit2.Tree) else _entry(found)

    def size(self, path: str) -> int:
        """Bytes of a plain file that this clone has; -1 for anything else."""
        entry = self.entry(path)
        if entry is None or not entry.plain:
            return -1
        try:
            kind, size = self._git.odb.read_header(entry.blob)
        except KeyError:
            return -1
        return size if kind == ObjectType.BLOB else -1

    def text(self, path: str) -> str | None:
        """The text of a plain file of at most LARGE bytes; None for any other, and where there is none."""
        entry = self.entry(path)
        if entry is None or not 0 <= self.size(path) <= LARGE:
            return None
        raw = bytes(self._git.odb.read(entry.blob)[1])
        if b"\0" in raw:
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return None

    def taken(self, path: str) -> str:
        """Why a file cannot be written over, as a clause; "" where it can, or is not there."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if self.entry("/".join(parts[:depth])) is not None:
                return "would be inside of a link or a file"
        entry = self.entry(path)
        if entry is not None and not entry.plain:
            return "is a link or a submodule"
        if entry is not None and self.text(path) is None:
            return "is binary or too large to be rewritten"
        return ""


def of_task(state: State, task: Task, git: pygit2.Repository, commit: str, feedback: str = "") -> Brief:
    """The brief of a task that is to be solved on `commit`. Its files stand in their order of relevance."""
    board = Board(state)
    agreed = [one for one in contracts.all_of(state) if one.name in {*task.provides, *task.uses}]
    listing = Listing(git, commit)
    files, absent = _files(listing, task, agreed)
    own = _own(task)
    only = own[0] if len(own) == 1 else ""
    return Brief(
        goal=board.plan.goal,
        plan=tuple(_plan(board, task)),
        task=Asked(
            id=task.id,
            title=task.title,
            description=task.description,
            paths=tuple(targets.show(one) for one in task.paths),
            checklist=tuple(f"{one.text} (done)" if one.done else one.text for one in task.checklist),
            accept=task.accept,
            inputs=task.inputs,
            outputs=task.outputs,
        ),
        contracts=tuple(_contract(one, task) for one in agreed),
        deltas=tuple(_news(state, task)),
        files=tuple(files),
        symbols=_symbols(listing, task, {one.path for one in files}),
        absent=tuple(absent),
        only=only,
        test=_test_path(listing, task, only),
        feedback=feedback,
    )


def allowed(task: Task, listing: Listing, fold: bool = False) -> Callable[[str], str]:
    """What answers.files() asks of each path: the task's own, tests of it, and nothing that is a link or binary."""
    inside = paths.of_task(task.paths, fold)

    def reason(path: str) -> str:
        return inside(path) or listing.taken(path)

    return reason


# -- the plan -------------------------------------------------------------------------------------
def _plan(board: Board, task: Task) -> Iterator[Row]:
    """Every task in a line, those first that this one has to do with."""
    near = {*task.depends_on, task.parent, *task.children}
    near |= {one.id for one in board.tasks.values() if task.id in one.depends_on}
    near |= {one.id for one in board.tasks.values() if task.parent and one.parent == task.parent}
    shared = {*task.provides, *task.uses}
    for one in board.tasks.values():
        if one.id == task.id or one.status == "dropped":
            continue
        close = one.id in near or not shared.isdisjoint((*one.provides, *one.uses))
        parts = [f"{one.id} ({one.status}): {text.line(one.title, 160)}"]
        for name, found in (
            ("after", one.depends_on),
            ("paths", [targets.show(target) for target in one.paths[:8]]),
            ("provides", one.provides),
            ("uses", one.uses),
        ):
            if found:
                parts.append(f"{name} {', '.join(text.line(part, 100) for part in found[:8])}")
        yield Row("; ".join(parts), close)


def _contract(contract: Contract, task: Task) -> str:
    role = "this task provides it" if contract.name in task.provides else "this task uses it"
    return f"{contract.name} ({contract.type}, version {contract.version}, {role}):\n{contract.definition}"


def _news(state: State, task: Task) -> Iterator[str]:
    """The open deltas that concern the task, the newest first, then other blocking ones."""
    folds = state.log.folds
    rows = []
    for one in deltas.all_of(state):
        mine = (
            task.id in one.tasks
            or not {*task.provides, *task.uses}.isdisjoint(one.contracts)
            or any(targets.overlap(own, about, folds) for own in task.paths for about in one.paths)
        )
        if mine or one.severity == "blocking":
            rows.append((not mine, -one.height, one))
    for _, _, one in sorted(rows, key=lambda row: (row[0], row[1], row[2].id))[:NEWS]:
        body = f"\n{one.body}" if one.body else ""
        yield f"{one.type} ({one.severity}) from {one.session}: {text.line(one.summary)}{body}"


# -- the files ------------------------------------------------------------------------------------
def _own(task: Task) -> list[str]:
    """The Python files that the task names one by one, tests left out where there are others."""
    found = [one.real for one in task.paths if one.kind in {"file", "lines", "section"} and one.real.endswith(".py")]
    code = [path for path in found if not paths.is_test(path)]
    return list(dict.fromkeys(code or found))


def _test_path(listing: Listing, task: Task, only: str) -> str:
    """Where tests of the task go: a file that it names, or that its acceptance runs, or is there; else as is usual."""
    named = [one.real for one in task.paths if one.kind == "file" and paths.is_test(one.real)]
    run = (word.strip("\"'").partition("::")[0].removeprefix("./") for word in task.accept.split())
    named = named or [path for path in dict.fromkeys(run) if paths.is_test(path)]
    if named:
        return named[0] if len(named) == 1 else ""
    if not only:
        return ""
    usual = paths.tests_of(only)
    return next((path for path in usual if path in listing.files), usual[0])


def _covered(task: Sequence[Target], path: str) -> bool:
    return any(globs.covers(one.kind, one.real, path) for one in task if one.kind != "name")


def _files(listing: Listing, task: Task, agreed: Iterable[Contract]) -> tuple[list[Source], list[str]]:
    """(the files that matter, as far as they can be read; the paths of those that cannot): the most relevant first."""
    ranks: dict[str, int] = {}

    def rank(found: Iterable[str], how: int) -> None:
        for path in found:
            if path in listing.files and is_utf8(path):
                ranks.setdefault(path, how)

    files = sorted(listing.files)
    own = [path for path in files if _covered(task.paths, path)]
    plainly = {one.real for one in task.paths}
    rank((path for path in own if path in plainly), 0)
    # A folder or a glob is where the task may write, which is more than what it is about.
    rank(own, 0 if len(own) <= 8 else 2)
    rank((name for path in own[:MOST] if path.endswith(".py") for name in paths.tests_of(path)), 1)
    rank((name for name in _own(task) for name in paths.tests_of(name)), 1)
    rank(_named([task.description, *task.inputs, *task.outputs]), 1)
    stems = {path.rpartition("/")[2].removesuffix(".py") for path in own[:MOST]}
    rank((path for path in files if paths.is_test(path) and _stem(path) in stems), 1)
    for path in list(ranks)[:MOST]:
        rank(_imports(listing, path), 2)
    rank(_named(one.definition for one in agreed), 3)
    rank((path for path in files if path.rpartition("/")[2] == "conftest.py"), 4)
    found: list[Source] = []
    absent: list[str] = []
    left = ALL
    for path, how in sorted(ranks.items(), key=lambda pair: pair[1]):
        size = listing.size(path)
        said = listing.text(path) if len(found) < MOST and size <= left else None
        if said is None:
            absent.append(path)
            continue
        left -= size
        found.append(Source(path, said, how))
    return found, absent


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".py").removeprefix("test_").removesuffix("_test")


def _named(said: Iterable[str]) -> list[str]:
    """What could be a path in some texts."""
    return [name for one in said for name in _PATH.findall(one[:32_000])]


def _imports(listing: Listing, path: str) -> list[str]:
    """The files of the tree that a Python file imports."""
    source = listing.text(path) if path.endswith(".py") else None
    if source is None:
        return []
    found: list[str] = []
    for module, names, plain in _IMPORT.findall(source):
        if plain:
            wanted = [part.split(" as ")[0].strip() for part in plain.split(",")]
        else:
            members = [part.split(" as ")[0].strip(" ()\t") for part in names.split(",")]
            wanted = [module, *(f"{module}.{name}" if not module.endswith(".") else module + name for name in members)]
        for name in wanted:
            found += _module(listing, path, name)
    return list(dict.fromkeys(one for one in found if one != path))


def _module(listing: Listing, path: str, name: str) -> list[str]:
    """The files that a module's name may stand for: below the top, `src`, or where the importing file is."""
    bare = name.lstrip(".")
    dots = len(name) - len(bare)
    parts = path.split("/")[:-1]
    inside = "/".join(part for part in bare.split(".") if part)
    if dots:
        roots = ["/".join(parts[: len(parts) - dots + 1])] if dots <= len(parts) + 1 else []
    else:
        roots = ["", "src", "/".join(parts)]
    found = []
    for root in roots:
        base = "/".join(part for part in (root, inside) if part)
        found += [one for one in (f"{base}.py", f"{base}/__init__.py") if base and one in listing.files]
    return found


def _symbols(listing: Listing, task: Task, shown: set[str]) -> str:
    """What other Python files define, a line each: those near the task's own first."""
    homes = {one.real.rpartition("/")[0] if one.kind != "dir" else one.real for one in task.paths}
    tops = {home.split("/")[0] for home in homes}
    others = [path for path in listing.files if path.endswith(".py") and path not in shown and is_utf8(path)]
    others.sort(
        key=lambda path: (
            mapping.is_test(path),
            path.rpartition("/")[0] not in homes,
            path.split("/")[0] not in tops,
            path.count("/"),
            path,
        )
    )
    rows: list[str] = []
    sources = {path: (listing.text(path) or "").encode() for path in others[:OUTLINED] if not mapping.is_test(path)}
    for path, found in zip(sources, mapping.python(sources.values()), strict=True):
        if found:
            rows.append(f"{path}:")
            rows += [f"  {text.line(one.signature, 160)}" for one in found[:40]]
    return "\n".join(rows)
