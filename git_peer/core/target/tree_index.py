"""Where records about overlapping paths can stand in a mirrored tree. Standard library only."""

from __future__ import annotations

from git_peer import layout
from git_peer.core.target import glob as globs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from git_peer.core.log.state import Reader


def near(reader: Reader, root: str, path: str, folds: bool) -> Iterator[tuple[str, bytes]]:
    """(tree path, blob) of every record under `root` at an ancestor of `path`, at it, or below it.

    Whatever overlaps `path` is among them; the record decides. Costs the depth of the path, not the number
    of records, unless `folds` makes it look at every name of a folder.
    """
    nodes = [root]
    for part in path.split("/") if path else ():
        below: list[str] = []
        for node in nodes:
            names = reader.entries(node) or {}
            yield from _records(reader, node, names)
            below.extend(_children(node, names, part, folds))
        nodes = below
    for node in nodes:
        yield from _subtree(reader, node)


def _records(reader: Reader, node: str, names: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    for name in sorted([name for name in names if name[0] == "@"]):
        raw = reader.read(f"{node}/{name}")
        if raw is not None:
            yield f"{node}/{name}", raw


def _children(node: str, names: Mapping[str, str], part: str, folds: bool) -> Iterator[str]:
    if not folds:
        want = layout.component(part)
        if want in names:
            yield f"{node}/{want}"
        return
    key = globs.fold_key(part)
    for name in names:
        # A cut name cannot be folded: a candidate for every name, its record decides.
        if name.startswith("=") and (layout.is_cut(name) or globs.fold_key(layout.unpercent(name[1:])) == key):
            yield f"{node}/{name}"


def _subtree(reader: Reader, node: str) -> Iterator[tuple[str, bytes]]:
    todo = [node]
    while todo:  # no recursion: a path may be deeper than Python's stack
        node = todo.pop()
        names = reader.entries(node) or {}
        yield from _records(reader, node, names)
        todo += [f"{node}/{name}" for name in sorted(names, reverse=True) if name[0] == "="]
