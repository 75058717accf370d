"""Landing: what a look at the integration branch costs with many locks that wait for their work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygit2

from benchmarks import logs
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import GIT_PEER, Scratch
from git_peer.core.lock.landing import LockPend
from git_peer.core.lock.record import Work

_SECOND = 1000.0
_LINES = 200  # of each file
_EACH = 3  # files that a commit changes


def measure(bench: Bench) -> Iterator[Figure]:
    """`sync` with 100 pending locks and 1,000 new commits, first and again; the floors are git's own part of it."""
    scratch, commits = bench.scratch, bench.size(1000)
    files, pending = bench.size(30_000), 100
    repo = scratch.repo("landing-source")
    paths = [f"src/d{number % 100:02}/f{number:05}.py" for number in range(files)]
    git = pygit2.Repository(str(repo))
    start = _commit(git, str(git.head.target), dict.fromkeys(paths, _text(0)))
    git.references.create("refs/heads/main", start, force=True)
    scratch.peer(repo, "init")
    _wait(repo, git, str(start), paths[:pending])
    remote = scratch.bare("landing.git", repo)
    scratch.peer(repo, "init", "--remote", "origin")
    clone = scratch.folder / "landing-clone"
    scratch.git(scratch.folder, "clone", "-q", "--no-checkout", str(remote), str(clone))
    scratch.peer(clone, "init")
    tip = str(start)
    for number in range(commits):
        changed = [paths[(number * _EACH + at) % (2 * pending)] for at in range(_EACH)]
        tip = _commit(git, tip, {path: _text(number // 60 + 1) for path in changed})
    git.references.create("refs/heads/main", tip, force=True)
    scratch.git(repo, "push", "-q", "--no-verify", "origin", "main")
    first, again, fetch = medians(
        bench.rounds,
        [_sync(scratch, clone, looked=False), _sync(scratch, clone, looked=True), _fetch(scratch, clone)],
    )
    what = f"{pending} pending locks, {commits:,} new commits on main, {files:,} files"
    floor = f"{ms(fetch)} (`git fetch` of them)"
    yield Figure(f"`git peer sync` with {what}", ms(first), floor, "under 1 s", first < _SECOND)
    yield Figure("the same with nothing new", ms(again), "", "", None)


def _text(version: int) -> str:
    lines = [f"line {number}\n" for number in range(_LINES)]
    for at in range(min(version, 20)):
        lines[at * 5] = f"line {at * 5}, changed in {version}\n"
    return "".join(lines)


def _commit(git: pygit2.Repository, parent: str, texts: dict[str, str]) -> str:
    """A commit with these files changed."""
    index = pygit2.Index()
    index.read_tree(git[parent].peel(pygit2.Tree))
    blobs = {text: git.create_blob(text.encode()) for text in set(texts.values())}
    for path, text in texts.items():
        index.add(pygit2.IndexEntry(path, blobs[text], pygit2.enums.FileMode.BLOB))
    sign = pygit2.Signature("Somebody", "somebody@example.com", 1_700_000_000, 0)
    return str(git.create_commit(None, sign, sign, "work", index.write_tree(git), [pygit2.Oid(hex=parent)]))


def _wait(repo: Path, git: pygit2.Repository, onto: str, paths: list[str]) -> None:
    """Locks of others on these files, pending, each with work of its own in two places."""
    writer = logs.Writer(repo)
    old = str(git.create_blob(_text(0).encode()))
    for number, path in enumerate(paths):
        mine = _text(0).replace("line 3\n", f"line three of {number}\n").replace("line 150\n", f"and of {number}\n")
        new = str(git.create_blob(mine.encode()))
        commit = _commit(git, onto, {path: mine})
        work = Work(
            commit=commit, base=onto, branch=f"feat/{number}", authors=("bench@example.com",), at=writer.now,
            paths={path: (f"100644 {old}", f"100644 {new}")}, blobs=(min(old, new), max(old, new)),
        )  # fmt: skip
        take = writer.take(number, path)
        pend = LockPend(**writer.envelope(take.by), lock=take.id, holder=take.by, work=work)
        writer.append([take, pend])
    writer.publish()


def _fetch(scratch: Scratch, clone: Path) -> Job:
    def job(number: int) -> float:
        return scratch.time(("git", "fetch", "-q", "origin", "main"), scratch.copy(clone, "landing-fetch"))

    return job


def _sync(scratch: Scratch, clone: Path, looked: bool) -> Job:
    """Times a sync in a copy of the clone that has not looked, or has."""

    def job(number: int) -> float:
        copy = scratch.copy(clone, "landing-copy")
        for _ in range(looked):
            scratch.peer(copy, "sync")
        return scratch.time((*GIT_PEER, "sync"), copy)

    return job
