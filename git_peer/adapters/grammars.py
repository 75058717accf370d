"""Public symbols by tree-sitter: which grammar a language has, and the bounds on what its parser does."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from git_peer.adapters import rules, rules_of
from git_peer.adapters.symbols import Symbol

if TYPE_CHECKING:
    from tree_sitter import Parser, Point

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
}
_FILE_STEPS, _STEPS = 8_000, 60_000  # of a parser, for one file and for all; a step is about a hundred operations
_CHUNK = 16_384
_NESTED = 500  # `<` in a row; recovering from thousands takes a parser seconds that it cannot be stopped in


class Grammars:
    """Parsers of the grammars that are installed, with bounds on their work that do not depend on the clock."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._left = steps
        self._parsers: dict[str, Parser | None] = {}

    def has(self, language: str) -> bool:
        """Whether the grammar of a language is installed and can be used."""
        return self._parser(language) is not None

    def symbols(self, language: str, source: bytes, header: bool = False) -> list[Symbol] | None:
        """The public symbols of a file in their order; None where reading it took too many steps.

        A syntax error hides what is around it, nothing else. `header`: what a C file declares is for others.
        """
        parser = self._parser(language)
        assert parser is not None, language
        bound = min(_FILE_STEPS, self._left)
        if bound <= 0 or _tangled(source):
            return None
        source = source.removeprefix(b"\xef\xbb\xbf")
        steps = 0

        def read(offset: int, _: Point) -> bytes:
            return source[offset : offset + _CHUNK]

        def stop(_: int, __: bool) -> bool:
            nonlocal steps
            steps += 1
            return steps > bound  # some grammars take seconds for a few kilobytes of the wrong kind

        try:
            tree = parser.parse(read, progress_callback=stop)
        except ValueError:  # stopped
            parser.reset()
            return None
        finally:
            self._left -= steps
        return rules.found(rules_of.RULES[language](source, header), tree.root_node)

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
