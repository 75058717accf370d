"""Sections by tree-sitter: which nodes of a language are sections, what they are called, and where they begin."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from git_peer.core.target.section import LONGEST, Section

if TYPE_CHECKING:
    from tree_sitter import Node

_CLASSES = frozenset("class interface trait struct enum record object impl protocol extension union".split())
_WHITE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_END = b" \t\r\n;,"  # what may stand between a section and the end of what wraps it


def _text(node: Node | None, source: bytes) -> str:
    return "" if node is None else source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _field(node: Node, source: bytes, name: str = "name") -> str:
    return _text(node.child_by_field_name(name), source)


def _first(node: Node, source: bytes, *types: str) -> str:
    return next((_text(one, source) for one in node.named_children if one.type in types), "")


class Shape(NamedTuple):
    """The sections of a language: types of nodes → kinds; what wraps one, and what stands above one and belongs to it.

    `level`: how deep a heading is; with headings, a section goes on to the next that is no deeper.
    """

    kinds: Mapping[str, str]
    name: Callable[[Node, bytes], str] = _field
    wrappers: tuple[str, ...] = ()
    before: tuple[str, ...] = ("comment",)
    more: str = ""  # patterns of a query beside the kinds: @kind_of_section
    level: Callable[[Node], int] | None = None

    @property
    def query(self) -> str:
        """The query that captures all of them; @w what wraps, @b what may stand above."""
        rows = [f"({node}) @{kind}" for node, kind in self.kinds.items()]
        rows += [f"({node}) @w" for node in self.wrappers]
        rows += [f"({node}) @b" for node in self.before]
        return "\n".join([*rows, self.more])


# -- names ----------------------------------------------------------------------------------------
def _js(node: Node, source: bytes) -> str:
    """Also of `a.b = function`, of a test by its title, and of what a module exports without a name."""
    if node.type == "assignment_expression":
        return _field(node, source, "left").removeprefix("module.exports.").removeprefix("exports.")
    if node.type == "pair":
        return _field(node, source, "key").strip("\"'`")
    if node.type == "call_expression":
        given = node.child_by_field_name("arguments")
        return _text(given.named_children[0] if given is not None else None, source).strip("\"'`")
    if node.type in {"public_field_definition", "field_definition"}:
        return _field(node, source) or _field(node, source, "property")
    if node.type == "export_statement":
        return "default"
    return _field(node, source).strip("\"'`")


_JS_FUNCTIONS = frozenset({"arrow_function", "function_expression", "generator_function"})
_JS_TESTS = frozenset({"describe", "context", "suite", "it", "test", "specify"})


def _js_made(node: Node, source: bytes) -> str:
    """The kind of what is given a name by its value: `const a = () => …`, `memo(() => …)`; "" for none."""
    if node.type == "call_expression":
        called, given = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if given is None or _text(called, source) not in _JS_TESTS:
            return ""
        title, *rest = given.named_children or [given]
        return "test" if "string" in title.type and any(one.type in _JS_FUNCTIONS for one in rest) else ""
    if node.type == "assignment_expression":
        value = node.child_by_field_name("right")
    else:
        value = node.child_by_field_name("value")
    return _js_value(value, node.type != "pair", 2)


def _js_value(value: Node | None, more: bool, depth: int) -> str:
    if value is None:
        return ""
    if value.type in _JS_FUNCTIONS:
        return "function"
    if not more:
        return ""
    if value.type in {"class", "object"}:
        return value.type
    given = value.child_by_field_name("arguments") if value.type == "call_expression" and depth else None
    inner = given.named_children if given is not None else ()
    return "function" if any(_js_value(one, one.type == "call_expression", depth - 1) for one in inner) else ""


def _go(node: Node, source: bytes) -> str:
    receiver = _field(node, source, "receiver")
    kind = receiver.strip("()").split("[")[0].split(" ")[-1].lstrip("*")
    return f"{kind}.{_field(node, source)}" if kind else _field(node, source)


def _rust(node: Node, source: bytes) -> str:
    if node.type != "impl_item":
        return _field(node, source)
    of, trait = _bare(_field(node, source, "type")), _bare(_field(node, source, "trait"))
    return f"{trait} for {of}" if trait else of


def _bare(name: str) -> str:
    return name.split("<", maxsplit=1)[0].rpartition("::")[2]


_NAMES = frozenset(
    "identifier field_identifier type_identifier destructor_name operator_name operator_cast qualified_identifier"
    " template_function".split()
)


def _c(node: Node, source: bytes) -> str:
    """The name below the declarators; "" for a class that is only named, and for a function that is only declared."""
    if node.type in {"function_definition", "type_definition"}:
        inner = node.child_by_field_name("declarator")
        while inner is not None and inner.type not in _NAMES:
            named = next((one for one in inner.named_children if "declarator" in one.type or one.type in _NAMES), None)
            inner = inner.child_by_field_name("declarator") or named
        name = _text(inner, source)
        if "operator" not in name:
            name = re.sub(r"<[^<>]*>", "", name)
        elif not name.endswith("operator()"):  # `operator bool() const`
            name = name.partition("(")[0]
        return name.replace("::", ".").strip(". ")
    if node.type.endswith("_specifier") and node.child_by_field_name("body") is None:
        return ""
    return _bare(_field(node, source))


def _ruby(node: Node, source: bytes) -> str:
    return _field(node, source).replace("::", ".")


def _sharp(node: Node, source: bytes) -> str:
    if node.type == "operator_declaration":
        return f"operator {_field(node, source, 'operator')}"
    if node.type == "indexer_declaration":
        return "this"
    return ("~" if node.type == "destructor_declaration" else "") + _field(node, source)


def _kotlin(node: Node, source: bytes) -> str:
    if node.type == "secondary_constructor":
        return "constructor"
    if node.type == "companion_object":
        return _field(node, source) or "Companion"
    return _field(node, source) or _first(node, source, "identifier", "simple_identifier", "type_identifier")


def _swift(node: Node, source: bytes) -> str:
    words = {"init_declaration": "init", "deinit_declaration": "deinit", "subscript_declaration": "subscript"}
    return words.get(node.type) or _field(node, source)


def _heading(node: Node, source: bytes) -> str:
    return _first(node, source, "inline", "paragraph")


def _level(node: Node) -> int:
    marks = next((one.type for one in node.named_children if re.search(r"_h[1-6]_", one.type)), "_h6_")
    return int(marks[marks.index("_h") + 2])


def _key(node: Node, source: bytes) -> str:
    return _field(node, source, "key").strip("\"'")


def _table(node: Node, source: bytes) -> str:
    """A table's or a key's name, as TOML spells it."""
    first = node.named_children[0] if node.named_children else None
    return "".join(part.strip().strip("\"'") for part in _text(first, source).split("\n"))


# -- the languages --------------------------------------------------------------------------------
_MADE = {
    "variable_declarator": "made", "assignment_expression": "made", "pair": "made", "export_statement": "made",
}  # fmt: skip
_JS = {
    "function_declaration": "function", "generator_function_declaration": "function", "class_declaration": "class",
    "method_definition": "function",
}  # fmt: skip
_TS = {
    **_JS, "function_signature": "function", "abstract_class_declaration": "class",
    "interface_declaration": "interface", "type_alias_declaration": "type", "enum_declaration": "enum",
    "internal_module": "namespace", "module": "namespace", "abstract_method_signature": "function",
    "method_signature": "function",
}  # fmt: skip
_JS_WRAPPERS = ("export_statement", "lexical_declaration", "variable_declaration", "expression_statement")
_JS_BEFORE = ("comment", "decorator")
_TESTS = "(expression_statement (call_expression) @made)"
_JAVASCRIPT = Shape({**_JS, **_MADE, "field_definition": "made"}, _js, _JS_WRAPPERS, _JS_BEFORE, _TESTS)
_TYPESCRIPT = Shape(
    {**_TS, **_MADE, "public_field_definition": "made"}, _js, (*_JS_WRAPPERS, "ambient_declaration"), _JS_BEFORE, _TESTS
)
_C = {
    "function_definition": "function", "type_definition": "type", "preproc_function_def": "macro",
    "struct_specifier": "struct", "union_specifier": "union", "enum_specifier": "enum",
}  # fmt: skip
_OBJECTS = {
    "class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum",
    "method_declaration": "function",
}  # fmt: skip
SHAPES: dict[str, Shape] = {
    "Python": Shape(
        {"function_definition": "function", "class_definition": "class"}, wrappers=("decorated_definition",)
    ),
    "JavaScript": _JAVASCRIPT,
    "TypeScript": _TYPESCRIPT,
    "TSX": _TYPESCRIPT,
    "Go": Shape(
        {"function_declaration": "function", "method_declaration": "method", "type_spec": "type", "type_alias": "type"},
        _go,
        ("type_declaration",),
    ),
    "Rust": Shape(
        {
            "function_item": "function", "function_signature_item": "function", "struct_item": "struct",
            "union_item": "union", "enum_item": "enum", "trait_item": "trait", "impl_item": "impl",
            "mod_item": "module", "macro_definition": "macro", "type_item": "type",
        },
        _rust,
        before=("line_comment", "block_comment", "attribute_item"),
    ),
    "Java": Shape(
        {
            **_OBJECTS, "record_declaration": "record", "annotation_type_declaration": "interface",
            "constructor_declaration": "function", "compact_constructor_declaration": "function",
        },
        before=("line_comment", "block_comment"),
    ),
    "C": Shape(_C, _c),
    "C++": Shape({**_C, "class_specifier": "class", "concept_definition": "type"}, _c, ("template_declaration",)),
    "Ruby": Shape(
        {"class": "class", "module": "module", "method": "function", "singleton_method": "function"}, _ruby
    ),
    "C#": Shape(
        {
            **_OBJECTS, "struct_declaration": "struct", "record_declaration": "record",
            "constructor_declaration": "function", "destructor_declaration": "function",
            "property_declaration": "property", "indexer_declaration": "property", "event_declaration": "property",
            "operator_declaration": "function", "delegate_declaration": "type",
            "local_function_statement": "function",
        },
        _sharp,
    ),
    "PHP": Shape({**_OBJECTS, "trait_declaration": "trait", "function_definition": "function"}),
    "Kotlin": Shape(
        {
            "class_declaration": "class", "object_declaration": "object", "function_declaration": "function",
            "companion_object": "object", "secondary_constructor": "function",
        },
        _kotlin,
        before=("line_comment", "block_comment"),
    ),
    "Swift": Shape(
        {
            "class_declaration": "class", "protocol_declaration": "protocol", "function_declaration": "function",
            "init_declaration": "function", "deinit_declaration": "function", "subscript_declaration": "function",
            "protocol_function_declaration": "function",
        },
        _swift,
        before=("comment", "multiline_comment"),
    ),
    "Markdown": Shape(
        {"atx_heading": "heading", "setext_heading": "heading"}, _heading, before=(), level=_level
    ),
    "JSON": Shape({"pair": "key"}, _key),
    "YAML": Shape({"block_mapping_pair": "key", "flow_pair": "key"}, _key),
    "TOML": Shape({"table": "table", "table_array_element": "table", "pair": "key"}, _table),
}  # fmt: skip


def found(shape: Shape, captures: Mapping[str, list[Node]], source: bytes) -> list[Section]:
    """The sections that a shape's query captured in `source`, in their order, each behind the one it is in."""
    lines = source.split(b"\n")
    if shape.level is not None:
        return _headed(shape, captures.get("heading", []), source, lines)
    above = _above(captures.get("b", ()), lines)
    wrappers = sorted((node.start_byte, -node.end_byte, node.start_point) for node in captures.get("w", ()))
    nodes = [
        (node.start_byte, -node.end_byte, _js_made(node, source) if kind == "made" else kind, node)
        for kind, some in captures.items()
        if kind not in {"w", "b"}
        for node in some
    ]
    nodes = sorted((row for row in nodes if row[2]), key=lambda row: row[:2])
    out: list[Section] = []
    open_: list[tuple[int, int]] = []  # (end, index) of the sections around
    wrapped, at = [], 0  # the wrappers around, the next one
    used: set[tuple[int, int]] = set()
    seen: set[tuple[int, int]] = set()
    for start, minus_end, kind, node in nodes:
        end, row = -minus_end, node.start_point[0]
        name = _name(shape, node, source)
        if not name or (start, end) in seen:
            continue
        seen.add((start, end))
        while at < len(wrappers) and wrappers[at][0] <= start:
            wrapped.append(wrappers[at])
            at += 1
        wrapped = [one for one in wrapped if -one[1] >= end]
        first, column = node.start_point
        for wrapper in reversed(wrapped):
            key = wrapper[:2]
            if key in used or (end != -wrapper[1] and source[end : -wrapper[1]].strip(_END)):
                break
            used.add(key)
            first, column = wrapper[2]
        while open_ and open_[-1][0] < end:
            open_.pop()
        if not lines[first][:column].strip():
            first = _with_above(first, column, above)
        last = _last(node, lines)
        within = open_[-1][1] if open_ else -1
        _cut(out, within, first, row, lines)
        around = out[within] if within >= 0 else None
        if around is not None and around.kind == "type":
            around = None  # `typedef struct a {…} b`
        member = kind == "function" and around is not None and around.kind in _CLASSES
        full = name if around is None else f"{around.name}.{name}"
        open_.append((end, len(out)))
        floor = out[within].first if within >= 0 else 1
        out.append(
            Section(
                full[: LONGEST * 2], "method" if member else kind, max(first + 1, floor), max(last, row) + 1, within
            )
        )
    return _inside(out)


