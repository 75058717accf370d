"""`git peer agent install`: which parts an agent gets, and the files that they go into."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from git_peer.agents import jsontext
from git_peer.agents.entries import HOOKS
from git_peer.agents.parts import BlockPart, HooksPart, Part, named
from git_peer.agents.servers import CLAUDES, JsonServer, ServerPart, TomlServer
from git_peer.core import near
from git_peer.core.errors import PeerError
from git_peer.core.session import naming

_HOMES = {  # agent → (variable that moves its folder, the folder in the home directory)
    "claude-code": ("CLAUDE_CONFIG_DIR", ".claude"),
    "codex": ("CODEX_HOME", ".codex"),
    "gemini": ("", ".gemini"),
}
_FILES = {"claude-code": "settings.json", "codex": "hooks.json", "gemini": "settings.json"}
_SHARED = ".mcp.json"  # where agents look that have no place of their own; and Claude Code
_SERVERS = {  # agent → (where a project has its MCP servers, where its user has them, in which object)
    "cursor": (".cursor/mcp.json", ".cursor/mcp.json", "mcpServers"),
    "kiro": (".kiro/settings/mcp.json", ".kiro/settings/mcp.json", "mcpServers"),
    "roo": (".roo/mcp.json", "", "mcpServers"),
    "vscode": (".vscode/mcp.json", "", "servers"),
}
_SAME = 0.8  # as near.near() has it: other agents' names end in -code and -cli too
NOTES = {
    "codex": "Codex runs new hooks only when you have trusted them: `/hooks` in Codex.",
    "gemini": "Gemini CLI runs a project's hooks only in a folder that it trusts.",
}


@dataclass(frozen=True)
class Change:
    """A file before and after; None: it is not there."""

    path: Path
    before: str | None
    after: str | None

    def diff(self) -> str:
        """The change as a unified diff."""
        old, new = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        lines = difflib.unified_diff(
            old, new, str(self.path) if self.before is not None else "/dev/null",
            str(self.path) if self.after is not None else "/dev/null",
        )  # fmt: skip
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def home(agent: str) -> Path:
    """The user's own folder of an agent."""
    variable, folder = _HOMES[agent]
    given = os.environ.get(variable) if variable else ""
    return Path(given) if given else Path.home() / folder


def parts(agent: str, top: Path | None) -> list[Part]:
    """What an agent gets whatever is asked for: in the project at `top`, or for its user where that is None."""
    _checked(agent, top)
    if agent not in HOOKS:
        return [] if top is None else [BlockPart(top / "AGENTS.md", agent)]
    folder = home(agent) if top is None else top / _HOMES[agent][1]
    found: list[Part] = [HooksPart(folder / _FILES[agent], HOOKS[agent])]
    if agent == "codex":
        found.append(BlockPart((folder if top is None else top) / "AGENTS.md", agent))
    return found


def server(agent: str, top: Path | None) -> ServerPart:
    """The MCP server in an agent's settings."""
    _checked(agent, top)
    if agent == "codex":
        return TomlServer((home(agent) if top is None else top / ".codex") / "config.toml")
    if agent == "gemini":
        return JsonServer((home(agent) if top is None else top / ".gemini") / "settings.json")
    if agent == "claude-code":
        if top is not None:
            return JsonServer(top / _SHARED, mark=CLAUDES, kept=bool(_sharing(top)))
        moved = os.environ.get("CLAUDE_CONFIG_DIR")
        return JsonServer((Path(moved) if moved else Path.home()) / ".claude.json", mark=CLAUDES)
    project, user, key = _SERVERS.get(agent, (_SHARED, "", "mcpServers"))
    if top is None:
        if not user:
            raise PeerError("usage", f"where {agent} keeps its user's settings is not known", "leave out --user")
        return JsonServer(Path.home() / user, key)
    return JsonServer(top / project, key, kept=project == _SHARED and bool(_sharing(top) - {agent}))


def _checked(agent: str, top: Path | None) -> None:
    """PeerError("usage") for what cannot be an agent's name, or is nearly one that has a place of its own."""
    if not naming.is_name(agent):
        raise PeerError("usage", f"not an agent's name: {agent!r}", f"{', '.join(HOOKS)}, or another agent's name")
    ours = [*HOOKS, *_SERVERS]
    if agent in ours or (top is not None and agent in others(top)):
        return
    meant = near.near(agent, ours, _SAME)
    if meant:
        raise PeerError("usage", f"there is no agent {agent}", near.hint(agent, meant, "`git peer agent list`"))


