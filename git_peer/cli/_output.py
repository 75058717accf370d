"""Writes what commands answer: one JSON object, or text for people. Errors are styled here, once."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from git_peer import __version__
from git_peer.core import text
from git_peer.core.errors import PeerError

if TYPE_CHECKING:  # pygit2 comes with them: `version` and `help` do without
    from git_peer.ops.peer import Peer
    from git_peer.ops.wiring import Parts


_WARNINGS = ("gate", "unlanded", "unpushed")  # notices that say what is wrong with what was just done
# Errors that bring no hint of their own: what doctor looks at, and all others.
_DOCTORS = frozenset(("unreachable", "unknown", "unavailable", "not_set_up", "untrusted"))
_HINT = "`git peer doctor` tells what is wrong here"
_ELSE = "`git peer status` shows how things stand"


class Reply:
    """A command's answer: `data` for JSON, `text` for people, the exit status.

    `text` is a line, or several: no text of a stranger's can end the line that it stands in.

    `network` says that it may have crossed the network, `wrote` that its notices count as told. `notices` are
    those of this run, where the command has looked at them itself, and those of them that its text has already.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        text: str | Sequence[str] = "",
        status: int = 0,
        network: bool = False,
        wrote: bool = False,
        notices: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None = None,
    ) -> None:
        self.data = {} if data is None else data
        self.text = text
        self.status = status
        self.network = network
        self.wrote = wrote
        self.notices = notices


def version() -> Reply:
    """The answer of `git peer version`."""
    return Reply({"version": __version__}, f"git-peer version {__version__}")


