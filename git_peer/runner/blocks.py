"""What a model's text is made of: fenced blocks and the names that they go by. Pure, and linear in the text.

The text is hostile: a fence may be of any kind, nested, or never closed, and a name may be anything at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\n]*)")
_FILE = re.compile(r"(?:new +)?(?:file(?: ?(?:name|path))?|path)[*_`]*[ \t]*:[*_`]*(.+)", re.IGNORECASE)
_DRESS = " \t>*#_`"
_NUMBER = re.compile(r"\d{1,3}[.)][ \t]")
_LINE = 1_000  # characters of a line that could name a file
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+(.+)")
_COMMENTS = ("#", "//", "--", ";", "%", "<!--", "/*")
_TICKED = re.compile(r"`([^`\s]+)`|\*\*([^*\s]+)\*\*")
_KEY = re.compile(r"(?:title|file|filename|path|name)\s*=\s*[\"']?([^\"'\s}]+)", re.IGNORECASE)
_LONGEST = 20_000  # lines of a block in which strings are followed
MOST = 200  # blocks; behind them nothing is read
_BARE_NAMES = frozenset({"Makefile", "Dockerfile", "LICENSE", "README", "Jenkinsfile"})
_WORD = re.compile(r"[^\s`*\"'<>|]+\.[A-Za-z][A-Za-z0-9]{0,9}|[^\s`*\"'<>|]*/[^\s`*\"'<>|]+")
_SUFFIXES = {
    "python": "py pyi", "py": "py pyi", "python3": "py pyi", "markdown": "md", "md": "md", "toml": "toml",
    "json": "json", "yaml": "yaml yml", "yml": "yaml yml", "ini": "ini cfg", "cfg": "cfg", "html": "html",
    "css": "css", "sql": "sql",
    "javascript": "js", "js": "js", "typescript": "ts", "ts": "ts", "rst": "rst", "text": "txt", "txt": "txt",
}  # fmt: skip
_SEARCH = re.compile(r"<{5,9} ?(?:SEARCH|ORIGINAL)\b.*")
_REPLACE = re.compile(r">{5,9} ?(?:REPLACE|UPDATED)\b.*")
# Python as far as one must read it to know where its strings end.
_PYTHON = re.compile(r"\\.|#[^\n]*|\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?", re.DOTALL)


class Told(IntEnum):
    """How plainly a block was named."""

    NOT = 0
    GUESSED = 1  # by a sentence above it
    COMMENT = 2  # by its first line
    NAMED = 3  # by a line that is nothing else, or by the fence


@dataclass(frozen=True)
class Block:
    """A piece of an answer: its name ("" for none), language, lines, and whether its end is there.

    `fenced` is False for lines that stand under a name without a fence.
    """

    path: str
    told: Told
    language: str
    lines: tuple[str, ...]
    closed: bool = True
    fenced: bool = True

    @property
    def body(self) -> str:
        """Its text, ending in a newline unless it is empty."""
        return "\n".join(self.lines) + "\n" if self.lines else ""

    @property
    def is_python(self) -> bool:
        """Whether it is Python by its name, else by its language, else perhaps."""
        if self.path:
            return self.path.endswith((".py", ".pyi"))
        return self.language in {"", "python", "py", "python3"}


def plain(text: str) -> str:
    """The text with newlines only, without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read(text: str) -> list[Block]:
    """The blocks of an answer, in order: fenced ones, and what stands under a `FILE:` line without a fence."""
    return _Reader(plain(text).split("\n")).read()


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.found: list[Block] = []
        self.fences = [_FENCE.fullmatch(line) for line in lines]
        # From the end: the next line with a fence, so that looking ahead costs nothing.
        self.next_fence = [len(lines)] * (len(lines) + 1)
        for at in range(len(lines) - 1, -1, -1):
            self.next_fence[at] = at if self.fences[at] else self.next_fence[at + 1]

    def read(self) -> list[Block]:
        at = 0
        while at < len(self.lines) and len(self.found) < MOST:
            if (fence := self.fences[at]) and self._opens(fence):
                at = self._fenced(at, fence)
            elif (name := file_line(self.lines[at])) and not self._fence_follows(at + 1):
                at = self._unfenced(at, name)
            else:
                at += 1
        return self.found

    @staticmethod
    def _opens(fence: re.Match[str]) -> bool:
        return not (fence[2][0] == "`" and "`" in fence[3])

    def _fence_follows(self, at: int) -> bool:
        """Whether the next line that says something opens a fence, or names a file again."""
        while at < len(self.lines) and not self.lines[at].strip():
            at += 1
        return at >= len(self.lines) or self.fences[at] is not None or bool(file_line(self.lines[at]))

    # -- without a fence ------------------------------------------------------------------------------
    def _unfenced(self, at: int, name: str) -> int:
        first = at + 1
        end = first
        searching = False
        while end < len(self.lines):
            line = self.lines[end]
            searching = (searching or _SEARCH.fullmatch(line) is not None) and _REPLACE.fullmatch(line) is None
            if not searching and (self.fences[end] or file_line(line)):
                break
            end += 1
        lines = list(self.lines[first:end])
        while lines and not lines[0].strip():
            del lines[0]
        while lines and not lines[-1].strip():
            del lines[-1]
        self.found.append(Block(name, Told.NAMED, "", tuple(lines), end < len(self.lines), False))
        return end

    # -- with one -------------------------------------------------------------------------------------
    def _fenced(self, at: int, fence: re.Match[str]) -> int:
        language, path = _info(fence[3])
        told = Told.NAMED if path else Told.NOT
        above, how = self._above(at, language)
        if above and how >= told:
            path, told = above, how
        end = self._end(at, fence, language, path)
        indent = fence[1]
        body = [line.removeprefix(indent) for line in self.lines[at + 1 : end]]
        if not path and body:
            inner, how = _first(body[0])
            if inner:
                path, told = inner, how
                del body[0]
        elif body and (inner := file_line(body[0])) and inner == path:
            del body[0]
        if end >= len(self.lines):
            while body and not body[-1].strip():
                del body[-1]
        self.found.append(Block(path, told, language, tuple(body), end < len(self.lines)))
        return end + 1

    def _above(self, at: int, language: str) -> tuple[str, Told]:
        """The name that the line above gives: at most one blank line stands between."""
        for back in (1, 2):
            line = self.lines[at - back] if at >= back else ""
            if line.strip():
                return _name_of(line, language) if self.fences[at - back] is None else ("", Told.NOT)
        return "", Told.NOT

    def _end(self, at: int, fence: re.Match[str], language: str, path: str) -> int:
        """The line of the closing fence; as many as there are where there is none."""
        suffix = path.rpartition(".")[2].lower() if path else _SUFFIXES.get(language, language).split(" ")[0]
        if suffix in {"md", "rst", "markdown", "mdx"}:
            return self._end_of_prose(at, fence)
        first = self._next(at + 1, fence)
        if suffix in {"py", "pyi", ""}:
            return self._end_of_python(at, fence, first)
        return self._past_edits(at, fence, first)

    def _next(self, at: int, fence: re.Match[str]) -> int:
        """The next line that could close the fence."""
        while (at := self.next_fence[at]) < len(self.lines):
            if self._closes(at, fence):
                return at
            at += 1
        return at

    def _closes(self, at: int, fence: re.Match[str]) -> bool:
        found = self.fences[at]
        return found is not None and found[2].startswith(fence[2]) and not found[3].strip()

    def _past_edits(self, at: int, fence: re.Match[str], end: int) -> int:
        """No fence inside of a SEARCH/REPLACE closes what is around it, if one behind it does."""
        searching = False
        for number in range(at + 1, len(self.lines)):
            line = self.lines[number]
            if number >= end and not searching and self._closes(number, fence):
                return number
            searching = (searching or _SEARCH.fullmatch(line) is not None) and _REPLACE.fullmatch(line) is None
        return end

    def _end_of_python(self, at: int, fence: re.Match[str], first: int) -> int:
        """The first fence that is outside of every string; the first at all where the strings do not add up."""
        if first >= len(self.lines):
            return first
        if any(_SEARCH.fullmatch(line) for line in self.lines[at + 1 : first]):
            return self._past_edits(at, fence, first)
        quote, number = "", at + 1
        while number < min(len(self.lines), at + _LONGEST):
            if not quote and self._closes(number, fence):
                return number
            quote = _after(self.lines[number], quote)
            number += 1
        return first

    def _end_of_prose(self, at: int, fence: re.Match[str]) -> int:
        """Prose has fences of its own: one with a language opens one, and so does a bare one that another follows."""
        inside = False
        number = at + 1
        last = len(self.lines)
        while (number := self.next_fence[number]) < len(self.lines):
            found = self.fences[number]
            if found is not None and found[2][0] == fence[2][0]:
                bare = not found[3].strip()
                if inside:
                    inside = not bare
                elif not bare:
                    inside = True
                elif self._closes(number, fence):
                    if len(found[2]) > 3 or not self._bare_follows(number + 1, fence):
                        return number
                    inside, last = True, number
            number += 1
        return last

    def _bare_follows(self, at: int, fence: re.Match[str]) -> bool:
        """Whether the next fence, before any line that names a file, could close one."""
        nearest = self.next_fence[at]
        if nearest >= len(self.lines) or not self._closes(nearest, fence):
            return False
        return not any(file_line(line) for line in self.lines[at:nearest])


