"""Plans from files and into files: reading with bounds, the comparison with the log, and what comes of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.log.state import State
from git_peer.core.plan import edits
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.record import Item, Result
from git_peer.core.rules import decide as commands
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.formats.document import Bad, Document, of_board
from git_peer.ops import plan_merge, reading
from git_peer.ops.peer import Peer
from git_peer.ops.plan_merge import Found, Side
from git_peer.store import files

MAX_BYTES = 10 * 1024 * 1024
READ, WRITE = ("toml", "json", "md"), ("toml", "json", "md", "dot", "mermaid")
_SUFFIXES = {
    ".toml": "toml", ".json": "json", ".md": "md", ".markdown": "md", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid",
    ".mermaid": "mermaid",
}  # fmt: skip
_TOML = re.compile(r"\[\[?[A-Za-z0-9_. -]{1,80}\]|[A-Za-z0-9_-]{1,80}[ \t]*=")
_ID = re.compile(r"[A-Za-z0-9~][A-Za-z0-9._-]*")
_SHOWN = 100  # characters of a value in a list of changes


# -- reading --------------------------------------------------------------------------------------
def read(name: str) -> str:
    """The text of a file, `-` for stdin. PeerError: `usage` for what cannot be read, `invalid` for what is no text."""
    shown = named(name)
    raw = reading.stdin(MAX_BYTES) if name == "-" else reading.file(name, MAX_BYTES)
    try:
        found = raw.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = raw.count(b"\n", 0, why.start) + 1
        raise PeerError("invalid", f"{shown}:{line}: not UTF-8", "save it as UTF-8") from None
    if "\0" in found:
        line = found.count("\n", 0, found.index("\0")) + 1
        raise PeerError("invalid", f"{shown}:{line}: a NUL character", "a plan is plain text")
    return found


def named(name: str) -> str:
    """A file as errors name it."""
    return "stdin" if name == "-" else name


def form_of(name: str, given: str | None, content: str = "") -> str:
    """The format: what is `given`, else by the file's suffix, else by what is in it; TOML where there is nothing."""
    if given is not None:
        return given
    by_suffix = _SUFFIXES.get(Path(name).suffix.lower(), "")
    if by_suffix or not content:
        return by_suffix or "toml"
    if content.lstrip().startswith("{"):
        return "json"
    told = (line.strip() for line in content.split("\n"))
    first = next((line for line in told if line and not line.startswith("#")), "")
    return "toml" if _TOML.match(first) else "md"


def parse(content: str, form: str) -> Document:
    """The document in a text of that format; Bad with the line of what is wrong."""
    from git_peer.formats import jsonfile, markdown, toml

    reader: dict[str, Callable[[str], Document]] = {"toml": toml.read, "json": jsonfile.read, "md": markdown.read}
    if form not in reader:
        raise PeerError("usage", f"a plan is read from {', '.join(READ)}, not from {form}", "`--as-format` says which")
    return reader[form](content)


# -- export ---------------------------------------------------------------------------------------
def export(peer: Peer, form: str) -> str:
    """The present plan as text, with the commit of the log that it is of."""
    commit = peer.engine.tip()
    state = peer.chain.state(commit)
    return written(of_board(Board(state), (state.log.id, commit)), form)


def written(document: Document, form: str) -> str:
    """A document as text of that format."""
    from git_peer.formats import graph, jsonfile, markdown_text, toml

    write: dict[str, Callable[[Document], str]] = {
        "toml": toml.write, "json": jsonfile.write, "md": markdown_text.write, "dot": graph.dot,
        "mermaid": graph.mermaid,
    }  # fmt: skip
    return write[form](document)


