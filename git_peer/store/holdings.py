"""What the sessions of this clone hold, kept in its memory for the gate and the hooks, which do not read the log."""

from __future__ import annotations

from git_peer.core import locking, locks, sessions
from git_peer.core.state import State
from git_peer.store import who
from git_peer.store.attempts import Attempt
from git_peer.store.chain import Chain
from git_peer.store.clone import Clone


def published(chain: Chain, clone: Clone, won: Attempt) -> None:
    """Note what the sessions of this clone, in whose name a publish speaks, now hold."""
    state = chain.state(won.candidate)
    events = chain.events_between(won.base, won.candidate)
    for name in {event.by for event in events if event.sid}:
        session = sessions.get(state, name)
        if session is not None and session.clone == clone.ident:
            _note(clone, state, session)
    released = False
    for event in events:
        if isinstance(event, sessions.SessionEnd):
            clone.forget(event.ended)
        elif isinstance(event, locking.LockRelease):
            released = True
    if released:  # perhaps by a person, of what an agent of the same work tree held
        for session in sessions.all_of(state):
            if session.clone == clone.ident:
                _note(clone, state, session)


def _note(clone: Clone, state: State, session: sessions.Session) -> None:
    held = [lock for lock in locks.held_by(state, session.name) if lock.sid == session.sid]
    clone.remember(session, held)
    who.ready(clone.folder, state, session, held)
