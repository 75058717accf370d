"""What an update makes of one branch, and what stands against it: core/lock/push_rule.py on git's history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from git_peer.core.lock import push_rule as rule
from git_peer.core.session import record as sessions
from git_peer.ops import stretch as stretches
from git_peer.ops.makers import Author, Makers, as_session, owner, parents_of
from git_peer.ops.peer import Peer
from git_peer.store.git.history import History, Missing


class Span:
    """What an update makes of one branch, from the commit `old` to `new`; "" is no commit.

    `landed` are commits that have landed elsewhere: what they have is free to take.
    """

    def __init__(
        self, peer: Peer, history: History, old: str, new: str, landed: Sequence[str] = (), local_ref: str = ""
    ) -> None:
        self._peer = peer
        self._history = history
        self.old = old
        self.new = new
        self.changed = history.changed(old, new)
        self._commits = history.commits(old, new)
        self._makers = Makers(peer, history, self._commits, local_ref)
        self._landed = list(landed)
        self._whole = False
        self._heads: dict[str, set[str]] = {}  # sid → commits that its holder stands on
        self._lines: dict[str, dict[str, list[str]]] = {}  # head → path → the commits before it that touch that
        self._touching: dict[str, list[str]] = {}
        self._stood: dict[str, dict[str, set[rule.Content]]] = {}
        self._stand()

    def _stand(self) -> None:
        """Sessions stand where the log says."""
        for one in sessions.all_of(self._peer.state):
            self.stands_on(as_session(one), [one.head])

    def stands_on(self, session: Mapping[str, Any], tips: Iterable[str]) -> None:
        """A session was seen to stand on these commits; the pusher's own say nothing."""
        if owner(self._makers.pusher, session):
            return
        there = {tip for tip in tips if tip and self._history.commit(tip)}
        self._heads.setdefault(session["sid"], set()).update(there)
        self._makers.stands_on(session, self._up_to(there))

    def _up_to(self, tips: Collection[str]) -> set[str]:
        """The commits of the update up to these; in a closer look also where they are beyond it."""
        found = rule.reached(tips, parents_of(self._commits))
        for tip in tips if self._whole else ():
            if tip not in self._commits:
                found.update(self._commits.keys() & self._history.commits(self.old, tip).keys())
        return found

    def look_closer(self, landed: Iterable[str]) -> None:
        """Take in what was fetched since, and what a merge of whole commits would come to."""
        self._landed += landed
        self._whole = True
        self._stand()

    def violations(self) -> list[dict[str, Any]]:
        """What stands against the update, as Peer.against() finds it, each with `how`: buried, behind or changed."""
        by: dict[Author, dict[str, None]] = {self._makers.pusher: dict.fromkeys(self.changed)}
        self._touching = {}
        for commit, path, _, _ in self._history.touches(self._makers.foreign()):
            among = self._touching.setdefault(path, [])
            if commit not in among[-1:]:
                among.append(commit)
        for path, commits in self._touching.items():
            by[self._makers.pusher][path] = None
            for commit in commits:
                for author in self._makers.of(commit, path):
                    by.setdefault(author, {})[path] = None
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for author, paths in by.items():
            for raw in self._peer.against(author, paths, self.new):
                key = raw["path"], (raw["lock"] or raw.get("dispute") or raw["fence"])["id"]
                if key not in found:
                    found[key] = {**raw, "how": self._judge(raw)}
        return [raw for raw in found.values() if raw["how"] != rule.FREE]

    def in_doubt(self) -> bool:
        """Whether commits that nobody claims touch what somebody else has locked, and no trace of that is left."""
        touched = {path for _, path, _, _ in self._history.touches(self._makers.unclaimed())}
        hidden = sorted(touched - self.changed.keys())
        return bool(hidden) and bool(self._peer.against(self._makers.pusher, hidden, self.new))

    def judged(self, look: Callable[[], None]) -> list[dict[str, Any]]:
        """violations(), but those that are left when `look` has told the span all that can be known now.

        It is called only where something depends on it.
        """
        found = self.violations()
        if found or self.in_doubt():
            look()
            found = self.violations()
        return found

    def is_others(self, commit: str, session: Mapping[str, Any]) -> bool:
        """Whether a commit is on record here as somebody else's than that session's."""
        return self._makers.is_others(commit, session)

    def _judge(self, raw: Mapping[str, Any]) -> str:
        path, holder = raw["path"], raw["session"]
        history = self._history
        lines = stretches.of(raw["lock"] or raw.get("fence") or {}, history.blob, history.merged_text)

        def merge(*three: rule.Content) -> Collection[rule.Content]:
            return lines.merges(*three) if lines is not None else history.merges(path, *three)

        def at(content: rule.Content, near: rule.Content = None) -> rule.Content:
            return lines.at(content, near) if lines is not None else content

        def pieces(commits: Sequence[str], beside: Sequence[str] = ()) -> Iterator[tuple[str, rule.Piece]]:
            for commit, one in self._pieces(path, commits, beside):
                yield commit, lines.piece(one) if lines is not None else one

        if path in self.changed:
            old, new = self.changed[path]
        else:
            old = new = history.content(self.new, path)
        offers = [tip for one in self._landed for tip in (one, *self._bases(self.new, one))]
        owed: list[str] = []
        if holder is not None:
            # What is in dispute is nobody's to bring; what is locked its holder's.
            for head in sorted(self._heads.get(holder["sid"], ())):
                offers += self._line(head, raw)
            offers += [head for head in ((raw["lock"] or {}).get("head"),) if head and history.commit(head)]
            theirs = [
                commit
                for commit in self._touching.get(path, ())
                if any(owner(one, holder) for one in self._makers.of(commit, path))
            ]
            for commit in rule.newest(dict.fromkeys(theirs), parents_of(self._commits)):
                # One of another root (a subtree's) means another path by that name.
                (owed if not self.old or self._bases(self.old, commit) else offers).append(commit)
        bases = self._bases(self.old, self.new)
        change = rule.Change(
            at(old),
            at(new, old),
            tuple(one for commit, one in pieces(owed, owed) if not self._is_old(path, commit, one, at(old), at, merge)),
            tuple(one for _, one in pieces(offers)),
            tuple(at(history.content(base, path)) for base in bases),
            forward=self.old in bases or not self.old,
        )
        return rule.judge(change, merge)

    def _line(self, head: str, raw: Mapping[str, Any]) -> list[str]:
        """What a holder stands on, and in a closer look what came before that since it left the ref."""
        if not self._whole:
            return [head]
        if head not in self._lines:
            line = self._lines[head] = {}
            for commit, path, _, _ in self._history.touches(self._history.commits(self.old, head)):
                line.setdefault(path, []).append(commit)
        touching = self._lines[head].get(raw["path"], ())
        return [head, *(commit for commit in touching if not self.is_others(commit, raw["session"]))]

    def _bases(self, one: str, other: str) -> tuple[str, ...]:
        try:
            return self._history.bases(one, other)
        except Missing:
            return ()

    def _pieces(
        self, path: str, commits: Iterable[str], beside: Sequence[str] = ()
    ) -> Iterator[tuple[str, rule.Piece]]:
        """What each commit has at a path, and what stood there where it and the ref's old commit part."""
        history = self._history
        for commit in dict.fromkeys(commits):
            try:
                bases = history.bases(self.old, commit) or ("",)
                contents = tuple(history.content(base, path) for base in bases)
            except Missing:
                contents = ()
            try:
                content = history.content(commit, path)
                between = {base for other in beside if other != commit for base in self._bases(other, commit)}
                later = tuple(history.content(base, path) for base in sorted(between))
                whole = history.whole(self.old, commit, path) if self._whole else ()
            except Missing:
                continue
            yield commit, rule.Piece(contents, content, later, whole)

    def _is_old(
        self,
        path: str,
        commit: str,
        piece: rule.Piece,
        old: rule.Content,
        at: Callable[[rule.Content], rule.Content],
        merge: rule.Merge,
    ) -> bool:
        """Whether the ref has a piece of work already, or has had it since they parted (a squash that has landed)."""
        if piece.content == old or (piece.bases and set(piece.bases) == {piece.content}):
            return True
        return any(
            stood in rule.merged(start, stood, piece.content, merge)
            for base in self._bases(self.old, commit)
            for start in piece.bases
            for stood in map(at, self._stands(base, path))
        )

    def _stands(self, base: str, path: str) -> Collection[rule.Content]:
        """What has stood at a path on the ref's own side since a commit."""
        if base not in self._stood:
            since: dict[str, set[rule.Content]] = {}
            if base != self.old:
                for _, name, _, after in self._history.touches(self._history.commits(base, self.old)):
                    since.setdefault(name, set()).add(after)
            self._stood[base] = since
        return self._stood[base].get(path, ())
