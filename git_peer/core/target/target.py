"""What a lock is on: a file, a directory, a glob, lines, a section, or a name. Pure.

Overlap asks whether two targets can concern one path; `glob.meets` is the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.target import git_dir
from git_peer.core.target import glob as globs

if TYPE_CHECKING:
    from types import ModuleType

Kind = Literal["file", "dir", "glob", "lines", "section", "name"]
Exists = Callable[[str], str]
"""What is at a top-relative path: file, dir, submodule, or "" for nothing; inside-submodule, inside-repository (of
another `.git`) and beyond-link for what git would not take from here."""

Elsewhere = Callable[[str], "str | None"]
"""The top-relative path of an absolute one that lies in any work tree of the clone, links followed; None for others."""

Spans = tuple[tuple[int, int], ...]
Carry = Callable[[str, str, Spans], "Spans | None"]
"""(blob, other blob, lines of the one) → what has come of them in the other; None where that cannot be told."""

Meets = Callable[[str, str, str, Spans], bool]
"""(blob, old blob, new blob, lines of the first) → whether the change from the old one to the new is in them."""

MAX_LINE = 2**31 - 1
DEPTH = 512  # components of a path; every reader of the log's tree follows so many
LENGTH = 4096  # bytes of a path that is typed: no file has a longer one

_MAGIC = frozenset("\"#%&',-;<=>@_`~")  # punctuation that git keeps for short magic to come
_RANGE = re.compile(r":([0-9]+)(?:-([0-9]+))?\Z")
_HALF = re.compile(r":(?:[0-9]+-|-[0-9]+)\Z")
_QUOTED = re.compile(r"\\([*?\[\]\\:])")
_PLAIN = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*(?:/(?!\Z)|\Z))+")  # is only ever a path
_OBJECT = re.compile("(?:[0-9a-f]{40}|[0-9a-f]{64})")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_LITERAL_HINT = "a path that is spelled so is written `:(literal)…`"


class Target(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A target as the log keeps it.

    `path` is relative to the top, without a trailing slash, "" for the top; of a name what follows the `@`. Where
    its bytes are not UTF-8, `encoding` is "percent" and `path` is layout.percent() of it. A range has its `lines`, a
    section its name and `spans`: parts in order, with at least a line between two; both are counted on `blob`.
    """

    kind: Kind
    path: str
    encoding: str = ""
    lines: tuple[int, int] | None = None
    section: str = ""
    blob: str = ""
    spans: Spans = ()

    @property
    def region(self) -> Spans:
        """The lines that it is about, of a range or a section; () for the whole file."""
        return (self.lines,) if self.lines is not None else self.spans

    @property
    def real(self) -> str:
        """The path as `str` with surrogateescape."""
        return layout.unpercent(self.path) if self.encoding else self.path


def of_path(
    kind: Kind,
    path: str,
    lines: tuple[int, int] | None = None,
    section: str = "",
    blob: str = "",
    spans: Spans = (),
) -> Target:
    """The target for a path that is known as it is, and not typed by anybody."""
    if not layout.is_utf8(path):
        path = layout.from_bytes(layout.to_bytes(path))  # bytes that came together may make a character
        if not layout.is_utf8(path):
            return Target(kind, layout.percent(path), "percent", lines, section, blob, spans)
    return Target(kind, path, lines=lines, section=section, blob=blob, spans=spans)


# -- from what people type ----------------------------------------------------------------------


def _usage(message: str, hint: str = "") -> PeerError:
    return PeerError("usage", message, hint)


