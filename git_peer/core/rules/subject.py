"""What events say for people: the subject of a log commit, and a line of `git peer log`."""

from __future__ import annotations

from collections.abc import Sequence

from git_peer.core import text
from git_peer.core.lock.events import LockEnd, LockTake
from git_peer.core.log.state import Event, State


def of(events: Sequence[Event], state: State) -> str:
    """A log commit's subject; `state` is the one after it.

    The most telling event says it, with the number of what came along: code that landed, then what happened to the
    plan, then locks that were taken, then locks that ended, then whatever was last.
    """
    landed, planned, granted, ended = (
        [e for e in events if e.part == part] for part in ("land", "plan", "grant", "end")
    )
    writers = dict.fromkeys(event.by for event in events if event.sid)  # what else there is is the log's own
    if len(writers) > 1:
        told = f"{len(events)} events by {', '.join(writers)}"
    elif landed:
        told = landed[0].line(state) + (f" and released {_locks(ended)}" if ended else "")
    elif planned:
        told = planned[-1].line(state) + _more(planned)
        told += f", with {_locks(granted)}" if granted else ""
    elif granted:
        told = granted[0].line(state) + _more(granted)
    elif ended:
        told = ended[0].line(state) + _more(ended)
    else:
        told = events[-1].line(state)
    clean = "".join(c if c.isprintable() else "?" for c in told.encode("utf-8", "replace").decode())
    return f"{clean[:100]} [skip ci]"


def _more(events: Sequence[Event]) -> str:
    return f" and {len(events) - 1} more" if len(events) > 1 else ""


def _locks(events: Sequence[Event]) -> str:
    return text.count(len(events), "lock")


def said(event: Event) -> str:
    """What an event says for people, in a line."""
    told = event.says()
    return told if isinstance(event, LockTake | LockEnd) else text.line(told, 200)  # a path is shown whole
