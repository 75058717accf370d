"""A log that went astray on its remote: deleted, rolled back, rewritten or malformed. One word for each, everywhere,
and the way back from a clone that has it."""

from __future__ import annotations

import time
from typing import Literal

from git_peer.core.errors import Malformed, PeerError
from git_peer.store.git.chain import Chain, Problem
from git_peer.store.git.remote import Remote

Fate = Literal["gone", "rolled back", "rewritten"]

FOLLOW = "`git peer uninstall`, then `git peer init`, has this clone follow what is there now"


class Astray(PeerError):
    """The remote's log does not have what this clone has verified."""

    def __init__(self, fate: Fate, message: str, hint: str) -> None:
        super().__init__("untrusted", message, hint)
        self.fate = fate


class Poisoned(PeerError):
    """What came in is nothing that honest software writes."""


def astray(chain: Chain, remote: Remote, tip: str, there: str | None) -> Astray | None:
    """What is wrong with where the log stands on the remote; None where it has all that `tip` has, or is not here."""
    if there is None:
        return gone(remote)
    if there == tip or chain.git.git_object_lookup_prefix(there) is None or chain.path(tip, there) is not None:
        return None
    message = f"it does not descend from {tip[:12]}, which this clone has verified"
    mine, theirs = _ident(chain, tip), _ident(chain, there)
    if mine and theirs and mine != theirs:
        message = f"there is another log on {remote.name} now, {theirs}: this clone follows {mine}"
        return Astray("rewritten", message, f"somebody started anew; ask who did. {FOLLOW}")
    if chain.descends(tip, there):
        hint = "`git peer doctor --fix` puts back from this clone what is missing there"
        return Astray("rolled back", f"the log on {remote.name} was rolled back: {message}", hint)
    if not rooted(chain, there):
        hint = f"have {remote.branch} deleted there; `git peer doctor --fix` puts the log back from this clone then"
        return Astray("rewritten", f"the log on {remote.name} was rewritten, by what is no log: {message}", hint)
    hint = f"nothing is written onto it; ask who did that. {FOLLOW}"
    return Astray("rewritten", f"the log on {remote.name} was rewritten: {message}", hint)


def _ident(chain: Chain, commit: str) -> str:
    """The id of the log that a commit is of; "" for none."""
    try:
        return chain.state(commit).log.id
    except (Malformed, PeerError):
        return ""


def rooted(chain: Chain, commit: str) -> bool:
    """Whether a commit's history begins as a log does, for no repair voids a first commit; also if it is not here."""
    path = chain.path(None, commit)
    if not path:
        return True
    try:
        chain.check(None, path[0])
    except Malformed:
        return False
    except PeerError:
        pass  # a newer format, or a commit that is missing: not for this to say
    return True


def gone(remote: Remote) -> Astray:
    """The refusal where the remote has no log any more."""
    message = f"the log has gone from {remote.name}: there is no {remote.branch} any more"
    return Astray("gone", message, "somebody deleted it; `git peer doctor --fix` puts it back from this clone")


def poisoned(problem: Problem, where: str = "the log") -> Poisoned:
    """The refusal of a malformed commit."""
    message = f"commit {problem.commit[:12]} of {where} is malformed: {problem.what}"
    return Poisoned("untrusted", message, "`git peer doctor --fix` voids it with a repair")


def met(chain: Chain, remote: Remote, problem: Problem) -> PeerError:
    """The refusal of a malformed commit on what `init` was to join: only a clone that is set up can void it."""
    if rooted(chain, problem.commit):
        wrong = poisoned(problem, f"the log on {remote.name}")
        return Poisoned(wrong.code, wrong.message, "`git peer doctor --fix` in a clone that is set up voids it")
    first = f"its first commit, {problem.commit[:12]}, is {problem.what}"
    hint = f"`git config peer.branch NAME`, then `git peer init --remote {remote.name}`, has the log on another branch"
    return PeerError("untrusted", f"what is on {remote.branch} of {remote.name} is no log: {first}", hint)


def put_back(chain: Chain, remote: Remote, tip: str, patience: float) -> bool:
    """Push the verified tip to where the log was deleted or rolled back; False where somebody has done so before.

    A plain fast-forward, or a new branch, leased on what stands there: a newer log of others is never overwritten.
    Raises Astray where it went on without us, PeerError where the server refuses.
    """
    deadline = time.monotonic() + patience
    while True:
        there = remote.fetch(max(1.0, deadline - time.monotonic()))
        wrong = astray(chain, remote, tip, there)
        if wrong is None:
            return False
        if wrong.fate == "rewritten":
            raise wrong
        pushed = remote.push(tip, there, max(1.0, deadline - time.monotonic()))
        if pushed.end == "ok":
            return True
        if pushed.end == "unreachable" or time.monotonic() > deadline:
            raise PeerError("unreachable", f"cannot reach {remote.name}: {pushed.text}", "try again")
        if pushed.end != "unknown" and remote.tip(10) == there:
            hint = "may you push that branch there? `git peer doctor --fix` in the clone of somebody who may"
            raise PeerError("rejected", f"{remote.name} did not take the log back: {pushed.text}", hint)
