"""From a model's text to changes of files. The text is hostile input: what cannot be taken is told, and not done.

Nothing here writes: paths come back as they were checked, and every file is plain text. Pure, but that `parses` asks
a child process whether a text is Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from git_peer.core import text as texts
from git_peer.runner import blocks, edits, paths, syntax
from git_peer.runner.blocks import Block, Told

ANSWER = 2_000_000  # characters of an answer
FILE, ALL = 200 * 1024, 1024 * 1024  # bytes of a file, and of all of an answer
COUNT = 50  # files of an answer
SHOWN = 12  # problems that are told

_SHELL = frozenset("sh bash shell console terminal zsh fish powershell cmd bat diff patch text txt output".split())
_BINARY = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # what is read is not what runs
_LEFT_OUT = re.compile(
    r"^[ \t]*(?:#|//|--|<!--|/\*)?[ \t]*[\[(]?[ \t]*(?:\.{3}|…)[ \t]*"
    r"[^\n]{0,60}\b(?:existing|rest|unchanged|same|previous|remaining|remains?|omitted|as before|other)\b[^\n]{0,80}$"
    r"|^[ \t]*(?:#|//|<!--|/\*)[ \t]*(?:the )?(?:rest of|remaining|existing) [^\n]{0,60}"
    r"(?:unchanged|(?:remains?|stays?|is) (?:the same|as)|\.{3}|…)[^\n]{0,40}$",
    re.IGNORECASE | re.MULTILINE,
)
_TESTS = re.compile(
    r"^[ \t]*(?:async )?def test_\w*\(|^class Test\w*|^(?:import|from) (?:pytest|unittest)\b", re.MULTILINE
)


@dataclass(frozen=True)
class Changes:
    """What an answer changes: path → the whole new text of the file. `problems` are told to the model again.

    Where there are problems, `files` has what could be taken all the same.
    """

    files: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is something to try."""
        return bool(self.files)


def files(
    text: str,
    existing: Callable[[str], str | None],
    allowed: Callable[[str], str],
    *,
    only: str = "",
    test: str = "",
    cut: bool = False,
    parses: Callable[[str], bool] = syntax.parses,
) -> Changes:
    """The changes that an answer makes.

    `existing` gives the present text of a file, None where there is none; `allowed` says why a path may not be
    written, as a clause, "" where it may. `only` is the task's one Python path, if it has one, to which a block
    without a name belongs; `test` that of its tests. `cut`: the answer ended at the limit of its tokens.
    """
    if len(text) > ANSWER:
        return Changes({}, (f"the answer has {len(text):,} characters: at most {ANSWER:,} are read",))
    reader = _Reader(existing, allowed, cut, parses)
    found = blocks.read(text)
    if len(found) >= blocks.MOST:
        reader.say(f"the answer has {blocks.MOST} blocks or more; what follows is not read")
    found = _named(found, only, test, reader)
    if not found and not reader.problems:
        found = _bare(text, only, cut, parses)
        if not found:
            reader.say(_NOTHING if text.strip() else "the answer is empty")
    for block in found:
        reader.take(block)
    return reader.end()


_NOTHING = "no file in the answer: write a line `FILE: path`, and below it the whole file between ``` fences"


def _named(found: list[Block], only: str, test: str, reader: _Reader) -> list[Block]:
    """The blocks that have a name, or are given the one that is left."""
    named = [block for block in found if block.path]
    loose = [
        block
        for block in found
        if not block.path and block.is_python and block.language not in _SHELL and any(map(str.strip, block.lines))
    ]
    if any(edits.there_are(block.lines) for block in loose) and not only:
        reader.say("a SEARCH/REPLACE without a line `FILE: path` above it")
        return named
    taken = {block.path for block in named if block.told > Told.GUESSED}
    if not loose or not only or (only in taken and (not test or test in taken)):
        if loose and not named:
            reader.say(_NOTHING)
        return named
    if edits.there_are([line for block in loose for line in block.lines]):
        return named + [_given(block, only) for block in loose if edits.there_are(block.lines) and only not in taken]
    code = [block for block in loose if not _TESTS.search(block.body)]
    tests = [block for block in loose if _TESTS.search(block.body)]
    given = []
    if only not in taken:
        if not code and len(tests) == 1:
            code, tests = tests, []  # code and its tests in one file
        if len(code) == 1:
            given.append(_given(code[0], only))
        elif len(code) > 1 and not named:
            reader.say(f"{texts.count(len(code), 'block')} without a name: write a line `FILE: path` above each")
    if test and test != only and test not in taken and len(tests) == 1 and (given or only in taken):
        given.append(_given(tests[0], test))
    return named + given


def _given(block: Block, path: str) -> Block:
    return Block(path, Told.GUESSED, block.language, block.lines, block.closed, block.fenced)


