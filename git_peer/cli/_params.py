"""Kinds of values on the command line: times, and texts."""

from __future__ import annotations

from typing import Any

import click

from git_peer.core.errors import PeerError


class Duration(click.ParamType[int]):
    """90s, 30m, 4h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        from git_peer.store.settings import seconds  # with the settings come git's: only who gives a time pays for it

        try:
            found = seconds(str(value))
        except ValueError as why:
            self.fail(str(why), param, ctx)
        if found == 0:
            self.fail("a time over zero is wanted", param, ctx)
        return found


def given_text(value: str | None) -> str | None:
    """A TEXT argument: itself, `-` for stdin, or `@FILE`."""
    import sys
    from pathlib import Path

    if value == "-":
        return sys.stdin.read().strip()
    if value is not None and value.startswith("@"):
        try:
            return Path(value[1:]).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as why:
            raise PeerError("usage", f"cannot read {value[1:]}: {why}", "") from None
    return value
