"""What came of a run, counted from git alone: the work trees' reflogs, the remote's branch and its last tree.

No worker is asked. An execution is an edit that was committed in some work tree, whether it landed or not; which item
it is of, and where it stands, its marks tell.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pygit2

from benchmarks.duplicate import work
from benchmarks.duplicate.work import MARK, Item, Work


@dataclass(frozen=True)
class Outcome:
    """Counts of one run. `hours`: simulated, from the first minute to the last landing.

    `executions` were carried out to a commit, of `attempted` different items; `whole` items stand in the last tree in
    all their files, and what they define uses no name that is not defined. `lost`: edits of a file that were committed
    and of whose item, or of the item that supersedes it, nothing stands in that file at the end. `stale`: landed
    commits that left more uses of names that are not defined than there were before; `dangling`: such uses at the end.
    """

    executions: int
    attempted: int
    whole: int
    lost: int
    stale: int
    dangling: int
    hours: float

    @property
    def duplicate(self) -> float:
        """The share of executions that were of an item which another execution was of, too; one of each is none."""
        return (self.executions - self.attempted) / self.executions if self.executions else 0.0

    @property
    def goodput(self) -> float:
        """Items whole at the end, for each simulated hour."""
        return self.whole / self.hours if self.hours else 0.0


def judge(todo: Work, clone: Path, trees: Iterable[Path], remote: Path, branch: str, epoch: int) -> Outcome:
    """Count. `clone` has the work trees' objects; times of commits are seconds after `epoch`."""
    local, landed = pygit2.Repository(str(clone)), pygit2.Repository(str(remote))
    made: dict[str, set[str]] = defaultdict(set)  # item → executions
    edited: set[tuple[str, str]] = set()  # (item, file)
    for ident in {ident for tree in trees for ident in _reflog(tree)}:
        for item, execution, file in _marks(local, local[ident].peel(pygit2.Commit)):
            made[item].add(execution)
            edited.add((item, file))
    chain = list(_chain(landed, branch))
    files = [_files(commit) for commit in chain]
    loose = [work.dangling(one) for one in files]
    last = files[-1]
    items = {item.id: item for item in todo.items}
    return Outcome(
        executions=sum(map(len, made.values())),
        attempted=len(made),
        whole=sum(
            work.works(item, last) and all(_stands(todo, item, file, last) for file in item.marked)
            for item in todo.items
        ),
        lost=sum(not _stands(todo, items[item], file, last) for item, file in edited),
        stale=sum(after > before for before, after in pairwise(loose)),
        dangling=loose[-1],
        hours=(chain[-1].commit_time - epoch) / 3600,
    )


def _reflog(tree: Path) -> list[str]:
    """The ids of all commits that a work tree has ever stood on."""
    argv = ("git", "log", "--walk-reflogs", "--format=%H", "HEAD")
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=True).stdout.split()


def _marks(repo: pygit2.Repository, commit: pygit2.Commit) -> Iterator[tuple[str, str, str]]:
    """(item, execution, file) of every mark that a commit puts where it was not."""
    if len(commit.parents) != 1:
        return
    for patch in repo.diff(commit.parents[0], commit, context_lines=0):
        assert patch is not None
        for hunk in patch.hunks:
            for line in hunk.lines:
                if line.origin == "+":
                    for item, execution in MARK.findall(line.content):
                        yield item, execution, patch.delta.new_file.path


def _chain(repo: pygit2.Repository, branch: str) -> list[pygit2.Commit]:
    """The branch's commits, oldest first; the workers rebase, so it is one line."""
    return list(repo.walk(repo.branches[branch].target, pygit2.enums.SortMode.TOPOLOGICAL))[::-1]


def _files(commit: pygit2.Commit) -> dict[str, str]:
    """Every file of the two folders that the work is in."""
    found = {}
    for folder in ("app", "lib"):
        if folder in commit.tree:
            tree = commit.tree[folder]
            assert isinstance(tree, pygit2.Tree)
            found.update({f"{folder}/{one.name}": one.data.decode() for one in tree if isinstance(one, pygit2.Blob)})
    return found


def _stands(todo: Work, item: Item, file: str, files: dict[str, str]) -> bool:
    """Whether the item's mark, or that of an item which supersedes it there, is in a file."""
    marks = {ident for ident, _ in MARK.findall(files.get(file, ""))}
    return bool(marks & {item.id, *(heir.id for heir in todo.heirs(item) if file in heir.files)})
