"""What a push does to what others have locked: asked of the remote it goes to, judged by content at each ref.

`git peer push`, `git peer check --rev` and the pre-push hook ask here. Reads git and the network; the rule itself is
core/lock/push_rule.py. What the user's own fetches left (refs/remotes/*) is never evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.lock import push_rule as rule
from git_peer.core.lock import rule as verdict
from git_peer.core.lock.landing import PushLand
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session, SessionRenew
from git_peer.core.target import glob as globs
from git_peer.core.target import lines as ranges
from git_peer.core.text import quoted
from git_peer.hooks import gate
from git_peer.ops import refusal as refusing
from git_peer.ops.destination import (
    HEADS,
    PATIENCE,
    Gates,
    Place,
    bring,
    environment,
    has_the_log,
    listed,
    same_place,
    top_of,
)
from git_peer.ops.makers import as_session
from git_peer.ops.peer import Peer
from git_peer.ops.span import Span
from git_peer.store.git.history import History, Missing
from git_peer.store.git.lines import Lines
from git_peer.store.git.remote import run

LOOKED_THROUGH = 500  # commits of the log, for what others have pushed

_STAGED = ("diff-index", "--cached", "--no-renames", "-z", "--ignore-submodules=none")
_LINE = re.compile(r"(?s)(.*) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\x00-\x20\x7f]+) ([0-9a-f]{40}|[0-9a-f]{64})")


class Update(NamedTuple):
    """One ref of a push: local and remote name and id; an empty id stands for a ref that is or will not be there."""

    local_ref: str
    local: str
    remote_ref: str
    remote: str


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
        elif rest and not (rest.startswith(":/") or "{" in rest.partition("\n")[0]):  # no search has begun there
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


def refuse_ours(peer: Peer, updates: Sequence[Update], to: Place) -> None:
    """PeerError where a push would write the log's own refs and git-peer did not make it."""
    from git_peer.publish.attempts import is_recorded

    if peer.remote is None:
        return
    ours = [one for one in updates if one.remote_ref == peer.remote.ref or one.remote_ref.startswith(layout.OURS)]
    if not ours or not (same_place(peer, to.url, peer.remote.url) or has_the_log(peer, to.url)):
        return
    for update in ours:
        if update.remote_ref == layout.NOTES and _adds(peer, update):
            continue  # `git push origin 'refs/notes/*'` of who keeps notes of their own
        if not (update.local and is_recorded(peer.engine.attempts, update.local)):
            raise PeerError(
                "not_allowed",
                f"{update.remote_ref} on {to.name} is the log of git-peer: only git-peer writes it",
                "leave it out of the push (`git push --mirror` onto the log's own remote would delete it); "
                "`git peer doctor --fix` puts a log back that was deleted or rolled back",
            )


def _adds(peer: Peer, update: Update) -> bool:
    """Whether a push only adds to what the remote's ref has."""
    return bool(update.local) and (not update.remote or peer.chain.descends(update.local, update.remote))


# -- the judgement ----------------------------------------------------------------------------------
class Judgement(NamedTuple):
    """What stands against a push, as Peer.violation() tells it with `ref` and `how`: refused, or to be warned of."""

    refused: list[dict[str, Any]]
    warned: list[dict[str, Any]]


def judge(peer: Peer, updates: Sequence[Update], to: Place, forced: bool = False) -> Judgement:
    """What a push does to what others have locked. PeerError where a gated ref cannot be judged.

    `forced`: what goes back is known to be forced. A hook is not told, but git does not show it what it refuses itself.
    """
    found = Judgement([], [])
    branches = [one for one in updates if one.remote_ref.startswith(HEADS)]
    if not branches or not (_guarded(peer) or _are_marked(peer)):
        return found
    gates = Gates(peer, to)
    # The branch of a task is no news to anybody: it is judged where a setting gates it, and when it lands.
    branches = [one for one in branches if gates.gated(one.remote_ref) or not _is_task(one.remote_ref)]
    if not branches or not gates.here:
        return found
    there = _There(peer, gates)
    for update in branches:
        gated = gates.gated(update.remote_ref)
        try:
            stands = _deletes(peer, gated) if not update.local else _stands(peer, there, update, gated)
        except PeerError:  # what is not gated does not wait for what is not to be had
            if not gated:
                continue
            raise
        free = peer.marked([raw["path"] for raw in stands], verdict.FREE) if update.local else set()
        if gated and update.local:
            stands += _unlocked(peer, there, update)
        for raw in stands:
            if raw["path"] in free:
                continue
            view = {**peer.violation(raw), "ref": update.remote_ref, "how": raw["how"]}
            if gated:
                behind = raw["how"] == rule.BEHIND
                undone = behind and (forced or update.remote_ref not in there.unseen)
                found.refused.append({**view, "how": refusing.UNDONE} if undone else view)
            elif raw["how"] != rule.BEHIND:
                found.warned.append(view)
    return found


