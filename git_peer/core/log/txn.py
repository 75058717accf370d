"""The transaction: the one way to make events. It starts the session, fills the envelope, folds and counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from git_peer.core.errors import Malformed, PeerError
from git_peer.core.log.command import Answer, Me, Outcome, Scene
from git_peer.core.log.state import Event, State

if TYPE_CHECKING:  # for its name and sid: which sessions there are, who begins them knows
    from git_peer.core.session.record import Session

E = TypeVar("E", bound=Event)

MAX_EVENT, MAX_BATCH = 64 * 1024, 512 * 1024  # bytes


class Txn:
    """What `me` decides on `scene`: `state` as it becomes, and the `events` that make it so.

    `begin` finds the session of `me`, or starts it; `whole` says what must be true of a state between commits.
    """

    def __init__(
        self, state: State, me: Me, scene: Scene, begin: Callable[[Txn], None], whole: Callable[[State], None]
    ) -> None:
        self.state = state
        self.me = me
        self.scene = scene
        self.events: list[Event] = []
        self._begin = begin
        self._whole = whole
        self._session: Session | None = None
        self._opening = 0  # events before what is asked for: by which the session began, or says where it is now
        self._started = self._opens = False

    def begin(self) -> Session:
        """The session that acts. It starts here where it has not: an event of its own comes first.

        What time alone has brought about is recorded with that, where the command comes to anything.
        """
        if self._session is None:
            self._begin(self)
            self._opening = len(self.events)
        assert self._session is not None
        return self._session

    @property
    def session(self) -> Session:
        """The session that acts, from its beginning."""
        return self.begin()

    def acts(self, session: Session, started: bool = False) -> None:
        """For `begin`: from here on this is the session that acts; whether it starts here."""
        self._session, self._started = session, started

    @property
    def started(self) -> bool:
        """Whether the session began in this transaction."""
        return self._started

    def opens(self) -> None:
        """That the session began is what was asked for: without any other event it is to be published."""
        self._opens = True

    def emit(self, kind: type[E], **fields: Any) -> E:
        """An event of that kind by the session that acts, folded into the state; PeerError where the rules refuse it.

        A given `id` stands in place of one in turn. What the format of the log has no place for is left out.
        """
        session, ident = self.begin(), fields.pop("id", "") or self.scene.ident()
        if kind.since:
            fields = {name: value for name, value in fields.items() if kind.since.get(name, 1) <= self.state.log.format}
        event = kind(id=ident, at=self.scene.now, by=session.name, sid=session.sid, **fields)
        version = max(event.v, event.least())
        if version > self.state.log.format:
            raise too_new(kind.kind(), self.state.log.format)
        if version > event.v:
            event = msgspec.structs.replace(event, v=version)
        self.fold(event)
        return event

    def fold(self, event: Event) -> None:
        """Take an event on that has its envelope already."""
        try:
            event.apply(self.state, self.scene.height, self.scene.index + len(self.events))
        except Malformed as why:
            raise _refusal(why) from None
        self.events.append(event)

    def check(self) -> None:
        """PeerError unless a commit could end here: what events link, they may leave loose in between."""
        try:
            self._whole(self.state)
        except Malformed as why:
            raise _refusal(why) from None

    def outcome(self, answer: Answer, large: bool, stateful: bool) -> Outcome:
        """What the transaction comes to. A session does not begin, and nothing is recorded, for nothing."""
        idle = len(self.events) == self._opening and not self._opens
        return Outcome([] if idle else self.events, answer, large, stateful)


def _refusal(why: Malformed) -> PeerError:
    refusal = PeerError(why.code, str(why), why.hint)
    refusal.stateful = True
    return refusal


def too_new(kind: str, form: int) -> PeerError:
    """The refusal of what logs of an older format, `form`, do not have."""
    return PeerError(
        "unsupported",
        f"the log has format {form}, which has no {kind} of this sort",
        "`git peer init --upgrade` moves it to the newest; older releases then read it, and write no more",
    )


def too_large(size: int) -> PeerError:
    """The refusal of a batch of `size` bytes."""
    return PeerError(
        "invalid",
        f"too much at once: {size // 1024} KiB of events, {MAX_BATCH // 1024} are allowed",
        "split it into several commands, or lock a folder or a glob",
    )
