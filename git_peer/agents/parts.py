"""The parts that `git peer agent install` puts into files: text in, text out, and out again byte for byte. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from git_peer.agents import entries, guide, jsontext

_BLOCK = re.compile(r"<!-- git-peer:begin ([a-z0-9._ -]*)-->\r?\n.*?<!-- git-peer:end -->\r?\n?", re.DOTALL)


class Part(Protocol):
    """Something that is put into the file at `path`."""

    @property
    def path(self) -> Path:
        """The file."""

    def put(self, text: str | None) -> str:
        """The file's text with it, whatever of it was there; None: there is no such file. jsontext.Bad refuses."""

    def take(self, text: str) -> str | None:
        """The file's text without it; None where the file was made for it alone."""


@dataclass(frozen=True)
class HooksPart:
    """The hooks in an agent's JSON settings."""

    path: Path
    hooks: entries.Hooks

    def put(self, text: str | None) -> str:
        """The settings with our hooks behind those that are there."""
        given = None if text is None else _checked(text)
        if given is not None and self._found(given) == self.hooks.groups():
            return given
        base = None if given is None else self.take(given)
        made, was_there = "{}\n" if base is None else base, base is not None
        for event, group in self.hooks.groups():
            made = jsontext.add(made, ("hooks", event), group, was_there)
        return made

    def take(self, text: str) -> str | None:
        """The settings without our hooks, and without what was made to hold them."""
        while (spot := self._spot(text)) is not None:
            path: tuple[str | int, ...] = spot
            text, made = jsontext.cut(text, path)
            path = path[:-2]  # a group goes with the last of its hooks
            while made and path:
                text, made = jsontext.cut(text, path)
                path = path[:-1]
            if made:
                return None
        return text

    def _spot(self, text: str) -> tuple[str, str, int, str, int] | None:
        """Where a hook of ours stands."""
        for event, number, group in _groups(text):
            for index, hook in enumerate(group.get("hooks") or ()):
                if entries.is_ours(hook, self.hooks.agent):
                    return "hooks", event, number, "hooks", index
        return None

    def _found(self, text: str) -> list[tuple[str, dict[str, Any]]]:
        """Our groups as they stand, in the order of ours."""
        found = [
            (event, group)
            for event, _, group in _groups(text)
            if any(entries.is_ours(hook, self.hooks.agent) for hook in group.get("hooks") or ())
        ]
        wanted = self.hooks.groups()
        return sorted(found, key=lambda one: wanted.index(one) if one in wanted else len(wanted))


def _groups(text: str) -> list[tuple[str, int, dict[str, Any]]]:
    """(event, index, group) of every group of hooks that is one."""
    hooks = jsontext.read(text).value.get("hooks")
    found = hooks.items() if isinstance(hooks, dict) else ()
    return [
        (event, number, group)
        for event, groups in found
        if isinstance(groups, list)
        for number, group in enumerate(groups)
        if isinstance(group, dict) and isinstance(group.get("hooks"), list)
    ]


def _checked(text: str) -> str:
    jsontext.read(text)
    return text


def without(text: str, block: re.Match[str]) -> str | None:
    """A text without a block and the line break put before it; None where nothing else is in it.

    The line break stays where something was put behind the block since, and would end up on another line otherwise.
    """
    before, after = text[: block.start()], text[block.end() :]
    if not before and not after:
        return None
    kept = before.removesuffix("\r\n" if "\r\n" in block[0] else "\n")
    return (before if after and kept and not kept.endswith("\n") else kept) + after


def named(text: str) -> list[str]:
    """The agents that share the block of a text."""
    block = _BLOCK.search(text)
    return block[1].split() if block else []


@dataclass(frozen=True)
class BlockPart:
    """A block between markers in a Markdown file; several agents share it, and it goes with the last of them."""

    path: Path
    agent: str
    body: str = guide.TEXT

    def put(self, text: str | None) -> str:
        """The text with the block at its end, or brought up to date where it stands."""
        block = _BLOCK.search(text or "")
        names = sorted({*named(text or ""), self.agent})
        if text is None:
            return self._block(names, "\n")
        newline = "\r\n" if "\r\n" in text else "\n"
        made = self._block(names, newline)
        if block:
            return text[: block.start()] + made + text[block.end() :]
        return text + newline + made  # a blank line before it, where the last line was ended

    def take(self, text: str) -> str | None:
        """The text without this agent's share in the block."""
        block = _BLOCK.search(text)
        if block is None or self.agent not in named(text):
            return text
        newline = "\r\n" if "\r\n" in block[0] else "\n"
        names = [name for name in named(text) if name != self.agent]
        if names:
            return text[: block.start()] + self._block(names, newline) + text[block.end() :]
        return without(text, block)

    def _block(self, names: list[str], newline: str) -> str:
        made = f"<!-- git-peer:begin {' '.join(names)} -->\n{self.body}<!-- git-peer:end -->\n"
        return made.replace("\n", newline)
