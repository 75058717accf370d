"""Whether what a command names is there, and what is near where it is not: a typo must not become a promise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_peer.core import near, text
from git_peer.core.errors import PeerError
from git_peer.core.log.state import State
from git_peer.core.plan import contracts
from git_peer.core.plan import record as plan
from git_peer.core.session import naming
from git_peer.core.session import record as sessions
from git_peer.ops.peer import Peer


def session(peer: Peer, name: str, fetch: bool = True) -> None:
    """A session that is here, or ever was: names come back. What is no name at all is left to who takes names."""
    if name == peer.name or not naming.is_name(name):
        return

    def find(state: State) -> None:
        if sessions.get(state, name) is not None:
            return
        ever = list(dict.fromkeys(_ever(peer)))
        if name not in ever:
            here = [one.name for one in sessions.all_of(state)]
            hint = near.hint(name, [*here, *ever], "`git peer peers` shows who is here")
            raise PeerError("not_found", f"there is no session {text.line(name, 64)}, and never was", hint)

    _look(peer, find, fetch)


def all_sessions(peer: Peer, names: Iterable[str], fetch: bool = True) -> None:
    """The same of several."""
    for name in names:
        session(peer, name, fetch)


def all_contracts(peer: Peer, names: Iterable[str], fetch: bool = True) -> None:
    """Contracts of the plan; what is no name at all is left to who takes names."""
    for name in filter(plan.is_id, names):
        _look(peer, lambda state, name=name: contracts.find(state, name), fetch)


def _look(peer: Peer, find: object, fetch: bool) -> None:
    assert callable(find)
    if fetch:
        peer.look_up(find)
    else:
        find(peer.state)


def _ever(peer: Peer) -> Iterator[str]:
    """Every name that has written to the log, the latest first; read only for a name that is not here."""
    for entry in peer.chain.history(peer.engine.tip()):
        for event in entry.events:
            yield event.by