def _headed(shape: Shape, nodes: list[Node], source: bytes, lines: list[bytes]) -> list[Section]:
    """Each heading with what stands below it; its name is its own words, for nobody names those above it too."""
    assert shape.level is not None
    out: list[Section] = []
    around: list[tuple[int, int]] = []  # (level, index)
    levels = [(node.start_point[0], shape.level(node)) for node in sorted(nodes, key=lambda node: node.start_byte)]
    names = [_name(shape, node, source) for node in sorted(nodes, key=lambda node: node.start_byte)]
    for at, ((row, level), name) in enumerate(zip(levels, names, strict=True)):
        if not name:
            continue
        end = next((below for below, deep in levels[at + 1 :] if deep <= level), len(lines))
        while end > row + 1 and not lines[end - 1].strip():
            end -= 1
        while around and around[-1][0] >= level:
            around.pop()
        out.append(Section(name, "heading", row + 1, end, around[-1][1] if around else -1))
        around.append((level, len(out) - 1))
    return out


def _name(shape: Shape, node: Node, source: bytes) -> str:
    return _WHITE.sub(" ", shape.name(node, source)).strip()[:LONGEST]


def _above(nodes: list[Node] | tuple[Node, ...], lines: list[bytes]) -> dict[int, tuple[int, int]]:
    """Row at which it ends → (row at which it begins, column) of what may belong to what follows; rows from 0."""
    found: dict[int, tuple[int, int]] = {}
    for node in nodes:
        (row, column), (end, end_column) = node.start_point, node.end_point
        end -= end_column == 0 and end > row
        shebang = row == 0 and lines[0].startswith(b"#!")
        if not shebang and not lines[row][:column].strip() and not _goes_on(lines[end], end_column, node, end):
            found[end] = (row, column)
    return found