def parse(text: str, prefix: str, exists: Exists, top: str = "", elsewhere: Elsewhere = lambda path: None) -> Target:
    """The target that `text` names for somebody in the directory `prefix` ("" or `src/sub/`, from the top).

    `top` is the absolute path of the work tree, for absolute paths; `elsewhere` knows those in the clone's other work
    trees. What exists in exactly that spelling is never taken for a glob, a range or a section. Raises PeerError
    `usage`.
    """
    if not text:
        raise _usage("an empty target", "`.` is this directory, `:/` the whole work tree")
    if "\0" in text or not _has_bytes(text):
        raise _usage("a target with a NUL byte, or that no bytes spell")
    if len(layout.to_bytes(text)) > LENGTH:
        raise _usage(f"a target of over {LENGTH} bytes: {text[:40]}…", "no file has so long a path")
    name = text.startswith("@")
    target = of_path("name", _name(text[1:])) if name else _Reader(prefix, exists, top, elsewhere).read(text)
    if target.path.count("/") >= DEPTH:
        hint = "lock a folder further up, or a glob" if target.kind != "name" else ""
        raise _usage(f"a target over {DEPTH} folders deep: {text[:40]}…", hint)
    return target


def _has_bytes(text: str) -> bool:
    return text.isascii() or not any(0xD800 <= ord(char) <= 0xDC7F or 0xDD00 <= ord(char) <= 0xDFFF for char in text)


def _clean(path: str) -> bool:
    return not {"", ".", ".."} & set(path.split("/"))


def _name(name: str) -> str:
    hint = "a name is `@leader` or `@issue/42`; a file that begins with @ is `./@…`"
    if _CONTROL.search(name) or not layout.is_utf8(name):
        raise _usage("a name with control characters", hint)
    if not _clean(name):
        raise _usage(f"'@{name}' is no name", hint)
    return name


def _magic(text: str) -> tuple[set[str], str]:
    """(words of the pathspec magic, the rest), by git's rules."""
    if not text.startswith(":"):
        return set(), text
    if text.startswith(":("):
        inner, closed, rest = text[2:].partition(")")
        if not closed:
            raise _usage(f"no ')' ends the magic of '{text}'")
        words = {word for word in inner.split(",") if word}
    else:
        rest, words = text[1:], set()
        while rest and rest[0] in "/!^":
            words.add("top" if rest[0] == "/" else "exclude")
            rest = rest[1:]
        if rest.startswith(":"):
            rest = rest[1:]
        elif rest[:1] in _MAGIC:
            raise _usage(f"git has no magic '{rest[0]}' (in '{text}')", "a file that begins with `:` is `./:…`")
    if "exclude" in words:
        raise _usage(f"'{text}' excludes; a target says what to lock")
    for word in sorted(words - {"top", "literal", "glob"}):
        raise _usage(f"unknown pathspec magic '{word}' in '{text}'", "there are top, literal and glob")
    if {"literal", "glob"} <= words:
        raise _usage(f"'{text}': literal and glob exclude each other")
    return words, rest


class _Outside(Exception):
    """A path that leaves the work tree."""


