"""Taking git-peer out of a clone, and with `purge` the log from its remote: what is given back, removed, and left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Me
from git_peer.core.log.state import State
from git_peer.core.rules.decide import End
from git_peer.core.session import record as sessions
from git_peer.core.text import count
from git_peer.hooks import install as hooks
from git_peer.hooks import mirrors, rewriting, strictness
from git_peer.ops import sync as tentative
from git_peer.ops.peer import Peer
from git_peer.publish import combine, recovery
from git_peer.store.clone.clone import Clone
from git_peer.store.git import libgit2, refs
from git_peer.store.git.chain import Chain
from git_peer.store.git.remote import Remote, run
from git_peer.store.git.repo import Repo

_ARCHIVE = "refs/peer/archive/"


@dataclass(frozen=True)
class Loss:
    """Whom a purge takes what from: others' clones, their sessions, and what all hold. `tip`: what it deletes there."""

    tip: str
    clones: int
    sessions: list[str]
    locks: int

    def told(self, remote: Remote) -> str:
        """The same in words."""
        who = count(self.clones, "other clone")
        if self.sessions:
            who += f" with the sessions {', '.join(self.sessions[:9])}{', …' * (len(self.sessions) > 9)}"
        held = count(self.locks, "lock")
        return (
            f"deletes {remote.ref} on {remote.name}, the log of everybody: {held}, and the plan and news. {who} "
            "can lock nothing then, and push nothing that git-peer checks, until each has run `git peer uninstall`, or "
            "one has put the log back"
        )


@dataclass
class Left:
    """What an uninstall did: locks given back, refs deleted, and what stays, each with its reason."""

    released: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {"released": self.released, "deleted": self.deleted, "stayed": self.stayed}


def loss_of(chain: Chain, clone: Clone, remote: Remote, patience: float) -> Loss | None:
    """What a purge of the remote would take from whom; None where there is no log that could be deleted."""
    there = remote.fetch(patience)
    if there is None:
        return None
    try:
        state = chain.state(there)
        _ = state.log
        others = [one for one in sessions.all_of(state) if one.clone != clone.ident or not clone.ident]
        return Loss(there, len({s.clone for s in others}), [s.name for s in others], _count(state))
    except (Malformed, PeerError) as why:
        if not clone.facts.get("remote"):  # whatever it is, it is not known to be ours
            raise PeerError("untrusted", f"{remote.ref} on {remote.name} is no log of git-peer", str(why)) from None
        return Loss(there, 0, [], 0)
    finally:
        if not clone.is_set_up:  # a question leaves no trace
            refs.delete(chain.git, layout.INCOMING)


def _count(state: State) -> int:
    return sum(1 for _ in locks.all_of(state))


# -- in this clone ----------------------------------------------------------------------------------
def give_back(peer: Peer, left: Left) -> None:
    """End this clone's sessions, so that what they hold refuses nobody; what cannot be ended is named."""
    name = peer.remote.name if peer.remote is not None else "this clone"
    try:
        mine = [one for one in sessions.all_of(peer.state) if one.clone == peer.clone.ident]
        held = [lock for one in mine for lock in locks.held_by(peer.state, one.name)]
    except (Malformed, PeerError):
        return  # a log that cannot be read: nobody can tell what is held
    if not mine and not peer.clone.tentative():
        return
    try:
        peer.writable()
        if peer.clone.tentative():
            lost = tentative.sync(peer)["lost"]
            left.stayed += [f"not carried out: {one['command']}: {one['why']}" for one in lost]
        with peer.clone.writing(peer.settings.get("retryTimeout")):
            recovery.recover(peer.engine)
            for ends in combine.together(peer.engine, [End(me=_as(peer, one)) for one in _own(peer)]):
                for end in ends:
                    if isinstance(end, PeerError):
                        left.stayed.append(f"a session on {name}: {end.message}")
                    else:
                        left.released += [view["target"] for view in end["released"]]
            peer.engine.told()
    except PeerError as why:
        if held:
            what = f"{count(len(held), 'lock')} on {name}"
            left.stayed.append(f"{what}, which lapse by themselves: {why.message}")


def _own(peer: Peer) -> list[sessions.Session]:
    return [one for one in sessions.all_of(peer.state) if one.clone == peer.clone.ident]


