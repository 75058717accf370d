"""The three agents as the tests see them: how each is started, and what its tools are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.real.anthropic_api import AnthropicApi
from tests.real.clients import Agent, Clients
from tests.real.gemini_api import GeminiApi
from tests.real.openai_api import OpenAIApi
from tests.real.scripted import ScriptedApi, Use
from tests.world import Clone


@dataclass(frozen=True)
class Kind:
    """An agent: its name for `agent install`, its name in the log, its API, and its tools.

    `start` takes (clients, clone, api, name); `edit` replaces the word `old` in src/api.py's function by `new`.
    """

    install: str
    agent: str
    api: type[ScriptedApi]
    start: Callable[[Clients, Clone, ScriptedApi, str], Agent]
    look: Callable[[Clone], Use]
    edit: Callable[[Clone, str, str], Use]
    shell: Callable[[str], Use]


PATH = "src/api.py"


def _file(clone: Clone) -> str:
    return str(clone.path / PATH)


def _patch(clone: Clone, old: str, new: str) -> Use:
    lines = ("*** Begin Patch", f"*** Update File: {PATH}", "@@", f"-    {old}", f"+    {new}", "*** End Patch", "")
    return Use("apply_patch", "\n".join(lines))


CLAUDE = Kind(
    "claude-code",
    "claude",
    AnthropicApi,
    lambda clients, clone, api, name: clients.claude(clone, api, name=name),
    lambda clone: Use("Read", {"file_path": _file(clone)}),
    lambda clone, old, new: Use("Edit", {"file_path": _file(clone), "old_string": old, "new_string": new}),
    lambda line: Use("Bash", {"command": line, "description": "a command"}),
)
CODEX = Kind(
    "codex",
    "codex",
    OpenAIApi,
    lambda clients, clone, api, name: clients.codex(clone, api, name=name),
    lambda clone: Use("exec_command", {"cmd": f"cat {PATH}"}),
    _patch,
    lambda line: Use("exec_command", {"cmd": line}),
)
GEMINI = Kind(
    "gemini",
    "gemini",
    GeminiApi,
    lambda clients, clone, api, name: clients.gemini(clone, api, name=name),
    lambda clone: Use("read_file", {"file_path": _file(clone)}),
    lambda clone, old, new: Use(
        "replace", {"file_path": _file(clone), "old_string": old, "new_string": new, "instruction": "change it"}
    ),
    lambda line: Use("run_shell_command", {"command": line}),
)
