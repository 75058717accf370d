"""Trees of the log as git objects: reading one lazily, and making the next from it."""

from __future__ import annotations

import re

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store.git import durable, libgit2
from git_peer.store.git.durable import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from git_peer.store.git.libgit2 import Repository

_TREE, _BLOB = b"40000", b"100644"
_KEPT = 50_000  # objects of each kind that stay in memory
if TYPE_CHECKING:
    _Node = dict[bytes, "_Node | bytes | None"]


class Missing(PeerError):
    """An object of the log is not here, as happens in a partial or shallow clone."""

    def __init__(self, what: object) -> None:
        super().__init__("untrusted", f"an object of the log is missing here: {what}", "`git peer doctor`")


def raw(git: Repository, ident: str) -> bytes:
    """The content of an object; Missing where it is not here."""
    try:
        return libgit2.raw(git, ident)
    except (KeyError, libgit2.GitError) as why:
        raise Missing(why) from None


class Objects:
    """The object store, read through. What was read is kept: an object never changes, and states share most of them."""

    def __init__(self, git: Repository) -> None:
        self._git = git
        self._fresh: Written = {}  # what this process wrote last
        self._blobs: dict[str, bytes] = {}
        self._trees: dict[str, tuple[dict[str, str], dict[str, bytes]]] = {}

    def wrote(self, made: Written) -> None:
        """Have what was just written at hand."""
        self._fresh = made

    def _raw(self, ident: str) -> bytes:
        fresh = self._fresh.get(ident)
        return raw(self._git, ident) if fresh is None else fresh[1]

    def blob(self, ident: str) -> bytes:
        """The content of a blob; Missing where it is not here."""
        found = self._blobs.get(ident)
        if found is None:
            if len(self._blobs) >= _KEPT:
                self._blobs.clear()
            found = self._blobs[ident] = self._raw(ident)
        return found

    def tree(self, ident: str) -> tuple[dict[str, str], dict[str, bytes]]:
        """(name → id, name → mode) of a tree's entries, not to be changed; Missing where it is not here."""
        found = self._trees.get(ident)
        if found is None:
            if len(self._trees) >= _KEPT:
                self._trees.clear()
            rows = [
                (layout.from_bytes(name), oid.hex(), mode)
                for mode, name, oid in parse(self._raw(ident), len(ident) // 2)
            ]
            found = self._trees[ident] = {name: oid for name, oid, _ in rows}, {name: mode for name, _, mode in rows}
        return found


class TreeReader:
    """A state.Reader over one tree of the object store."""

    def __init__(self, objects: Objects, tree: str | None) -> None:
        self._objects = objects
        self._idents: dict[str, str | None] = {"": tree}

    def _ident(self, path: str) -> str | None:
        """The id of the tree at `path`."""
        if path not in self._idents:
            known = path
            while known not in self._idents:
                known = known.rpartition("/")[0]
            while known != path:  # downwards, for a path may be deeper than Python's stack
                end = path.find("/", len(known) + 1) if known else path.find("/")
                known = path if end < 0 else path[:end]
                self._idents[known] = self._find(known, _TREE)
        return self._idents[path]

    def _find(self, path: str, mode: bytes) -> str | None:
        """The id of what is at `path`, if it is of that mode."""
        folder, _, name = path.rpartition("/")
        above = self._ident(folder)
        if above is None:
            return None
        idents, modes = self._objects.tree(above)
        return idents[name] if modes.get(name) == mode else None

    def entries(self, path: str) -> Mapping[str, str] | None:
        """Name → object id of the tree at `path`."""
        ident = self._ident(path)
        return None if ident is None else self._objects.tree(ident)[0]

    def read(self, path: str) -> bytes | None:
        """The blob at `path`."""
        ident = self._find(path, _BLOB)
        return None if ident is None else self._objects.blob(ident)


def parse(raw: bytes, width: int) -> list[tuple[bytes, bytes, bytes]]:
    """(mode, name, id) of each entry of a raw tree whose ids take `width` bytes."""
    return re.findall(rb"([0-7]+) ([^\0]+)\0(.{%d})" % width, raw, re.DOTALL)


def _sort_key(entry: tuple[bytes, bytes, bytes]) -> bytes:
    return entry[1] + b"/" if entry[0] == _TREE else entry[1]


class TreeWriter:
    """Makes the tree that comes of another by changes. It writes nothing: what is to be written is in `made`."""

    def __init__(self, git: Repository) -> None:
        self._git = git
        self.made: Written = {}

    def build(self, base: str | None, changes: Mapping[str, bytes | None]) -> str:
        """The id of tree `base` with `changes` (path → blob, or None to delete)."""
        root: _Node = {}
        for path, raw in changes.items():
            node = root
            *folders, name = layout.to_bytes(path).split(b"/")
            for folder in folders:
                below = node.setdefault(folder, {})
                assert isinstance(below, dict)
                node = below
            node[name] = raw
        return self._tree(base, root) or self._object(durable.TREE, b"")

    def _tree(self, base: str | None, node: _Node) -> str | None:
        before = raw(self._git, base) if base else b""
        entries = {name: (mode, name, oid) for mode, name, oid in parse(before, len(base or "") // 2 or 20)}
        for name, child in node.items():
            if isinstance(child, dict):
                old = entries.get(name)
                ident = self._tree(old[2].hex() if old and old[0] == _TREE else None, child)
                made = None if ident is None else (_TREE, name, bytes.fromhex(ident))
            else:
                made = None
                if isinstance(child, layout.Linked):
                    made = (_BLOB, name, bytes.fromhex(child.decode()))
                elif child is not None:
                    made = (_BLOB, name, bytes.fromhex(self._object(durable.BLOB, child)))
            if made is None:
                entries.pop(name, None)
            else:
                entries[name] = made
        if not entries:
            return None
        body = b"".join(b"%s %s\0%s" % entry for entry in sorted(entries.values(), key=_sort_key))
        return self._object(durable.TREE, body)

    def _object(self, kind: int, body: bytes) -> str:
        ident = durable.ident_of(kind, body)
        self.made[ident] = kind, body
        return ident