class _Reader:
    """One reading of a text: where it is read from, and what exists."""

    def __init__(self, prefix: str, exists: Exists, top: str, elsewhere: Elsewhere) -> None:
        self.prefix, self.exists, self.elsewhere = prefix, exists, elsewhere
        self.top = _resolved(top.split("/")) if top else None

    def read(self, text: str) -> Target:
        words, rest = _magic(text)
        if "top" in words:
            self.prefix = ""
        try:
            if "literal" in words:
                return self.plain(rest)
            if "glob" in words:
                return self.glob(rest) if globs.is_glob(rest) else self.plain(globs.unescape(rest))
            return self.free(rest)
        except _Outside:
            raise _usage(f"'{rest}' is outside the repository", "name what is inside this work tree") from None

    def placed(self, text: str, quote: Callable[[str], str] = str) -> tuple[str, bool]:
        """(path from the top, whether the text says that it is a directory); `quote` is for what stands before it."""
        folder = text.rsplit("/", 1)[-1] in {"", ".", ".."}
        parts = text.split("/")
        if not text.startswith("/"):
            parts = [*quote(self.prefix).split("/"), *parts]
            try:
                return "/".join(_resolved(parts)), folder
            except _Outside:
                parts = [*(self.top or ()), *parts]
        parts = _resolved(parts)
        if self.top is None:
            raise _Outside
        if parts[: len(self.top)] == self.top:
            return "/".join(parts[len(self.top) :]), folder
        return self.other("/".join(parts)), folder

    def other(self, path: str) -> str:
        """The path from the top of what lies, by its absolute path, in another work tree of the clone."""
        found = self.elsewhere(f"/{path}")
        if found is None:
            raise _Outside
        return found

    def here(self, path: str) -> str:
        """The path, if git would take it from this work tree, or what it is in another of the clone's."""
        kind = self.exists(path)
        if kind == "beyond-link":
            raise _usage(f"'{path}' is beyond a symbolic link", "name what it leads to by its own path")
        if kind == "inside-repository":
            try:
                return self.other("/".join([*(self.top or ()), path]))
            except _Outside:
                raise _usage(f"'{path}' is in another repository", "lock it there") from None
        return path

    def found(self, text: str) -> str:
        """What exists in exactly that spelling."""
        try:
            path, _ = self.placed(text)
        except _Outside:
            return ""
        if not {part for part in text.split("/") if "::" in part} <= set(path.split("/")):
            return ""  # the `..` is of a section's name
        kind = self.exists(path) if path else "dir"
        return "" if kind in {"beyond-link", "inside-repository"} else kind

    def free(self, text: str) -> Target:
        """Without magic that says how to read it."""
        if self.found(text):
            return self.plain(text)
        bare = _QUOTED.sub("\0\0", text)  # as long, without what is quoted
        colons = [at for at in range(1, len(bare)) if bare.startswith("::", at)]
        at = next((at for at in colons if self.found(text[:at]) == "file"), colons[0] if colons else 0)
        if at:
            section = text[at + 2 :]
            if _CONTROL.search(section) or not layout.is_utf8(section):
                raise _usage(
                    f"'{text}' names no section",
                    f"a section is `path::Name.member`, or `path::` for what is outside all; {_LITERAL_HINT}",
                )
            return of_path("section", self.file(text[:at], text), section=section)
        ranged = _RANGE.search(bare)
        if ranged and ranged.start():
            base = text[: ranged.start()]
            if _RANGE.search(bare, 0, ranged.start()) and not self.found(base):  # a compiler's path:line:column
                raise _usage(f"'{text}' is no range of lines", f"a range is `path:10-45`; {_LITERAL_HINT}")
            return of_path("lines", self.file(base, text), lines=_lines(ranged, text))
        if _HALF.search(bare):
            raise _usage(f"'{text}' is half a range of lines", f"a range is `path:10-45`; {_LITERAL_HINT}")
        if globs.is_glob(text):
            return self.glob(text)
        return self.plain(_QUOTED.sub(r"\1", text))

    def plain(self, text: str) -> Target:
        """A file or a directory, whatever its name looks like."""
        path, folder = self.placed(text)
        if not path:
            return of_path("dir", "")
        _no_git_dir(path)
        path = self.here(path)
        kind = self.exists(path)
        if kind == "inside-submodule":
            raise _usage(f"'{path}' is in a submodule", "lock it there")
        if kind == "file" and folder:
            raise _usage(f"'{path}' is a file, not a directory", "leave out the slash at its end")
        if kind == "dir" or (folder and not kind):
            return of_path("dir", path)
        return of_path("file", path)  # a submodule's own path is one entry of the index, as a file is

    def file(self, base: str, text: str) -> str:
        """The path of the file of which `text` means a part."""
        if not self.found(base):
            if globs.is_glob(base):
                raise _usage(f"'{text}': a glob has no lines or sections", _LITERAL_HINT)
            base = _QUOTED.sub(r"\1", base)
        target = self.plain(base)
        if target.kind == "dir" or self.exists(target.real) == "submodule":
            raise _usage(f"'{text}': only a file has lines or sections", _LITERAL_HINT)
        return target.real

    def glob(self, text: str) -> Target:
        pattern, folder = self.placed(text, globs.escape)
        if folder:
            raise _usage(f"the glob '{text}' matches no file", f"what is inside is `{text.rstrip('/')}/**`")
        if problem := globs.problem(pattern):
            raise _usage(f"'{text}' is no glob: {problem}", _LITERAL_HINT)
        _no_git_dir(pattern, glob=True)
        pattern = self.here(pattern)
        if (directory := globs.literal_dir(pattern)) and "submodule" in self.exists(directory):
            raise _usage(f"'{text}' is in a submodule", "lock it there")
        return of_path("glob", pattern)