def _after(line: str, quote: str) -> str:
    """The triple quotes that are open behind a line of Python; `quote` are those before it."""
    at = 0
    while at < len(line):
        if quote:
            end = line.find(quote, at)
            while end > 0 and _escaped(line, end):
                end = line.find(quote, end + 1)
            if end < 0:
                return quote
            at, quote = end + 3, ""
            continue
        found = _PYTHON.search(line, at)
        if found is None:
            return ""
        at = found.end()
        if found[0] in {'"""', "'''"}:
            quote = found[0]
    return quote


def _escaped(line: str, at: int) -> bool:
    back = at
    while back and line[back - 1] == "\\":
        back -= 1
    return (at - back) % 2 == 1


# -- names ----------------------------------------------------------------------------------------------
def file_line(line: str) -> str:
    """The path that a line `FILE: path` names, in whatever dress; "" for any other line."""
    if len(line) > _LINE or ":" not in line:
        return ""
    said = line.lstrip(_DRESS)
    if number := _NUMBER.match(said):
        said = said[number.end() :].lstrip(_DRESS)
    found = _FILE.fullmatch(said.rstrip())
    return _undressed(found[1]) if found else ""


def _undressed(said: str) -> str:
    """A path without what people put around it."""
    said = said.strip()
    if (ticked := re.match(r"[*_]*`([^`]+)`", said)) or (ticked := re.match(r"\*\*([^*]+)\*\*", said)):
        said = ticked[1].strip()
    said = re.sub(r"\s+[(\[][^()\[\]]*[)\]]\s*:?$", "", said)  # (new file)
    said = said.strip(" \t*`\"'").rstrip(":,;").strip(" \t*`\"'")
    return re.sub(r"\A(?:\./)+", "", said)