def _bare(text: str, only: str, cut: bool, parses: Callable[[str], bool]) -> list[Block]:
    """No fence and no name at all: a text that is Python is the file of a task that has one."""
    body = blocks.plain(text).strip("\n")
    if not only or cut or not re.search(r"^(?:async def|def|class|import|from|@)\b|^\w+ *[:=]", body, re.MULTILINE):
        return []
    return [Block(only, Told.GUESSED, "python", tuple(body.split("\n")))] if parses(body) else []


class _Reader:
    """One reading of an answer: what was taken so far, and what could not be."""

    def __init__(
        self,
        existing: Callable[[str], str | None],
        allowed: Callable[[str], str],
        cut: bool,
        parses: Callable[[str], bool],
    ) -> None:
        self.existing, self.allowed, self.cut, self.parses = existing, allowed, cut, parses
        self.files: dict[str, str] = {}
        self.told: dict[str, Told] = {}
        self.problems: list[str] = []
        self.bytes = 0

    def say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def end(self) -> Changes:
        kept = self.problems[:SHOWN]
        if len(self.problems) > SHOWN:
            kept.append(f"and {texts.count(len(self.problems) - SHOWN, 'more problem')}")
        changed = {path: new for path, new in self.files.items() if self.existing(path) != new}
        if self.files and not changed and not kept:
            kept.append("the answer changes nothing: every file in it is as it was")
        return Changes(changed, tuple(kept))

    def take(self, block: Block) -> None:
        """Take one block, or say why not."""
        path = block.path
        shown = texts.quoted(path, 100)
        if why := paths.problem(path) or self.allowed(path) or self._in_the_way(path):
            if block.told > Told.GUESSED:
                self.say(f"the path {shown} {why}")
            return
        if path in self.told and block.told < self.told[path]:
            return  # a sentence about the file, not the file
        old = self.files.get(path, self.existing(path))
        if edits.there_are(block.lines):
            found, why = edits.read(block.lines)
            new = ""
            if not why:
                new, why = edits.apply(old, found)
        else:
            new, why = self._whole(block, old)
        if why := why or self._unfit(path, new):
            self.say(f"{shown}: {why}")
            return
        self.bytes += len(new.encode()) - len(self.files.get(path, "").encode())
        self.files[path] = new
        self.told[path] = block.told

    def _whole(self, block: Block, old: str | None) -> tuple[str, str]:
        """The text of a file that stands there whole."""
        if not any(map(str.strip, block.lines)) and not (block.closed and block.path.endswith("__init__.py")):
            return "", "nothing stands below its name; write the whole file between ``` fences"
        body = block.body
        if not block.closed and block.fenced and self.cut:
            return "", "it ends in the middle, at the limit of the answer's length; write less, or change parts only"
        if not block.closed and (self.cut or block.fenced or not block.path.endswith(".py")):
            fit = block.path.endswith(".py") and not self.cut and self.parses(body)
            if not fit:
                return "", "its block does not end: the closing ``` is missing"
        elif not block.fenced and not (block.path.endswith(".py") and self.parses(body)):
            return "", "it does not stand between ``` fences"
        if old is not None and len(body) < len(old) and (left := _LEFT_OUT.search(body)):
            return (
                "",
                f"parts are left out ({texts.quoted(left[0], 80)}); write the whole file, or SEARCH/REPLACE blocks",
            )
        if old is not None and old.count("\r\n") * 2 > old.count("\n"):
            body = body.replace("\n", "\r\n")
        return body, ""

    def _unfit(self, path: str, new: str) -> str:
        """Why a text cannot be a file of the answer."""
        if found := _BINARY.search(new):
            return f"it has a character that is not text (U+{ord(found[0]):04X})"
        if found := _TURNING.search(new):
            return f"it has a character that turns the direction of the text (U+{ord(found[0]):04X})"
        if new.count("\ufffd") > 20 + len(new) // 100:
            return "it is not text"
        size = len(new.encode())
        if size > FILE:
            return f"it has {size:,} bytes: at most {FILE:,} are allowed"
        if self.bytes + size - len(self.files.get(path, "").encode()) > ALL:
            return f"with it the answer has more than {ALL:,} bytes"
        if path not in self.files and len(self.files) >= COUNT:
            return f"the answer has more than {COUNT} files"
        return ""

    def _in_the_way(self, path: str) -> str:
        """Why it cannot stand beside the other files."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if above in self.files or self.existing(above) is not None:
                return f"would be inside of the file {above}"
        low = path.lower()
        for other in self.files:
            if other != path and other.lower() == low:
                return f"differs from {other} in case only"
            if other.startswith(path + "/"):
                return f"is the folder of {other}"
        return ""


# -- yes or no ------------------------------------------------------------------------------------
SUBTASKS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "subtasks": {
            "type": "array",
            "minItems": 2,
            "maxItems": 4,
            "items": {
                "type": "object",
                "properties": {
                    "title": {"type": "string", "maxLength": 120},
                    "description": {"type": "string", "maxLength": 1000},
                    "paths": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 120}},
                    "accept": {"type": "string", "maxLength": 200},
                },
                "required": ["title", "description", "paths", "accept"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["subtasks"],
    "additionalProperties": False,
}
LEAST, MOST = 2, 4  # subtasks of a task
# What a model may have run to accept a subtask: pytest, told which files. An acceptance is run by people, too.
_ACCEPT = re.compile(r"(?:python3? -m )?pytest(?: (?:-q|-x|-v|-vv|[A-Za-z0-9_][\w./-]*(?:::\w+)*))*")


@dataclass(frozen=True)
class Verdict:
    """Whether a task can be solved as it is: None where the answer does not say. `why` is one line."""

    solvable: bool | None
    why: str = ""


class _Verdict(msgspec.Struct):
    answer: str | bool
    why: str = ""


def verdict(text: str) -> Verdict:
    """What the answer to "can it be solved as it is" says: JSON ({answer, why}), or a text that begins so."""
    said = blocks.plain(text[:ANSWER])
    try:
        found = msgspec.json.decode(_json(said), type=_Verdict)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        words = texts.line(said[:4_000])
    else:
        if isinstance(found.answer, bool):
            return Verdict(found.answer, texts.line(found.why, 300))
        words = f"{found.answer} {found.why}"
    told = re.match(r"\W*(?:answer\W+)?(yes|no)\b\W*(.*)", words, re.IGNORECASE | re.DOTALL)
    return (
        Verdict(told[1].lower() == "yes", texts.line(told[2], 300)) if told else Verdict(None, texts.line(words, 300))
    )


# -- dividing -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Subtask:
    """A part of a task: the paths are of the task's own, as a plan has them, and `accept` is a pytest or ""."""

    title: str
    description: str = ""
    paths: tuple[str, ...] = ()
    accept: str = ""


