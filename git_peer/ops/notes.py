"""Notes on code commits: completing what the hooks recorded and the log tells, and bringing them to the others."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.debate import record as debates
from git_peer.core.debate.events import DebateResolve
from git_peer.core.delta import record as deltas
from git_peer.core.delta.events import DeltaPush
from git_peer.core.errors import PeerError
from git_peer.core.log.state import Event
from git_peer.core.plan.task.events import TaskResult
from git_peer.core.session import record as sessions
from git_peer.ops import squash as squashed
from git_peer.ops.peer import Peer
from git_peer.store.git import refs, work
from git_peer.store.git.notes import Notes
from git_peer.store.git.remote import Pushed, backoff

FIRST = 1000  # commits of the log that are looked through where nobody has done so here
_TRIES = 20  # at a remote to which others push notes at the same time
ALONG = (f"+{layout.NOTES}*:{layout.NOTES_INCOMING}*",)  # fetched with the log; a remote that has no notes is none

Lines = dict[str, list[str]]


def of(peer: Peer) -> Notes:
    """The notes of this run's clone."""
    return Notes(peer.repo.git, peer.clone.folder)


def begin(peer: Peer) -> None:
    """The ref that git copies notes in at an amend, where there is none; and the remote's notes, if they came along."""
    with peer.clone.writing(peer.settings.get("retryTimeout")):
        of(peer).begin()
        settled(peer)


# -- completing -----------------------------------------------------------------------------------
def settle(peer: Peer) -> None:
    """Note what the hooks have recorded, and what this clone's sessions have told, settled and tried by the log."""
    with peer.clone.writing(peer.settings.get("retryTimeout")):
        settled(peer)


def after(peer: Peer) -> None:
    """settle() after something that has happened in any case: what cannot be noted now is noted by the next command."""
    with contextlib.suppress(PeerError):
        settle(peer)


def note(peer: Peer, commit: str, line: str) -> None:
    """Note a line, as core.notes makes them, on a commit; one that it has already, by its id, is passed over."""
    with peer.clone.writing(peer.settings.get("retryTimeout")):
        settled(peer, {commit: [line]})


def settled(peer: Peer, more: Mapping[str, Sequence[str]] | None = None, landing: str = "") -> str | None:
    """The same under the kernel lock; the commit of the notes that has it all, None where nothing is noted.

    `landing` is the commit that the integration branch is about to have, where a push is under way.
    """
    mine = of(peer)
    known, incoming = mine.known, refs.read(peer.repo.git, layout.NOTES_INCOMING)
    lines, end = mine.pending(unnamed(peer), known.get("incoming") != incoming)
    told, tip = from_log(peer, known.get("log"))
    for source in (told, more or {}):
        for commit, extra in source.items():
            lines.setdefault(commit, []).extend(extra)
    before, now = known.get("landed"), landing or _integration(peer)
    if before and now and now != before:
        for commit, extra in squashed.along(peer, before, now, lambda one: mine.note(one, lines)).items():
            lines.setdefault(commit, []).extend(extra)
    made = mine.settle(lines)
    mine.know(row=end, log=tip, incoming=incoming, landed=before if before and landing else now)
    return made


def _integration(peer: Peer) -> str:
    """The commit of the integration branch as this clone knows it."""
    return work.integration(peer.repo.git, peer.state.log.integration, peer.remote.name if peer.remote else "")


def unnamed(peer: Peer) -> dict[str, str]:
    """Git directory → the session name of the unnamed person of that work tree, as far as it is known here."""
    state = peer.state
    found = {s.gitdir: s.name for s in sessions.all_of(state) if s.default and s.clone == peer.me.clone}
    nobody = msgspec.structs.replace(peer.me, name=None, agent="")
    found.setdefault(peer.me.gitdir, sessions.name_for(state, nobody))
    return found


def from_log(peer: Peer, since: str | None) -> tuple[Lines, str]:
    """(commit → lines for what this clone's sessions wrote to the log after the commit `since`, the tip)."""
    tip = peer.engine.tip()
    lines: Lines = {}
    for number, entry in enumerate(peer.chain.history(tip)):
        if entry.commit == since or (since is None and number >= FIRST):
            break
        for event in entry.events:
            if isinstance(event, (DeltaPush, DebateResolve, TaskResult)) and _is_ours(peer, entry.commit, event):
                for commit, line in _told(peer, entry.commit, entry.parent, event):
                    lines.setdefault(commit, []).append(line)
    return lines, tip


def _is_ours(peer: Peer, commit: str, event: Event) -> bool:
    session = sessions.get(peer.chain.state(commit), event.by)
    return session is not None and session.clone == peer.me.clone


def _told(peer: Peer, commit: str, parent: str | None, event: Event) -> Iterator[tuple[str, str]]:
    """(code commit, line) for an event."""
    if isinstance(event, DeltaPush) and event.commit:
        yield event.commit, notes.delta_line(event)
    elif isinstance(event, TaskResult):
        yield event.commit, notes.test_line(event)
    elif isinstance(event, DebateResolve):
        debate = debates.get(peer.chain.state(commit), event.debate)
        if debate is not None and debate.resolution is not None:
            on = _disputed(peer, parent, debate)
            if on:
                yield on, notes.debate_line(debate)


