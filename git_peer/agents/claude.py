"""Claude Code: how its hooks speak. Standard library only."""

from __future__ import annotations

from git_peer.agents import event
from git_peer.agents.event import Answer, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME = "claude-code"
HEARS = frozenset({"session-start", "prompt", "pre-edit", "pre-shell", "post-edit"})  # where context reaches its model
THEIRS = {
    "session-start": "SessionStart",
    "prompt": "UserPromptSubmit",
    "pre-edit": "PreToolUse",
    "pre-shell": "PreToolUse",
    "post-edit": "PostToolUse",
    "pre-compact": "PreCompact",
    "stop": "Stop",
    "session-end": "SessionEnd",
}


def environment(session: str) -> dict[str, str]:
    """What its shell commands see of it: they and its hooks are one session."""
    return {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": session} if session else {"CLAUDECODE": "1"}


def read(name: str, payload: Mapping[str, Any]) -> Event:
    """What one of its hooks was told."""
    given = payload.get("tool_input")
    paths = [event.text(given, "file_path"), event.text(given, "notebook_path")]
    paths += [event.text(edit, "file_path") for edit in event.several(given, "edits")[:200]]
    return Event(
        name,
        **event.common(payload),
        paths=tuple(dict.fromkeys(filter(None, paths))),
        edits=event.replaced(given) if name == "pre-edit" else (),
        command=event.text(given, "command") if name == "pre-shell" else "",
        over=payload.get("hook_event_name") == "SubagentStop",
    )


def write(name: str, answer: Answer) -> dict[str, Any]:
    """An answer as it takes it."""
    return event.rendered(THEIRS.get(name, ""), answer)
