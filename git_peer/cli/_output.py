"""Writes what commands answer: one JSON object, or text for people. Errors are styled here, once."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from git_peer import __version__
from git_peer.core.errors import PeerError
from git_peer.core.text import escaped

if TYPE_CHECKING:  # pygit2 comes with them: `version` and `help` do without
    from git_peer.ops.peer import Peer
    from git_peer.ops.wiring import Parts


class Reply:
    """A command's answer: `data` for JSON, `text` for people, the exit status.

    `network` says that it may have crossed the network, `wrote` that its notices count as told.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        text: str = "",
        status: int = 0,
        network: bool = False,
        wrote: bool = False,
    ) -> None:
        self.data = {} if data is None else data
        self.text = text
        self.status = status
        self.network = network
        self.wrote = wrote


def version() -> Reply:
    """The answer of `git peer version`."""
    return Reply({"version": __version__}, f"git-peer version {__version__}")


class Call:
    """One run of the program: the common flags, and the parts once they are put together."""

    def __init__(self, name: str | None = None, json: bool = False, quiet: bool = False) -> None:
        self.name = name
        self.json = json
        self.quiet = quiet
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

    def peer(self, writing: bool = False, once: bool = False) -> Peer:
        """The Peer of this run. `once`: it answers and ends, so one look at the log serves for all of it."""
        self._writes = self._writes or writing
        if self._peer is None:
            self._peer = self.parts(writing).peer(writing, waits=self._waits, defers=True, steady=once)
        return self._peer

    def forget(self) -> None:
        """What was read is no more: git-peer was taken out, or set up anew."""
        self._parts = self._peer = None

    def _waits(self, what: str) -> None:
        """Say once what a command of over a second waits for."""
        kind = what.split(":", maxsplit=1)[0]
        if kind not in self._waited and time.monotonic() - self._began > 1 and not self.quiet:
            self._waited.add(kind)
            sys.stderr.write(f"waiting {what}\n")
            sys.stderr.flush()

    # -- what goes out ----------------------------------------------------------------------------
    def progress(self, line: str) -> None:
        """Say on stderr what goes on."""
        if not self.quiet:
            sys.stderr.write(f"{clean(line)}\n")
            sys.stderr.flush()

    def emit(self, reply: Reply) -> int:
        """Write a reply; its exit status."""
        extra = self._common(reply.network)
        if self._peer is not None:
            self._peer.engine.told()
        if self.json:
            self.line({"ok": reply.status == 0, **extra, **reply.data})
        else:
            if reply.text and not self.quiet:
                write(reply.text.rstrip("\n") + "\n")
            self._tell(extra["notices"])
        if reply.wrote:
            self._mark_told(extra["notices"])
        return reply.status

    def fail(self, why: PeerError, network: bool = True) -> int:
        """Write an error; its exit status."""
        extra = self._common(network and self._peer is not None)
        if self._peer is not None and why.code not in ("internal", "interrupted"):
            self._peer.engine.told()
        hint = why.hint or ("git peer help" if why.code == "usage" else "`git peer doctor` tells what is wrong here")
        if self.json:
            error = {"code": why.code, "message": why.message, "hint": hint}
            self.line({"ok": False, **extra, **why.extra, "error": error})
        else:
            self._tell(extra["notices"])
            complain(why.message, hint)
        if self._writes:
            self._mark_told(extra["notices"])
        return why.status

    def line(self, value: dict[str, Any]) -> None:
        """One JSON object as a line on stdout."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # Bytes of a path that are not UTF-8 are percent-encoded: a lone surrogate is no JSON for many readers.
        text = re.sub("[\ud800-\udfff]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)
        text = escaped(text)  # whoever shows it on a terminal shows it as it is
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.flush()

    def _common(self, network: bool) -> dict[str, Any]:
        peer = self._peer
        found: dict[str, Any] = {"session": None, "notices": []}
        if peer is not None:
            from git_peer.ops import notices

            try:
                found = {"session": peer.name, "notices": notices.of(peer)}
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
                notices.are_told(self._peer)

    def _tell(self, notices: list[dict[str, Any]]) -> None:
        for notice in notices:
            if not self.quiet:
                sys.stderr.write(f"note: {clean(notice['message'])}\n")


def clean(text: str) -> str:
    """Text for a terminal: control and direction-changing characters are shown, not obeyed."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c
        if c == "\n" or (c.isprintable() and not "\u202a" <= c <= "\u202e" and not "\u2066" <= c <= "\u2069")
        else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def write(text: str) -> None:
    """Text for people on stdout."""
    safe = "\n".join(clean(line) for line in text.split("\n"))
    sys.stdout.buffer.write(safe.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def complain(message: str, hint: str = "") -> None:
    """git's two lines on stderr."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    error, tip = ("\x1b[31merror:\x1b[m", "\x1b[33mhint:\x1b[m") if colour else ("error:", "hint:")
    out = f"{error} {clean(message)}\n" + (f"{tip} {clean(hint)}\n" if hint else "")
    sys.stderr.buffer.write(out.encode("utf-8", "backslashreplace"))
    sys.stderr.flush()


def table(rows: list[list[str]], head: list[str]) -> str:
    """Columns for people; on a terminal rich draws them, else they are aligned with two spaces between."""
    if not rows:
        return ""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return _rich(rows, head)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    return "\n".join(line.rstrip() for line in lines)


def _rich(rows: list[list[str]], head: list[str]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*head, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(clean(cell)) for cell in row))
    console = Console()
    console.print(drawn)
    return ""
