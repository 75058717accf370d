"""How a session starts and stays: the commands, and how each is decided. What else ends with one: rules.lifetime."""

from __future__ import annotations

from typing import Any

from git_peer.core.errors import PeerError
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State
from git_peer.core.log.txn import Txn
from git_peer.core.session import record as sessions


class Start(Command, tag="session-start", frozen=True, kw_only=True):
    """Start this session, or note what changed about it."""

    def decide(self, txn: Txn) -> Answer:
        """Its start is what was asked for; one that goes on says so."""
        name = txn.session.name
        if txn.started:
            txn.opens()
        else:
            _renew(txn)
        return _shown(name)


class Renew(Command, tag="session-renew", frozen=True, kw_only=True):
    """A sign of life."""

    def decide(self, txn: Txn) -> Answer:
        """Of a session that is there: it starts none."""
        session = sessions.find(txn.state, self.me)
        if session is None:
            raise PeerError("not_found", "this session has not started", "`git peer session start`")
        _renew(txn)
        return _shown(session.name)


def _renew(txn: Txn) -> None:
    me = txn.me
    txn.emit(sessions.SessionRenew, branch=me.branch or None, head=me.head or None, doing=me.doing or None)


def _shown(name: str) -> Answer:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        session = sessions.get(after, name)
        return {"started": session is not None, "name": name, "sid": session.sid if session else None}

    return answer
