"""Commands: what a session asks for, as data. decide() turns one into events on a state, or a refusal.

A command is data because it outlives its process: it is decided again after a lost race, and a tentative
one is decided by `sync`, perhaps days later.
"""

from __future__ import annotations

from functools import cache
from typing import Union

import msgspec

import git_peer.core.debate.decide
import git_peer.core.plan.edits
import git_peer.core.plan.phases
import git_peer.core.plan.questions
import git_peer.core.plan.task.integration  # noqa: F401 - with what follows every module that has commands
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.lock.decide import Release
from git_peer.core.lock.landing import Land
from git_peer.core.log.command import Command, Outcome, Scene
from git_peer.core.log.state import State, kinds
from git_peer.core.log.txn import Txn
from git_peer.core.plan.task import graph
from git_peer.core.rules import lifetime
from git_peer.core.rules.lifetime import End
from git_peer.core.session.decide import Renew, Start

__all__ = ["COMMANDS", "End", "Land", "Release", "Renew", "Start", "decide", "decode"]

COMMANDS: dict[str, type[Command]] = kinds(Command)


def decode(raw: bytes) -> Command:
    """The command in `raw`."""
    try:
        return _decoder().decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as why:
        raise Malformed(f"not a command: {why}") from None


def decide(state: State, command: Command, scene: Scene) -> Outcome:
    """Events and answer of `command` on `state`, which has the events then; PeerError where it is refused."""
    txn = Txn(state, command.me, scene, lifetime.begin, graph.check)
    try:
        answer = command.decide(txn)
        txn.check()
    except Malformed as why:
        refusal = PeerError(why.code, str(why), why.hint)
        refusal.stateful = True
        raise refusal from None
    except PeerError as why:
        why.stateful = why.stateful or command.stateful
        raise
    return txn.outcome(answer, command.large, command.stateful)


@cache
def _decoder() -> msgspec.json.Decoder[Command]:
    """Made when it is wanted: it takes as long as all these classes, and most commands read none."""
    return msgspec.json.Decoder(Union[tuple(COMMANDS.values())])  # noqa: UP007
