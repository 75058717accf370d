"""git peer inbox."""

from __future__ import annotations

from git_peer.cli._output import Call, Reply
from git_peer.cli.main import command
from git_peer.store.clone import times

_TITLES = {"now": "Now", "soon": "Soon", "later": "When there is time"}


@command("inbox")
def inbox_command(call: Call) -> Reply:
    """What waits for you, the most urgent first: each with its reason and the command that settles it.

    Where a command ends in `-` it reads your words from stdin. Nothing in it: nothing is owed.
    """
    from git_peer.ops import inbox, notices

    peer = call.peer(once=True, news=True)
    items = inbox.as_name(peer, inbox.whole(peer), call.name)
    lines: list[str] = []
    for urgency, title in _TITLES.items():
        rows = [one for one in items if one["urgency"] == urgency]
        lines += ["", f"{title} ({len(rows)}):"] if rows else []
        for one in rows:
            since = f", {times.when(one['since'])}" if "since" in one else ""
            lines.append(f"  {one['message']}{since}")
            lines += [f"    see it: {one['see']}"] if "see" in one else []
            lines.append(f"    $ {one['command']}")
    noted = notices.of(peer)
    more = [one for one in noted if one["code"] == "delta"]  # here they are all
    shown = [*inbox.told_in(items, noted), *more]
    return Reply({"inbox": items}, lines[1:] or "Nothing waits for you.", notices=(noted, shown))