def _disputed(peer: Peer, parent: str | None, debate: debates.Debate) -> str:
    """The commit that a debate was about: its delta's; else the integration branch's newest, else this one's."""
    delta = deltas.get(peer.chain.state(parent), debate.delta) if debate.delta else None
    if delta is not None and delta.commit:
        return delta.commit
    return _integration(peer) or peer.repo.head


# -- reading --------------------------------------------------------------------------------------
class Reader:
    """What is noted, also where it is not yet complete; writes nothing."""

    def __init__(self, peer: Peer) -> None:
        self._notes = of(peer)
        known = self._notes.known
        incoming = refs.read(peer.repo.git, layout.NOTES_INCOMING)
        self._more, _ = self._notes.pending(unnamed(peer), known.get("incoming") != incoming)
        for commit, lines in from_log(peer, known.get("log"))[0].items():
            self._more.setdefault(commit, []).extend(lines)

    def note(self, commit: str) -> notes.Note:
        """What is noted on a commit."""
        return self._notes.note(commit, self._more)


# -- travelling -----------------------------------------------------------------------------------
def carry(peer: Peer, again: bool = True) -> None:
    """Bring the notes to the log's remote, and those that were fetched along to our own; in local mode just settle.

    A remote that takes no notes is told of once a command, and stops nothing; it is asked `again`, or let be.
    """
    patience = peer.settings.get("retryTimeout")
    with peer.clone.writing(patience):
        if peer.remote is None:
            settled(peer)
            return
        for turn in range(_TRIES):
            ride = ride_of(peer, again)
            if ride is None:
                return
            pushed = peer.remote.push_notes(ride.commit, ride.base, patience)
            if pushed.end == "ok":
                arrived(peer, ride)
                return
            if not moved(peer, patience):
                refused(peer, pushed)
                return
            backoff(min(turn, 5), random.random())  # noqa: S311 - spreads retries, guards nothing
        peer.warned.append(_warning(peer, "others were faster all the time"))


class Ride(NamedTuple):
    """Notes on their way into a push: the commit, and the one that the remote is believed to have."""

    commit: str
    base: str | None

    @property
    def spec(self) -> str:
        """The refspec."""
        return f"{self.commit}:{layout.NOTES}"

    @property
    def lease(self) -> str:
        """The option that keeps others' notes."""
        return f"--force-with-lease={layout.NOTES}:{self.base or ''}"


def ride_of(peer: Peer, again: bool = False, landing: str = "") -> Ride | None:
    """Complete the notes; what the remote lacks of them. One that refused them is asked only `again`."""
    made = settled(peer, landing=landing)
    base = refs.read(peer.repo.git, layout.NOTES_INCOMING)
    if made is None or made == base or peer.clone.facts.get("writable") is False or of(peer).is_empty(made):
        return None
    if not again and of(peer).known.get("refused"):
        return None
    return Ride(made, base)


def riding(peer: Peer, send: Callable[[Ride | None], Pushed], timeout: float, landing: str = "") -> Pushed:
    """Have a push of the log, made by `send`, take the notes with it; what is wrong with them alone stops nothing."""
    pushed = Pushed("rejected")
    for _ in range(_TRIES):
        ride = ride_of(peer, landing=landing)
        pushed = send(ride)
        if ride is None or pushed.end != "rejected" or not _to_blame(pushed):
            if ride is not None and pushed.end == "ok":
                arrived(peer, ride)
            return pushed
        if not moved(peer, timeout):
            plain = send(None)
            if plain.end == "ok":
                refused(peer, Pushed("rejected", _to_blame(pushed)))
            return plain
    return pushed


def arrived(peer: Peer, ride: Ride) -> None:
    """The remote has these notes now."""
    with contextlib.suppress(refs.Lost, PeerError):
        refs.swap(peer.repo.git, layout.NOTES_INCOMING, ride.commit, ride.base)
    of(peer).know(incoming=ride.commit, refused=False)


def moved(peer: Peer, timeout: float) -> bool:
    """Fetch the remote's notes; whether they are others than was believed."""
    assert peer.remote is not None
    before = refs.read(peer.repo.git, layout.NOTES_INCOMING)
    try:
        there = peer.remote.notes(timeout)
    except PeerError:
        return False
    if there is None and before is not None:
        refs.delete(peer.repo.git, layout.NOTES_INCOMING)
    return there != before


def refused(peer: Peer, pushed: Pushed) -> None:
    """Say that the remote took no notes; work goes on."""
    if pushed.end in ("rejected", "denied"):
        of(peer).know(refused=True)
    peer.warned.append(_warning(peer, pushed.text.split("\n")[0]))


def _warning(peer: Peer, said: str) -> dict[str, str]:
    where = peer.remote.name if peer.remote else ""
    text = f"{where} did not take the notes on commits ({layout.NOTES}): {said}"
    hint = "they stay here, and go with a `git peer sync` once that ref may be pushed"
    return {"code": "notes", "message": text, "hint": hint}


def _to_blame(pushed: Pushed) -> str:
    """What was said of the notes in a push that was refused as a whole, where they are the cause; else ""."""
    said = {row[2]: row[3] for row in pushed.refs if row[0] == "!"}
    mine = said.get(layout.NOTES, "")
    return "" if "atomic" in mine else mine