def _as(peer: Peer, one: sessions.Session) -> Me:
    """Who asks in the name of a session of this clone."""
    return Me(
        name=one.name,
        agent=one.agent,
        clone=one.clone,
        gitdir=one.gitdir,
        host=one.host,
        user=peer.me.user,
        worktree=one.worktree,
        branch=one.branch,
        head=one.head,
    )


def take_out(repo: Repo, clone: Clone, purge: bool, left: Left) -> None:
    """The hooks, git's settings, our refs and this clone's folder."""
    left.stayed += hooks.remove(repo.common, repo.top)
    rewriting.remove(clone)
    strictness.remove(clone)
    mirrors.unguard(clone)
    chain = Chain(repo.git)
    kept = {} if purge else _only_here(chain, clone)
    names = [name for name in repo.git.references if name.startswith(layout.OURS[0]) or name == layout.NOTES]
    for name in names:
        if name not in kept:
            refs.delete(repo.git, name)
            left.deleted.append(name)
    left.stayed += [f"{name}: {why}" for name, why in kept.items() if why]
    sweep(repo)
    shutil.rmtree(clone.folder, ignore_errors=True)


def _only_here(chain: Chain, clone: Clone) -> dict[str, str]:
    """Ref → why it stays: what nobody else has, and only a purge deletes. "" for what goes with another."""
    kept: dict[str, str] = {}
    git = chain.git
    if not clone.facts.get("remote") and chain.tip is not None and _is_local(chain):
        kept[layout.TIP] = "the log itself, which is nowhere else; --purge deletes it"
    for name in libgit2.whole(git).references:
        if name.startswith(_ARCHIVE):
            kept[name] = "a local log from before this clone joined another; --purge deletes it"
    notes, theirs = refs.read(git, layout.NOTES), refs.read(git, layout.NOTES_INCOMING)
    if notes is not None and not _is_empty(git, notes) and not (theirs is not None and chain.descends(theirs, notes)):
        kept |= {layout.NOTES: "notes on commits that no remote has; --purge deletes them", layout.NOTES_KEPT: ""}
    return kept


def _is_local(chain: Chain) -> bool:
    try:
        return chain.state(chain.tip).log.mode != "remote"
    except (Malformed, PeerError):
        return False


def _is_empty(git: Any, commit: str) -> bool:
    return not len(git[commit].tree)


def sweep(repo: Repo) -> None:
    """Folders of refs that are empty now."""
    parent = repo.common / "refs" / "peer"
    beside = [repo.common / top / "refs" / "notes" for top in (".", "logs")]
    below = sorted(parent.rglob("*"), reverse=True) if parent.is_dir() else []
    for folder in (*(one for one in below if one.is_dir()), parent, *beside):
        if folder.is_dir() and not os.listdir(folder):
            folder.rmdir()


# -- on the remote ----------------------------------------------------------------------------------
def delete_remote(clone: Clone, remote: Remote, loss: Loss, patience: float, left: Left) -> None:
    """Delete the notes and the log's branch on the remote, as it was when it was said what that takes from whom."""
    if clone.is_set_up:
        clone.set_up(purging=True)  # whoever is killed here meant it: the next `init` starts anew
    gone, why = remote.clear({remote.ref: loss.tip}, patience)
    if remote.ref not in gone:
        if clone.is_set_up:
            clone.set_up(purging=False)
        if remote.tip(10) not in (None, loss.tip):
            raise PeerError("changed", f"the log on {remote.name} has moved since you were asked", "run it again")
        raise PeerError("rejected", f"{remote.name}: {why}", "may you delete that branch there?")
    left.deleted.append(f"{remote.name}:{remote.ref}")
    pushed = remote.delete(layout.NOTES, patience)
    if pushed.end == "ok":
        left.deleted.append(f"{remote.name}:{layout.NOTES}")
    else:
        left.stayed.append(f"{remote.name}:{layout.NOTES}: {pushed.text}")


def tracked(repo: Repo, paths: Sequence[str]) -> set[str]:
    """Those of the paths, from the top of the work tree, that are in git's index: others have them too."""
    if repo.top is None or not paths:
        return set()
    ran = run(["--literal-pathspecs", "ls-files", "-z", "--", *paths], repo.top, 30)
    return {name for name in ran.out.split("\0") if name}
