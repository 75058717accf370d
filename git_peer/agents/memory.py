"""What this clone remembers of a session, read without git: its locks, what it lost, which subagent edits what."""

from __future__ import annotations

import os
import time

from git_peer import layout
from git_peer.agents import edits
from git_peer.agents import site as sites
from git_peer.core.lock import rule as verdict
from git_peer.core.session import lease as leases
from git_peer.core.target import glob as globs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from git_peer.agents.site import Site

LAST = "*"  # in seen.json: what this clone saw when it looked last
_WHOLE = ("file", "dir", "glob")  # targets that a whole file may be covered by
PARTS = 30  # files of which it is remembered which lines are a session's
NEWS_AFTER = 20  # seconds for which a session at work hears of nothing new
APART = 600  # seconds for which a path is a subagent's after its last edit


class Holdings:
    """What a session holds by this clone's memory: (kind, path, seconds of lease, age of the lease) of each lock."""

    def __init__(self, site: Site, name: str, now: int) -> None:
        self.locks: list[tuple[str, str, int, int]] = []
        self._leases: list[tuple[int, int]] = []  # seconds and age of each, of locks on parts of files too
        self._parts: dict[str, list[str]] = {}  # path → ids of fresh locks on parts of it
        self.waiting = False  # whether something tentative of anybody's in this clone waits for the arbiter
        me = {"clone": _clone(site), "gitdir": site.gitdir, "name": name}
        seen = sites.record(f"{site.folder}/{layout.F_SEEN}")
        looked = seen.get(LAST, {})
        idle = int(looked.get("idle_at", now))  # when the first debate is escalated by time
        self.plain = looked.get("disputed") is False and now <= idle  # whether no path is in dispute
        for path in sites.names(f"{site.folder}/{layout.D_HELD}"):
            self._read(path, me, "targets", seen, now)
        for path in sites.names(f"{site.folder}/{layout.D_TENTATIVE}"):
            self.waiting = True
            self._read(path, me, "locks", seen, now)
        self.lost = any(
            verdict.owns(me, session)
            for path in sites.names(f"{site.folder}/{layout.D_FENCED}")
            if (session := _session(sites.record(path)))
        )

    def _read(self, path: str, me: dict[str, Any], key: str, seen: dict[str, Any], now: int) -> None:
        raw = sites.read(path)
        if me["name"].encode() not in raw:  # another's, and not worth parsing
            return
        marker = sites.record(path)
        session = _session(marker)
        if not session or not verdict.owns(me, session):
            return
        start = leases.expires(session, 0, seen)
        for lock in marker.get(key, ()):
            if not lock.get("ttl") or lock.get("state", "held") != "held":
                continue
            self._leases.append((lock["ttl"], now - start))
            if lock["target"]["kind"] in _WHOLE:
                self.locks.append((*verdict.place(lock["target"]), lock["ttl"], now - start))
            elif (now - start) * 2 < lock["ttl"]:
                self._parts.setdefault(verdict.place(lock["target"])[1], []).append(lock.get("lock") or lock.get("id"))

    def fresh(self, path: str) -> bool:
        """Whether a lock covers `path` whose lease has not run for half its time."""
        return any(age * 2 < ttl and globs.covers(kind, at, path, False) for kind, at, ttl, age in self.locks)

    def parts(self, path: str) -> list[str]:
        """The ids of the locks on parts of a file whose lease has not run for half its time."""
        return sorted(self._parts.get(path, ()))

    @property
    def due(self) -> bool:
        """Whether a lease has run so long that somebody should look after it."""
        return any(age * 4 >= ttl for ttl, age in self._leases)


def _clone(site: Site) -> str:
    """The clone's id; a copied clone is another one, and nothing is its."""
    same = site.facts.get("inode") == os.stat(site.common).st_ino
    return str(site.facts.get("clone", "")) if same else "-"


def _session(marker: dict[str, Any]) -> dict[str, Any]:
    """The session of a marker, where it is whole."""
    session = marker.get("session")
    whole = isinstance(session, dict) and all(key in session for key in ("clone", "name", "sid", "at", "height"))
    return dict(session) if isinstance(session, dict) and whole else {}


# -- what a session was told, and waits for -----------------------------------------------------------
def of(site: Site, name: str) -> dict[str, Any]:
    """The notes of a session: `told` (keys of notices), `owed` (what it was reminded of), `wants` (path → since),
    `looked` (when it was last told of news: the second, and the tip then), `late` (notices for the next word to it)."""
    return sites.record(_place(site, name))