def others(top: Path) -> list[str]:
    """The agents without hooks that the project at `top` is set up for."""
    return [name for name in named(_read(top / "AGENTS.md") or "") if name not in HOOKS]


def _sharing(top: Path) -> set[str]:
    """Of these those that have no place of their own for MCP servers."""
    return {name for name in others(top) if name not in _SERVERS}


def install(agent: str, top: Path | None, mcp: bool | None = None) -> list[Change]:
    """What installing changes; nothing is written yet.

    `mcp`: whether the MCP server is among it. None: that stays as it is; an agent without hooks begins with it.
    """
    ours = server(agent, top)
    begins = agent not in HOOKS and not is_installed(agent, top)

    def serve(part: Part, text: str | None) -> str | None:
        if mcp is False:
            return _taken(part, text)
        return part.put(text) if mcp or begins or ours.is_in(text) else text

    return _changes([*((part, _put) for part in parts(agent, top)), (ours, serve)])


def remove(agent: str, top: Path | None) -> list[Change]:
    """What removing changes."""
    return _changes([(part, _taken) for part in (*parts(agent, top), server(agent, top))])


def is_installed(agent: str, top: Path | None) -> bool:
    """Whether anything of git-peer is in an agent's settings; PeerError where they cannot be read."""
    return bool(remove(agent, top))


def states(top: Path) -> list[dict[str, Any]]:
    """Every agent with hooks, and those others that the project has: {agent, project, user, mcp}.

    `project` and `user`: yes, no, outdated or unreadable; `mcp`: where the MCP server is, of these two.
    """
    found = []
    places: dict[str, Path | None] = {"project": top, "user": None}
    try:
        agents = [*HOOKS, *others(top)]
    except PeerError:  # an AGENTS.md that is no text
        agents = [*HOOKS]
    for agent in agents:
        states = {scope: _state(agent, place) for scope, place in places.items()}
        found.append({
            "agent": agent, **states, "mcp": [scope for scope, place in places.items() if _serves(agent, place)]
        })  # fmt: skip
    return found


def _state(agent: str, place: Path | None) -> str:
    if place is None and agent not in HOOKS and not _SERVERS.get(agent, ("", "", ""))[1]:
        return "no"  # there is no such place
    try:
        if not is_installed(agent, place):
            return "no"
        return "outdated" if install(agent, place) else "yes"
    except PeerError:
        return "unreadable"


def _serves(agent: str, place: Path | None) -> bool:
    try:
        part = server(agent, place)
        return part.is_in(_read(part.path))
    except (PeerError, jsontext.Bad):
        return False


_Step = Callable[[Part, str | None], str | None]


def _put(part: Part, text: str | None) -> str | None:
    return part.put(text)


def _taken(part: Part, text: str | None) -> str | None:
    return None if text is None else part.take(text)


def _changes(found: Sequence[tuple[Part, _Step]]) -> list[Change]:
    before: dict[Path, str | None] = {}
    after: dict[Path, str | None] = {}
    for part, change in found:
        if part.path not in before:
            before[part.path] = after[part.path] = _read(part.path)
        try:
            after[part.path] = change(part, after[part.path])
        except jsontext.Bad as why:
            raise PeerError("invalid", f"{part.path}: {why}", "mend the file first; nothing was changed") from None
    return [Change(path, before[path], after[path]) for path in before if before[path] != after[path]]


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as why:
        raise PeerError("invalid", f"{path}: {why}", "mend the file first; nothing was changed") from None


def write(changes: Sequence[Change]) -> None:
    """Make the changes: files whole or not at all, through symlinks, with the mode that they have."""
    for change in changes:
        path = change.path.resolve()
        try:
            if change.after is None:
                path.unlink()
                with contextlib.suppress(OSError):
                    if path.parent.name.startswith("."):  # a folder that holds nothing else came with it
                        path.parent.rmdir()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_bytes(change.after.encode())
            if change.before is not None:
                temporary.chmod(path.stat().st_mode & 0o7777)
            temporary.replace(path)
        except OSError as why:
            raise PeerError("failed", f"cannot write {path}: {why.strerror}", "is it read-only?") from None
