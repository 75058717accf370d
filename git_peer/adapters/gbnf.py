"""Grammars for llama.cpp from JSON schemas: whatever one lets through is JSON of its schema, or there is none.

llama-cpp-python's own converter lets control characters into strings, ignores bounds on numbers, and takes a schema
that it does not understand for any JSON at all; and a grammar that llama.cpp cannot read ends the process.
"""

from __future__ import annotations

import json
from typing import Any

from git_peer.core import text
from git_peer.core.errors import PeerError

LONGEST = 1000  # repetitions that a rule may count; llama.cpp refuses more than 2,000

_TELLING = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"}
)
_BASE = r"""
gap ::= " "?
hex ::= [0-9a-fA-F]
char ::= [^"\\\x00-\x1F\x7F] | "\\" ( ["\\/bfnrt] | "u" ( [0-9a-cA-CefEF] hex{3} | [dD] [0-7] hex{2} ) )
text ::= "\"" char* "\""
digits ::= "0" | [1-9] [0-9]{0,15}
whole ::= "-"? digits
number ::= whole ( "." [0-9]{1,15} )? ( [eE] [-+]? [0-9]{1,2} )?
truth ::= "true" | "false"
"""


def grammar(schema: dict[str, Any]) -> str:
    """The grammar of a schema, its start named `root`; PeerError("unsupported") names what cannot be held.

    Keys come in the schema's order and no others than its own, with at most a space after `:` and `,`.
    """
    writer = _Writer(schema)
    root = writer.rule_of(schema)
    writer.refuse_circles()
    return "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in writer.rules.items())]) + _BASE


def _no(what: str) -> PeerError:
    return PeerError("unsupported", f"a grammar cannot hold this part of a JSON schema: {text.line(what, 200)}", "")


def _literal(value: Any) -> str:
    """The JSON of a value as what is to stand there."""
    written = json.dumps(value, separators=(",", ":")).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{written}"'


def _count(schema: dict[str, Any], low: str, high: str) -> tuple[int, int | None]:
    """Two bounds on a count, 0 and None where there are none."""
    found = [schema.get(low, 0), schema.get(high)]
    for name, bound in zip((low, high), found, strict=True):
        if bound is not None and (type(bound) is not int or not 0 <= bound <= LONGEST):
            raise _no(f"{name} {bound!r}")
    if found[1] is not None and found[1] < found[0]:
        raise _no(f"{low} {found[0]} over {high} {found[1]}")
    return found[0], found[1]


