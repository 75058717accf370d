"""The entry of `git peer mcp` in agents' settings: text in, text out, and out again byte for byte. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from git_peer.agents import jsontext
from git_peer.agents.parts import Part, without

NAME = "peer"  # what agents call our server
ENTRY: dict[str, Any] = {"command": "git-peer", "args": ["mcp"]}
CLAUDES = "alwaysLoad"  # Claude Code alone knows it: the tools are offered from the start, not searched for
_MARKED = re.compile(r"# git-peer:begin\r?\n.*?# git-peer:end(?:\r?\n|\Z)", re.DOTALL)
_TOML = f'# git-peer:begin\n[mcp_servers.{NAME}]\ncommand = "{ENTRY["command"]}"\nargs = ["mcp"]\n# git-peer:end\n'


class ServerPart(Part, Protocol):
    """A part that an agent may have or not."""

    def is_in(self, text: str | None) -> bool:
        """Whether the text has it for this agent. jsontext.Bad refuses."""


def is_ours(entry: Any) -> bool:
    """Whether a server's entry starts `git-peer mcp`, whatever else a person has set in it."""
    if not isinstance(entry, Mapping):
        return False
    command, args = entry.get("command"), entry.get("args")
    if not isinstance(command, str) or not isinstance(args, list):
        return False
    return command.rpartition("/")[2] == "git-peer" and args[:1] == ["mcp"]


@dataclass(frozen=True)
class JsonServer:
    """The entry among the servers of a JSON file, in the object `key`.

    `mark`: a member of the entry that is this agent's alone; in a file that it shares with others it tells whether the
    entry is there for it, too. `kept`: others want the entry.
    """

    path: Path
    key: str = "mcpServers"
    mark: str = ""
    kept: bool = False

    def put(self, text: str | None) -> str:
        """The settings with the entry; one that is there stays as it is."""
        if text is not None and (found := self._found(text)) is not None:
            name, entry = found
            return (
                jsontext.put(text, (self.key, name, self.mark), True) if self.mark and self.mark not in entry else text
            )
        made = "{}\n" if text is None else text
        servers = jsontext.loads(made).get(self.key)
        if isinstance(servers, dict) and NAME in servers:
            raise jsontext.Bad(f"{self.key}.{NAME} is another server")
        entry = ENTRY | ({self.mark: True} if self.mark else {})
        return jsontext.put(made, (self.key, NAME), entry, text is not None)

    def take(self, text: str) -> str | None:
        """The settings without the entry, and without what was made to hold it."""
        found = self._found(text)
        if found is None or not self.is_in(text):
            return text
        name, entry = found
        if self.kept or (CLAUDES in entry and self.mark != CLAUDES):
            return jsontext.cut(text, (self.key, name, self.mark))[0] if self.mark else text
        text, made = jsontext.cut(text, (self.key, name))
        if made:
            text, made = jsontext.cut(text, (self.key,))
        return None if made else text

    def is_in(self, text: str | None) -> bool:
        """Whether the text has the entry for this agent."""
        found = None if text is None else self._found(text)
        return found is not None and (not self.mark or self.mark in found[1])

    def _found(self, text: str) -> tuple[str, dict[str, Any]] | None:
        """(name, entry) of our server."""
        if ENTRY["command"] not in text:  # so a file that has nothing of ours need not even parse
            return None
        servers = jsontext.loads(text).get(self.key)
        if not isinstance(servers, dict):
            return None
        return next(((name, entry) for name, entry in servers.items() if is_ours(entry)), None)


@dataclass(frozen=True)
class TomlServer:
    """The entry in Codex's TOML, as a block between markers: no writer of TOML would keep a person's comments."""

    path: Path

    def put(self, text: str | None) -> str:
        """The settings with the block at their end, or brought up to date where it stands."""
        if text is None:
            return _TOML
        newline = "\r\n" if "\r\n" in text else "\n"
        block = _TOML.replace("\n", newline)
        marked = _MARKED.search(text)
        if marked is not None:
            return text[: marked.start()] + block + text[marked.end() :]
        servers = _read(text).get("mcp_servers", {})
        if isinstance(servers, dict) and any(is_ours(entry) for entry in servers.values()):
            return text  # put there by hand
        if isinstance(servers, dict) and NAME in servers:
            raise jsontext.Bad(f"mcp_servers.{NAME} is another server")
        made = text + newline + block
        _read(made)  # `mcp_servers = {}` on one line takes no table more
        return made

    def take(self, text: str) -> str | None:
        """The settings without the block."""
        marked = _MARKED.search(text)
        return text if marked is None else without(text, marked)

    def is_in(self, text: str | None) -> bool:
        """Whether the text has the block."""
        return text is not None and _MARKED.search(text) is not None


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as why:
        raise jsontext.Bad(str(why)) from None
