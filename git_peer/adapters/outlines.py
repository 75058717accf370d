"""Where no grammar is installed: symbols by Python's own parser, symbols and sections from git's function names."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from git_peer.adapters.symbols import MOST, Symbol, is_constant, one_line
from git_peer.core.target.section import LONGEST, Section

ATTRIBUTES = Path(__file__).with_name("userdiff.attributes")
# Lines that declare nothing. Before each, git shows the function name that it belongs to.
_BETWEEN = r"^[[:space:]]*($|[]})#*@]|//|(return|end|pass|raise|throw|break)([^[:alnum:]_]|$))|[;,][[:space:]]*$"
_WORD = re.compile(
    r"\b(class|interface|struct|enum|trait|module|namespace|record|union|type|impl|func|fn|def|function|sub|package|object|protocol|defmodule|defp)\s+(?:class\s+)?([A-Za-z_]\w*)"
)
_CALLED = re.compile(r"([A-Za-z_~]\w*)\s*(?:<[^<>()]*>)?\s*\(")
_RECEIVER = re.compile(r"^func\s*\([^)]*\)\s*(\w+)")
_HIDDEN = re.compile(r"\b(?:private|protected)\b")
_NOT_NAMES = frozenset(
    {
        "def",
        "class",
        "func",
        "fn",
        "if",
        "for",
        "while",
        "switch",
        "return",
        "catch",
        "sizeof",
        "defined",
        "else",
        "do",
        "new",
        "function",
    }
)


# -- Python ---------------------------------------------------------------------------------------
def python(source: bytes) -> list[Symbol] | None:
    """The public symbols of a Python file; None where Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            return list(_python(tree.body, ""))[:MOST]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _python(body: Iterable[ast.stmt], owner: str) -> Iterable[Symbol]:
    for node in body:
        before = f"{owner}." if owner else ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _public(node.name):
            word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
            text = f"{word} {node.name}({ast.unparse(node.args)}){result}"
            yield Symbol(before + node.name, "method" if owner else "function", one_line(text), node.lineno)
        elif isinstance(node, ast.ClassDef) and _public(node.name):
            bases = ", ".join(ast.unparse(one) for one in [*node.bases, *node.keywords])
            text = f"class {node.name}({bases})" if bases else f"class {node.name}"
            yield Symbol(before + node.name, "class", one_line(text), node.lineno)
            if before.count(".") < 10:
                yield from _python(node.body, before + node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and is_constant(target.id):
                yield Symbol(before + target.id, "constant", one_line(ast.unparse(node)), node.lineno)


def _public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


# -- by git ---------------------------------------------------------------------------------------
def git_args(commit: str, paths: Iterable[str]) -> list[str]:
    """The git child that tells the function names of all `paths` of a commit. git's patterns, and the user's own."""
    return [
        "--literal-pathspecs", "-c", f"core.attributesFile={ATTRIBUTES}", "-c", "core.quotePath=false", "grep",
        "--show-function", "--line-number", "--no-column", "--heading", "--full-name", "-I", "--no-color",
        "--no-recurse-submodules", "--extended-regexp", "-e", _BETWEEN, commit, "--", *paths,
    ]  # fmt: skip


def of_git(out: str, commit: str, languages: dict[str, str]) -> dict[str, list[Symbol]]:
    """Path → public symbols, from what that child said; `languages` has the language of each path."""
    found: dict[str, list[Symbol]] = {}
    path = ""
    for row in out.split("\n"):
        if row.startswith(f"{commit}:"):
            path = row[len(commit) + 1 :]
            continue
        told = re.match(r"(\d{1,9})=(.*)", row, re.DOTALL)
        if told is None or path not in languages or len(found.get(path, ())) >= MOST:
            continue
        symbol = _function(told[2], int(told[1]), languages[path])
        if symbol is not None:
            found.setdefault(path, []).append(symbol)
    return found


def _function(text: str, line: int, language: str) -> Symbol | None:
    """The symbol that a function-name line is of; None where it is private or names nothing."""
    word = _WORD.search(text)
    name = _RECEIVER.match(text) or _CALLED.search(text)
    if word is not None and (word[1] != "func" or name is None):
        kind, called = word[1], word[2]
    elif name is not None:
        kind, called = "function", name[1]
    else:
        return None
    kind = {"func": "function", "fn": "function", "def": "function"}.get(kind, kind)
    private = called.startswith("_") or called in _NOT_NAMES or _HIDDEN.search(text) is not None
    if language == "Go":
        private = private or not called[:1].isupper()
    elif language == "Rust":
        private = private or (not text.lstrip().startswith("pub") and kind != "impl")
    elif language in {"C", "C++"}:
        private = private or text.startswith("static ")
    return None if private else Symbol(called, kind, one_line(text), line)


# -- sections -------------------------------------------------------------------------------------
_HUNK = re.compile(rb"@@ -(\d+)(?:,0)? \+\S+ @@ ?(.*)")
_ABOVE = re.compile(rb"[ \t]*(?:#(?!!)|//|/\*|\*|--|;|%|\"|@|\[|<!--)")  # looks like a comment or an attribute
_CLOSED = re.compile(rb"(?:\}|end\b|END\b)")
_NAMED = re.compile(r"([^\s{}()]+(?:[ \t]+[^\s{}()]+)*)")


def spaced(source: bytes) -> bytes:
    """The same text with a new line of its own behind each: git shows of each the function name that it belongs to."""
    rows = source.split(b"\n")
    rows = rows[:-1] if rows[-1] == b"" else rows
    return b"".join(b"%s\n\x01%d\n" % (row, number) for number, row in enumerate(rows))


def spaced_args(attributes: str, old: str, new: str) -> list[str]:
    """The git child that compares a text with its spaced() one; `attributes` is a file that says `* diff=DRIVER`."""
    return [
        "-c", f"core.attributesFile={attributes}", "diff", "--no-index", "--unified=0", "--minimal", "--text",
        "--no-color", "--no-ext-diff", "--no-textconv", "--", old, new,
    ]  # fmt: skip


def of_spaced(out: bytes, source: bytes) -> list[Section]:
    """The sections of a text, from what that child said: from each function name to the end of its block.

    That is the next line no further in that closes one, or the one before the next function name no further in.
    """
    rows = source.split(b"\n")
    heads: list[tuple[int, str]] = []
    for line in out.split(b"\n"):
        hunk = _HUNK.match(line)
        if hunk is None or not hunk[2].strip():
            continue
        row = int(hunk[1]) - 1
        if row < len(rows) and rows[row].strip().startswith(hunk[2].strip()):
            heads.append((row, hunk[2].decode("utf-8", "replace").strip()))
    found: list[Section] = []
    for index, (row, text) in enumerate(heads):
        later = (at for at, _ in heads[index + 1 :] if _indent(rows[at]) <= _indent(rows[row]))
        last = _end(rows, row, _begin(rows, next(later, len(rows))))
        within = len(found) - 1
        while within >= 0 and found[within].last <= row:
            within = found[within].within
        kind, name = _called(text)
        full = f"{found[within].name}.{name}" if within >= 0 else name
        found.append(Section(full[: LONGEST * 2], kind, _begin(rows, row) + 1, last + 1, within))
    return found


def _indent(row: bytes) -> int:
    return len(row) - len(row.lstrip(b" \t"))


def _begin(rows: list[bytes], row: int) -> int:
    while row > 0 and rows[row - 1].strip() and _ABOVE.match(rows[row - 1]):
        row -= 1
    return row


def _end(rows: list[bytes], row: int, end: int) -> int:
    for at in range(row + 1, end):
        if _CLOSED.match(rows[at].lstrip()) and _indent(rows[at]) <= _indent(rows[row]):
            return at
    last = end - 1
    while last > row and not rows[last].strip():
        last -= 1
    return last


def _called(text: str) -> tuple[str, str]:
    """(kind, name) of what a function-name line declares; the line itself where it is of no known form."""
    word, name = _WORD.search(text), _RECEIVER.match(text) or _CALLED.search(text)
    if word is not None and (word[1] != "func" or name is None):
        kind, called = word[1], word[2]
    elif name is not None and name[1] not in _NOT_NAMES:
        kind, called = "function", name[1]
    else:
        plain = _NAMED.search(text)
        kind, called = "section", plain[1] if plain else text
    function = {"func", "fn", "def", "sub", "defp"}
    return "function" if kind in function else kind, called[:LONGEST]
