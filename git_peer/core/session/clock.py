"""Clocks: whether this one agrees with the others', as far as the log and what this clone has seen can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from git_peer.core.session.record import Session

OFF = 300  # seconds between clocks that agree


def may_prove(now: int, among: Sequence[Session], seen: Mapping[str, Mapping[str, int]], clone: str) -> bool:
    """Whether this clock (`now`, epoch seconds) may prove that another clone's lease has run out.

    `among` are all sessions of a state.
    """
    return not is_off(now, among, seen, clone) and _borne_out(among, seen, clone)


def is_off(now: int, among: Sequence[Session], seen: Mapping[str, Mapping[str, int]], clone: str) -> bool:
    """Whether this clock shows to be more than five minutes off what other clones' clocks said.

    Behind them it shows at once. Ahead of them it shows in events that came while we were looking: those cannot
    be older than the gap since we looked before (`gap`), so what their writer's clock lacks beyond it is our error.
    """
    others = _others(among, clone)
    ats = sorted(s.at for s in others)
    if ats and ats[len(ats) // 2] > now + OFF:
        return True
    ahead = sorted(
        seen[s.sid]["at"] - s.at - seen[s.sid]["gap"] for s in others if s.sid in seen and "gap" in seen[s.sid]
    )
    return bool(ahead) and ahead[len(ahead) // 2] > OFF


def _borne_out(among: Sequence[Session], seen: Mapping[str, Mapping[str, int]], clone: str) -> bool:
    """Whether some other clone's clock bears out that ours is not ahead: no evidence is none for a theft.

    It does where an event of its was new when we saw it, or came after one of ours and is not the older by its date.
    """
    others = _others(among, clone)
    own = [s for s in among if s.clone == clone]
    return (
        not others
        or any(s.sid in seen and seen[s.sid]["at"] - s.at <= OFF for s in others)
        or any(s.height > mine.height and s.at >= mine.at - OFF for s in others for mine in own)
    )


def _others(among: Sequence[Session], clone: str) -> list[Session]:
    return [s for s in among if s.clone != clone and not s.skewed]