def _resolved(parts: list[str]) -> list[str]:
    """Path components without the empty ones, `.` and `..`, as text: symbolic links are not followed, as in git."""
    out: list[str] = []
    for part in parts:
        if part == "..":
            if not out:
                raise _Outside
            out.pop()
        elif part not in {"", "."}:
            out.append(part)
    return out


def _quote(path: str) -> str:
    return "".join("\\" + char if char in "*?[]\\:" else char for char in path)


def _lines(ranged: re.Match[str], text: str) -> tuple[int, int]:
    first, last = ranged.group(1), ranged.group(2) or ranged.group(1)
    if max(len(first), len(last)) > 10 or int(last) > MAX_LINE:
        raise _usage(f"'{text}': no file has so many lines")
    if not 1 <= int(first) <= int(last):
        raise _usage(f"'{text}' is no range of lines", "the first line is 1, and the first comes before the last")
    return int(first), int(last)


def _no_git_dir(path: str, glob: bool = False) -> None:
    if git_dir.has(path, glob):
        raise _usage(f"'{path}' is inside git's own directory")


# -- to people ----------------------------------------------------------------------------------


def show(target: Target) -> str:
    """The target as one types it at the top of the work tree: parse() gives it again (but for its blob)."""
    path = target.real
    if target.kind == "name":
        return "@" + path
    if target.kind == "dir" and not path:
        return ":/"
    if target.kind in {"lines", "section"}:
        tail = f"::{target.section}"
        if target.lines:
            first, last = target.lines
            tail = f":{first}" if first == last else f":{first}-{last}"
        tries = [path + tail, f"./{path}{tail}", _quote(path) + tail, f"./{_quote(path)}{tail}"]
    else:
        word = "glob" if target.kind == "glob" else "literal"
        tail = "/" if target.kind == "dir" else ""
        if target.kind != "glob" and _PLAIN.fullmatch(path):
            return path + tail  # as nearly all are; what follows costs thirty times as much
        tries = [path + tail, f"./{path}{tail}", f":({word}){path}{tail}"]
    wanted = msgspec.structs.replace(target, blob="", spans=()) if target.blob or target.spans else target
    return next((text for text in tries if _reads_as(text, wanted)), tries[-1])


def _reads_as(text: str, target: Target) -> bool:
    try:
        return not text.startswith("-") and parse(text, "", lambda _: "") == target
    except PeerError:
        return False


def covers(one: Spans, other: Spans) -> bool:
    """Whether every part of `other` lies in a part of `one`."""
    return all(any(first <= a and b <= last for first, last in one) for a, b in other)


def sound(spans: Spans) -> bool:
    """Whether these are spans as a record has them: in order, with at least a line between two."""
    return _of_lines().joined(spans) == spans and all(1 <= first <= last for first, last in spans)


def _of_lines() -> ModuleType:
    """What compares lines, which most commands have nothing to do with."""
    from git_peer.core.target import lines

    return lines


# -- records ------------------------------------------------------------------------------------


def check(target: Target) -> None:
    """Raise Malformed for a target that parse() would not have made."""
    if why := _wrong(target):
        raise Malformed(f"a target {why}")


