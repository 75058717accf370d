"""git peer log, watch, fsck."""

from __future__ import annotations

import json
import re
import subprocess
import time
from datetime import date

import click

from git_peer import layout
from git_peer.cli import _targets
from git_peer.cli._output import Call, Reply, write
from git_peer.cli.main import command
from git_peer.core import duration, text
from git_peer.core.errors import PeerError
from git_peer.core.lock.record import rfc3339
from git_peer.core.rules import fold
from git_peer.ops import history, known
from git_peer.ops.history import Row
from git_peer.ops.peer import Peer
from git_peer.store.clone import times


def _line(row: Row) -> str:
    why = f": {row['reason']}" if row.get("reason") else ""
    return f"{row['height'] or '-':>6}  {times.when(row['at']):<18}  {row['says']}{why}"


# What dates are spelled with; git takes any other word, too, and means now by it.
_DATE_WORDS = frozenset(
    (
        "second minute hour day week month year seconds minutes hours days weeks months years sec secs min mins "
        "now today yesterday noon midnight tea never ago last am pm at the on t z st nd rd th "
        "one two three four five six seven eight nine ten "
        "utc gmt est edt cst cdt mst mdt pst pdt cet cest met mest wet bst eet eest ist jst aest aedt nzst nzdt"
    ).split()
)
_LONG_WORDS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


def _since(given: str | None, peer: Peer) -> int | None:
    """A date as git takes it, or how long ago (`30m`), in epoch seconds; PeerError("usage") for what is neither."""
    if given is None:
        return None
    if re.fullmatch(r"\d+[smhd]", given):
        return times.now() - duration.seconds(given)
    words = re.findall("[a-z]+", given.lower())
    wrong = [
        word
        for word in words
        if word not in _DATE_WORDS and not (len(word) > 2 and any(one.startswith(word) for one in _LONG_WORDS))
    ]
    days = re.findall(r"\d{4}-\d+-\d+", given)
    if wrong or not re.search(r"[a-z0-9]", given.lower()) or not all(map(_is_day, days)):
        from git_peer.core import near  # only where something is wrong

        known = [*sorted(_DATE_WORDS), *_LONG_WORDS]
        hint = near.hint(wrong[0] if wrong else "", known, "as git takes dates: yesterday, '2 hours ago', 2026-01-31")
        raise PeerError("usage", f"not a date: {text.line(given, 80)}", hint)
    ran = subprocess.run(
        ["git", "rev-parse", f"--since={given}"], capture_output=True, text=True, check=False, cwd=peer.repo.gitdir
    )
    return int(ran.stdout.strip().removeprefix("--max-age="))


def _is_day(given: str) -> bool:
    year, month, day = map(int, given.split("-"))
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@command("log")
@click.argument("given", nargs=-1, metavar="[PATH...]")
@click.option("-n", "limit", type=click.IntRange(1), metavar="N", help="At most N events.")
@click.option("--since", metavar="DATE", help="Events after DATE, as git takes dates.")
@click.option("--until", metavar="DATE", help="Events before DATE.")
@click.option("--after", metavar="ID", help="Events after the event ID.")
@click.option("--by", metavar="SESSION", help="Events of this session.")
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Events of this kind (lock.take), or family (lock)."
)
def log_command(
    call: Call,
    given: tuple[str, ...],
    limit: int | None,
    since: str | None,
    until: str | None,
    after: str | None,
    by: str | None,
    kinds: tuple[str, ...],
) -> Reply | int:
    """The history of events, newest first; with PATHs those about them, or about what they lie in."""
    peer = call.peer()
    among = _targets.parsed(peer.repo, given)
    first, last = _since(since, peer), _since(until, peer)
    tip, paths = peer.engine.tip(), history.Paths(peer, among)
    if after is not None and not any(one.events[at].id.startswith(after) for one, at in history.events(peer, tip)):
        raise PeerError("not_found", f"no event's id begins with {after}", "`git peer log --json` shows the ids")
    _are_kinds(kinds)
    shown = 0
    for entry, index in history.events(peer, tip):
        event = entry.events[index]
        if after is not None and event.id.startswith(after):
            break
        wanted = (
            (first is None or event.at >= first)
            and (last is None or event.at <= last)
            and (by is None or event.by == by)
            and _of_kind(event.kind(), kinds)
            and (not among or paths.concern(entry, index))
        )
        if not wanted:
            continue
        if limit is not None and shown >= limit:
            break
        shown += 1
        row = history.row(entry, event)
        if call.json:
            call.line(row)
        else:
            write(_line(row))
    if not shown:
        if by is not None:
            known.session(peer, by, fetch=False)
        call.progress("note: no event matches" + ("" if call.json else "; `git peer sync` fetches newer ones"))
    return 0


