"""Solving with votes: several candidates for one task, of which the one that passes most of all their tests is taken.

Who has the task makes candidates until there are enough; runners with nothing else to do make some of them meanwhile.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pygit2
from pygit2.enums import FileMode

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.ops import trees
from git_peer.ops.ballots import Ballot, Call, is_open
from git_peer.runner import briefs
from git_peer.runner import check as checking
from git_peer.runner.briefs import Listing
from git_peer.runner.work import Errand, Solution, Solver, TimeUp

AWAY = ("unreachable", "busy", "failed")  # the vote goes on without the others


@dataclass(frozen=True)
class Candidate:
    """A solution that passed its own check, and the files that it changes; None is one that it removes."""

    solution: Solution
    files: Mapping[str, bytes | None]

    @property
    def size(self) -> int:
        """Bytes that were written."""
        return sum(len(content or b"") for content in self.files.values())

    @property
    def tests(self) -> dict[str, bytes | None]:
        """Its files of tests."""
        return {path: self.files[path] for path in checking.tests_among(self.files) if self.files[path] is not None}


def solve(solver: Solver, errand: Errand, votes: int) -> Solution:
    """Divide a task that is too large; else solve it, and where there are votes take the best of so many."""
    parts = solver.parts(errand)
    if parts:
        return Solution(0, parts=parts)
    if votes == 1:
        return solver.candidate(errand, 0)
    found: list[Candidate] = []
    failed: list[Solution] = []
    with _called(errand) as others:
        while len(found) + len(failed) < votes:
            try:
                made = solver.candidate(errand, len(found) + len(failed))
            except TimeUp:
                if not found:
                    raise
                break
            if made.tree:
                found.append(Candidate(made, _files(errand, made.tree)))
            else:
                failed.append(made)
            found += (one for commit in others() if (one := _received(errand, commit)))
    if not found:
        return failed[-1]
    return (found[0] if len(found) == 1 else _elected(errand, found)).solution


def help_with(solver: Solver, errand: Errand, call: Call) -> bool:
    """Make a candidate for a vote that somebody else has called, and offer it; whether it came to that."""
    seed = 1 + zlib.crc32(errand.peer.name.encode()) % (1 << 30)  # not that of another helper, nor one of the caller's
    made = solver.candidate(errand, seed)
    if not made.tree or not is_open(errand.peer, call):
        return False
    named = {"Peer-Task": call.task.id, "Peer-Session": errand.peer.name, "Peer-Model": made.model}
    trailers, subject = named | {"Peer-Attempts": str(made.attempts)}, f"A candidate for {call.task.id}"
    commit = trees.commit(errand.peer.repo.git, made.tree, call.base, subject, trailers)
    Ballot(errand.peer, call.task, call.base).offer(commit)
    return True


@contextmanager
def _called(errand: Errand) -> Iterator[Callable[[], list[str]]]:
    """Others are asked for candidates while this lasts; what is yielded tells which have come since it was asked last.

    A remote that is away costs the others' candidates, not the task.
    """
    ballot = Ballot(errand.peer, errand.task, errand.base)

    def look() -> list[str]:
        try:
            return ballot.candidates()
        except PeerError as why:
            if why.code not in AWAY:
                raise
            return []

    try:
        ballot.call()
    except PeerError as why:
        if why.code not in AWAY:
            raise
        errand.tell(f"nobody is asked for candidates: {why.message}")
    try:
        yield look
    finally:
        with suppress(PeerError):
            ballot.close()


def _received(errand: Errand, commit: str) -> Candidate | None:
    """A candidate of somebody else's, looked over as any answer of a model, and checked here."""
    git = errand.peer.repo.git
    made = git[commit].peel(pygit2.Commit)
    tree = str(made.tree_id)
    trailers = made.message_trailers
    who = text.line(trailers.get("Peer-Session", ""), 80) or commit[:12]
    files = _files(errand, tree)
    why = _refused(errand, tree, files)
    if not why:
        command = errand.task.accept or checking.command_for(files)
        checked = errand.checker.run(tree, command, errand.task.id) if command else None
        if checked is not None and checked.passed:
            errand.tell(f"a candidate of {who}'s passes")
            tried = trailers.get("Peer-Attempts", "")
            attempts = int(tried) if tried.isdecimal() and len(tried) < 4 else 1
            model = text.line(trailers.get("Peer-Model", ""), 200)
            return Candidate(Solution(attempts, tree, checked, model=model, by=who), files)
        why = "it does not pass here"
    errand.tell(f"a candidate of {who}'s is not taken: {why}")
    return None


def _refused(errand: Errand, tree: str, files: Mapping[str, bytes | None]) -> str:
    """Why a tree may not stand for this task, before anything of it is run; "" where it may."""
    if not files:
        return "it changes nothing"
    git = errand.peer.repo.git
    allowed = briefs.allowed(errand.task, Listing(git, errand.base), errand.peer.state.log.folds)
    there = Listing(git, tree)
    for path in files:
        why = allowed(path)
        entry = there.entry(path)
        if not why and entry is not None and not entry.plain:
            why = "is no plain file"
        if why:
            return f"{text.quoted(path)} {why}"
    return ""


def _files(errand: Errand, tree: str) -> dict[str, bytes | None]:
    """What a tree changes of the errand's base: path → content; None for what is not there, or is no file."""
    git = errand.peer.repo.git
    root = git[tree].peel(pygit2.Tree)
    found: dict[str, bytes | None] = {}
    for path in trees.changed(git, errand.base, tree):
        try:
            one = root[path]
        except KeyError:
            one = None
        found[path] = one.data if isinstance(one, pygit2.Blob) and one.filemode != FileMode.LINK else None
    return found


def _elected(errand: Errand, found: list[Candidate]) -> Candidate:
    """The candidate that passes most of all candidates' tests; of two alike the smaller."""
    git = errand.peer.repo.git
    ranks = []
    for number, one in enumerate(found):
        score = 0
        for other in found:
            if other.tests and other is not one:
                tree = trees.edited(git, one.solution.tree, other.tests)
                score += errand.checker.run(tree, checking.command_for(other.tests), errand.task.id).passed
        by = f" ({one.solution.by})" if one.solution.by else ""
        errand.tell(f"candidate {number + 1} of {len(found)}{by} passes {score} others' tests: {one.size} bytes")
        ranks.append((-score, one.size, number))
    return found[min(ranks)[2]]
