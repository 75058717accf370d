"""Gemini CLI: how its hooks speak. Standard library only."""

from __future__ import annotations

from git_peer.agents import event
from git_peer.agents.event import Answer, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME = "gemini"
HEARS = frozenset({"session-start", "prompt", "post-edit"})  # where context reaches its model
THEIRS = {
    "session-start": "SessionStart",
    "prompt": "BeforeAgent",
    "pre-edit": "BeforeTool",
    "pre-shell": "BeforeTool",
    "post-edit": "AfterTool",
    "pre-compact": "PreCompress",
    "stop": "AfterAgent",
    "session-end": "SessionEnd",
}


def environment(session: str) -> dict[str, str]:
    """What its shell commands see of it: that it is there, and no id. So neither may its hooks go by theirs."""
    return {"GEMINI_CLI": "1", "GEMINI_SESSION_ID": ""}


def read(name: str, payload: Mapping[str, Any]) -> Event:
    """What one of its hooks was told."""
    given = payload.get("tool_input")
    paths = [event.text(given, key) for key in ("file_path", "absolute_path", "path")]
    found = Event(
        name,
        **event.common(payload),
        paths=tuple(dict.fromkeys(filter(None, paths))),
        edits=event.replaced(given) if name == "pre-edit" else (),
        command=event.text(given, "command") if name == "pre-shell" else "",
    )
    where = event.text(given, "dir_path", 10_000) or event.text(given, "directory", 10_000)
    if name == "pre-shell" and where:  # where its shell tool is told to run
        found.cwd = where if where.startswith("/") else f"{found.cwd}/{where}"
    return found


def write(name: str, answer: Answer) -> dict[str, Any]:
    """An answer as it takes it."""
    their = THEIRS.get(name, "")
    found: dict[str, Any] = {}
    if answer.deny and their == "BeforeTool":
        found |= {"decision": "deny", "reason": answer.deny}
    if answer.go_on and their == "AfterAgent":
        found |= {"decision": "deny", "reason": answer.go_on}
    if answer.context and their in ("SessionStart", "BeforeAgent", "AfterTool"):
        found["hookSpecificOutput"] = {"hookEventName": their, "additionalContext": answer.context}
    if answer.message:
        found["systemMessage"] = answer.message
    return found
