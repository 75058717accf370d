"""What a push does to what others have locked: asked of the remote it goes to, judged by content at each ref.

`git peer push`, `git peer check --rev` and the pre-push hook ask here. Reads git and the network; the rule itself is
core/lock/push_rule.py. What the user's own fetches left (refs/remotes/*) is never evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.lock import push_rule as rule
from git_peer.core.lock import rule as verdict
from git_peer.core.lock.landing import PushLand
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target import glob as globs
from git_peer.core.text import quoted
from git_peer.ops.peer import Peer
from git_peer.store.git import place
from git_peer.store.git.history import Commit, History, Missing
from git_peer.store.git.remote import run

Author = tuple[str, str, "str | None"]  # (clone, gitdir, session name), as Peer.me_for_gate() gives it
HEADS = "refs/heads/"
PATIENCE = 2  # seconds in which the remote may tell what would free a push; what the ref had may take longer
LOOKED_THROUGH = 500  # commits of the log, for what others have pushed
SHOWN = 10  # refused paths that are named

_LINE = re.compile(r"(?s)(.*) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\x00-\x20\x7f]+) ([0-9a-f]{40}|[0-9a-f]{64})")


class Update(NamedTuple):
    """One ref of a push: local and remote name and id; an empty id stands for a ref that is or will not be there."""

    local_ref: str
    local: str
    remote_ref: str
    remote: str


class Place(NamedTuple):
    """Where a push goes: the remote as the user names it, and the URL that git makes of that."""

    name: str
    url: str


def is_zero(ident: str) -> bool:
    """Whether an id as hooks give it stands for none."""
    return not ident.strip("0")


def parse(text: str) -> list[Update]:
    """The pre-push hook's standard input; PeerError where a part of it is not understood.

    A local ref is what the user typed, with white space, in a search for text even line breaks: a line counts from its
    right end, and one that ends inside of such a search goes on in the next.
    """
    found, rest = [], ""
    for line in text.split("\n"):
        read = _LINE.fullmatch(line)
        if read is None:
            rest += f"{line}\n"
        elif rest and not ("{" in rest or rest.startswith(":/")):
            break
        else:
            local_ref, local, remote_ref, remote = read.groups()
            found.append(Update(rest + local_ref, _id(local), remote_ref, _id(remote)))
            rest = ""
    if rest.strip():
        first = quoted(rest.strip().split("\n")[0], 120)
        raise PeerError(
            "not_allowed",
            f"git-peer does not understand what git says of this push, and lets nothing through unread: {first}",
            "push it by its id: `git push REMOTE $(git rev-parse REV):refs/heads/BRANCH`",
        )
    return found


def _id(ident: str) -> str:
    return "" if is_zero(ident) else ident


# -- where it goes ----------------------------------------------------------------------------------
def place_of(peer: Peer, remote: str) -> Place:
    """Where a push to a remote, or to a URL, leads: by pushurl, insteadOf and pushInsteadOf."""
    args = ["remote", "get-url", "--push", remote]
    if remote not in peer.repo.git.remotes.names():
        args = ["-c", f"remote.git-peer-here.url={remote}", "remote", "get-url", "--push", "git-peer-here"]
    ran = run(args, _top(peer), 10, _where(peer))
    return Place(remote, ran.out.splitlines()[0] if not ran.status and ran.out.strip() else remote)


def _where(peer: Peer) -> dict[str, str]:
    top = {"GIT_WORK_TREE": str(peer.repo.top)} if peer.repo.top else {}
    return {"GIT_DIR": str(peer.repo.gitdir), **top}


def _top(peer: Peer) -> Path:
    return peer.repo.top or peer.repo.gitdir


def same_place(peer: Peer, one: str, other: str) -> bool:
    """Whether two URLs lead to one repository."""
    return one == other or place.key(one, _top(peer)) == place.key(other, _top(peer))


def refuse_ours(peer: Peer, updates: Sequence[Update], to: Place) -> None:
    """PeerError where a push would write the log's own refs and git-peer did not make it."""
    from git_peer.publish.attempts import is_recorded

    if peer.remote is None:
        return
    ours = [one for one in updates if one.remote_ref == peer.remote.ref or one.remote_ref.startswith(layout.OURS)]
    if not ours or not (same_place(peer, to.url, peer.remote.url) or _has_the_log(peer, to.url)):
        return
    for update in ours:
        if update.remote_ref == layout.NOTES and _adds(peer, update):
            continue  # `git push origin 'refs/notes/*'` of who keeps notes of their own
        if not (update.local and is_recorded(peer.engine.attempts, update.local)):
            raise PeerError(
                "not_allowed",
                f"{update.remote_ref} on {to.name} is the log of git-peer: only git-peer writes it",
                "leave it out of the push (`git push --mirror` onto the log's own remote would delete it)",
            )


