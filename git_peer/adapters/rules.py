"""Finding the public symbols in a syntax tree: the general case. rules_of.py has what each language bends of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from git_peer.adapters.symbols import MOST, Symbol, one_line

if TYPE_CHECKING:
    from tree_sitter import Node

DEEPEST = 12  # levels that are looked into, wrappers included
_ANNOTATIONS = frozenset({"attribute_list", "annotation", "marker_annotation", "decorator"})


class Rules:
    """How a language's declarations are told: the general case, which each language bends."""

    kinds: ClassVar[dict[str, str]] = {}  # type of node → kind of symbol
    through: frozenset[str] = frozenset()  # nodes that only wrap declarations
    holders: frozenset[str] = frozenset({"class", "interface", "trait", "struct", "module", "namespace", "enum"})

    def __init__(self, source: bytes, header: bool) -> None:
        self.source = source
        self.header = header

    def text(self, node: Node | None) -> str:
        """The source of a node."""
        if node is None:
            return ""
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def kind(self, node: Node) -> str:
        """The kind of symbol that a node declares; "" for none."""
        return self.kinds.get(node.type, "")

    def name(self, node: Node) -> str:
        """The declared name."""
        return self.text(node.child_by_field_name("name"))

    def shown(self, node: Node, name: str, owner: str) -> bool:
        """Whether it is public, in an owner of that kind ("" at the top)."""
        return not name.startswith("_")

    def body(self, node: Node) -> Node | None:
        """What follows the signature, and holds the members."""
        return node.child_by_field_name("body")

    def signature(self, node: Node) -> str:
        """The signature, before it is folded into one line."""
        start = node.start_byte
        first = node.children[0] if node.children else None
        for child in first.children if first is not None and first.type == "modifiers" else node.children:
            if child.type not in _ANNOTATIONS:
                break
            start = child.end_byte
        body = self.body(node)
        return self.source[start : body.start_byte if body is not None else node.end_byte].decode("utf-8", "replace")

    def hides(self, holder: Node, hidden: bool) -> bool:
        """Whether the first members of a holder are private; `hidden` is how it stands around a wrapper."""
        return hidden

    def turn(self, node: Node) -> bool | None:
        """Whether what follows a node is private; None where the node says nothing of it."""
        return None

    def taken_back(self, node: Node) -> set[str]:
        """Names that a node makes private after they were declared."""
        return set()


def found(rules: Rules, root: Node) -> list[Symbol]:
    """The public symbols below a syntax tree's root, in their order."""
    out: list[Symbol] = []
    _walk(rules, root, "", "", False, 0, out)
    return list(dict.fromkeys(out))[:MOST]


def few(node: Node) -> list[Node]:
    """The children of a node, not too many of them."""
    return node.named_children[: MOST * 2]


def _walk(rules: Rules, holder: Node, owner: str, kind: str, hidden: bool, depth: int, out: list[Symbol]) -> None:
    """Add what `holder` declares, as members of `owner` of that kind ("" at the top)."""
    if depth > DEEPEST or len(out) > MOST:
        return
    hidden = rules.hides(holder, hidden)
    children = few(holder)
    back = {name for child in children for name in rules.taken_back(child)}
    for child in children:
        turned = rules.turn(child)
        if turned is not None:
            hidden = turned
        elif child.type in rules.through:
            _walk(rules, rules.body(child) or child, owner, kind, hidden, depth + 1, out)
        elif not hidden:
            _declared(rules, child, owner, kind, depth, out, back)


def _declared(rules: Rules, node: Node, owner: str, kind: str, depth: int, out: list[Symbol], back: set[str]) -> None:
    """Add what a node declares, and its members."""
    what = rules.kind(node)
    name = rules.name(node) if what else ""
    if not name or name in back or len(name) > 200 or not rules.shown(node, name, kind):
        return
    if what == "function" and kind not in {"", "module", "namespace"}:
        what = "method"
    full = f"{owner}.{name}" if owner else name
    out.append(Symbol(full, what, one_line(rules.signature(node)), node.start_point[0] + 1))
    body = rules.body(node)
    if what in rules.holders and body is not None:
        before = len(out)
        _walk(rules, body, full, what, False, depth + 1, out)
        if what == "impl" and len(out) == before:
            out.pop()
