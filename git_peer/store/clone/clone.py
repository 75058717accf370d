"""What a clone knows beside the log: who it is, its kernel lock, what it was told, what it has seen."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from git_peer import layout
from git_peer.core.debate import record as debates
from git_peer.core.errors import PeerError
from git_peer.core.lock import fence as fences
from git_peer.core.lock import record as locks
from git_peer.core.log.state import State, encode
from git_peer.core.session import record as sessions
from git_peer.store import files
from git_peer.store.clone import times, who
from git_peer.store.git import refs
from git_peer.store.git.libgit2 import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git_peer.store.git import notes

Seen = Mapping[str, Mapping[str, Any]]
"""sid → height and first sight (wall and steady seconds) of that session's last event; `gap` before it."""

Ends = Callable[[], Mapping[str, Mapping[str, Any]]]
"""lock id → how it ended: `how` (forced, preempted, expired, taken_over, outrun, released), `by`, `reason`, `at`."""

_LOOK = 0.01  # seconds between two looks at the kernel lock
LAST = "*"  # in seen.json: when this clone looked last


class Clone:
    """The folder `peer/` in the common git directory."""

    def __init__(self, common: Path) -> None:
        self.common = common
        self.folder = common / layout.FOLDER
        self._facts: dict[str, Any] | None = None

    # -- who it is --------------------------------------------------------------------------------
    @property
    def facts(self) -> dict[str, Any]:
        """clone.json: clone, log, remote, branch, atomic, writable, inode. Empty where it is not set up, or damaged."""
        if self._facts is None:
            found = files.read_json(self.folder / layout.F_CLONE)
            self._facts = found if found.get("clone") else {}
        return self._facts

    def look_again(self) -> None:
        """Forget what was read of clone.json: another command may have written it since."""
        self._facts = None

    @property
    def is_set_up(self) -> bool:
        """Whether `git peer init` was here; also where what it wrote is damaged, for then too the gate is wanted."""
        return bool(self.facts) or self.damaged

    @property
    def damaged(self) -> bool:
        """Whether there is a clone.json that cannot be read."""
        return not self.facts and self.is_there

    @property
    def is_there(self) -> bool:
        """Whether there is a clone.json, of whatever content."""
        return os.path.lexists(self.folder / layout.F_CLONE)

    def check(self) -> None:
        """PeerError where what this clone knows of itself is damaged: it must not pass for a clone without git-peer."""
        if self.damaged:
            path = self.folder / layout.F_CLONE
            raise PeerError(
                "untrusted",
                f"{path} is damaged: which log this clone follows cannot be told",
                "`git peer init` mends it",
            )

    def recover(self) -> None:
        """For `git peer init`: begin clone.json anew with the clone's old id, by which its sessions stay its own."""
        if not self.damaged:
            return
        places = (layout.D_HELD, layout.D_TENTATIVE, layout.D_FENCED)
        found = (files.read_json(self.folder / at / f"{sid}.json") for at in places for sid in self._names(at))
        ids = [str(one["session"]["clone"]) for one in found if one.get("session", {}).get("clone")]
        self.set_up(**({"clone": ids[0]} if ids else {}))

    @property
    def copied(self) -> bool:
        """Whether the folder was copied from another clone: it stands in another inode than it was made in."""
        return bool(self.facts) and self.facts.get("inode") != self.common.stat().st_ino

    @property
    def ident(self) -> str:
        """The clone's random id; a copy has none until it writes."""
        return "" if self.copied else str(self.facts.get("clone", ""))

    def set_up(self, **facts: Any) -> None:
        """Write clone.json: what is given replaces what was known."""
        fresh = {"clone": _ident(), "host": os.uname().nodename}
        known = {**fresh, **self.facts, **facts, "inode": self.common.stat().st_ino}
        files.write_json(self.folder / layout.F_CLONE, known)
        self._facts = known

    def adopt_copy(self) -> bool:
        """Give a copied clone an id of its own, and drop what belongs to the other: sessions, attempts, tentatives."""
        if not self.copied:
            return False
        import shutil

        for name in (
            layout.D_ATTEMPTS,
            layout.D_HELD,
            layout.D_FENCED,
            layout.D_TENTATIVE,
            layout.D_AGENTS,
            layout.D_LETTERS,
        ):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in (layout.F_COMMITS, layout.F_LOST):
            (self.folder / name).unlink(missing_ok=True)
        self.set_up(clone=_ident())
        return True

    # -- one writer at a time ---------------------------------------------------------------------
    @contextmanager
    def try_writing(self, timeout: float = 0, name: str = layout.F_LOCK) -> Iterator[bool]:
        """Try for the kernel lock of this clone's writers: whether it was to be had. Safety is the swap of the ref."""
        try:
            self.folder.mkdir(exist_ok=True)
            handle = _locked(os.fspath(self.folder / name), time.monotonic() + timeout)
        except OSError as why:
            raise PeerError("failed", f"cannot write {self.folder}: {why.strerror}", "is it read-only?") from None
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)  # with it goes the lock

    @contextmanager
    def writing(self, timeout: float, name: str = layout.F_LOCK) -> Iterator[None]:
        """Hold the kernel lock; PeerError("busy") where it is not to be had in time."""
        with self.try_writing(timeout, name) as mine:
            if not mine:
                raise PeerError(
                    "busy", f"another git-peer command has been writing here for {timeout:.0f} s", "try again"
                )
            yield

    def changing_tentative(self, timeout: float) -> AbstractContextManager[None]:
        """Hold the lock on what is tentative: never while a push runs, so whoever edits waits for none.

        Who wants the kernel lock too takes that first.
        """
        return self.writing(timeout, layout.F_TENTATIVE)

    def move_tip(self, git: Repository, new: str, old: str | None) -> None:
        """Move the tip as refs.swap() does, under the kernel lock; what a killed mover left in the way is removed."""
        note = self.folder / layout.F_NEXT
        with contextlib.suppress(OSError):
            refs.unlock(self.common, layout.TIP, note.read_text("ascii", "replace").strip())
        files.write(note, f"{new}\n", durable=False)
        refs.swap(git, layout.TIP, new, old)

    @property
    def last_tip(self) -> str:
        """Where the tip was moved to last, or was about to be; "" where that is not known."""
        with contextlib.suppress(OSError):
            found = (self.folder / layout.F_NEXT).read_text("ascii", "replace").strip()
            return found if len(found) in (40, 64) and set(found) <= set("0123456789abcdef") else ""
        return ""

    # -- what it has seen -------------------------------------------------------------------------
    @property
    def seen(self) -> Seen:
        """What was seen, as it is on disk."""
        return files.read_json(self.folder / layout.F_SEEN)

    def saw(self, tip: str, state: State, among: Sequence[sessions.Session], old: Seen, ends: Ends) -> Seen:
        """Note the sessions' last events, and what sessions of this clone have lost by them; what is seen now.

        `among` are all sessions of `state`, that of `tip`; `old` is what was seen before. `ends` tells how locks ended.
        """
        for sid in self._names(layout.D_HELD):
            self._losses(sid, state, ends)
        for sid in self._names(layout.D_FENCED):
            self._unfence(sid, state)
        now = {"at": times.now(), "mono": times.steady(), "boot": times.boot()}
        disputed = any(state.entries(layout.T_DISPUTES) or ())
        idle_at = min((debate.last + debate.idle for debate in debates.active(state)), default=None)
        self._note_idle(idle_at, old.get(LAST, {}).get("idle_at"))
        looked = {**now, "tip": tip, "disputed": disputed}
        seen: dict[str, Mapping[str, Any]] = {LAST: looked if idle_at is None else {**looked, "idle_at": idle_at}}
        last = old.get(LAST, {})
        gap = {"gap": now["mono"] - last["mono"]} if last.get("boot") == now["boot"] else {}
        for session in among:
            known = old.get(session.sid)
            if known is None or known.get("height") != session.height:
                known = {"height": session.height, **now, **gap}
            seen[session.sid] = known
        files.write_json(self.folder / layout.F_SEEN, seen, durable=False)  # last: it says how far the log was read
        return seen

    def _note_idle(self, at: int | None, old: int | None) -> None:
        """Note for the hooks when the first debate becomes idle: from then on there may be something in dispute."""
        path = self.folder / layout.F_IDLE
        if at is None:
            path.unlink(missing_ok=True)
        elif at != old or not path.exists():
            files.write(path, f"{at}\n", durable=False)

    def fetched(self, began: float, staleness: float) -> None:
        """Note that the log was fetched, by a fetch that began then, and for how long the copy is fresh."""
        (self.folder / layout.F_STALE).write_text(f"{int(began + staleness)}\n")
        (self.folder / layout.F_FETCHED).write_text(f"{began:.3f}\n")

    def is_new_boot(self, seen: Seen) -> bool:
        """Whether the machine was started anew since this clone looked last: what was not synced may be gone."""
        return seen.get(LAST, {}).get("boot") != times.boot()

    @property
    def fetched_ago(self) -> float:
        """Seconds since any process of this clone fetched the log."""
        at = times.fetched_at(self.folder)
        return time.time() - at if at else float("inf")

    def note_silent(self) -> None:
        """Note that the remote was asked in vain; where nothing can be written, the next one asks again."""
        with contextlib.suppress(OSError):
            (self.folder / layout.F_SILENT).write_text(f"{time.time():.3f}\n")

    def is_silent(self, seconds: float) -> bool:
        """Whether the remote was asked in vain so lately, and nobody has had an answer since."""
        try:
            at = float((self.folder / layout.F_SILENT).read_text())
        except (OSError, ValueError):
            return False
        return times.fetched_at(self.folder) < at and 0 <= time.time() - at < seconds

    @property
    def stale_for(self) -> int:
        """Seconds since the copy went stale; 0 while it is fresh, or in local mode."""
        try:
            return max(0, times.now() - int((self.folder / layout.F_STALE).read_text()))
        except (OSError, ValueError):
            return 0

    # -- what it was told -------------------------------------------------------------------------
    def _names(self, folder: str) -> list[str]:
        try:
            return [name[:-5] for name in os.listdir(self.folder / folder) if name.endswith(".json") and name[0] != "."]
        except OSError:
            return []

    def remember(self, session: sessions.Session, held: list[locks.Lock], whole: bool = True) -> None:
        """Note what a session of this clone holds, as it was told; with `whole` false, beside what is noted."""
        path = self.folder / layout.D_HELD / f"{session.sid}.json"
        entries = [
            {"lock": lock.id, "target": _plain(lock.target), "token": lock.token, "ttl": lock.ttl} for lock in held
        ]
        if not whole:
            new = {entry["lock"] for entry in entries}
            entries += [entry for entry in files.read_json(path).get("targets", ()) if entry["lock"] not in new]
        if entries:
            value = {"session": _plain(session), "targets": entries}
            if files.read_json(path) != value:
                files.write_json(path, value, durable=False)  # what a power cut takes of it is in the log still
        else:
            path.unlink(missing_ok=True)

    def _losses(self, sid: str, state: State, ends: Ends) -> None:
        """Move what a session no longer holds, without its own word, to its fences."""
        path = self.folder / layout.D_HELD / f"{sid}.json"
        memory = files.read_json(path)
        session = memory.get("session", {})
        name = str(session.get("name", ""))
        kept, lost = [], []
        for entry in memory.get("targets", ()):
            target = _target(entry["target"])
            if state.read(locks.pointer(name, entry["lock"])) is not None:
                kept.append(entry)
                continue
            is_name = target.kind == "name"  # it has no fence: how it ended tells whether it was taken
            if is_name or state.read(fences.place(entry["lock"], target)) is not None:
                end = ends().get(entry["lock"])
                if not (is_name and end and end["how"] == "released"):
                    lost.append({**entry, "told": False} | ({"end": end} if end else {}))
        if not lost:
            return
        marker = self.folder / layout.D_FENCED / f"{sid}.json"
        before = files.read_json(marker).get("targets", [])
        files.write_json(marker, {"session": session, "targets": [*before, *lost]})
        if kept:
            files.write_json(path, {"session": session, "targets": kept})
        else:
            path.unlink(missing_ok=True)
        who.holds(self.folder, name, [entry["token"] for entry in kept])

    def _unfence(self, sid: str, state: State) -> None:
        """Forget losses whose fence has gone: the session has taken the path again, or it is long past."""
        path = self.folder / layout.D_FENCED / f"{sid}.json"
        marker = files.read_json(path)
        entries = marker.get("targets", [])
        kept = [
            entry
            for entry in entries
            if not entry.get("told") or state.read(fences.place(entry["lock"], _target(entry["target"]))) is not None
        ]
        if not kept:
            path.unlink(missing_ok=True)
        elif kept != entries:
            files.write_json(path, {**marker, "targets": kept})

    def forget(self, sid: str) -> None:
        """A session ended by its own word: nothing of it is remembered but what nobody has arbitrated."""
        for folder in (layout.D_HELD, layout.D_FENCED):
            (self.folder / folder / f"{sid}.json").unlink(missing_ok=True)
        who.forget(self.folder, sid)

    def losses(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """(file, content) of every session's losses in this clone."""
        for sid in self._names(layout.D_FENCED):
            path = self.folder / layout.D_FENCED / f"{sid}.json"
            yield path, files.read_json(path)

    def lost(self, session: dict[str, Any], gone: list[dict[str, Any]], holder: str | None) -> None:
        """Note tentative locks (records) that the arbiter gave to `holder`, for their session to be told."""
        path = self.folder / layout.D_FENCED / f"{session['sid']}.json"
        before = files.read_json(path).get("targets", [])
        known = {entry["lock"] for entry in before}
        end = {"end": {"how": "outrun", "by": holder, "reason": "", "at": times.now()}} if holder else {}
        fresh = [
            {"lock": lock["id"], "target": lock["target"], "token": 0, "told": False, "holder": holder} | end
            for lock in gone
            if lock["id"] not in known
        ]
        if fresh:
            files.write_json(path, {"session": session, "targets": [*before, *fresh]})

    def hold_tentatively(
        self, session: sessions.Session, held: list[locks.Lock], commands: list[Any], lost: list[Any] | None = None
    ) -> None:
        """Keep a session's commands that nobody has arbitrated, and the locks they come to, for the gate and `sync`.

        `lost`: what an earlier sync, that broke off, found to be lost.
        """
        value = {
            "session": _plain(session),
            "locks": [_plain(lock) | {"token": 0} for lock in held],
            "commands": [_plain(command) for command in commands],
        }
        if lost:
            value["lost"] = lost
        files.write_json(self.folder / layout.D_TENTATIVE / f"{session.sid}.json", value)

    def tentative(self) -> dict[str, dict[str, Any]]:
        """sid → marker of the tentative locks of this clone's sessions."""
        names = self._names(layout.D_TENTATIVE)
        return {sid: files.read_json(self.folder / layout.D_TENTATIVE / f"{sid}.json") for sid in names}

    def origins(self) -> notes.Origins:
        """Whose commits are, as this clone's hooks recorded it (gitdir, session name, agent kind, agent id)."""
        from git_peer.store.git import notes

        return notes.origins(self.folder)


def _ident() -> str:
    return os.urandom(8).hex()


def _locked(path: str, end: float) -> int | None:
    """A handle with the lock of a file, looked for until `end` on the monotonic clock; None where it is not to be had.

    flock() itself, as filelock calls it: to import that takes longer than all else of a lock. Both exclude each other,
    and as filelock may remove the file that it lets go of, what was locked must still be the file of that name.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(handle)
                return None
            time.sleep(_LOOK)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _plain(record: Any) -> Any:
    return json.loads(encode(record))


def _target(value: Any) -> Any:
    import msgspec

    from git_peer.core.target.target import Target

    return msgspec.convert(value, type=Target)
