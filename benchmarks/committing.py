"""What the hooks add to `git commit`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.bench import FOLDERS, Bench
from benchmarks.figures import Figure, Job, medians, ms
from benchmarks.scratch import write

_NOTING = 10.0  # ms that the post-commit hook may take
_BEYOND = 50.0  # ms that a commit among 10,000 locks may take beyond git's own


def measure(bench: Bench) -> Iterator[Figure]:
    """A commit with nothing locked, and one of many files among many locks."""
    yield from _unlocked(bench)
    yield from _noted(bench)
    yield from _among_locks(bench)


def _noted(bench: Bench) -> Iterator[Figure]:
    """The post-commit hook alone, of a session that holds locks, so that there is a note to write."""
    scratch = bench.scratch
    repo = scratch.repo("noted")
    scratch.peer(repo, "init")
    scratch.peer(repo, "--as", "bench", "lock", "src/")
    hooks = scratch.folder / "only-post-commit"
    hooks.mkdir()
    shutil.copy(repo / ".git" / "peer" / "hooks" / "post-commit", hooks)
    session = {"GIT_PEER_SESSION": "bench"}
    files = ["README.md"]
    jobs = [_commit(bench, repo, files, "/dev/null", session), _commit(bench, repo, files, str(hooks), session)]
    plain, noted = medians(bench.rounds, jobs)
    scratch.git(repo, "notes", "--ref=peer", "show")
    yield Figure(
        "post-commit, which notes whose the commit is",
        f"{ms(noted - plain)} beyond git's own",
        f"no hook {ms(plain)}",
        f"under {_NOTING:.0f} ms beyond",
        noted - plain < _NOTING,
    )


def _unlocked(bench: Bench) -> Iterator[Figure]:
    scratch = bench.scratch
    repo = scratch.repo("commit")
    scratch.bare("commit.git", repo)
    scratch.peer(repo, "init", "--remote", "origin")
    empty = scratch.folder / "empty-hook"
    empty.mkdir()
    (empty / "pre-commit").write_text("#!/bin/sh\nexit 0\n")
    (empty / "pre-commit").chmod(0o755)
    files = ["README.md"]
    jobs = [
        _commit(bench, repo, files, "/dev/null"),
        _commit(bench, repo, files, str(empty)),
        _commit(bench, repo, files),
    ]
    plain, hook, ours = medians(bench.rounds, [_fresh(bench, repo, job) for job in jobs])
    more = _processes(bench, repo, []) - _processes(bench, repo, ["-c", "core.hooksPath=/dev/null"])
    yield Figure(
        "commit, nothing locked, fresh copy",
        f"{ms(ours)} ({ms(ours - plain)} beyond git's own)",
        f"no hook {ms(plain)}, an empty sh hook {ms(hook)}",
    )
    yield Figure("git processes that the hooks add to it", str(more), "", "at most 2", more <= 2)


def _among_locks(bench: Bench) -> Iterator[Figure]:
    locks, staged = bench.size(10_000), bench.size(500)
    repo = bench.locked(locks)
    # In the folders where the locks are: each of them has to be looked at.
    files = [f"src/d{number % FOLDERS:02}/mine{number}.py" for number in range(staged)]
    write(repo, files, "here\n")
    bench.scratch.git(repo, "add", "-A")
    bench.scratch.git(repo, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "files")
    plain, ours = medians(bench.rounds, [_commit(bench, repo, files, "/dev/null"), _commit(bench, repo, files)])
    beyond = ours - plain
    yield Figure(
        f"commit of {staged:,} files among {locks:,} locks of others",
        f"{ms(ours)} ({ms(beyond)} beyond git's own)",
        f"no hook {ms(plain)}",
        f"under {_BEYOND:.0f} ms beyond",
        beyond < _BEYOND,
    )


def _commit(
    bench: Bench, repo: Path, files: Sequence[str], hooks: str = "", env: Mapping[str, str] | None = None
) -> Job:
    """Times `git commit` of the files, which are changed and staged before; `hooks` in place of those installed."""
    options = ["-c", f"core.hooksPath={hooks}"] if hooks else []

    def job(number: int) -> float:
        write(repo, files, f"{hooks} {number}\n")
        bench.scratch.git(repo, "add", "-A")
        return bench.scratch.time(["git", *options, "commit", "-q", "-m", f"round {number}"], repo, env)

    return job


def _fresh(bench: Bench, repo: Path, job: Job) -> Job:
    """The same with a copy of the log that is not stale, so that the hook starts no fetch beside it."""

    def fresh(number: int) -> float:
        bench.scratch.peer(repo, "sync")
        return job(number)

    return fresh


def _processes(bench: Bench, repo: Path, options: Sequence[str]) -> int:
    """How many git processes a commit comes to, by git's own trace."""
    trace = bench.scratch.folder / "trace2"
    trace.unlink(missing_ok=True)
    bench.scratch.peer(repo, "sync")
    write(repo, ["README.md"], f"traced {options}\n")
    bench.scratch.git(repo, "add", "-A")
    bench.scratch.git(repo, *options, "commit", "-q", "-m", "traced", env={"GIT_TRACE2_EVENT": str(trace)})
    return trace.read_text().count('"event":"start"')