def _goes_on(line: bytes, column: int, node: Node, row: int) -> bool:
    """Whether something else stands on the line behind it."""
    return row == node.end_point[0] and bool(line[column:].strip())


def _with_above(row: int, column: int, above: Mapping[int, tuple[int, int]]) -> int:
    """The row at which what belongs to a section begins: comments directly above, as far in as it is."""
    while (one := above.get(row - 1)) is not None and one[1] == column:
        row = one[0]
    return row


def _last(node: Node, lines: list[bytes]) -> int:
    """The last row of a node that is not blank."""
    row, column = node.end_point
    row = min(row - (column == 0 and row > node.start_point[0]), len(lines) - 1)
    while row > node.start_point[0] and not lines[row].strip():
        row -= 1
    return row


def _cut(out: list[Section], within: int, first: int, row: int, lines: list[bytes]) -> None:
    """End what is before, in the section `within`, where what belongs to the next begins.

    A grammar may count comments between two of them to the first.
    """
    index = len(out) - 1
    while index > within:
        one = out[index]
        if first < one.last <= row:
            last = first
            while last > one.first and not lines[last - 1].strip():
                last -= 1
            out[index] = one._replace(last=max(last, one.first))
        index = one.within


def _inside(out: list[Section]) -> list[Section]:
    """The same with every section inside the one around it, line by line."""
    for index, one in enumerate(out):
        if one.within >= 0 and one.last > out[one.within].last:
            out[index] = one._replace(last=out[one.within].last)
    return out
