"""JSON that is edited as text: what is put in comes out again byte for byte, and nothing else is touched. Pure.

An item goes behind the last one of its array or object, and takes its separator along when it goes. What was empty
before gets a space first, and what is made for the item does not: so it is known which of them goes with it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+)')
_INDENT = re.compile(r"\s*\{[ \t]*\r?\n([ \t]+)\"")


class Bad(ValueError):
    """Why a text is not JSON that could be edited."""


@dataclass
class Node:
    """A value and where it stands: text[start:end]; members with key (None in an array) and the start of that key."""

    start: int
    end: int = 0
    value: Any = None
    members: list[tuple[str | None, int, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """The member of that key, the last where there are several."""
        return next((node for name, _, node in reversed(self.members) if name == key), None)


def loads(text: str) -> dict[str, Any]:
    """The object in a text; Bad where it is no JSON object."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise Bad("too many brackets inside each other") from None
    except ValueError as why:
        raise Bad(str(why)) from None
    if not isinstance(value, dict):
        raise Bad("it holds no object")
    return value


def read(text: str) -> Node:
    """The tree of a text; Bad where it is no JSON object."""
    loads(text)
    try:
        return _node(text, 0)[0]
    except RecursionError:
        raise Bad("too many brackets inside each other") from None


def _node(text: str, at: int) -> tuple[Node, int]:
    """The value at `at` of a sound text, and where it ends."""
    token = _TOKEN.match(text, at)
    assert token is not None
    node = Node(token.start(1))
    at, mark = token.end(), token[1]
    if mark in "[{":
        close = "]" if mark == "[" else "}"
        while True:
            token = _TOKEN.match(text, at)
            assert token is not None
            if token[1] == close:
                at = token.end()
                break
            if token[1] == ",":
                at = token.end()
                continue
            key, start = None, token.start(1)
            if mark == "{":
                key = json.loads(token[1])
                colon = _TOKEN.match(text, token.end())
                assert colon is not None
                at = colon.end()
            member, at = _node(text, at)
            node.members.append((key, start if key is not None else member.start, member))
    node.end = at
    node.value = json.loads(text[node.start : node.end])
    return node, at


def _style(text: str) -> tuple[str, str]:
    """(newline, indent) of a text."""
    found = _INDENT.match(text)
    return "\r\n" if "\r\n" in text else "\n", found[1] if found else "  "


def add(text: str, path: tuple[str, ...], item: Any, was_there: bool = True) -> str:
    """`text` with `item` behind the last one of the array at `path`; the object and array are made where missing.

    `was_there` False: the text is not from a file, but made for this. Bad where something else stands in the way.
    """
    node, depth = read(text), 0
    for number, key in enumerate(path):
        below = node.get(key)
        if below is None:
            for name in reversed(path[number + 1 :]):
                item = {name: [item] if name == path[-1] else item}
            value = [item] if number == len(path) - 1 else item
            return _insert(text, node, depth, key, value, was_there or depth > 0)
        if not isinstance(below.value, list if number == len(path) - 1 else dict):
            raise Bad(f"{'.'.join(path[: number + 1])} is no {'list' if number == len(path) - 1 else 'object'}")
        node, depth = below, depth + 1
    return _insert(text, node, depth, None, item, True)


def put(text: str, path: tuple[str, ...], value: Any, was_there: bool = True) -> str:
    """`text` with the new member `value` at `path`, the last of its object; objects are made where missing.

    `was_there` as for add(). Bad where something else stands in the way.
    """
    node, depth = read(text), 0
    for number, key in enumerate(path[:-1]):
        below = node.get(key)
        if below is None:
            for name in reversed(path[number + 1 :]):
                value = {name: value}
            return _insert(text, node, depth, key, value, was_there or depth > 0)
        if not isinstance(below.value, dict):
            raise Bad(f"{'.'.join(path[: number + 1])} is no object")
        node, depth = below, depth + 1
    return _insert(text, node, depth, path[-1], value, was_there or depth > 0)


def _insert(text: str, node: Node, depth: int, key: str | None, value: Any, was_there: bool) -> str:
    newline, indent = _style(text)
    inner = newline + indent * (depth + 1)
    if node.members:
        end = node.members[-1][2].end
        before = node.members[-2][2].end + 1 if len(node.members) > 1 else node.start + 1
        alone = re.match(r"[ \t\r\n]*", text[before:])
        gap = alone[0] if alone else ""
        if "\n" not in gap:  # all of it stands on one line
            item = json.dumps(value, ensure_ascii=False)
            return f"{text[:end]}, {_keyed(key, item)}{text[end:]}"
        return f"{text[:end]},{gap}{_keyed(key, _dumped(value, gap, newline, indent))}{text[end:]}"
    close = node.end - 1
    mark = " " if was_there else ""
    item = _keyed(key, _dumped(value, inner, newline, indent))
    return f"{text[:close]}{mark}{inner}{item}{newline}{indent * depth}{text[close:]}"


def _dumped(value: Any, inner: str, newline: str, indent: str) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent).replace("\n", newline + inner.rpartition("\n")[2])


def _keyed(key: str | None, item: str) -> str:
    return item if key is None else f"{json.dumps(key, ensure_ascii=False)}: {item}"


def cut(text: str, path: tuple[str | int, ...]) -> tuple[str, bool]:
    """(`text` without the member at `path`, whether what it stood in was made for it and is empty now)."""
    node, depth = read(text), len(path) - 1
    for step in path[:-1]:
        found = node.members[step][2] if isinstance(step, int) else node.get(step)
        assert found is not None
        node = found
    last = path[-1]
    keys = [key for key, _, _ in node.members]
    at = last if isinstance(last, int) else len(keys) - 1 - keys[::-1].index(last)
    _, start, member = node.members[at]
    if at:
        return text[: node.members[at - 1][2].end] + text[member.end :], False
    if len(node.members) > 1:
        return text[:start] + text[node.members[1][1] :], False
    newline, indent = _style(text)
    left, right = text[node.start + 1 : start], text[member.end : node.end - 1]
    inner, outer = newline + indent * (depth + 1), newline + indent * depth
    ours = left.endswith(inner) and right == outer
    kept = left.removesuffix(inner) if ours else left + right
    made = not kept.strip(" \t\r\n") and not (ours and kept.endswith(" "))
    kept = kept[:-1] if ours and kept.endswith(" ") else kept
    return text[: node.start + 1] + kept + text[node.end - 1 :], made
