"""Whose the commits of a push are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.lock import push_rule as rule
from git_peer.core.lock import rule as verdict
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.ops.destination import HEADS
from git_peer.ops.peer import Peer
from git_peer.store.git.history import Commit, History

Author = tuple[str, str, "str | None"]  # (clone, gitdir, session name), as Peer.me_for_gate() gives it


class Makers:
    """Whose the commits of an update are: the clone's own record, a trailer, a branch's session, or the pusher."""

    def __init__(self, peer: Peer, history: History, commits: Mapping[str, Commit], local_ref: str) -> None:
        self._peer = peer
        self._history = history
        self._commits = commits
        self._told = peer.clone.origins()
        self.pusher: Author = peer.me_for_gate()
        self._named: dict[str, Author | None] = {}
        self._who: dict[tuple[str, ...], Author] = {}
        self._tips: dict[str, list[Author]] = {}
        self._of: dict[tuple[str, str], list[Author]] = {}
        mine = [
            (one.clone, one.gitdir, one.name)
            for one in sessions.all_of(peer.state)
            if one.clone == peer.me.clone and one.branch and local_ref == f"{HEADS}{one.branch}"
        ]
        self._rest: Author = mine[0] if len(mine) == 1 else self.pusher

    def stands_on(self, session: Mapping[str, Any], commits: Iterable[str]) -> None:
        """Of commits, up to where a session was seen to stand, those are its that no record and no trailer claims."""
        unnamed = session.get("default", False)  # the person of a work tree, who owns what agents hold there
        who = session["clone"], session.get("gitdir", ""), None if unnamed else session["name"]
        for commit in commits:
            if who not in self._tips.setdefault(commit, []):
                self._tips[commit].append(who)
        self._of.clear()

    def foreign(self) -> list[str]:
        """The commits that may be somebody else's than the pusher's."""
        if self._rest != self.pusher:
            return list(self._commits)
        return [
            commit
            for commit, one in self._commits.items()
            if not self._mine(commit) and (self._is_told(commit) or one.sessions or commit in self._tips)
        ]

    def _is_told(self, commit: str) -> bool:
        return commit in self._told.words or commit in self._told.of

    def _mine(self, commit: str) -> bool:
        """Whether a commit, and all that it was made of, is on record as the pusher's."""
        seen: set[str] = set()
        while commit not in seen and self._recorded(commit) == [self.pusher]:
            seen.add(commit)
            if commit not in self._told.of:
                return True
            commit = self._told.of[commit]
        return False

    def of(self, commit: str, path: str) -> list[Author]:
        """Whose a commit is, as far as that path goes: a rewritten one is its original's where the patch is."""
        if (commit, path) not in self._of:
            at, seen = commit, {commit}
            while at in self._told.of and self._told.of[at] not in seen and self._same(at, self._told.of[at], path):
                at = self._told.of[at]
                seen.add(at)
            self._of[commit, path] = self._recorded(at) or self._recorded(commit) or self._claimed(commit)
        return self._of[commit, path]

    def _same(self, commit: str, original: str, path: str) -> bool:
        """Whether a commit does to a path what the one does that it was made of."""
        history = self._history
        try:
            before, after = (_around(history, one, path) for one in (original, commit))
        except PeerError:
            return False

        def merge(*three: rule.Content) -> Collection[rule.Content]:
            return history.merges(path, *three)

        return after[1] in rule.merged(before[0], after[0], before[1], merge)

    def _recorded(self, commit: str) -> list[Author]:
        words = tuple(self._told.words.get(commit, ()))
        if words and words not in self._who:
            self._who[words] = self._peer.me.clone, *notes.who(words)
        return [self._who[words]] if words else []

    def unclaimed(self) -> list[str]:
        """The commits that come from elsewhere, and of which nothing tells whose they are."""
        return [
            commit
            for commit, one in self._commits.items()
            if not (self._is_told(commit) or one.sessions or commit in self._tips)
        ]

    def is_others(self, commit: str, session: Mapping[str, Any]) -> bool:
        """Whether a commit is on record as somebody else's than that session's."""
        return any(not owner(one, session) for one in self._recorded(commit))

    def _claimed(self, commit: str) -> list[Author]:
        named = [self._session(name) for name in self._commits[commit].sessions] if commit in self._commits else []
        return [one for one in named if one] or self._tips.get(commit) or [self._rest]

    def _session(self, name: str) -> Author | None:
        if name not in self._named:
            one = sessions.get(self._peer.state, name) if naming.is_name(name) else None
            self._named[name] = (one.clone, one.gitdir, one.name) if one is not None else None
        return self._named[name]


def owner(author: Author, session: Mapping[str, Any]) -> bool:
    """Whether what a session holds is that author's."""
    clone, gitdir, name = author
    return verdict.owns({"clone": clone, "gitdir": gitdir, "name": name}, session)


def _around(history: History, commit: str, path: str) -> tuple[rule.Content, rule.Content]:
    """What stands at a path before and after a commit."""
    above = history.parents(commit)
    return history.content(above[0] if above else "", path), history.content(commit, path)


def parents_of(commits: Mapping[str, Commit]) -> dict[str, tuple[str, ...]]:
    """Commit → its parents, in the same order."""
    return {ident: one.parents for ident, one in commits.items()}


def as_session(one: Session) -> dict[str, Any]:
    """A session's record as lock/rule reads it."""
    return {"sid": one.sid, "name": one.name, "clone": one.clone, "gitdir": one.gitdir, "default": one.default}