def unheard(site: Site, name: str, now: int) -> bool:
    """Whether there may be news that a session has not been told: the log has moved since, and that is a while ago."""
    at, known = of(site, name).get("looked") or (now, "")
    return bool(now - at >= NEWS_AFTER and tip(site) != known)


def tip(site: Site) -> str:
    """The log's tip as its ref's file has it; "" where git has packed it, and somebody has to look."""
    return sites.read(f"{site.common}/{layout.TIP}").decode("ascii", "replace").strip()


def keep(site: Site, name: str, notes: dict[str, Any]) -> None:
    """Keep a session's notes."""
    sites.write(_place(site, name), notes)


def forget(site: Site, name: str) -> None:
    """A session has ended."""
    for path in (_place(site, name), _place(site, name, "+subagents"), waiter(site, name)):
        try:
            os.unlink(path)
        except OSError:
            continue


def _place(site: Site, name: str, kind: str = "") -> str:
    return f"{site.folder}/{layout.D_AGENTS}/{name}{kind}.json"  # no name has a plus


def waiter(site: Site, name: str) -> str:
    """The file by which the one process that waits for a session is known."""
    return _place(site, name, "+wait")


def unwait(site: Site, name: str) -> None:
    """Nobody waits for a session: its agent is at work, or was woken."""
    try:
        os.unlink(waiter(site, name))
    except OSError:
        return


# -- parts of files ------------------------------------------------------------------------------------
def note_part(
    site: Site, name: str, path: str, ids: Sequence[str], before: bytes, pairs: Sequence[tuple[bytes, bytes]],
    spans: Sequence[Sequence[int]],
) -> None:  # fmt: skip
    """Remember which lines of a file are a session's by these locks, as it is and as an edit is about to make it."""
    states = [edits.state(before, spans)]
    made = edits.followed(before, pairs, spans)
    if made is not None:
        states.append(edits.state(*made))
    notes = of(site, name)
    parts = {at: one for at, one in notes.get("parts", {}).items() if at != path}
    keep(site, name, {**notes, "parts": {**dict(list(parts.items())[-PARTS:]), path: [sorted(ids), states]}})


def has_part(site: Site, name: str, held: Holdings, path: str, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether an edit changes only lines that are a session's, by what was noted when the file was as it is now."""
    ids, states = of(site, name).get("parts", {}).get(path, ([], []))
    if not pairs or not ids or ids != held.parts(path):
        return False
    before = sites.read(os.path.join(site.top, path))
    changed = edits.stretches(before, pairs)
    for one in states:
        if changed and one == edits.state(before, one[2]) and edits.within(changed, one[2]):
            note_part(site, name, path, ids, before, pairs, one[2])
            return True
    return False


# -- subagents ----------------------------------------------------------------------------------------
def others(site: Site, name: str, subagent: str, paths: Sequence[str]) -> dict[str, str]:
    """path → another subagent of this session that edits it now; where there is none, they are noted as this one's.

    They share their session's locks, for the shell of either commits as that session: only here they are two.
    """
    found: dict[str, str] = {}

    def change(known: dict[str, Any], now: int) -> dict[str, Any]:
        found.update({path: known[path][0] for path in paths if path in known and known[path][0] != subagent})
        return known if found else {**known, **{path: [subagent, now] for path in paths}}

    _apart(site, name, change)
    return found


def subagent_over(site: Site, name: str, subagent: str) -> None:
    """A subagent has come to its end: what it edited is its siblings' again."""
    _apart(site, name, lambda known, now: {path: one for path, one in known.items() if one[0] != subagent})


def _apart(site: Site, name: str, change: Callable[[dict[str, Any], int], dict[str, Any]]) -> None:
    """Change path → (subagent, epoch second of its last edit), one process at a time."""
    import fcntl
    from json import dumps, loads

    place, now = _place(site, name, "+subagents"), int(time.time())
    os.makedirs(os.path.dirname(place), exist_ok=True)
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            known = loads(os.read(handle, 1 << 24) or b"{}")
        except ValueError:  # torn by a kill
            known = {}
        known = {path: entry for path, entry in known.items() if entry[1] + APART > now}
        raw = dumps(change(known, now)).encode()
        os.pwrite(handle, raw, 0)
        os.ftruncate(handle, len(raw))
    finally:
        os.close(handle)
