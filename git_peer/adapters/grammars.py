"""The one way to tree-sitter: which grammar a language has, and the bounds on what its parser does."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser, Point, Query, Tree

    from git_peer.adapters.symbols import Symbol
    from git_peer.core.target.section import Section

# language → (package, its function)
_PACKAGES = {
    "Python": ("tree_sitter_python", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": ("tree_sitter_typescript", "language_typescript"),
    "TSX": ("tree_sitter_typescript", "language_tsx"),
    "Go": ("tree_sitter_go", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "Java": ("tree_sitter_java", "language"),
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
    "Ruby": ("tree_sitter_ruby", "language"),
    "C#": ("tree_sitter_c_sharp", "language"),
    "PHP": ("tree_sitter_php", "language_php"),
    "Kotlin": ("tree_sitter_kotlin", "language"),
    "Swift": ("tree_sitter_swift", "language"),
    "Markdown": ("tree_sitter_markdown", "language"),
    "JSON": ("tree_sitter_json", "language"),
    "YAML": ("tree_sitter_yaml", "language"),
    "TOML": ("tree_sitter_toml", "language"),
}
_FILE_STEPS, _STEPS = 8_000, 60_000  # of a parser, for one file and for all; a step is about a hundred operations
_SECTION_STEPS = 400_000  # of one file whose sections are wanted: some seconds at most
_CHUNK = 16_384
_BOM = b"\xef\xbb\xbf"
_NESTED = 500  # `<` in a row; recovering from thousands takes a parser seconds that it cannot be stopped in


class Grammars:
    """Parsers of the grammars that are installed, with bounds on their work that do not depend on the clock."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._left = steps
        self._parsers: dict[str, Parser | None] = {}
        self._queries: dict[str, Query] = {}

    def has(self, language: str) -> bool:
        """Whether the grammar of a language is installed and can be used."""
        return self._parser(language) is not None

    def symbols(self, language: str, source: bytes, header: bool = False) -> list[Symbol] | None:
        """The public symbols of a file in their order; None where reading it took too many steps.

        A syntax error hides what is around it, nothing else. `header`: what a C file declares is for others.
        """
        from git_peer.adapters import rules, rules_of

        source = source.removeprefix(_BOM)
        tree, steps = self._tree(language, source, min(_FILE_STEPS, self._left))
        self._left -= steps
        return None if tree is None else rules.found(rules_of.RULES[language](source, header), tree.root_node)

    def sections(self, language: str, source: bytes) -> list[Section] | None:
        """The sections of a file in their order, each behind the one it is in; None where reading took too many steps.

        A syntax error hides what is around it, nothing else.
        """
        from tree_sitter import Query, QueryCursor

        from git_peer.adapters import sections

        source = source.removeprefix(_BOM).removesuffix(b"\n") + b"\n"  # some grammars need the last one
        tree, _ = self._tree(language, source, _SECTION_STEPS)
        if tree is None:
            return None
        shape = sections.SHAPES[language]
        if language not in self._queries:  # compiling one takes longer than reading a file by it
            self._queries[language] = Query(tree.language, shape.query)
        captures = QueryCursor(self._queries[language]).captures(tree.root_node)
        return sections.found(shape, captures, source)

    def _tree(self, language: str, source: bytes, most: int) -> tuple[Tree | None, int]:
        """(the syntax tree of a file, the steps that it took); None where more than `most` would be needed."""
        parser = self._parser(language)
        assert parser is not None, language
        if most <= 0 or _tangled(source):
            return None, 0
        steps = 0

        def read(offset: int, _: Point) -> bytes:
            return source[offset : offset + _CHUNK]

        def stop(_: int, __: bool) -> bool:
            nonlocal steps
            steps += 1
            return steps > most  # some grammars take seconds for a few kilobytes of the wrong kind

        try:
            return parser.parse(read, progress_callback=stop), steps
        except ValueError:  # stopped
            parser.reset()
            return None, steps

    def _parser(self, language: str) -> Parser | None:
        if language not in self._parsers:
            self._parsers[language] = _load(language)
        return self._parsers[language]


def _tangled(source: bytes) -> bool:
    """Whether type arguments are opened, and never closed, more often than anybody writes them."""
    if source.count(b"<") <= _NESTED:
        return False
    return any(part.count(b"<") > _NESTED for part in re.split(rb"[>;{}()]", source))


def _load(language: str) -> Parser | None:
    if language not in _PACKAGES:
        return None
    package, function = _PACKAGES[language]
    try:
        from tree_sitter import Language, Parser

        return Parser(Language(getattr(import_module(package), function)()))
    except (ImportError, AttributeError, ValueError):  # not installed, or of another generation
        return None
