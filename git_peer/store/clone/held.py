"""What the sessions of this clone hold, kept in its memory for the gate and the hooks, which do not read the log."""

from __future__ import annotations

from git_peer.core.lock import events as locking
from git_peer.core.lock import landing
from git_peer.core.lock import record as locks
from git_peer.core.log.state import State
from git_peer.core.session import record as sessions
from git_peer.store.clone import who
from git_peer.store.clone.clone import Clone
from git_peer.store.git.chain import Chain


def published(chain: Chain, clone: Clone, base: str | None, tip: str) -> None:
    """Note what the sessions of this clone, in whose name the commits from `base` to `tip` speak, now hold."""
    state = chain.state(tip)
    events = chain.events_between(base, tip)
    for name in {event.by for event in events if event.sid}:
        session = sessions.get(state, name)
        if session is not None and session.clone == clone.ident:
            _note(clone, state, session)
    released = False
    for event in events:
        if isinstance(event, sessions.SessionEnd):
            clone.forget(event.ended)
        elif isinstance(event, (locking.LockRelease, landing.LockPend, landing.LockLand)):
            released = True
    if released:  # perhaps by a person, of what an agent of the same work tree held
        for session in sessions.all_of(state):
            if session.clone == clone.ident:
                _note(clone, state, session)


def restore(chain: Chain, clone: Clone, tip: str) -> None:
    """Note again what the log at `tip`, on which this clone stands, says that its sessions hold.

    What is noted and is not there any more stays: nobody was told of that loss yet.
    """
    state = chain.state(tip)
    for session in sessions.all_of(state):
        if session.clone == clone.ident:
            _note(clone, state, session, whole=False)


def _note(clone: Clone, state: State, session: sessions.Session, whole: bool = True) -> None:
    held = [lock for lock in locks.held_by(state, session.name) if lock.sid == session.sid]
    clone.remember(session, held, whole)
    who.ready(clone.folder, state, session, held)
