"""What events say for people: the subject of a log commit, and a line of `git peer log`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from git_peer.core.lock.events import LockTake
from git_peer.core.log.state import Event, State
from git_peer.core.rules import fold


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
        text = f"{len(events)} events by {', '.join(writers)}"
    elif landed:
        text = landed[0].line(state) + (f" and released {len(ended)} locks" if ended else "")
    elif planned:
        text = planned[-1].line(state) + _more(planned)
        text += f", with {_locks(granted)}" if granted else ""
    elif granted:
        text = granted[0].line(state) + _more(granted)
    elif ended:
        text = f"unlock: {events[0].by} released {_locks(ended)}"
    else:
        text = events[-1].line(state)
    clean = "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())
    return f"{clean[:100]} [skip ci]"


def _more(events: Sequence[Event]) -> str:
    return f" and {len(events) - 1} more" if len(events) > 1 else ""


def _locks(events: Sequence[Event]) -> str:
    return f"{len(events)} lock{'s' if len(events) > 1 else ''}"


def about(row: Mapping[str, Any]) -> str:
    """What an event, as `git peer log --json` tells it, is about; "" where its kind alone says it."""
    kind = fold.KINDS[row["kind"]]
    fields = {name: row[name] for name in kind.__struct_fields__ if name in row}
    event = msgspec.convert({**fields, "kind": row["kind"], "at": 0}, kind)
    told = event.about()
    return told if isinstance(event, LockTake) else " ".join(told.split())[:200]  # a path is shown whole
