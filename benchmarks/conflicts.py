"""`python -m benchmarks conflicts REPO`: a repository's merges again, and which conflicts would have been told before.

For each file that both sides of a merge changed, it is known what git made of it. Beside that stands what would have
been announced when the second side was edited: by locks on files, by locks on sections, and by `git peer conflicts`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, SortMode

from git_peer import layout
from git_peer.core.target import lines as ranges
from git_peer.core.target.section import joined
from git_peer.ops import conflicts, sections
from git_peer.store.git import changes
from git_peer.store.git.changes import Hunk
from git_peer.store.git.repo import Repo

_TEXT = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)
LEVELS = {
    "file": "locks on files",
    "section": "locks on sections, and their word on a neighbour",
    "told": "`git peer conflicts`",
    "text": "of these, the text",
}


@dataclass
class Count:
    """What a level announced of the files that both sides changed."""

    announced: int = 0
    right: int = 0  # and git could not merge the file
    leads: list[int] = field(default_factory=list)  # seconds from the second side's first edit to the merge


@dataclass
class Found:
    """All merges of a repository."""

    merges: int = 0
    files: int = 0
    real: int = 0
    levels: dict[str, Count] = field(default_factory=lambda: {name: Count() for name in LEVELS})


def main(argv: Sequence[str] | None = None) -> int:
    """Go through the merges, and print the table; 1 where a real conflict would not have been announced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks conflicts", description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--most", type=int, default=1000, metavar="N", help="merges, the newest first (default: 1000)")
    parser.add_argument("--json", action="store_true", help="the counts as JSON")
    asked = parser.parse_args(argv)
    found = judged(Repo(str(asked.repository)), asked.most)
    if asked.json:
        rows = {name: vars(count) for name, count in found.levels.items()}
        print(json.dumps({"merges": found.merges, "files": found.files, "conflicts": found.real, "levels": rows}))
    else:
        print(table(found), end="")
    return int(found.levels["told"].right < found.real)


def table(found: Found) -> str:
    """A Markdown table with a sentence before it."""
    rows = [
        f"{found.merges} merges, {found.files} files changed by both sides, {found.real} of them in conflict for git.",
        "", "| | announced | of git's conflicts | followed by none | precision | median lead |", "| --- " * 6 + "|",
    ]  # fmt: skip
    for name, what in LEVELS.items():
        one = found.levels[name]
        recall = f"{one.right} ({100 * one.right / found.real:.0f} %)" if found.real else "-"
        precision = f"{100 * one.right / one.announced:.0f} %" if one.announced else "-"
        lead = f"{statistics.median(one.leads) / 3600:.1f} h" if one.leads else "-"
        rows.append(f"| {what} | {one.announced} | {recall} | {one.announced - one.right} | {precision} | {lead} |")
    return "\n".join(rows) + "\n"


def judged(repo: Repo, most: int) -> Found:
    """What each level would have announced over the newest merges of all branches."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        for merge in _merges(repo.git, most):
            found.merges += 1
            _judge(repo, merge, found, Path(folder))
    return found


def _merges(git: pygit2.Repository, most: int) -> Iterator[pygit2.Commit]:
    walker = git.walk(git.head.target, SortMode.TIME)
    for ref in git.references.iterator():
        if ref.name.startswith(("refs/heads/", "refs/remotes/")):
            walker.push(ref.peel(pygit2.Commit).id)
    for commit in walker:
        if len(commit.parents) == 2:
            yield commit
            most -= 1
            if not most:
                return


def _judge(repo: Repo, merge: pygit2.Commit, found: Found, folder: Path) -> None:
    git = repo.git
    one, other = merge.parents
    base = git.merge_base(one.id, other.id)
    if str(base or "") in ("", str(one.id), str(other.id)):
        return
    tree = git[base].peel(pygit2.Tree)
    ours, theirs = _changed(tree, one.tree), _changed(tree, other.tree)
    for path in sorted(ours.keys() & theirs.keys()):
        a, b = ours[path], theirs[path]
        if a[1] == b[1]:
            continue
        found.files += 1
        old, new, two = (git[ident].peel(pygit2.Blob).data if ident else None for ident in (a[0], a[1], b[1]))
        real = _conflicts(folder, old, new, two)
        told = _announced(repo, path, old, new, two)
        lead = _lead(repo, str(base), merge, path) if real or told else 0
        found.real += real
        for name in told:
            count = found.levels[name]
            count.announced += 1
            count.right += real
            if real:
                count.leads.append(lead)


def _changed(base: pygit2.Tree, tree: pygit2.Tree) -> dict[str, tuple[str, str]]:
    """Path → (blob before, after), "" for none, of the files of text that differ."""
    rows = {}
    for delta in base.diff_to_tree(tree, context_lines=0).deltas:
        old, new, letter = delta.old_file, delta.new_file, delta.status_char()
        if all(side.mode in _TEXT for side, gone in ((old, "A"), (new, "D")) if letter != gone):
            path = layout.from_bytes((old if letter == "D" else new).raw_path)
            rows[path] = ("" if letter == "A" else str(old.id), "" if letter == "D" else str(new.id))
    return rows


def _conflicts(folder: Path, old: bytes | None, new: bytes | None, two: bytes | None) -> bool:
    """Whether git cannot merge the file: its own word for texts; deleted here and changed there it never can."""
    if new is None or two is None:
        return True
    names = [folder / name for name in ("ours", "base", "theirs")]
    for path, text in zip(names, (new, old or b"", two), strict=True):
        path.write_bytes(text)
    ran = subprocess.run(["git", "merge-file", "-p", "-q", *map(str, names)], capture_output=True, check=False)
    return ran.returncode != 0


def _announced(repo: Repo, path: str, old: bytes | None, new: bytes | None, two: bytes | None) -> list[str]:
    """The levels at which somebody would have been told when the second side was edited."""
    if old is None or new is None or two is None or any(b"\0" in text[:8000] for text in (old, new, two)):
        return list(LEVELS)
    ours, theirs = changes.hunks(old, new), changes.hunks(old, two)
    known = sections.of(repo, path, old)
    told = ["file"]

    def locked(hunks: Sequence[Hunk]) -> tuple[list[str], ranges.Spans]:
        names = list(dict.fromkeys(name for one in hunks for name in known.at(one.first + 1, one.end)))
        # What is put in belongs to the section around it, and to no line: the lines beside it stand for it here.
        edges = [(max(1, one.first), max(1, one.end + (not one.lines))) for one in hunks]
        return names, joined([*(span for name in names for span in known.spans(name)), *edges])

    (mine, spans), (yours, others) = locked(ours), locked(theirs)
    if not known.found or set(mine) & set(yours) or ranges.touch(spans, others):
        told.append("section")
    text = bool(changes.clashes(old, ours, theirs))
    if text or conflicts.in_both(known, ours, theirs):
        told.append("told")
    return [*told, "text"] if text else told


def _lead(repo: Repo, base: str, merge: pygit2.Commit, path: str) -> int:
    """Seconds from the first commit of the second side on a path to the merge."""
    firsts = []
    for parent in merge.parents:
        args = ["git", "log", "--format=%ct", f"{base}..{parent.id}", "--", f":(top,literal){path}"]
        ran = subprocess.run(args, cwd=repo.top or repo.gitdir, capture_output=True, text=True, check=False)
        firsts += [int(ran.stdout.split()[-1])] if ran.stdout.split() else []
    return max(0, merge.commit_time - max(firsts)) if len(firsts) == 2 else 0


if __name__ == "__main__":
    sys.exit(main())