def _are_kinds(given: tuple[str, ...], *local: str) -> None:
    """PeerError("usage") for what is neither a kind of event, in the log or `local`, nor a family of kinds."""
    known = [*fold.KINDS, *local]
    families = sorted({kind.rpartition(".")[0] for kind in known})
    for kind in given:
        if kind not in known and kind not in families:
            from git_peer.core import near  # only where something is wrong

            hint = near.hint(kind, [*families, *known], f"there are {', '.join(families)}, and kinds as lock.take")
            raise PeerError("usage", f"there is no kind of event {kind!r}", hint)


def _of_kind(kind: str, kinds: tuple[str, ...]) -> bool:
    return not kinds or any(kind == one or kind.startswith(one + ".") for one in kinds)


@command("watch")
@click.option("--after", metavar="ID", help="Begin after the event ID.")
@click.option("--for", "kinds", multiple=True, metavar="KIND", help="Only this kind, or family of kinds.")
@click.option("--exec", "program", metavar="CMD", help="Run CMD for each event; it gets it as JSON on stdin.")
@click.option("--interval", type=click.FloatRange(0.1), default=5.0, metavar="S", help="Seconds between looks.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N events.")
def watch_command(
    call: Call, after: str | None, kinds: tuple[str, ...], program: str | None, interval: float, count: int | None
) -> int:
    """Events as they come, oldest first; and what this clone refuses meanwhile (`conflict.detected`), in no log."""
    _are_kinds(kinds, history.REFUSED)
    peer = call.peer()
    at, local = peer.engine.tip(), peer.refusals()
    news: list[Row] = []
    if after is not None:
        for entry, index in history.events(peer, at):
            if entry.events[index].id.startswith(after):
                break
            news.append(history.row(entry, entry.events[index]))
        else:
            raise PeerError("not_found", f"no event's id begins with {after}", "`git peer log --json` shows the ids")
    told = 0
    while True:
        for row in reversed(news):
            if not _of_kind(row["kind"], kinds):
                continue
            _tell(call, row, program)
            told += 1
            if count is not None and told >= count:
                return 0
        time.sleep(interval if not news else 0)
        before, at = at, look(peer)
        new = history.events(peer, at, before) if at != before else ()
        news = [_refused(one) for one in reversed(local.news())]
        news += [history.row(entry, entry.events[index]) for entry, index in new]


def _refused(row: Row) -> Row:
    """A refusal of this clone as a row: it is in no log, and has no height."""
    who, held = row["by"] or "somebody here", ", ".join(row["holders"])
    on = f" of {', '.join(row['paths'])}" if any(row["paths"]) else ""
    says = f"{who} was refused a {row['what']}{on}" + (f", which {held} has" if held else "")
    return {**row, "at": rfc3339(row["at"]), "sid": "", "height": None, "local": True, "says": says}


def look(peer: Peer) -> str:
    """Bring what others have written, where the remote can be reached; the tip."""
    if peer.remote is not None:
        try:
            with peer.clone.writing(peer.settings.get("retryTimeout")):
                peer.engine.advance(peer.settings.get("retryTimeout"))
        except PeerError as why:
            if why.code not in ("unreachable", "busy"):
                raise
    return peer.engine.tip()


def _tell(call: Call, row: Row, program: str | None) -> None:
    if program is not None:
        subprocess.run(["sh", "-c", program], input=json.dumps(row).encode(), check=False)
    elif call.json:
        call.line(row)
    else:
        write(_line(row))


@command("fsck")
def fsck_command(call: Call) -> Reply:
    """Verify the whole log: each commit's events on its parent's tree."""
    peer = call.peer()
    tip = peer.engine.tip()
    path = peer.chain.path(None, tip) or []
    problems = peer.chain.verify(None, path)
    seen: set[str] = set()
    events = 0
    twice = []
    for entry in peer.chain.history(tip):
        for event in entry.events:
            events += 1
            if event.id in seen:
                twice.append({"commit": entry.commit, "what": f"event {event.id} occurs twice"})
            seen.add(event.id)
    found = [{"commit": p.commit, "what": p.what} for p in problems] + twice
    data = {"commits": len(path), "events": events, "problems": found}
    if found:
        what = f"{found[0]['commit'][:12]}: {found[0]['what']}"
        raise PeerError(
            "untrusted", f"the log has {text.count(len(found), 'problem')}: {what}", "git peer doctor", **data
        )
    return Reply(data, f"{text.count(len(path), 'commit')}, {text.count(events, 'event')}, no problem ({layout.TIP}).")
