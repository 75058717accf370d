"""JSON schemas, and whether a value is of one: an oracle for what grammars let through."""

from __future__ import annotations

from typing import Any

from git_peer.core.plan import proposal as proposals


def holds(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is of a schema, in as much of JSON Schema as a grammar can hold."""
    if "anyOf" in schema:
        return any(holds(one, value) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"] and type(value) is type(schema["const"]))
    kind = schema["type"]
    if isinstance(kind, list):
        return any(holds({**schema, "type": one}, value) for one in kind)
    if kind == "object":
        parts = schema.get("properties", {})
        return (
            isinstance(value, dict)
            and set(schema.get("required", [])) <= set(value) <= set(parts)
            and all(holds(parts[key], one) for key, one in value.items())
        )
    if kind == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        return isinstance(value, list) and least <= len(value) <= most and all(holds(schema["items"], x) for x in value)
    if kind == "string":
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
        broken = "\ufffd" in str(value)  # bytes that are no UTF-8: llama.cpp counts them in another way
        return isinstance(value, str) and (broken or least <= len(value) <= most)
    if kind == "integer":
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        return type(value) is int and low <= value <= high
    if kind == "number":
        return isinstance(value, int | float)
    return isinstance(value, bool) if kind == "boolean" else value is None


def form(required: list[str] | None = None, **parts: Any) -> dict[str, Any]:
    """An object."""
    return {
        "type": "object",
        "properties": parts,
        "required": list(parts) if required is None else required,
        "additionalProperties": False,
    }


_FEW = {"type": "string", "maxLength": 12}
HELD: dict[str, dict[str, Any]] = {
    "texts": form(a={"type": "string", "minLength": 3, "maxLength": 40}, b=_FEW),
    "numbers": form(a={"type": "integer", "minimum": 0, "maximum": 10}, b={"type": "integer", "minimum": 1},
                    c={"type": "number"}, d={"type": "integer"}, e={"type": "integer", "minimum": -3, "maximum": 3}),
    "choices": form(a={"enum": ["x", 'q"uote\\', 3, None]}, b={"const": "done"}, c={"type": ["null", "boolean"]},
                    d={"anyOf": [{"type": "boolean"}, form(z={"type": "null"})]}),
    "lists": form(a={"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
                  b={"type": "array", "items": form(c={"type": "null"}), "maxItems": 2},
                  c={"type": "array", "items": {"type": "null"}, "maxItems": 0}),
    "optional": form([], a={"type": "boolean"}, b={"type": "null"}, c={"type": "boolean"}),
    "some": form(["b"], a={"type": "boolean"}, b={"type": "null"}, c={"type": "boolean"}, d=_FEW),
    "empty": form(),
    "names": form(None, **{'a "b"\\': {"type": "null"}, "ü": {"type": "boolean"}}),
}  # fmt: skip
PLAN = proposals.schema(False)
TREE: dict[str, Any] = {
    "$defs": {"node": form(["on"], on={"type": "boolean"}, below={"$ref": "#/$defs/node"})},
    "$ref": "#/$defs/node",
}
REFUSED: dict[str, Any] = {
    "pattern": form(a={"type": "string", "pattern": "^a+$"}),
    "format": form(a={"type": "string", "format": "date"}),
    "unknown type": form(a={"type": "wat"}),
    "no type": form(a={}),
    "any object": {"type": "object"},
    "open object": {"type": "object", "additionalProperties": {"type": "string"}},
    "any list": form(a={"type": "array"}),
    "unique": form(a={"type": "array", "items": {"type": "null"}, "uniqueItems": True}),
    "long": form(a={"type": "string", "maxLength": 1500}),
    "negative": form(a={"type": "string", "maxLength": -1}),
    "crossed": form(a={"type": "string", "minLength": 3, "maxLength": 2}),
    "wide": form(a={"type": "integer", "minimum": 0, "maximum": 100_000}),
    "half": form(a={"type": "integer", "minimum": 7}),
    "fraction": form(a={"type": "number", "minimum": 0}),
    "all of": {"allOf": [form(), form()]},
    "one of": {"oneOf": [form(), form()]},
    "choice of nothing": form(a={"enum": []}),
    "elsewhere": {"$ref": "https://example.com/schema"},
    "itself": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "itself, in the end": {
        "$defs": {"a": {"anyOf": [form(p={"$ref": "#/$defs/b"}), {"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    },
    "nowhere": {"$ref": "#/$defs/none"},
    "no schema": form(a=True),
    "required unknown": {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]},
}