def _has_the_log(peer: Peer, url: str) -> bool:
    """Whether a place has our log, by whatever name or alias it is reached: as new as this clone has verified it."""
    if peer.remote is None:
        return False
    there = (listed(peer, url, [peer.remote.ref], PATIENCE) or {}).get(peer.remote.ref)
    return there is not None and peer.chain.descends(there, str(peer.chain.tip))


def _adds(peer: Peer, update: Update) -> bool:
    """Whether a push only adds to what the remote's ref has."""
    return bool(update.local) and (not update.remote or peer.chain.descends(update.local, update.remote))


class Gates:
    """Which branches of a push's place take no change of what others have locked."""

    def __init__(self, peer: Peer, to: Place) -> None:
        self._peer = peer
        self.to = to
        self.landing = self._named("integration") or ()
        log = peer.state.log.integration
        if log and log not in self.landing:
            self.landing = (log, *self.landing)
        self.landing = self.landing or self._default()
        self.patterns = (*self.landing, *self._named("gateBranches"))
        self._here: bool | None = None

    def _named(self, setting: str) -> tuple[str, ...]:
        return tuple(self._peer.settings.get(setting))

    def _default(self) -> tuple[str, ...]:
        """Where the log knows no integration branch: what the code's remote was seen to have as its HEAD."""
        head = self._peer.repo.git.references.get(f"refs/remotes/{self.code}/HEAD")
        prefix = f"refs/remotes/{self.code}/"
        target = str(head.target) if head is not None else ""
        return (target.removeprefix(prefix),) if target.startswith(prefix) else ("main", "master")

    @property
    def code(self) -> str:
        """The remote that has the code: the log's, unless its integration branch follows another one."""
        peer = self._peer
        names = [name for name in peer.repo.git.remotes.names() if name]
        log = peer.remote.name if peer.remote is not None else ""
        refs = peer.repo.git.references
        if log and (len(names) < 2 or any(f"refs/remotes/{log}/{name}" in refs for name in self.landing)):
            return log
        config = peer.repo.git.config
        for name in self.landing:
            key = f"branch.{name}.remote"
            if key in config and config[key] in names:
                return str(config[key])
        return "origin" if "origin" in names else log or next(iter(names), "")

    @property
    def code_url(self) -> str:
        """The URL that pushes of the code lead to; "" for none."""
        return place_of(self._peer, self.code).url if self.code else ""

    @property
    def here(self) -> bool:
        """Whether the push goes to where the code lands: by its URL, or because the log is there too."""
        if self._here is None:
            peer, code = self._peer, self.code_url
            self._here = bool(code) and same_place(peer, self.to.url, code)
            if not self._here and peer.remote is not None and not same_place(peer, self.to.url, peer.remote.url):
                self._here = _has_the_log(peer, self.to.url)
        return self._here

    def gated(self, ref: str) -> bool:
        """Whether a ref of that place is a gate, or an integration branch."""
        name = ref.removeprefix(HEADS)
        return ref.startswith(HEADS) and any(globs.match(one, name) for one in self.patterns)

    def lands(self, ref: str) -> bool:
        """Whether work counts as done on that ref."""
        return ref.startswith(HEADS) and any(globs.match(one, ref.removeprefix(HEADS)) for one in self.landing)


