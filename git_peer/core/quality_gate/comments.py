"""Comments, strings and code of a source file told apart, well enough to look for words in them."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

_C = (
    "JavaScript TypeScript TSX Go Rust Java C C++ C# PHP Kotlin Swift Scala Dart Groovy CSS Protobuf Zig Objective-C"
).split()
_HASH = "Python Ruby Shell YAML TOML Make Perl R Docker Elixir Terraform Nix PowerShell Julia GraphQL CMake".split()
_DASH = "SQL Lua Haskell Ada".split()
_MARKUP = "HTML XML Vue Svelte".split()

_SHORT = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
_FORMS = {
    **dict.fromkeys(_C, rf"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<string>{_SHORT}|`(?:\\.|[^`\\])*`)"),
    **dict.fromkeys(_HASH, rf"(?P<comment>(?:(?<=\s)|(?<![^\n]))\#[^\n]*)|(?P<string>{_SHORT})"),
    **dict.fromkeys(_DASH, rf"(?P<comment>--[^\n]*)|(?P<string>{_SHORT})"),
    **dict.fromkeys(_MARKUP, r"(?P<comment><!--.*?(?:-->|\Z))|(?P<string>(?!))"),
    # A lifetime's quote opens nothing.
    "Rust": r"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<string>\"(?:\\.|[^\"\\])*\"|'(?:\\[^\n']*|[^'\\\n])')",
    **dict.fromkeys(
        ("Python", "TOML"),
        rf"(?P<comment>\#[^\n]*)|(?P<string>\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)|{_SHORT})",
    ),
}


class Parts(NamedTuple):
    """A text three times, each as long as the whole, what is not meant being blank: line ends stay where they are."""

    comments: str
    spoken: str  # code and strings
    code: str


@cache
def _form(language: str) -> re.Pattern[str]:
    return re.compile(_FORMS[language], re.DOTALL)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def parts(language: str, text: str) -> Parts | None:
    """The parts of a text in a language; None where it has no comments that are known here."""
    if language not in _FORMS:
        return None
    comments, spoken, code, at = [], [], [], 0
    for match in _form(language).finditer(text):
        before, found = text[at : match.start()], match[0]
        at = match.end()
        is_comment = match.lastgroup == "comment"
        comments += [_blank(before), found if is_comment else _blank(found)]
        spoken += [before, _blank(found) if is_comment else found]
        code += [before, _blank(found)]
    rest = text[at:]
    return Parts("".join([*comments, _blank(rest)]), "".join([*spoken, rest]), "".join([*code, rest]))
