"""`git peer agent install`: which parts an agent gets, and the files that they go into."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_peer.agents import jsontext
from git_peer.agents.entries import HOOKS
from git_peer.agents.parts import BlockPart, HooksPart, Part
from git_peer.core import naming
from git_peer.core.errors import PeerError

_HOMES = {  # agent → (variable that moves its folder, the folder in the home directory)
    "claude-code": ("CLAUDE_CONFIG_DIR", ".claude"),
    "codex": ("CODEX_HOME", ".codex"),
    "gemini": ("", ".gemini"),
}
_FILES = {"claude-code": "settings.json", "codex": "hooks.json", "gemini": "settings.json"}
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
    """What an agent gets: in the project at `top`, or for its user where that is None.

    A part more is a line more here: install, remove, list and --dry-run go by this list.
    """
    if not naming.is_name(agent):
        raise PeerError("usage", f"not an agent's name: {agent!r}", f"{', '.join(HOOKS)}, or another agent's name")
    if agent not in HOOKS:
        if top is None:
            raise PeerError("usage", f"where {agent} keeps its user's settings is not known", "leave out --user")
        return [BlockPart(top / "AGENTS.md", agent)]
    folder = home(agent) if top is None else top / _HOMES[agent][1]
    found: list[Part] = [HooksPart(folder / _FILES[agent], HOOKS[agent])]
    if agent == "codex":
        found.append(BlockPart((folder if top is None else top) / "AGENTS.md", agent))
    return found


def install(agent: str, top: Path | None) -> list[Change]:
    """What installing changes; nothing is written yet."""
    return _changes(parts(agent, top), lambda part, text: part.put(text))


def remove(agent: str, top: Path | None) -> list[Change]:
    """What removing changes."""
    return _changes(parts(agent, top), lambda part, text: None if text is None else part.take(text))


def is_installed(agent: str, top: Path | None) -> bool:
    """Whether anything of git-peer is in an agent's settings; PeerError where they cannot be read."""
    return bool(remove(agent, top))


def _changes(found: Sequence[Part], change: Callable[[Part, str | None], str | None]) -> list[Change]:
    before: dict[Path, str | None] = {}
    after: dict[Path, str | None] = {}
    for part in found:
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