@dataclass(frozen=True)
class Division:
    """The parts of a task in the order in which they are to be done; none where there are `problems`."""

    subtasks: tuple[Subtask, ...] = ()
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there are parts."""
        return bool(self.subtasks)


class _Subtask(msgspec.Struct):
    title: str
    description: str = ""
    paths: list[str] = msgspec.field(default_factory=list)
    accept: str | None = ""


class _Subtasks(msgspec.Struct):
    subtasks: list[_Subtask]


def subtasks(text: str, allowed: Callable[[str], str], accept: str = "") -> Division:
    """The subtasks of an answer: JSON as SUBTASKS has it, or the bare list, in a fence or among words.

    `allowed` is what files() asks; `accept` the task's own acceptance, which a part may have, too. Any other that is
    not a plain pytest is left out: it was a model's idea, and is run by whoever accepts the part.
    """
    raw = _json(blocks.plain(text[:ANSWER]))
    try:
        listed = raw.startswith("[")
        found = (
            msgspec.json.decode(raw, type=list[_Subtask])
            if listed
            else msgspec.json.decode(raw, type=_Subtasks).subtasks
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        return Division((), (f"no JSON with subtasks: {texts.line(str(wrong), 200)}",))
    if not LEAST <= len(found) <= MOST:
        return Division((), (f"{texts.count(len(found), 'subtask')}: between {LEAST} and {MOST} are wanted",))
    problems: list[str] = []
    parts: list[Subtask] = []
    for number, one in enumerate(found, 1):
        title, description = texts.line(one.title[:2_000], texts.SUMMARY), texts.clean(one.description[:20_000])[:8_000]
        if not title:
            problems.append(f"subtask {number} has no title")
        if any(part.title.lower() == title.lower() for part in parts):
            problems.append(f"two subtasks are called {texts.quoted(title)}")
        if len(one.paths) > texts.ITEMS:
            problems.append(f"subtask {number} has {len(one.paths)} paths: at most {texts.ITEMS} are allowed")
        own = [re.sub(r"\A(?:\./)+", "", path).removesuffix("/") for path in one.paths[: texts.ITEMS]]
        wrong_ones = ((path, paths.problem(path) or allowed(path)) for path in own)
        problems += [f"subtask {number}: the path {texts.quoted(path, 100)} {why}" for path, why in wrong_ones if why]
        command = (one.accept or "").strip()
        if command != accept and (len(command) > 500 or not _ACCEPT.fullmatch(command) or ".." in command):
            command = ""
        parts.append(Subtask(title, description, tuple(dict.fromkeys(own)), command))
    return Division((), tuple(problems[:SHOWN])) if problems else Division(tuple(parts))


def _json(said: str) -> str:
    """The JSON of an answer: all of it, what is between fences, or from the first bracket to the last."""
    said = said.strip()
    if said[:1] not in {"{", "["}:
        fenced = [block.body for block in blocks.read(said) if block.body.strip()[:1] in {"{", "["}]
        said = fenced[0].strip() if fenced else said
    starts = [at for at in (said.find("{"), said.find("[")) if at >= 0]
    ends = max(said.rfind("}"), said.rfind("]"))
    return said[min(starts) : ends + 1] if starts and ends >= 0 else said