@lru_cache(maxsize=4096)
def _wrong(target: Target) -> str:
    if target.encoding not in {"", "percent"}:
        return "of an unknown encoding"
    if target.path.count("/") >= DEPTH:
        return f"over {DEPTH} folders deep"
    try:
        path = target.real
    except ValueError:
        path = "\0"
    top = target.kind == "dir" and not path
    if "\0" in path or not _has_bytes(path) or not (top or _clean(path)):
        return "that is no path"
    if of_path(target.kind, path).path != target.path or layout.is_utf8(path) == bool(target.encoding):
        return "whose path is not in its one encoding"
    of_section = bool(target.section or target.spans)
    if target.kind == "section" and not of_section:
        return "that is what a file has outside its sections, and of which nobody looked what that is"
    if (target.lines is not None) != (target.kind == "lines") or of_section != (target.kind == "section"):
        return "with parts of another kind"
    if any(not 1 <= first <= last <= MAX_LINE for first, last in target.region):
        return "that is no range"
    if target.spans and not (target.blob and sound(target.spans)):
        return "whose lines are not in order, or of no version"
    if _CONTROL.search(target.section) or not (layout.is_utf8(target.section) and _has_bytes(target.section)):
        return "that is no section"
    if target.blob and not _OBJECT.fullmatch(target.blob):
        return "whose blob is no object id"
    if target.kind == "name":
        return "that is no name" if _CONTROL.search(path) or target.encoding else ""
    if target.kind == "glob" and (globs.problem(path) or not globs.is_glob(path)):
        return "that is no glob"
    return "inside git's own directory" if git_dir.has(path, target.kind == "glob") else ""


def root_path(target: Target) -> str:
    """The path under which its record is mirrored; the record of what overlaps stands above, at or below it."""
    return globs.literal_dir(target.real) if target.kind == "glob" else target.real


# -- relations ----------------------------------------------------------------------------------


def work(a: Target, b: Target) -> int:
    """How much it is to compare them, in steps of which a second has half a million: globs' lengths, multiplied."""
    return len(a.path) * len(b.path) if a.kind == b.kind == "glob" else 0


_globs_overlap = lru_cache(maxsize=1 << 15)(globs.overlap)  # a transaction asks the same several times


def overlap(a: Target, b: Target, fold: bool = False) -> bool:
    """Whether both can concern one path: exact. A section counts as its file, lines on unlike blobs too.

    With `fold`, paths that differ in case or Unicode form only are one.
    """
    one, two = a.real, b.real
    if "name" in {a.kind, b.kind}:
        return a.kind == b.kind and one == two
    if a.lines and b.lines and a.blob and a.blob == b.blob and one == two:
        return a.lines[0] <= b.lines[1] and b.lines[0] <= a.lines[1]
    return globs.meets(a.kind, one, b.kind, two, fold)


def of_one_file(a: Target, b: Target) -> bool:
    """Whether both are lines, of versions that are known, of one file: then it is lines that tell whether they meet."""
    return bool(a.region and b.region and a.blob and b.blob) and a.real == b.real


def meet(a: Target, b: Target, on: Spans | None, fold: bool = False) -> bool:
    """Whether work on both cannot be told to merge: overlap(), or of one file lines that touch.

    `on` is what has come of a's lines on b's blob; None where that is not known, and where they are on one blob.
    """
    if of_one_file(a, b):
        here = a.region if a.blob == b.blob else on
        return here is None or _of_lines().touch(here, b.region)
    return overlap(a, b, fold)


def carried(a: Target, b: Target, carry: Carry) -> Spans | None:
    """What has come of a's lines on b's blob, for meet()."""
    return carry(a.blob, b.blob, a.region) if of_one_file(a, b) and a.blob != b.blob else None


def contains(a: Target, b: Target) -> bool:
    """Whether all that `b` concerns is in `a`. Of two globs it is only said where it is plain to see."""
    if a == b:
        return True
    one, two = a.real, b.real
    if "name" in {a.kind, b.kind}:
        return False
    if a.kind in {"lines", "section"}:
        return of_one_file(a, b) and a.blob == b.blob and covers(a.region, b.region)
    if a.kind != "glob":
        return globs.covers(a.kind, one, globs.literal_dir(two) if b.kind == "glob" else two)
    if b.kind in {"glob", "dir"}:
        head, _, last = one.rpartition("/")
        inner = globs.literal_dir(two) if b.kind == "glob" else two
        return last == "**" and not globs.is_glob(head) and globs.covers("dir", globs.unescape(head), inner)
    return globs.match(one, two)