class _Writer:
    """The rules of a schema's parts; `whole` is where its references begin."""

    def __init__(self, whole: dict[str, Any]) -> None:
        self.rules: dict[str, str] = {}
        self._whole = whole
        self._references: dict[str, str] = {}
        self._at = ""  # the reference that begins where we are
        self._leads: dict[str, set[str]] = {}  # from a reference to those that begin where it does

    def _named(self, body: str) -> str:
        name = f"r{len(self.rules)}"
        self.rules[name] = body
        return name

    def _knows(self, schema: dict[str, Any], *known: str) -> None:
        unknown = schema.keys() - _TELLING - set(known)
        if unknown:
            raise _no(f"{min(unknown)} in {json.dumps(schema)}")

    def rule_of(self, schema: Any) -> str:
        """What stands for a part, in a grammar."""
        if not isinstance(schema, dict):
            raise _no(repr(schema))
        if "$ref" in schema:
            self._knows(schema, "$ref")
            return self._referred(schema["$ref"])
        if schema.get("type") in ("object", "array"):
            begun, self._at = self._at, ""  # a bracket comes first
            try:
                return (self._object if schema["type"] == "object" else self._array)(schema)
            finally:
                self._at = begun
        if "anyOf" in schema:
            self._knows(schema, "anyOf")
            return self._one_of([self.rule_of(one) for one in schema["anyOf"]])
        if "const" in schema or "enum" in schema:
            self._knows(schema, "const", "enum", "type")
            return self._one_of([_literal(one) for one in schema.get("enum", [schema.get("const")])])
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._one_of([self.rule_of({**schema, "type": one}) for one in kind])
        if kind in ("string", "integer"):
            return (self._string if kind == "string" else self._integer)(schema)
        self._knows(schema, "type")
        plain = {"number": "number", "boolean": "truth", "null": '"null"'}
        if not isinstance(kind, str) or kind not in plain:
            raise _no(json.dumps(schema))
        return plain[kind]

    def _one_of(self, bodies: list[str]) -> str:
        if not bodies:
            raise _no("a choice of nothing")
        return self._named(" | ".join(bodies))

    def _referred(self, to: Any) -> str:
        if not isinstance(to, str) or not to.startswith("#"):
            raise _no(f"$ref {to!r}")
        if self._at:
            self._leads.setdefault(self._at, set()).add(to)
        if to not in self._references:
            part: Any = self._whole
            for key in to[1:].split("/")[1:]:
                part = part.get(key) if isinstance(part, dict) else None
            self._references[to] = name = self._named("")  # it may refer to itself
            begun, self._at = self._at, to
            self.rules[name] = self.rule_of(part)
            self._at = begun
        return self._references[to]

    def refuse_circles(self) -> None:
        """A reference that begins with itself has no end: llama.cpp's search for it ends the process."""
        for start in self._leads:
            seen: set[str] = set()
            todo = [start]
            while todo:
                for to in self._leads.get(todo.pop(), set()) - seen:
                    if to == start:
                        raise _no(f"$ref {to!r} begins with itself")
                    seen.add(to)
                    todo.append(to)

    def _object(self, schema: dict[str, Any]) -> str:
        self._knows(schema, "type", "properties", "required", "additionalProperties")
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if "properties" not in schema or set(required) - set(properties):
            raise _no(json.dumps(schema))
        # From the last to the first: what may follow when a key stands before it, and when none does yet.
        after = first = ""
        for name, part in reversed(properties.items()):
            pair = f'{_literal(name)} ":" gap {self.rule_of(part)}'
            if name in required:
                first, after = f"{pair} {after}", self._named(f'"," gap {pair} {after}')
            else:
                only = self._named(f"{pair} {after}")
                first, after = (
                    self._named(f"{only} | {first}") if first else f"{only}?",
                    self._named(f'( "," gap {pair} )? {after}'),
                )
        return self._named(f'"{{" {first} "}}"')

    def _array(self, schema: dict[str, Any]) -> str:
        self._knows(schema, "type", "items", "minItems", "maxItems")
        least, most = _count(schema, "minItems", "maxItems")
        if "items" not in schema:
            raise _no(json.dumps(schema))
        if most == 0:
            return '"[]"'
        item = self.rule_of(schema["items"])
        more = f'( "," gap {item} ){{{max(0, least - 1)},{"" if most is None else most - 1}}}'
        return self._named(f'"[" {item} {more} "]"' if least else f'"[" ( {item} {more} )? "]"')

    def _string(self, schema: dict[str, Any]) -> str:
        self._knows(schema, "type", "minLength", "maxLength")
        least, most = _count(schema, "minLength", "maxLength")
        if not least and most is None:
            return "text"
        return self._named(rf'"\"" char{{{least},{"" if most is None else most}}} "\""')

    def _integer(self, schema: dict[str, Any]) -> str:
        self._knows(schema, "type", "minimum", "maximum")
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None and high is None:
            return "whole"
        if high is None and low in (0, 1):
            return "digits" if low == 0 else self._named("[1-9] [0-9]{0,15}")
        if type(low) is not int or type(high) is not int or not 0 <= high - low <= LONGEST:
            raise _no(json.dumps(schema))
        return self._one_of([f'"{number}"' for number in range(low, high + 1)])