def _unlocked(peer: Peer, there: _There, update: Update) -> list[dict[str, Any]]:
    """What a push brings to paths that want a lock, and that nobody's lock covers."""
    if not _are_marked(peer):
        return []
    args = ["rev-list", "--no-merges", update.local, "--not", *filter(None, [update.remote, *there.landed()])]
    paths = touched(peer, _git(peer, args).split())
    needed = peer.marked(paths, verdict.NEEDED) - peer.marked(paths, verdict.FREE)
    folds = verdict.folding(peer.state)
    held = {path for path, _ in verdict.concerning(peer.state, layout.T_LOCKS, sorted(needed), folds)}
    found = {"why": verdict.REQUIRED, "lock": None, "session": None, "expires": 0, "how": verdict.REQUIRED}
    return [{**found, "path": path} for path in sorted(needed - held)]


def _is_task(ref: str) -> bool:
    return ref.startswith(f"{HEADS}{layout.WORK}")


def _are_marked(peer: Peer) -> bool:
    """Whether any path may want a lock of whoever changes it."""
    return gate.are_marked(str(peer.repo.common), str(peer.repo.top or ""))


def _guarded(peer: Peer) -> bool:
    """Whether anything is locked, in dispute or fenced at all."""
    state = peer.state
    return (
        any(state.entries(root) for root in (layout.T_LOCKS, layout.T_DISPUTES))
        or any(True for _ in verdict.idle(state, peer.clock.now))
        or bool(peer.clone.tentative())
        or any(True for _ in peer.clone.losses())
    )


def _deletes(peer: Peer, gated: bool) -> list[dict[str, Any]]:
    """What stands against the deletion of a branch: of a gated one, whatever others hold."""
    if not gated:
        return []
    return [{**raw, "how": refusing.DELETED} for raw in peer.held_by_others()]


class _There:
    """The remote as it is now, asked once, and only where something depends on it."""

    def __init__(self, peer: Peer, gates: Gates) -> None:
        self.peer = peer
        self.gates = gates
        self.history = History(peer.repo)
        self.answered = True
        self.patience = PATIENCE
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
        told = listed(peer, url, [*asked, *sorted(branches)], self.patience)
        if told is None:
            self.answered = False
            return {}
        wanted = {ref: ident for ref, ident in told.items() if self.gates.gated(ref) or ref in branches}
        missing = [ref for ref, ident in wanted.items() if not self.history.commit(ident)]
        if missing:
            bring(peer, url, missing, self.patience)
        return {ref: ident for ref, ident in wanted.items() if self.history.commit(ident)}

    def _branches(self, session: Session) -> list[str]:
        """The refs of the branches that a session is on, or has pushed to."""
        if self._pushed is None:
            self._pushed = pushed(self.peer)
        refs = {f"{HEADS}{session.branch}": "", **self._pushed.get(session.sid, {})}
        return [ref for ref in refs if ref != HEADS and not self.gates.lands(ref)]

    def tips(self, session: Session) -> list[str]:
        """What a session has pushed: as it is on the remote now, and as it was when it did."""
        now = [self.refs[ref] for ref in self._branches(session) if ref in self.refs]
        return [*now, *filter(None, (self._pushed or {}).get(session.sid, {}).values())]

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
        self.patience = self.peer.settings.get("retryTimeout") if gated else PATIENCE
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
        raise Missing(f"{update.local[:12]} is no commit")
    old = there.old(update, new, gated)
    if old is None:
        return []
    span = Span(peer, history, old, new, local_ref=update.local_ref)

    def look() -> None:
        # What has landed, and what others have pushed: of their branches what the remote has now.
        span.look_closer(there.landed())
        for one in sessions.all_of(peer.state):
            session, tips = as_session(one), there.tips(one)
            span.stands_on(session, [tip for tip in tips if not span.is_others(tip, session)])

    return span.judged(look)


