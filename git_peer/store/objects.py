"""Trees of the log as git objects: reading one lazily, and making the next from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import pygit2
from pygit2.enums import ObjectType

from git_peer import layout

_TREE, _BLOB = b"40000", b"100644"
_Node = dict[bytes, "_Node | bytes | None"]


class TreeReader:
    """A state.Reader over one tree of the object store; each tree is parsed once."""

    def __init__(self, git: pygit2.Repository, tree: str | None) -> None:
        self._git = git
        self._root = tree
        self._parsed: dict[str, dict[str, tuple[bytes, str]] | None] = {}

    def _tree(self, path: str) -> dict[str, tuple[bytes, str]] | None:
        if path in self._parsed:
            return self._parsed[path]
        if not path:
            ident = self._root
        else:
            folder, _, name = path.rpartition("/")
            mode, ident = (self._tree(folder) or {}).get(name, (b"", None))
            ident = ident if mode == _TREE else None
        found = None
        if ident is not None:
            raw = self._git.read(ident)[1]
            found = {layout.from_bytes(name): (mode, oid.hex()) for mode, name, oid in parse(raw, len(ident) // 2)}
        self._parsed[path] = found
        return found

    def entries(self, path: str) -> Mapping[str, str] | None:
        """Name → object id of the tree at `path`."""
        found = self._tree(path)
        return None if found is None else {name: oid for name, (_, oid) in found.items()}

    def read(self, path: str) -> bytes | None:
        """The blob at `path`."""
        folder, _, name = path.rpartition("/")
        mode, ident = (self._tree(folder) or {}).get(name, (b"", ""))
        return bytes(self._git.read(ident)[1]) if mode == _BLOB else None


def parse(raw: bytes, width: int) -> list[tuple[bytes, bytes, bytes]]:
    """(mode, name, id) of each entry of a raw tree whose ids take `width` bytes."""
    return re.findall(rb"([0-7]+) ([^\0]+)\0(.{%d})" % width, raw, re.DOTALL)


def _sort_key(entry: tuple[bytes, bytes, bytes]) -> bytes:
    return entry[1] + b"/" if entry[0] == _TREE else entry[1]


class TreeWriter:
    """Makes the tree that comes of another by changes. With `store` false it only computes the id."""

    def __init__(self, git: pygit2.Repository, store: bool) -> None:
        self._git = git
        self._store = store

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
        return self._tree(base, root) or self._object(ObjectType.TREE, b"")

    def _tree(self, base: str | None, node: _Node) -> str | None:
        raw = self._git.read(base)[1] if base else b""
        entries = {name: (mode, name, oid) for mode, name, oid in parse(raw, len(base or "") // 2 or 20)}
        for name, child in node.items():
            if isinstance(child, dict):
                old = entries.get(name)
                ident = self._tree(old[2].hex() if old and old[0] == _TREE else None, child)
                made = None if ident is None else (_TREE, name, bytes.fromhex(ident))
            else:
                made = None
                if child is not None:
                    made = (_BLOB, name, bytes.fromhex(self._object(ObjectType.BLOB, child)))
            if made is None:
                entries.pop(name, None)
            else:
                entries[name] = made
        if not entries:
            return None
        body = b"".join(b"%s %s\0%s" % entry for entry in sorted(entries.values(), key=_sort_key))
        return self._object(ObjectType.TREE, body)

    def _object(self, kind: ObjectType, body: bytes) -> str:
        if self._store:
            return str(self._git.write(kind, body))
        name = b"tree" if kind == ObjectType.TREE else b"blob"
        return hashlib.sha1(b"%s %d\0" % (name, len(body)) + body, usedforsecurity=False).hexdigest()