def listed(peer: Peer, url: str, patterns: Iterable[str], patience: float) -> dict[str, str] | None:
    """Ref → id, of those that a place has now; None where it does not answer in time."""
    ran = run(["ls-remote", "--refs", url, *dict.fromkeys(patterns)], _top(peer), patience, _where(peer))
    rows = [line.partition("\t") for line in ran.out.splitlines()]
    return None if ran.status else {name: ident for ident, _, name in rows}


def bring(peer: Peer, url: str, refs: Iterable[str], patience: float) -> str:
    """Fetch what refs of a place stand on, into no ref of ours or the user's; what went wrong, or ""."""
    args = ["-c", "core.hooksPath=/dev/null", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]
    args += ["--no-recurse-submodules", "--no-auto-gc", "--refmap=", url, *refs]
    ran = run(args, _top(peer), patience, _where(peer))
    return "" if ran.status == 0 else "it did not answer in time" if ran.timed_out else ran.err.strip()


# -- whose a commit is ------------------------------------------------------------------------------
class Makers:
    """Whose the commits of an update are: the clone's own record, a trailer, a branch's session, or the pusher."""

    def __init__(self, peer: Peer, history: History, commits: Mapping[str, Commit], local_ref: str) -> None:
        self._peer = peer
        self._history = history
        self._commits = commits
        self._told = peer.clone.origins()
        self.pusher: Author = peer.me_for_gate()
        self._named: dict[str, Author | None] = {}
        self._tips: dict[str, list[Author]] = {}
        self._of: dict[tuple[str, str], list[Author]] = {}
        mine = [
            (one.clone, one.gitdir, one.name)
            for one in sessions.all_of(peer.state)
            if one.clone == peer.me.clone and one.branch and local_ref == f"{HEADS}{one.branch}"
        ]
        self._rest: Author = mine[0] if len(mine) == 1 else self.pusher

    def stands_on(self, session: Mapping[str, Any], tips: Collection[str]) -> None:
        """What nobody's record, and no trailer, claims is that session's, up to commits where it was seen to stand."""
        who = session["clone"], session.get("gitdir", ""), session["name"]
        for commit in rule.reached(tips, _parents(self._commits)):
            if who not in self._tips.setdefault(commit, []):
                self._tips[commit].append(who)
        self._of.clear()

    def foreign(self) -> list[str]:
        """The commits that may be somebody else's than the pusher's."""
        if self._rest != self.pusher:
            return list(self._commits)
        told = self._told
        return [
            commit
            for commit, one in self._commits.items()
            if commit in told.of
            or (
                self._recorded(commit) != [self.pusher]
                if commit in told.words
                else one.sessions or commit in self._tips
            )
        ]

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
        except (Missing, PeerError):
            return False

        def merge(*three: rule.Content) -> Collection[rule.Content]:
            return history.merges(path, *three)

        return after[1] in rule.merged(before[0], after[0], before[1], merge)

    def _recorded(self, commit: str) -> list[Author]:
        words = self._told.words.get(commit)
        return [(self._peer.me.clone, *notes.who(words))] if words else []

    def unclaimed(self) -> list[str]:
        """The commits that come from elsewhere, and of which nothing tells whose they are."""
        told = self._told
        return [
            commit
            for commit, one in self._commits.items()
            if not (commit in told.words or commit in told.of or one.sessions or commit in self._tips)
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


def _parents(commits: Mapping[str, Commit]) -> dict[str, tuple[str, ...]]:
    return {ident: one.parents for ident, one in commits.items()}


# -- the judgement ----------------------------------------------------------------------------------
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
        self._touching: dict[str, list[str]] = {}
        self._stood: dict[str, dict[str, set[rule.Content]]] = {}
        for one in sessions.all_of(peer.state):
            self.stands_on(as_session(one), [one.head])

    def stands_on(self, session: Mapping[str, Any], tips: Iterable[str]) -> None:
        """A session was seen to stand on these commits; the pusher's own say nothing."""
        if owner(self._makers.pusher, session):
            return
        there = {tip for tip in tips if tip and self._history.commit(tip)}
        self._heads.setdefault(session["sid"], set()).update(there)
        self._makers.stands_on(session, there)

    def look_closer(self, landed: Iterable[str]) -> None:
        """Take in what was fetched since, and what a merge of whole commits would come to."""
        self._landed += landed
        self._whole = True

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

        def merge(*three: rule.Content) -> Collection[rule.Content]:
            return history.merges(path, *three)

        if path in self.changed:
            old, new = self.changed[path]
        else:
            old = new = history.content(self.new, path)
        offers = [tip for one in self._landed for tip in (one, *self._bases(self.new, one))]
        owed: list[str] = []
        if holder is not None:
            # What is in dispute is nobody's to bring; what is locked its holder's.
            offers += [
                commit for head in sorted(self._heads.get(holder["sid"], ())) for commit in self._line(head, raw)
            ]
            offers += [head for head in ((raw["lock"] or {}).get("head"),) if head and history.commit(head)]
            theirs = [
                commit
                for commit in self._touching.get(path, ())
                if any(owner(one, holder) for one in self._makers.of(commit, path))
            ]
            for commit in rule.newest(dict.fromkeys(theirs), _parents(self._commits)):
                # One of another root (a subtree's) means another path by that name.
                (owed if not self.old or self._bases(self.old, commit) else offers).append(commit)
        bases = self._bases(self.old, self.new)
        change = rule.Change(
            old,
            new,
            tuple(one for commit, one in self._pieces(path, owed, owed) if not self._is_old(path, commit, one, old)),
            tuple(one for _, one in self._pieces(path, offers)),
            tuple(history.content(base, path) for base in bases),
            forward=self.old in bases or not self.old,
        )
        return rule.judge(change, merge)

    def _line(self, head: str, raw: Mapping[str, Any]) -> list[str]:
        """What a holder stands on, and in a closer look what came before that since it left the ref."""
        if not self._whole:
            return [head]
        commits = self._history.commits(self.old, head)
        touching = [commit for commit, path, _, _ in self._history.touches(commits) if path == raw["path"]]
        return [head, *(commit for commit in touching if not self._makers.is_others(commit, raw["session"]))]

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

    def _is_old(self, path: str, commit: str, piece: rule.Piece, old: rule.Content) -> bool:
        """Whether the ref has a piece of work already, or has had it since they parted (a squash that has landed)."""
        if piece.content == old or (piece.bases and set(piece.bases) == {piece.content}):
            return True

        def merge(*three: rule.Content) -> Collection[rule.Content]:
            return self._history.merges(path, *three)

        return any(
            stood in rule.merged(start, stood, piece.content, merge)
            for base in self._bases(self.old, commit)
            for start in piece.bases
            for stood in self._stands(base, path)
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


class Judgement(NamedTuple):
    """What stands against a push, as Peer.violation() tells it with `ref` and `how`: refused, or to be warned of."""

    refused: list[dict[str, Any]]
    warned: list[dict[str, Any]]


def judge(peer: Peer, updates: Sequence[Update], to: Place, forced: bool = False) -> Judgement:
    """What a push does to what others have locked. PeerError where a gated ref cannot be judged.

    `forced`: what goes back is known to be forced. A hook is not told, but git does not show it what it refuses itself.
    """
    found = Judgement([], [])
    branches = [one for one in updates if one.remote_ref.startswith(HEADS) and not _is_task(one.remote_ref)]
    if not branches or not _guarded(peer):
        return found
    gates = Gates(peer, to)
    if not gates.here:
        return found
    there = _There(peer, gates)
    for update in branches:
        gated = gates.gated(update.remote_ref)
        try:
            stands = _deletes(peer, gated) if not update.local else _stands(peer, there, update, gated)
        except (PeerError, Missing) as why:
            if not gated:
                continue
            raise why if isinstance(why, PeerError) else _unread(update, str(why)) from None
        for raw in stands:
            view = {**peer.violation(raw), "ref": update.remote_ref, "how": raw["how"]}
            if gated:
                behind = raw["how"] == rule.BEHIND
                undone = behind and (forced or update.remote_ref not in there.unseen)
                found.refused.append({**view, "how": "undone"} if undone else view)
            elif raw["how"] != rule.BEHIND:
                found.warned.append(view)
    return found


def _is_task(ref: str) -> bool:
    return ref.startswith(f"{HEADS}{layout.WORK}")


def _guarded(peer: Peer) -> bool:
    """Whether anything is locked, in dispute or fenced at all."""
    state = peer.state
    return (
        any(state.entries(root) for root in (layout.T_LOCKS, layout.T_DISPUTES))
        or bool(peer.clone.tentative())
        or any(True for _ in peer.clone.losses())
    )


def _deletes(peer: Peer, gated: bool) -> list[dict[str, Any]]:
    """What stands against the deletion of a branch: of a gated one, whatever others hold."""
    if not gated:
        return []
    return [{**raw, "how": rule.CHANGED} for raw in peer.held_by_others()]


def _unread(update: Update, why: str) -> PeerError:
    name = update.remote_ref.removeprefix(HEADS)
    return PeerError(
        "unavailable", f"what this push does to {name} cannot be told here: {why}", "`git fetch`, then again"
    )


class _There:
    """The remote as it is now, asked once, and only where something depends on it."""

    def __init__(self, peer: Peer, gates: Gates) -> None:
        self.peer = peer
        self.gates = gates
        self.history = History(peer.repo)
        self.answered = True
        self.unseen: set[str] = set()  # refs that stand on what this clone had not fetched
        self._refs: dict[str, str] | None = None
        self._pushed: dict[str, dict[str, str]] | None = None

    @property
    def refs(self) -> dict[str, str]:
        """Ref → commit, of the integration branches and of those that sessions are on, fetched where need be."""
        if self._refs is None:
            self._refs = {}
            for url in dict.fromkeys((self.gates.to.url, self.gates.code_url)):
                self._refs |= self._look(url)
        return self._refs

    def _look(self, url: str) -> dict[str, str]:
        peer, patterns = self.peer, self.gates.patterns
        branches = {ref for one in sessions.all_of(peer.state) for ref in self._branches(one)}
        asked = [f"{HEADS}*" if globs.is_glob(one) else f"{HEADS}{one}" for one in patterns]
        told = listed(peer, url, [*asked, *sorted(branches)], PATIENCE)
        if told is None:
            self.answered = False
            return {}
        wanted = {ref: ident for ref, ident in told.items() if self.gates.gated(ref) or ref in branches}
        missing = [ref for ref, ident in wanted.items() if not self.history.commit(ident)]
        if missing:
            bring(peer, url, missing, PATIENCE)
        return {ref: ident for ref, ident in wanted.items() if self.history.commit(ident)}

    def _branches(self, session: Session) -> list[str]:
        """The refs of the branches that a session is on, or has pushed to."""
        if self._pushed is None:
            self._pushed = _pushed(self.peer)
        refs = {f"{HEADS}{session.branch}": "", **self._pushed.get(session.sid, {})}
        return [ref for ref in refs if ref != HEADS and not self.gates.lands(ref)]

    def tips(self, session: Session) -> list[str]:
        """What a session has pushed: as it is on the remote now, and as it was when it did."""
        now = [self.refs[ref] for ref in self._branches(session) if ref in self.refs]
        return [*now, *(self._pushed or {}).get(session.sid, {}).values()]

    def landed(self) -> list[str]:
        """The tips of the integration branches."""
        return list(dict.fromkeys(ident for ref, ident in self.refs.items() if self.gates.lands(ref)))

    def old(self, update: Update, new: str, gated: bool) -> str | None:
        """The commit that an update is compared with; "" for none, None for one of another root."""
        if update.remote:
            if not self.history.commit(update.remote):
                self.unseen.add(update.remote_ref)
                patience = self.peer.settings.get("retryTimeout") if gated else PATIENCE
                said = bring(self.peer, self.gates.to.url, [update.remote_ref], patience)
                if not self.history.commit(update.remote):
                    name = f"{update.remote_ref.removeprefix(HEADS)} from {self.gates.to.name}"
                    raise PeerError(
                        "unreachable", f"cannot fetch {name}: {said or 'it has moved meanwhile'}", "try again"
                    )
            return self.history.commit(update.remote)
        tips = self.landed()
        if not self.answered and gated:
            raise PeerError("unreachable", f"{self.gates.to.name} does not say what it has", "try again")
        try:
            bases = self.history.bases(new, *tips)
        except Missing:
            return tips[0]
        return bases[0] if bases else "" if gated else None


def _stands(peer: Peer, there: _There, update: Update, gated: bool) -> list[dict[str, Any]]:
    """What stands against an update that does not delete."""
    history = there.history
    new = history.commit(update.local)
    if not new:
        raise _unread(update, f"{update.local[:12]} is no commit")
    old = there.old(update, new, gated)
    if old is None:
        return []
    span = Span(peer, history, old, new, local_ref=update.local_ref)

    def look() -> None:
        # What has landed, and what others have pushed: of their branches what the remote has now.
        for one in sessions.all_of(peer.state):
            session, tips = as_session(one), there.tips(one)
            span.stands_on(session, [tip for tip in tips if not span.is_others(tip, session)])
        span.look_closer(there.landed())

    return span.judged(look)


def _pushed(peer: Peer) -> dict[str, dict[str, str]]:
    """sid → branch's ref → the commit that this session pushed there last, by the newest landings in the log."""
    found: dict[str, dict[str, str]] = {}
    try:
        for entry in islice(peer.chain.history(peer.engine.tip()), LOOKED_THROUGH):
            for event in entry.events:
                for one in event.refs if isinstance(event, PushLand) else ():
                    if one.new and one.ref.startswith(HEADS):
                        found.setdefault(event.sid, {}).setdefault(one.ref, one.new)
    except PeerError:  # a shallow or partial copy of the log: what it has counts
        pass
    return found


def as_session(one: Session) -> dict[str, Any]:
    """A session's record as lock/rule reads it."""
    return {"sid": one.sid, "name": one.name, "clone": one.clone, "gitdir": one.gitdir}


# -- what is told -----------------------------------------------------------------------------------
def refuse(peer: Peer, updates: Sequence[Update], to: Place, forced: bool = False) -> list[str]:
    """PeerError where a push changes on a gated ref what somebody else has locked; else what to warn of, in lines."""
    found = judge(peer, updates, to, forced)
    if found.refused:
        raise refusal(found.refused, to.name)
    return [warning(ref, [one for one in found.warned if one["ref"] == ref]) for ref in _refs(found.warned)]


def _refs(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["ref"] for one in found))


def warning(ref: str, found: Sequence[Mapping[str, Any]]) -> str:
    """What is said of a push to a branch that is no gate."""
    name = ref.removeprefix(HEADS)
    return f"{in_words(found)}: {name} is pushed, but this cannot land while that is so"


def refusal(found: Sequence[dict[str, Any]], remote: str = "") -> PeerError:
    """The refusal of a push or a check that these violations make; it names the paths, the first ten of many."""
    first = found[0]
    behind = [one for one in found if one.get("how") == rule.BEHIND]
    if len(behind) == len(found) and remote:
        name = str(first["ref"]).removeprefix(HEADS)
        who = ", ".join(dict.fromkeys(_holder(one) for one in found))
        text = f"you are behind {remote}: fetch first; forcing {name} would undo what {who} landed on {_paths(found)}"
        return PeerError("locked", text, f"git pull --rebase {remote} {name}", violations=found)
    if first["why"] == "fenced":
        hint = "bring in what was landed there and lock it again"
        return PeerError("fenced", in_words(found), hint, violations=found)
    if first["lock"] is None:
        ident = str(first["debate"])[:8]
        hint = f"`git peer debate show {ident}`; a person decides it with `git peer debate resolve`"
        return PeerError("disputed", in_words(found), hint, violations=found)
    holder = first["lock"]["session"]
    hint = f"ask {holder}, or land the rest from another branch"
    if any(one.get("how") == "undone" for one in found):
        hint = f"fetch first: forcing this would undo what {holder} has landed"
    elif any(one.get("how") == rule.BURIED for one in found):
        hint = f"the push has work of {holder} in it, and not as {holder} made it: let {holder} merge, and take that"
    return PeerError("locked", in_words(found), hint, violations=found)


def in_words(found: Sequence[Mapping[str, Any]]) -> str:
    """Violations in one sentence: each lock once, with its paths."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    shown: dict[str, None] = {}
    for one in found:
        if one["path"] in shown or len(shown) < SHOWN:
            shown[one["path"]] = None
            key = (one["lock"] or {}).get("id") or one.get("debate") or f"fence of {one.get('holder')}"
            groups.setdefault(str(key), []).append(one)
    more = len({one["path"] for one in found}) - len(shown)
    return "; ".join(map(_stated, groups.values())) + (f"; and {more} more paths" if more else "")


def _stated(group: Sequence[Mapping[str, Any]]) -> str:
    first, lock = group[0], group[0]["lock"]
    path = quoted_path(first["path"])
    rest = [quoted_path(one["path"]) for one in group[1:]]
    beside = f", as {'is' if len(rest) == 1 else 'are'} {', '.join(rest)}" if rest else ""
    if first["why"] == "fenced":
        return (
            f"{path}{''.join(f', {one}' for one in rest)}: the lock was lost, and {first['holder']} has held it since"
        )
    if lock is None:
        return f"{path} is in dispute{beside}, in debate {str(first['debate'])[:8]}: {quoted(first['topic'], 80)}"
    reason = f": {lock['reason']}" if lock["reason"] else ""
    return f"{path} is locked by {lock['session']}{beside} ({lock['mode']}, until {lock['expires_at']}){reason}"


def _holder(one: Mapping[str, Any]) -> str:
    return str(one["lock"]["session"] if one["lock"] else one.get("holder") or "others")


def _paths(found: Sequence[Mapping[str, Any]]) -> str:
    paths = list(dict.fromkeys(quoted_path(one["path"]) for one in found))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


def quoted_path(path: str) -> str:
    """A path on one line."""
    return path if path.isprintable() else quoted(path, 200)


# -- what is not pushed yet -------------------------------------------------------------------------
def of_range(peer: Peer, revision: str) -> list[dict[str, Any]]:
    """Violations if the commits of a range (or one commit) landed on what the range leaves out, by the local copy."""
    args = ["rev-parse", "--revs-only", "--end-of-options", revision]
    ran = run(args, _top(peer), 60, _where(peer))
    history = History(peer.repo)
    ids = ran.out.split()
    ends = [history.commit(ident) for ident in ids if not ident.startswith("^")]
    without = [history.commit(ident[1:]) for ident in ids if ident.startswith("^")]
    if ran.status or not ends or not all((*ends, *without)):
        raise PeerError("usage", f"not a revision or range: {revision}", "as `git rev-list` takes it: main..topic")
    found: list[dict[str, Any]] = []
    for end in ends:
        bases = history.bases(end, *without) if without else history.parents(end)[:1]
        span = Span(peer, history, bases[0] if bases else "", end)
        stands = span.judged(partial(span.look_closer, without))
        found += [{**peer.violation(raw), "how": raw["how"]} for raw in stands]
    return found


def touched(peer: Peer, commits: Sequence[str]) -> list[str]:
    """The paths that commits change; of a merge those in which it differs from all its parents."""
    if not commits:
        return []
    args = ["diff-tree", "--stdin", "-r", "-c", "--root", "--no-commit-id", "--name-only", "--no-renames", "-z"]
    ids = "".join(f"{commit}\n" for commit in commits).encode()
    out = _git(peer, [*args, "--ignore-submodules=none"], ids)
    return [path for path in out.split("\0") if path]


def staged(peer: Peer) -> list[str]:
    """The paths that the index changes."""
    base = "HEAD" if not peer.repo.git.head_is_unborn else str(peer.repo.git.TreeBuilder().write())
    args = ["diff-index", "--cached", "--no-renames", "--name-only", "-z", "--ignore-submodules=none", base, "--"]
    return [path for path in _git(peer, args).split("\0") if path]


def _git(peer: Peer, args: Sequence[str], stdin: bytes | None = None) -> str:
    ran = run(args, peer.repo.gitdir, 120, {"GIT_DIR": str(peer.repo.gitdir)}, stdin)
    if ran.status:
        raise PeerError("failed", f"git {args[0]} failed: {ran.err.strip()}", "`git fsck` may tell more")
    return ran.out