# -- import ---------------------------------------------------------------------------------------
class Import:
    """A file and what it would change: `changes` tells it, dry_run() tries it, run() does it."""

    def __init__(self, peer: Peer, name: str, given: str | None) -> None:
        self.peer, self.name = peer, named(name)
        content = read(name)
        try:
            self.document = parse(content, form_of(name, given, content))
            base, present, rooted = self._sides()
            self.found: Found = plan_merge.compare(self.document, base, present, rooted, self._target)
        except Bad as why:
            raise self._at(why.code, str(why), why.line, why.hint) from None

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What changes, for JSON."""
        return [{key: _plain(value) for key, value in change.items()} for change in self.found.changes]

    def lines(self) -> list[str]:
        """What changes, for people."""
        return [_told(change) for change in self.found.changes]

    def left_out(self) -> str:
        """The lines of the file that nothing was made of, "" for none."""
        return _runs(self.document.left_out)

    def dry_run(self) -> None:
        """PeerError where run() would be refused, by the local copy."""
        state = self.peer.chain.state(self.peer.engine.tip())
        if self.found.edits:
            try:
                commands.decide(state, self._command(), self.peer.scene(state))
            except PeerError as why:
                raise self._placed(why) from None

    def run(self) -> dict[str, Any]:
        """Write it: all of it, or nothing. {ids}"""
        if not self.found.edits:
            return {"ids": []}
        try:
            return self.peer.run(self._command())
        except PeerError as why:
            raise self._placed(why) from None

    def _command(self) -> edits.EditPlan:
        return edits.EditPlan(me=self.peer.me, edits=tuple(self.found.edits), how="import")

    def _sides(self) -> tuple[Side, Side, bool]:
        """(what the file was made from, the present plan, whether the former is of this log's history)."""
        peer = self.peer
        if peer.remote is not None:
            self._fetch()
        tip = peer.engine.tip()
        state = peer.chain.state(tip)
        present = Side(state)
        made = self.document.log
        if made is None or made[0] != state.log.id or not peer.chain.descends(tip, made[1]):
            return present, present, False
        return (present if made[1] == tip else Side(peer.chain.state(made[1]))), present, True

    def _fetch(self) -> None:
        """What others did meanwhile belongs to the comparison; where the remote is away, writing will say so."""
        peer = self.peer
        with peer.clone.try_writing() as mine:
            if mine:
                try:
                    peer.engine.advance(peer.settings.get("retryTimeout"))
                except PeerError as why:
                    if why.code != "unreachable":
                        raise

    def _target(self, typed: str) -> Target:
        repo = self.peer.repo
        return targets.parse(typed, "", repo.what_is, str(repo.top) if repo.top is not None else "", repo.in_any_tree)

    def _at(self, code: str, message: str, line: int, hint: str, **extra: Any) -> PeerError:
        place = f"{self.name}:{line}" if line else self.name
        return PeerError(code, f"{place}: {message}", hint, **extra)

    def _placed(self, why: PeerError) -> PeerError:
        """A refusal with the line of the task, phase or contract that it speaks of."""
        if why.status != 1:
            return why
        places = {
            row.values.get("id") or row.values.get("name"): (section, row.index)
            for section in ("contracts", "phases", "tasks")
            for row in self.document.rows(section)
        }
        for word in _ID.findall(why.message):
            found = places.get(word) or places.get(word.rstrip("."))
            if found is not None:
                return self._at(why.code, why.message, self.document.locate(*found, ""), why.hint, **why.extra)
        return self._at(why.code, why.message, 0, why.hint, **why.extra)


def whole(peer: Peer, state: State | None = None) -> dict[str, Any]:
    """The plan as the contract tells it."""
    there = peer.state if state is None else state
    return Board(there).whole(peer.scene(there))


# -- telling --------------------------------------------------------------------------------------
def _told(change: dict[str, Any]) -> str:
    """A change as a line: `+ task t4 Title`, `~ task t2 priority: 5 → 8`."""
    name = " ".join(filter(None, (change["what"], change["id"])))
    if change["change"] != "~":
        return f"{change['change']} {name} {text.line(change['title'], _SHOWN)}".rstrip()
    field = "" if change["field"] == change["what"] else f" {change['field'].replace('_', ' ')}"
    return f"~ {name}{field}: {_short(change['old'])} → {_short(change['new'])}"


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return text.line(", ".join(map(_short, value)), _SHOWN) or "nothing"
    if isinstance(value, Item):
        return f"[{'x' if value.done else ' '}] {value.text}"
    return text.line(str(value), _SHOWN) or "nothing"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [{"text": one.text, "done": one.done} if isinstance(one, Item) else one for one in value]
    return None if isinstance(value, Result) else value


def _runs(lines: list[int]) -> str:
    """Numbers of lines for people: 3, 5-8."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found[:20])
    return told + (" and more" if len(found) > 20 else "")


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all; through links, into what is no file (a pipe) straight."""
    real = Path(os.path.realpath(path))
    if not real.exists() or real.is_file():
        files.write(real, text, durable=False)
        return
    with open(real, "wb") as stream:
        stream.write(text.encode())