def _info(info: str) -> tuple[str, str]:
    """(language, path) that stand behind a fence."""
    said = info.strip()[:_LINE]
    if not said:
        return "", ""
    first = said.split()[0]
    word = first.strip("{}.")
    if keyed := _KEY.search(said):
        return re.split(r"[:\s{]", word)[0].lower() if "=" not in first else "", _undressed(keyed[1])
    language, colon, rest = word.partition(":")
    if colon and _looks_like_path(rest):
        return language.lower(), _undressed(rest)
    if _looks_like_path(first) and first.lower() not in _SUFFIXES:
        return "", _undressed(first)
    behind = said[len(first) :].strip()
    return language.lower(), _undressed(behind) if _looks_like_path(_undressed(behind)) else ""


def _looks_like_path(said: str) -> bool:
    return said in _BARE_NAMES or (len(said) < _LINE and _WORD.fullmatch(said) is not None)


def _name_of(line: str, language: str) -> tuple[str, Told]:
    """The name that a line above a block gives it."""
    if len(line) > _LINE:
        return "", Told.NOT
    if name := file_line(line):
        return name, Told.NAMED
    heading = _HEADING.fullmatch(line)
    said = heading[1] if heading else line
    said = re.sub(r"\A\s*(?:[-*+]|\d+[.)])\s+", "", said)
    bare = _undressed(said)
    dressed = bare != said.strip()
    if _looks_like_path(bare) and (heading or dressed):
        return bare, Told.NAMED
    ticked = [one or two for one, two in _TICKED.findall(said)]
    names = list(dict.fromkeys(_undressed(one) for one in ticked if _looks_like_path(_undressed(one))))
    if len(names) == 1 and (heading or line.rstrip().endswith(":")):
        suffix = names[0].rpartition(".")[2].lower()
        if suffix in _SUFFIXES.get(language, "").split():
            return names[0], Told.GUESSED
    return "", Told.NOT


def _first(line: str) -> tuple[str, Told]:
    """The name that the first line inside of a block gives it."""
    if len(line) > _LINE:
        return "", Told.NOT
    said = line.strip()
    mark = next((one for one in _COMMENTS if said.startswith(one)), "")
    inner = said[len(mark) :].removesuffix("-->").removesuffix("*/").strip() if mark else said
    if name := file_line(inner):
        return name, Told.COMMENT if mark else Told.NAMED
    if mark and _looks_like_path(bare := _undressed(inner)):
        return bare, Told.COMMENT
    return "", Told.NOT
