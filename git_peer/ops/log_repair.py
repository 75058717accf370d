"""Mending the log: fetching what is not here, voiding what no honest software wrote, putting back what was deleted."""

from __future__ import annotations

import os

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log import record as log
from git_peer.core.text import count
from git_peer.ops.peer import Peer
from git_peer.publish import loss
from git_peer.store.clone import times
from git_peer.store.clone.clone import Clone
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain
from git_peer.store.git.remote import Unsound

_PATIENCE = 10  # seconds for the kernel lock
_VOIDS = 1000  # commits that one repair can name


def mended(peer: Peer) -> str:
    """Mend what can be mended, here and on the remote; what was done, in words. PeerError where it cannot be."""
    with peer.clone.writing(_PATIENCE):
        files = [*(peer.repo.common / "refs" / "peer").rglob("*"), peer.repo.common / layout.NOTES]
        names = [path.relative_to(peer.repo.common).as_posix() for path in files if path.is_file()]
        damaged = refs.mend(peer.repo.common, peer.repo.git, (one for one in names if not one.endswith(".lock")))
        said = f"took away what was damaged: {', '.join(damaged)}" if damaged else ""
        here = _kept(peer) if peer.remote is None else _brought(peer)
        return "; ".join(filter(None, (said, here, _repaired_here(peer))))


def _kept(peer: Peer) -> str:
    """The ref of a local log is gone, and its commits are still here."""
    if peer.chain.tip is None and restored(peer.clone, peer.chain):
        return f"put {layout.TIP} back, which had gone"
    return ""


def restored(clone: Clone, chain: Chain) -> bool:
    """Put back the tip that this clone had last, where its commits are still here; under the kernel lock."""
    last = clone.last_tip
    try:
        if not last or chain.verify(None, chain.path(None, last) or [last]):
            return False
        if chain.state(last).log.id != clone.facts.get("log"):
            return False
    except (Malformed, PeerError):
        return False
    clone.move_tip(chain.git, last, None)
    return True


def _brought(peer: Peer) -> str:
    """Bring this copy and the remote's together."""
    assert peer.remote is not None
    patience = peer.settings.get("retryTimeout")
    try:
        if peer.chain.tip is not None and _is_log(peer):
            peer.engine.advance(_PATIENCE)
            return ""
        return _pinned_anew(peer)
    except loss.Astray as why:
        if why.fate == "rewritten":
            raise
        done = loss.put_back(peer.chain, peer.remote, peer.engine.tip(), patience)
        peer.engine.advance(patience)
        return f"put back on {peer.remote.name} from this clone" if done else ""
    except loss.Poisoned:
        there = str(refs.read(peer.repo.git, layout.INCOMING))
        return _repaired(peer, peer.engine.tip(), there)
    except Unsound as why:
        base, poisoned = peer.engine.tip(), peer.remote.fetch_unsound(patience)
        good, bad = peer.chain.last_good(base, peer.chain.path(base, str(poisoned)) or [])
        if good is None or not bad:
            raise
        return _set_back(peer, good, bad, why)
    except PeerError as why:
        if why.code not in ("unreachable", "newer_format"):
            raise
        return ""  # the check of the remote, or of the format, says so


def _is_log(peer: Peer) -> bool:
    """Whether the tip is a commit of the log that this clone follows."""
    try:
        return peer.chain.state(peer.chain.tip).log.id == peer.clone.facts.get("log")
    except (Malformed, PeerError):
        return False


def _pinned_anew(peer: Peer) -> str:
    """The tip here is gone, or was set by hand to what is no log of ours: what the remote has is verified and taken."""
    assert peer.remote is not None
    old, there = refs.read(peer.repo.git, layout.TIP), peer.remote.fetch(_PATIENCE)
    if there is None:
        raise PeerError("untrusted", f"{layout.TIP} is no log, and {peer.remote.name} has none either", loss.FOLLOW)
    problems = peer.chain.verify(None, peer.chain.path(None, there) or [there])
    if problems:
        raise loss.poisoned(problems[0], f"the log on {peer.remote.name}")
    if peer.chain.state(there).log.id != peer.clone.facts.get("log"):
        raise PeerError("untrusted", f"the log on {peer.remote.name} is another than this clone's", loss.FOLLOW)
    peer.clone.move_tip(peer.repo.git, there, old)
    return f"fetched again from {peer.remote.name}"


def _repaired_here(peer: Peer) -> str:
    """Void what stands in the verified history already: an earlier release, which knew fewer bounds, let it in."""
    tip = peer.engine.tip()
    path = peer.chain.path(None, tip)
    if path is None or not peer.chain.verify(None, path):
        return ""
    return _repaired(peer, None, tip)


def _repaired(peer: Peer, base: str | None, tip: str) -> str:
    """Put a commit on top of `tip` whose tree goes on from the last good one after `base`."""
    good, bad = peer.chain.last_good(base, peer.chain.path(base, tip) or [])
    if good is None:
        raise PeerError("untrusted", "the log's first commit is malformed", loss.FOLLOW)
    if not bad:
        return ""
    if len(bad) > _VOIDS:
        return _set_back(peer, good, bad, PeerError("untrusted", count(len(bad), "malformed commit"), loss.FOLLOW))
    now = times.now()
    event = log.LogRepair(id=os.urandom(8).hex(), at=now, by="git-peer", good=good, voids=tuple(bad))
    commit = peer.chain.append(bad[-1], [event], now, tree_of=good)
    if peer.remote is None:
        peer.engine.move(commit, tip)
    else:
        pushed = peer.remote.push(commit, tip, peer.settings.get("retryTimeout"))
        if pushed.end != "ok":
            raise PeerError("rejected", f"the repair was not taken: {pushed.text}", "try again")
        peer.engine.advance(30)
    return "repaired; void now: " + ", ".join(ident[:12] for ident in bad)


def _set_back(peer: Peer, good: str, bad: list[str], why: PeerError) -> str:
    """Set the remote's branch back to the last good commit, where no commit on top can help: leased on the newest of
    the malformed ones, on which nothing honest can stand."""
    if peer.remote is None:
        raise why
    pushed = peer.remote.push(good, bad[-1], peer.settings.get("retryTimeout"))
    if pushed.end != "ok":
        raise PeerError("untrusted", f"{why.message}; {peer.remote.name} keeps it: {pushed.text}", why.hint)
    tip = peer.engine.tip()
    if tip in bad:
        peer.clone.move_tip(peer.repo.git, good, tip)
    peer.engine.advance(30)
    return f"set back to {good[:12]}; gone: " + ", ".join(ident[:12] for ident in bad[:20])
