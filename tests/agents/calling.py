"""Agents as git-peer meets them: each call is a process with the agent's JSON on stdin."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.world import Clone, Result

PATIENCE = 30  # seconds for something that happens in the background


@dataclass
class Agent:
    """One session of a coding agent in a clone."""

    clone: Clone
    session: str = "s1"
    kind: str = "claude-code"

    def call(self, event: str, **payload: Any) -> dict[str, Any]:
        """The answer to an event; {} where it says nothing. Whatever it is, it exits 0 with one JSON object at most."""
        base = {"session_id": self.session, "cwd": str(self.clone.path), "hook_event_name": "X"}
        raw = json.dumps({**base, **payload}).encode()
        return answer_of(self.clone.peer("hook", self.kind, event, stdin=raw, status=None))

    def edit(self, path: str, **payload: Any) -> str:
        """Why an edit is refused; "" where it is not."""
        given = {"file_path": str(self.clone.path / path)}
        return denied(self.call("pre-edit", tool_name="Edit", tool_input=given, **payload))

    def shell(self, command: str, **payload: Any) -> str:
        """Why a command is refused."""
        return denied(self.call("pre-shell", tool_name="Bash", tool_input={"command": command}, **payload))

    @property
    def env(self) -> dict[str, str]:
        """What its shell commands see."""
        return {
            "claude-code": {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": self.session},
            "codex": {"CODEX_SESSION_ID": self.session},
            "gemini": {"GEMINI_CLI": "1"},
        }[self.kind]

    @property
    def name(self) -> str:
        """The session that its shell commands are."""
        return str(self.clone.peer("whoami", "--json", env=self.env).json()["name"])

    def locks(self) -> dict[str, str]:
        """Target → guarantee of what it holds, as its shell sees it."""
        found = self.clone.peer("locks", "--mine", "--json", env=self.env).json()["locks"]
        return {lock["target"]: lock["guarantee"] for lock in found}


def passes(agent: Agent, seconds: int) -> None:
    """Time passes since the agent was last told of news."""
    place = agent.clone.common / "peer" / "agents" / f"{agent.name}.json"
    notes = json.loads(place.read_text())
    notes["looked"][0] -= seconds
    place.write_text(json.dumps(notes))


def answer_of(result: Result) -> dict[str, Any]:
    """The JSON of a hook's answer."""
    assert result.status == 0, result
    assert result.err == "", result
    return result.json() if result.raw else {}


def denied(answer: dict[str, Any]) -> str:
    """The reason of a refusal in any dialect; a message would be an accident of ours."""
    assert "systemMessage" not in answer, answer
    specific = answer.get("hookSpecificOutput", {})
    assert specific.get("permissionDecision") in (None, "deny")
    if answer.get("decision") == "deny":
        return str(answer["reason"])
    return str(specific.get("permissionDecisionReason", ""))


def context(answer: dict[str, Any]) -> str:
    """What an answer puts into the context."""
    return str(answer.get("hookSpecificOutput", {}).get("additionalContext", ""))


def eventually(found: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What `found` finds, asked again and again."""
    end = time.monotonic() + patience
    while not (value := found()):
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.2)
    return value
