"""Kinds of values on the command line: times, targets, and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from git_peer.core.errors import PeerError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Duration(click.ParamType[int]):
    """90s, 30m, 4h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        from git_peer.core import duration

        try:
            found = duration.seconds(str(value))
        except ValueError as why:
            self.fail(str(why), param, ctx)
        if found == 0:
            self.fail("a time over zero is wanted", param, ctx)
        return found


class Place(click.ParamType[str]):
    """A target; a shell completes it as a path, and behind `path::` the sections of the file."""

    name = "target"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - the same
        incomplete: str,
    ) -> list[CompletionItem]:
        """What the shell offers."""
        from click.shell_completion import CompletionItem

        path, colons, begun = incomplete.partition("::")
        if not colons:
            return [CompletionItem(incomplete, type="file")]
        from git_peer.cli._output import Call
        from git_peer.cli._targets import paths
        from git_peer.ops import sections

        repo = Call().parts().repo
        try:
            _, found = sections.in_work_tree(repo, paths(repo, [path])[0])
        except PeerError:
            return []
        return [CompletionItem(f"{path}::{label}") for label in found.labels if label.startswith(begun)]


def given_text(value: str | None) -> str | None:
    """A TEXT argument: itself, `-` for stdin, or `@FILE`; after `--literal` always itself."""
    if value is None or _literal() or not (value == "-" or value.startswith("@")):
        return value
    from git_peer.ops import reading

    name = "stdin" if value == "-" else value[1:]
    raw = reading.stdin() if value == "-" else reading.file(name)
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as why:
        raise PeerError("usage", f"cannot read {name}: byte {why.start} is no UTF-8", "a text is UTF-8") from None


def _literal() -> bool:
    """Whether `git peer --literal …` was said: whoever passes on what others wrote must not have it read files."""
    return bool(getattr(click.get_current_context().find_root().obj, "literal", False))
