"""How a session starts and stays: the commands, and how each is decided. What else ends with one: rules.lifetime."""

from __future__ import annotations

from typing import Any

import msgspec

from git_peer.core.errors import PeerError
from git_peer.core.log.command import Answer, Command, Scene
from git_peer.core.log.state import State
from git_peer.core.log.txn import Txn
from git_peer.core.session import record as sessions
from git_peer.core.session.record import Session
from git_peer.core.target.target import Target


class Start(Command, tag="session-start", frozen=True, kw_only=True):
    """Start this session, or note what changed about it: what is given replaces what was known, None leaves it."""

    doing: str | None = None
    agent: str | None = None
    capabilities: tuple[str, ...] | None = None
    issue: str | None = None
    spec: str | None = None
    paths: tuple[Target, ...] | None = None
    meta: str | None = None

    def decide(self, txn: Txn) -> Answer:
        """Its start is what was asked for; one that goes on says so."""
        session = txn.session
        changes: dict[str, Any] = {"work": self._work(session)}
        if not txn.started:  # else the event that starts it has them
            changes |= {"agent": self.agent, "capabilities": self.capabilities}
        changes = {key: new for key, new in changes.items() if new is not None and new != getattr(session, key)}
        if changes and txn.state.log.format < 2:
            what = "a session that says anew what it is, can or works on"
            raise PeerError(
                "unsupported",
                f"the log has format 1, which has no place for {what}",
                "`git peer init --upgrade`, once everybody has updated: older releases then only read the log",
            )
        if txn.started:
            txn.opens()
        if changes or not txn.started:
            _renew(txn, self.doing, **changes)
        return _shown(session.name)

    def _work(self, session: Session) -> sessions.Work | None:
        """The work that the session comes to have; None where it is the one that it had."""
        old = session.work or sessions.Work()
        given = {key: getattr(self, key) for key in sessions.Work.__struct_fields__ if getattr(self, key) is not None}
        new = msgspec.structs.replace(old, **given)
        return new if new != old else None


class Renew(Command, tag="session-renew", frozen=True, kw_only=True):
    """A sign of life."""

    def decide(self, txn: Txn) -> Answer:
        """Of a session that is there: it starts none."""
        session = sessions.find(txn.state, self.me)
        if session is None:
            raise PeerError("not_found", "this session has not started", "`git peer session start`")
        _renew(txn, self.me.doing or None)
        return _shown(session.name)


def _renew(txn: Txn, doing: str | None, **changes: Any) -> None:
    """A sign of life. Where the session stands lifetime.begin() has said, which is one too."""
    txn.begin()
    if txn.events and not txn.started and doing is None and not changes:
        txn.opens()
        return
    txn.emit(sessions.SessionRenew, head=txn.me.head or None, doing=doing, **changes)


def _shown(name: str) -> Answer:
    def answer(after: State, scene: Scene) -> dict[str, Any]:
        session = sessions.get(after, name)
        return {"started": session is not None, "name": name, "sid": session.sid if session else None}

    return answer
