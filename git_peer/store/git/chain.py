"""The log on git: its commits, their states, and the check of what arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.record import LogRepair
from git_peer.core.log.state import DictReader, Event, State
from git_peer.core.log.txn import MAX_BATCH, MAX_EVENT, too_large
from git_peer.core.rules import fold, subject
from git_peer.store.git import codec, durable, libgit2, refs
from git_peer.store.git.libgit2 import Commit, GitError, Repository
from git_peer.store.git.objects import Missing, Objects, TreeReader, TreeWriter

_KEPT = 1000  # commits that stay in memory


class Entry(NamedTuple):
    """A commit of the log, read."""

    commit: str
    parent: str | None
    tree: str
    height: int
    events: list[Event]


class Problem(NamedTuple):
    """What is wrong with a commit of the log."""

    commit: str
    what: str


class Chain:
    """The log's commits in one repository."""

    def __init__(self, git: Repository) -> None:
        self.git = git
        self._objects = Objects(git)
        self._commits: dict[str, tuple[bytes, list[str], str]] = {}

    @property
    def tip(self) -> str | None:
        """The verified tip; None where there is no log."""
        return refs.read(self.git, layout.TIP)

    def state(self, commit: str | None) -> State:
        """The state at a commit; the empty one for None."""
        return State(DictReader() if commit is None else TreeReader(self._objects, self._commit(commit)[2]))

    def _commit(self, ident: str) -> tuple[bytes, list[str], str]:
        """(message, parents, tree) of a commit, which never changes."""
        found = self._commits.get(ident)
        if found is None:
            try:
                commit: object = self.git.git_object_lookup_prefix(ident)
            except (KeyError, ValueError, GitError) as why:
                raise Missing(why) from None
            if commit is None:
                raise Missing(f"'{ident}'")
            if not isinstance(commit, Commit):
                raise Malformed("not a commit")
            if len(self._commits) >= _KEPT:
                self._commits.clear()
            # As it was written: where a fetch cut history off, libgit2 leaves parents out.
            head, _, message = commit.read_raw().partition(b"\n\n")
            lines = [line.split(b" ", 1) for line in head.split(b"\n")]
            found = message, [line[1].decode("ascii") for line in lines if line[0] == b"parent"], str(commit.tree_id)
            self._commits[ident] = found
        return found

    def append(self, base: str | None, events: Sequence[Event], at: int, tree_of: str | None = None) -> str:
        """Write (not publish) the commit that puts `events` on `base`; `tree_of` is the base of a repair's tree.

        Times of the objects are `at` epoch seconds. Raises PeerError("invalid") past the batch limit.
        """
        from_commit = tree_of or base
        state = self.state(from_commit)
        height = self.height_after(base, events)
        fold.apply(state, events, height)
        raw = codec.message(subject.of(events, state), events)
        if len(raw) > MAX_BATCH:
            raise too_large(len(raw))
        if any(len(line) > MAX_EVENT for line in raw.split(b"\n")):  # no clone would take it
            size = MAX_EVENT // 1024
            raise PeerError("invalid", f"a single event over {size} KiB", "say it in fewer words, or in several parts")
        writer = TreeWriter(self.git)
        tree = writer.build(self._commit(from_commit)[2] if from_commit else None, state.changes)
        parents = [base] if base else []
        commit = durable.commit(self._author(), at, tree, parents, raw)
        ident = durable.ident_of(durable.COMMIT, commit)
        durable.pack(self.git, {**writer.made, ident: (durable.COMMIT, commit)})
        self._objects.wrote(writer.made)
        self._commits[ident] = raw, parents, tree
        return ident

    def height_after(self, base: str | None, events: Sequence[Event]) -> int:
        """The height of a commit with `events` on `base`."""
        first = events[0]
        if isinstance(first, LogRepair):
            return self.state(first.good).log.height + len(first.voids) + 1
        return 1 if base is None else self.state(base).log.height + 1

    def _author(self) -> tuple[str, str]:
        try:
            who = self.git.default_signature
            return who.name, who.email
        except (KeyError, GitError):
            return "git-peer", "git-peer@localhost"

    # -- reading the history ----------------------------------------------------------------------
    def path(self, since: str | None, until: str) -> list[str] | None:
        """Commits after `since` up to `until`, oldest first; None where `until` does not descend from it."""
        found: list[str] = []
        at: str | None = until
        while at is not None and at != since:
            found.append(at)
            try:
                parents = self._commit(at)[1]
            except Malformed:
                return None
            at = parents[0] if parents else None
        return found[::-1] if at == since else None

    def descends(self, commit: str, ancestor: str) -> bool:
        """Whether `commit` is `ancestor` or stands on it."""
        if commit == ancestor:
            return True
        try:
            if self.git.descendant_of(commit, ancestor):
                return True
            # libgit2 does not look past where a fetch cut history off.
            return libgit2.whole(self.git).is_shallow and self.path(ancestor, commit) is not None
        except (KeyError, ValueError, GitError, Missing):
            return False

    def entry(self, commit: str) -> Entry:
        """A commit of the log, parsed but not verified."""
        raw, parents, tree = self._commit(commit)
        events = codec.events(raw)
        return Entry(commit, parents[0] if parents else None, tree, self.state(commit).log.height, events)

    def message(self, commit: str) -> bytes:
        """A commit's message: its events, a line each, after its subject."""
        return self._commit(commit)[0]

    def parent(self, commit: str) -> str | None:
        """The commit that a commit stands on; None for the first."""
        return next(iter(self._commit(commit)[1]), None)

    def events_between(self, base: str | None, commit: str) -> list[Event]:
        """The events after `base` up to `commit`, which descends from it."""
        return [event for one in self.path(base, commit) or () for event in codec.events(self._commit(one)[0])]

    def history(self, tip: str) -> Iterator[Entry]:
        """The commits from `tip` back to the root; void ones are passed over."""
        at: str | None = tip
        while at is not None:
            try:
                entry = self.entry(at)
            except Malformed:
                parents = self._commit(at)[1]
                at = parents[0] if parents else None
                continue
            yield entry
            first = entry.events[0]
            at = first.good if isinstance(first, LogRepair) else entry.parent

    # -- verifying --------------------------------------------------------------------------------
    def check(self, base: str | None, commit: str, good: str | None = None) -> list[Event]:
        """Verify one commit on its verified parent (`good`: the one a repair goes on from); its events.

        Raises Malformed with what is wrong.
        """
        raw, parents, tree = self._commit(commit)
        if parents != ([base] if base else []):
            raise Malformed("it does not have exactly one parent")
        start = good or base
        state = self.state(start)
        if base is not None and state.log.format > layout.FORMAT:
            raise PeerError(
                "newer_format",
                f"the log has format {state.log.format}; this release knows {layout.FORMAT}",
                "update git-peer; until then reading and the gate go on with the newest state that can be checked",
            )
        events = codec.events(raw)
        if good is None and isinstance(events[0], LogRepair):
            raise Malformed("a repair of what is not malformed")
        fold.apply(state, events, self.height_after(base, events))
        made = TreeWriter(self.git).build(self._commit(start)[2] if start else None, state.changes)
        if made != tree:
            raise Malformed("its tree is not what its events make")
        return events

    def verify(self, base: str | None, commits: Sequence[str]) -> list[Problem]:
        """Verify `commits` (oldest first, standing on the verified `base`); problems that no repair voids."""
        problems: list[Problem] = []
        bad: list[str] = []
        good = proven = base
        for commit in commits:
            try:
                if not bad:
                    good, bad = self._reopened(proven, commit)
                if bad:
                    self._check_repair(bad[-1], commit, good, bad)
                    problems.clear()
                    bad = []
                else:
                    self.check(good, commit)
                good = proven = commit
            except Malformed as why:
                if not problems:
                    problems.append(Problem(commit, str(why)))
                    good, bad = proven, []
                bad = [*bad, commit]
            except PeerError as why:
                why.extra["verified"] = proven  # newer_format: as far as this release can follow
                raise
        return problems

    def _reopened(self, base: str | None, commit: str) -> tuple[str | None, list[str]]:
        """(the commit that `commit` goes on from, the malformed ones between), for one that stands on `base`: a repair
        may void what an earlier release, which knew fewer bounds, took for good."""
        message = self._commit(commit)[0]
        if base is None or b'"kind":"log.repair"' not in message:
            return base, []
        first = codec.events(message)[0]
        if not isinstance(first, LogRepair) or not self.descends(base, first.good):
            return base, []
        void = self.path(first.good, base) or []
        try:
            if void:
                self.check(first.good, void[0])
        except Malformed:
            return first.good, void
        return base, []

    def _check_repair(self, parent: str | None, commit: str, good: str | None, bad: list[str]) -> None:
        """A repair names the last good commit and voids exactly what came after it."""
        first = codec.events(self._commit(commit)[0])[0]
        if not isinstance(first, LogRepair) or first.good != good or list(first.voids) != bad:
            raise Malformed("it stands on a malformed commit")
        self.check(parent, commit, good)

    def last_good(self, base: str | None, commits: Sequence[str]) -> tuple[str | None, list[str]]:
        """(the last commit of the chain that verifies, those after it)."""
        problems = self.verify(base, commits)
        if not problems:
            return (commits[-1] if commits else base), []
        at = list(commits).index(problems[0].commit)
        return (commits[at - 1] if at else base), list(commits[at:])