class Call:
    """One run of the program: the common flags, and the parts once they are put together."""

    def __init__(self, name: str | None = None, json: bool = False, quiet: bool = False) -> None:
        self.name = name
        self.json = json
        self.quiet = quiet
        self.literal = False  # texts are taken as they stand: no @FILE, no `-`
        self.looks = False  # what is read is read for news: an old copy of the log is fetched first
        self._parts: Parts | None = None
        self._peer: Peer | None = None
        self._writes = False
        self._began = time.monotonic()
        self._waited: set[str] = set()

    def parts(self, writing: bool = False) -> Parts:
        """The parts of this run."""
        from git_peer.ops.wiring import Parts

        if self._parts is None:
            self._parts = Parts(self.name, writing)
        return self._parts

    def peer(self, writing: bool = False, once: bool = False, news: bool = False) -> Peer:
        """The Peer of this run. `once`: it answers and ends, so one look at the log serves for all of it.

        `news`: it reads what others have told, and looks whether there is more.
        """
        self._writes = self._writes or writing
        if self._peer is None:
            self._peer = self.parts(writing).peer(writing, waits=self._waits, defers=True, steady=once)
            if (news or self.looks) and not writing:
                self._peer.look()
        return self._peer

    def forget(self) -> None:
        """What was read is no more: git-peer was taken out, or set up anew."""
        self._parts = self._peer = None

    def _waits(self, what: str) -> None:
        """Say once what a command of over a second waits for."""
        kind = what.split(":", maxsplit=1)[0]
        if kind not in self._waited and time.monotonic() - self._began > 1 and not self.quiet:
            self._waited.add(kind)
            remark(f"waiting {what}")

    # -- what goes out ----------------------------------------------------------------------------
    def progress(self, line: str) -> None:
        """Say on stderr what goes on."""
        if not self.quiet:
            remark(line)

    def emit(self, reply: Reply) -> int:
        """Write a reply; its exit status."""
        noted, shown = reply.notices or (None, [])
        extra = self._common(reply.network, noted)
        if self._peer is not None:
            self._peer.engine.told()
        if self.json:
            self.line({"ok": reply.status == 0, **extra, **reply.data})
        else:
            if reply.text and not self.quiet:
                write(reply.text)
            self._tell([one for one in extra["notices"] if one not in shown])
        if reply.wrote:
            self._mark_told(extra["notices"])
        return reply.status

    def fail(self, why: PeerError, network: bool = True) -> int:
        """Write an error; its exit status."""
        extra = self._common(network and self._peer is not None)
        if self._peer is not None and why.code not in ("internal", "interrupted"):
            self._peer.engine.told()
        if self._peer is not None and why.code in ("locked", "held", "fenced", "disputed"):
            self._note(self._peer, why)
        hint = why.hint or (
            "`git peer help` shows how" if why.code == "usage" else _HINT if why.code in _DOCTORS else _ELSE
        )
        if self.json:
            error = {"code": why.code, "message": why.message, "hint": hint}
            self.line({"ok": False, **extra, **why.extra, "error": error})
        else:
            self._tell(extra["notices"])
            complain(why.message, hint)
        if self._writes:
            self._mark_told(extra["notices"])
        return why.status

    def _note(self, peer: Peer, why: PeerError) -> None:
        """Tell whoever watches this clone of a refusal; of one that somebody only asked about (`check`) not."""
        import click

        ctx = click.get_current_context(silent=True)
        what = str(ctx.info_name) if ctx is not None else ""
        if not self._writes and what != "hook":
            return
        found = [*why.extra.get("conflicts", ()), *why.extra.get("violations", ())]
        against = [
            (str(one.get("target") or one.get("path") or ""), str(lock["session"] if lock else one.get(key) or ""))
            for one in found
            for lock, key in ((one.get("lock"), "waiter" if "waiter" in one else "holder"),)
        ]
        if why.code == "held":
            against.append(("", str(why.extra.get("holder") or "")))
        what = "push" if what == "hook" else what  # of the hooks pre-push alone is refused here
        with contextlib.suppress(Exception):  # the log itself may be what is wrong
            peer.refused(what, why.code, against)

    def line(self, value: dict[str, Any]) -> None:
        """One JSON object as a line on stdout."""
        found = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # Bytes of a path that are not UTF-8 are percent-encoded: a lone surrogate is no JSON for many readers.
        found = re.sub("[\ud800-\udfff]", lambda half: f"%{ord(half[0]) & 0xFF:02X}", found)
        found = text.escaped(found)  # whoever shows it on a terminal shows it as it is
        sys.stdout.buffer.write(found.encode() + b"\n")
        sys.stdout.flush()

    def _common(self, network: bool, noted: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        peer = self._peer
        found: dict[str, Any] = {"session": None, "notices": []}
        if peer is not None:
            from git_peer.ops import notices

            try:
                found = {"session": peer.name, "notices": notices.of(peer) if noted is None else noted}
            except Exception:  # noqa: BLE001 - the log itself may be what is wrong: the answer or error at hand says so
                found = {"session": None, "notices": []}
            if network:
                found |= {"guarantee": peer.guarantee, "traffic": peer.traffic}
        return found

    def _mark_told(self, told: list[dict[str, Any]]) -> None:
        """A writer's notices count as told, refused or not, once they are out; where that cannot be noted, not yet."""
        if told and self._peer is not None and (self.json or not self.quiet):
            from git_peer.ops import notices

            with contextlib.suppress(PeerError):
                notices.are_told(self._peer, told)

    def _tell(self, notices: list[dict[str, Any]]) -> None:
        for notice in notices if not self.quiet else ():
            if notice["code"] in _WARNINGS and notice.get("hint"):
                warn(notice["message"], notice["hint"])
            else:
                remark(f"note: {notice['message']}")


def write(lines: str | Sequence[str]) -> None:
    """A line for people on stdout, or several."""
    sys.stdout.buffer.write(text.page(lines).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()


def remark(lines: str | Sequence[str]) -> None:
    """A line for people on stderr, or several."""
    _to_stderr(text.page(lines) + "\n")


def rewrite(line: str, end: bool = False) -> None:
    """A line on a terminal's stderr that the next one takes the place of; the last one stays."""
    _to_stderr(f"\r{text.shown(line)}\x1b[K" + "\n" * end)


def warn(message: str, hint: str = "") -> None:
    """The same two lines as an error's, for what is wrong and yet did not stop the command."""
    complain(message, hint, "warning")


def complain(message: str, hint: str = "", kind: str = "error") -> None:
    """git's two lines on stderr; what a server or a program said in several stands behind a mark."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    error, tip = (f"\x1b[31m{kind}:\x1b[m", "\x1b[33mhint:\x1b[m") if colour else (f"{kind}:", "hint:")
    first, *more = message.split("\n")
    out = f"{error} {text.shown(first)}\n" + "".join(f"  | {text.shown(line)}\n" for line in more)
    _to_stderr(out + (f"{tip} {text.shown(hint)}\n" if hint else ""))


def pass_on(said: bytes) -> None:
    """What a program of the user's own says, on stderr as it stands: git would show it so."""
    sys.stderr.flush()
    sys.stderr.buffer.write(said)
    sys.stderr.flush()


def hear(line: bytes) -> None:
    """A line of the server's, or of git's progress, on stderr as it comes; it may end in a return."""
    end = line[-1:].decode()
    _to_stderr(text.shown(line.decode("utf-8", "replace").rstrip()) + ("\x1b[K" if sys.stderr.isatty() else "") + end)


def _to_stderr(said: str) -> None:
    pass_on(said.encode("utf-8", "backslashreplace"))


def table(rows: list[list[str]], head: list[str]) -> list[str]:
    """Columns for people, in lines; on a terminal rich draws them, else they are aligned with two spaces between."""
    if not rows:
        return []
    cells = [[text.shown(cell) for cell in row] for row in [head, *rows]]
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return _rich(cells)
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    return [line.rstrip() for line in lines]


def _rich(cells: list[list[str]]) -> list[str]:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*cells[0], box=SIMPLE_HEAD, pad_edge=False)
    for row in cells[1:]:
        drawn.add_row(*map(Text, row))
    console = Console(color_system=None)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().rstrip("\n").split("\n")
