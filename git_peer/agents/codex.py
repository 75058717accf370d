"""Codex: how its hooks speak. Standard library only. Its schema follows Claude Code's, with patches for edits."""

from __future__ import annotations

from git_peer.agents import claude, event
from git_peer.agents.event import Answer, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME = "codex"
HEARS = claude.HEARS


def environment(session: str) -> dict[str, str]:
    """What its shell commands see of it."""
    return {"CODEX_SESSION_ID": session}


def read(name: str, payload: Mapping[str, Any]) -> Event:
    """What one of its hooks was told. A patch stands where a shell's command line stands otherwise."""
    given = payload.get("tool_input")
    if isinstance(given, str):
        given = {"command": given}
    elif isinstance(given, dict) and isinstance(given.get("command"), list):
        given = {**given, "command": _line(given["command"])}
    found = Event(name, **event.common(payload), over=payload.get("hook_event_name") == "SubagentStop")
    line = next(filter(None, (event.text(given, key, 1 << 24) for key in ("command", "patch", "input"))), "")
    if name == "pre-edit" and line:
        from git_peer.agents import patches  # it compiles patterns: only where a patch has come

        found.paths = tuple(patches.paths(line))
    elif name == "pre-shell":
        found.command = line[: 1 << 20]
    paths = [event.text(given, key) for key in ("file_path", "path")]
    found.paths += tuple(path for path in filter(None, paths) if path not in found.paths)
    return found


def _line(words: list[Any]) -> str:
    """A command that comes as words; of `bash -lc SCRIPT` the script."""
    said = [word for word in words if isinstance(word, str)]
    if len(said) == 3 and said[1] in ("-c", "-lc"):
        return said[2]
    from shlex import join

    return join(said)


def write(name: str, answer: Answer) -> dict[str, Any]:
    """An answer as it takes it."""
    return event.rendered(claude.THEIRS.get(name, ""), answer)
