"""Clocks: what this one may prove of a lease, beside those of the others and one that nobody sets.

Pure, and standard library only: the gate asks the same as who takes a lapsed lock. A session is a mapping here, with
`sid`, `clone`, `at` and `height` of its last event, and `skewed` where its clock once ran backwards.
"""

from __future__ import annotations

from git_peer.core.session import lease as leases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Session = Mapping[str, Any]

LAST_SECOND = 253402300799  # of the year 9999: what an event can name, from 0 on
OFF = 300  # seconds between clocks that agree
ROUNDING = 2  # seconds that a difference of whole seconds may lack
LIVE, LAPSED, DOUBTFUL = "live", "lapsed", "doubtful"


def proof(
    now: int, at: int, ttl: int, skew: int, watched: int | None, longest: int | None, skewed: bool, trusted: bool
) -> str:
    """How it is proved that a lease of `ttl` seconds since `at` ran out: "watch", "wall", or "" for not at all.

    `watched`: seconds for which this clone saw nothing new of its session; `longest`: those for which it can have
    been silent at most.
    """
    if watched is not None and watched > ttl:
        return "watch"
    if longest is not None and longest + skew < ttl:
        return ""  # whatever the wall clock says, which may have been set since
    # The wall clock is compared with the raw `at`: what apply() can check again on every clone.
    return "wall" if trusted and not skewed and now > at + ttl + skew else ""


class Clock:
    """This clone's clock: `now` is the wall's epoch second, `steady` a second of the boot `boot`, which nobody sets.

    `seen` maps a sid to the height of its newest event here and to when that was seen first (`at`, `mono`, `boot`),
    with the steady seconds since the look before it (`gap`); `sessions` gives all of the log's, when they are wanted.
    """

    def __init__(
        self,
        now: int,
        steady: int,
        boot: str,
        seen: Mapping[str, Mapping[str, Any]],
        clone: str,
        sessions: Callable[[], Iterable[Session]],
    ) -> None:
        self.now = now
        self.steady = steady
        self.boot = boot
        self.seen = seen
        self._clone = clone
        self._sessions = sessions
        self._all: list[Session] | None = None

    # -- one lease --------------------------------------------------------------------------------
    def end(self, session: Session, ttl: int) -> int:
        """Epoch second at which a lease of that session runs out, by the wall clock."""
        return leases.expires(session, ttl, self.seen)

    def standing(self, session: Session, ttl: int) -> str:
        """LIVE; LAPSED; or DOUBTFUL: run out by a clock that nothing bears out, and nothing contradicts.

        A clock that is proved to be ahead, or to have been set since, makes nothing lapse.
        """
        if self.now <= self.end(session, ttl):
            return LIVE
        longest = self.longest(session)
        watched, skewed = self.watched(session), bool(session.get("skewed"))
        if proof(self.now, session["at"], ttl, 0, watched, longest, skewed, self.is_trusted):
            return LAPSED
        return LIVE if self.is_ahead or (longest is not None and longest < ttl) else DOUBTFUL

    def watched(self, session: Session) -> int | None:
        """Seconds since anything new came of the session, as far as this boot goes; None for no telling."""
        entry = self._entry(session)
        return self.steady - int(entry["mono"]) if entry else None

    def longest(self, session: Session) -> int | None:
        """The seconds for which the session can have been silent at most; None for no telling.

        Its last event was not there at the look before; nor was it older, when it came, than the clock said then.
        """
        entry = self._entry(session)
        if not entry:
            return None
        before = max(0, int(entry["at"]) - int(session["at"]))
        if "gap" in entry:
            before = min(before, int(entry["gap"])) if self._was_set_since(entry) else int(entry["gap"])
        elif not self._was_set_since(entry):
            return None  # the clock of today says the same
        return self.steady - int(entry["mono"]) + before + ROUNDING

    def _entry(self, session: Session) -> Mapping[str, Any]:
        entry = self.seen.get(session["sid"], {})
        here = entry.get("boot") == self.boot and entry.get("height") == session["height"] and "mono" in entry
        return entry if here else {}

    # -- the clock itself -------------------------------------------------------------------------
    @property
    def is_trusted(self) -> bool:
        """Whether this clock may prove that another clone's lease has run out."""
        return not self.is_off and self._is_borne_out

    @property
    def is_off(self) -> bool:
        """Whether it shows to be more than five minutes off what other clones' clocks said."""
        ats = sorted(s["at"] for s in self._others)
        return bool(ats and ats[len(ats) // 2] > self.now + OFF) or self.is_ahead

    @property
    def is_ahead(self) -> bool:
        """Whether it shows to be ahead of them.

        Behind them it shows at once. Ahead of them it shows in events that came while we were looking: those cannot
        be older than the gap since we looked before, so what their writer's clock lacks beyond it is our error.
        """
        entries = ((s, self.seen.get(s["sid"], {})) for s in self._others)
        ahead = sorted(
            entry["at"] - s["at"] - entry["gap"]
            for s, entry in entries
            if "gap" in entry and not self._was_set_since(entry)
        )
        return bool(ahead) and ahead[len(ahead) // 2] > OFF

    @property
    def _is_borne_out(self) -> bool:
        """Whether some other clone's clock bears out that ours is not ahead: no evidence is none for a theft.

        It does where an event of its was new when we saw it, or came after one of ours and is not the older by its
        date; unless our clock was set since.
        """
        others = self._others
        if not others:
            return True
        for session in others:
            entry = self.seen.get(session["sid"])
            if entry and entry["at"] - session["at"] <= OFF and not self._was_set_since(entry):
                return True
        own = [s for s in self._known if s["clone"] == self._clone]
        own = [s for s in own if not self._was_set_since(self.seen.get(s["sid"], {}))]
        return any(s["height"] > mine["height"] and s["at"] >= mine["at"] - OFF for s in others for mine in own)

    def _was_set_since(self, entry: Mapping[str, Any]) -> bool:
        """Whether the wall clock was set by over five minutes since an entry was noted, as far as this boot tells."""
        if entry.get("boot") != self.boot or "mono" not in entry:
            return False
        return abs((self.now - int(entry["at"])) - (self.steady - int(entry["mono"]))) > OFF

    @property
    def _known(self) -> list[Session]:
        if self._all is None:
            self._all = list(self._sessions())
        return self._all

    @property
    def _others(self) -> list[Session]:
        return [s for s in self._known if s["clone"] != self._clone and not s.get("skewed")]