def pushed(peer: Peer) -> dict[str, dict[str, str]]:
    """sid → branch's ref → the commit that this session pushed there last, by the newest landings in the log.

    A branch that it only said to be on has "".
    """
    found: dict[str, dict[str, str]] = {}
    try:
        for entry in islice(peer.chain.history(peer.engine.tip()), LOOKED_THROUGH):
            for event in entry.events:
                for one in event.refs if isinstance(event, PushLand) else ():
                    if one.new and one.ref.startswith(HEADS):
                        found.setdefault(event.sid, {}).setdefault(one.ref, one.new)
                if isinstance(event, SessionRenew) and event.branch:
                    found.setdefault(event.sid, {}).setdefault(f"{HEADS}{event.branch}", "")
    except PeerError:  # a shallow or partial copy of the log: what it has counts
        pass
    return found


def refuse(peer: Peer, updates: Sequence[Update], to: Place, forced: bool = False) -> list[str]:
    """PeerError where a push changes on a gated ref what somebody else has locked; else what to warn of, in lines."""
    found = judge(peer, updates, to, forced)
    if found.refused:
        raise refusing.refusal(found.refused, to.name)
    return [
        refusing.warning(ref, [one for one in found.warned if one["ref"] == ref])
        for ref in refusing.refs_of(found.warned)
    ]


# -- what is not pushed yet -------------------------------------------------------------------------
def of_range(peer: Peer, revision: str) -> list[dict[str, Any]]:
    """Violations if the commits of a range (or one commit) landed on what the range leaves out, by the local copy."""
    args = ["rev-parse", "--revs-only", "--end-of-options", revision]
    ran = run(args, top_of(peer), 60, environment(peer))
    history = History(peer.repo)
    ids = ran.out.split()
    ends = [history.commit(ident) for ident in ids if not ident.startswith("^")]
    without = [history.commit(ident[1:]) for ident in ids if ident.startswith("^")]
    if ran.status or not ends or not all((*ends, *without)):
        hint = peer.repo.near_revision(revision, "as `git rev-list` takes it: main..topic")
        raise PeerError("usage", f"not a revision or range: {revision}", hint)
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
    return [path for path in _git(peer, [*_STAGED, "--name-only", _base(peer), "--"]).split("\0") if path]


def _base(peer: Peer) -> str:
    """What the index is compared with: HEAD, or where there is none yet the empty tree."""
    return "HEAD" if not peer.repo.git.head_is_unborn else str(peer.repo.git.TreeBuilder().write())


def of_staged(peer: Peer, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Violations if what the index has at `paths` were committed."""
    ids: dict[str, tuple[str, str]] = {}
    lines = Lines(peer.repo.handle)

    def untouched(path: str, there: Sequence[dict[str, Any]]) -> Sequence[bool]:
        if not ids:
            rows = _git(peer, [*_STAGED, "--raw", "--no-abbrev", _base(peer), "--"]).split("\0")
            fields = ((info.split(" "), name) for info, name in zip(rows[::2], rows[1::2], strict=False))
            ids.update({name: (info[2], info[3]) for info, name in fields})
        old, new = ids.get(path, ("", ""))
        blobs = [lines.read(target["blob"]) for target in there]
        return ranges.untouched(list(map(verdict.spans_of, there)), blobs, [lines.read(old)], lines.read(new))

    return [peer.violation(raw) for raw in peer.against(peer.me_for_gate(), paths, untouched=untouched)]


def _git(peer: Peer, args: Sequence[str], stdin: bytes | None = None) -> str:
    ran = run(args, peer.repo.gitdir, 120, {"GIT_DIR": str(peer.repo.gitdir)}, stdin)
    if ran.status:
        raise PeerError("failed", f"git {args[0]} failed: {ran.err.strip()}", "`git fsck` may tell more")
    return ran.out
