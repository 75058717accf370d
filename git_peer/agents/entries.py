"""The hook entries that agents' settings get. They are versioned and shared, so nothing of this machine is in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from git_peer.agents import wake

LOUD = ("session-start", "pre-edit", "pre-shell")  # events whose hook says so where git-peer is missing or broken
_SECONDS = 10  # that an agent waits for a hook at most; ours answer within three
_SILENT = "its hook did not run, so nothing is locked for you here; is git-peer installed, and on PATH?"
_OURS = re.compile(r"\bgit-peer hook ([a-z-]+) [a-z-]+")


@dataclass(frozen=True)
class Entry:
    """A hook of ours in an agent's settings: its event, for which tools ("" for all), our event."""

    theirs: str
    matcher: str
    ours: str


@dataclass(frozen=True)
class Hooks:
    """All of an agent's. `extra` goes into each of its hooks, `scale` is what a second is in its time-outs."""

    agent: str
    entries: tuple[Entry, ...]
    scale: int = 1
    named: bool = False  # whether a hook has a name

    def groups(self) -> list[tuple[str, dict[str, Any]]]:
        """(its event, a group of hooks as its settings have them)."""
        found: list[tuple[str, dict[str, Any]]] = []
        for entry in self.entries:
            hook: dict[str, Any] = {"name": f"git-peer {entry.ours}"} if self.named else {}
            hook |= {"type": "command", "command": command(self.agent, entry.ours)}
            hook["timeout"] = (600 if entry.ours == "wait" else _SECONDS) * self.scale
            if entry.ours == "wait":
                hook |= {"asyncRewake": True, "rewakeSummary": "git-peer has news"}
            group = {"matcher": entry.matcher, "hooks": [hook]} if entry.matcher else {"hooks": [hook]}
            found.append((entry.theirs, group))
        return found


def command(agent: str, event: str) -> str:
    """The line that a hook runs: a program that is missing or broken lets everything through, and never exits 2."""
    ours = f"git-peer hook {agent} {event}"
    there = "command -v git-peer >/dev/null 2>&1"
    if event == "wait":  # here 2 is what wakes the agent, and comes of our own status alone
        return f"{there} || exit 0; {ours}; [ $? -eq {wake.NEWS} ] && exit 2; exit 0"
    said = f"{there} && o=$({ours}) && case $o in ''|{{*}}) printf '%s' \"$o\";; *) false;; esac"
    if event not in LOUD:
        return f"{said} || :"
    told: dict[str, Any] = {"systemMessage": f"git-peer: {_SILENT}"}
    if event == "session-start":  # where every agent's model hears of it
        told["hookSpecificOutput"] = {"hookEventName": "SessionStart", "additionalContext": f"git-peer: {_SILENT}"}
    return f"{said} || echo '{json.dumps(told)}'"


def is_ours(hook: Any, agent: str) -> bool:
    """Whether a hook of an agent's settings is one of ours, of any release."""
    text = hook.get("command") if isinstance(hook, dict) else None
    found = _OURS.search(text) if isinstance(text, str) else None
    return found is not None and found[1] == agent


_CLAUDE_EDITS = "Edit|Write|MultiEdit|NotebookEdit"
_CODEX_EDITS, _CODEX_SHELL = "apply_patch|Edit|Write", "Bash|shell|shell_command|local_shell|exec_command"
_GEMINI_EDITS, _GEMINI_SHELL = "write_file|replace|edit", "run_shell_command"

HOOKS: dict[str, Hooks] = {
    "claude-code": Hooks(
        "claude-code",
        (
            Entry("SessionStart", "", "session-start"),
            Entry("UserPromptSubmit", "", "prompt"),
            Entry("PreToolUse", _CLAUDE_EDITS, "pre-edit"),
            Entry("PreToolUse", "Bash", "pre-shell"),
            Entry("PostToolUse", f"{_CLAUDE_EDITS}|Bash", "post-edit"),
            Entry("PreCompact", "", "pre-compact"),
            Entry("Stop", "", "stop"),
            Entry("Stop", "", "wait"),
            Entry("SubagentStop", "", "stop"),
            Entry("SessionEnd", "", "session-end"),
        ),
    ),
    "codex": Hooks(
        "codex",
        (
            Entry("SessionStart", "", "session-start"),
            Entry("UserPromptSubmit", "", "prompt"),
            Entry("PreToolUse", _CODEX_EDITS, "pre-edit"),
            Entry("PreToolUse", _CODEX_SHELL, "pre-shell"),
            Entry("PostToolUse", f"{_CODEX_EDITS}|{_CODEX_SHELL}", "post-edit"),
            Entry("PreCompact", "", "pre-compact"),
            Entry("Stop", "", "stop"),
            Entry("SubagentStop", "", "stop"),
        ),
    ),
    "gemini": Hooks(
        "gemini",
        (
            Entry("SessionStart", "", "session-start"),
            Entry("BeforeAgent", "", "prompt"),
            Entry("BeforeTool", _GEMINI_EDITS, "pre-edit"),
            Entry("BeforeTool", _GEMINI_SHELL, "pre-shell"),
            Entry("AfterTool", f"{_GEMINI_EDITS}|{_GEMINI_SHELL}", "post-edit"),
            Entry("PreCompress", "", "pre-compact"),
            Entry("AfterAgent", "", "stop"),
            Entry("SessionEnd", "", "session-end"),
        ),
        scale=1000,
        named=True,
    ),
}
