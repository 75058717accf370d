"""What an agent's hooks tell and are told, whichever agent it is. Standard library only: every edit waits for it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

EVENTS = ("session-start", "prompt", "pre-edit", "pre-shell", "post-edit", "pre-compact", "stop", "session-end")
LOCKING = ("pre-edit", "pre-shell")  # events in which something may be refused


class Event:
    """One call of a hook. Paths are absolute or relative to `cwd`; "" is what the agent did not tell.

    `session` is the agent's own id of the session, `source` why it starts or ends, `subagent` the id of a subagent
    that acts in it, `stopping` whether the agent goes on because a hook kept it from stopping.
    """

    def __init__(
        self,
        name: str,
        *,
        session: str = "",
        cwd: str = "",
        tool: str = "",
        paths: tuple[str, ...] = (),
        edits: tuple[tuple[str, str, str], ...] = (),
        command: str = "",
        source: str = "",
        stopping: bool = False,
        subagent: str = "",
        over: bool = False,
    ) -> None:
        self.name = name
        self.caller = 0  # the process that called the hook
        self.session = session
        self.cwd = cwd
        self.tool = tool
        self.paths = paths
        self.edits = edits  # (path, text, what comes in its place), where that is all that happens to the path
        self.command = command
        self.source = source
        self.stopping = stopping
        self.subagent = subagent
        self.over = over  # with `stop`: it is the subagent that has come to its end


class Answer:
    """What the agent is told: a refusal, context for its model, why it should go on, a message for its user."""

    def __init__(self, deny: str = "", context: str = "", go_on: str = "", message: str = "") -> None:
        self.deny = deny
        self.context = context
        self.go_on = go_on
        self.message = message


def text(value: Any, key: str, most: int = 1 << 20) -> str:
    """The string at `key` of what should be an object; "" where there is none, or it is absurdly long."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= most else ""


def pairs(event: Event, path: str) -> list[tuple[bytes, bytes]]:
    """(text, what comes in its place) of what an event does to the file at an absolute path, links followed."""
    return [
        (old.encode("utf-8", "replace"), new.encode("utf-8", "replace"))
        for at, old, new in event.edits
        if os.path.realpath(os.path.join(event.cwd, at)) == path
    ]


def several(value: Any, key: str) -> list[Any]:
    """The list at `key` of what should be an object."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def replaced(given: Any) -> tuple[tuple[str, str, str], ...]:
    """What a tool that replaces text does to its file; nothing where it is another tool, or that is not told."""
    path = text(given, "file_path")
    rows = several(given, "edits") or [given]
    if not path or len(rows) > 200 or not all(text(row, "old_string") for row in rows):
        return ()
    return tuple((path, text(row, "old_string"), text(row, "new_string")) for row in rows)


def common(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the agents that follow Claude Code's schema tell with every event, as arguments of an Event."""
    return {
        "session": text(payload, "session_id", 1000),
        "cwd": text(payload, "cwd", 10_000),
        "tool": text(payload, "tool_name", 1000),
        "source": text(payload, "source", 100) or text(payload, "reason", 100) or text(payload, "trigger", 100),
        "stopping": payload.get("stop_hook_active") is True,
        "subagent": text(payload, "agent_id", 1000),
    }


def rendered(their: str, answer: Answer) -> dict[str, Any]:
    """An answer in the JSON of Claude Code and of those that follow it; `their` is the agent's name of the event.

    What is let through says nothing of a decision: an "allow" of ours would pass over the user's own questions.
    """
    found: dict[str, Any] = {}
    specific: dict[str, Any] = {}
    if answer.deny and their == "PreToolUse":
        specific |= {"permissionDecision": "deny", "permissionDecisionReason": answer.deny}
    if answer.context and their in ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"):
        specific["additionalContext"] = answer.context
    if answer.go_on and their in ("Stop", "SubagentStop"):
        found |= {"decision": "block", "reason": answer.go_on}
    if specific:
        found["hookSpecificOutput"] = {"hookEventName": their, **specific}
    if answer.message:
        found["systemMessage"] = answer.message
    return found
