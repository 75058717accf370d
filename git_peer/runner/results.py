"""What tests said: pytest's JUnit XML, which strangers may have written, and what of it the next attempt sees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.parsers import expat

from git_peer.core import text as texts

LARGE = 4 * 1024 * 1024  # bytes of a report; a larger one is not read
DEEP = 20  # elements inside of each other
CASES = 50_000
FAILURES = 50  # that are kept
_MESSAGE, _NAME = 6_000, 300  # characters kept of each
_WORST = ("passed", "skipped", "failed")
_OURS = ("failure", "error", "skipped")


@dataclass(frozen=True)
class Tests:
    """How many tests ended how, and the first of those that did not pass, as (name, message).

    `unreadable` says why a report could not be read; "" where it was, or where there is none.
    """

    __test__ = False

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    unreadable: str = ""

    @property
    def total(self) -> int:
        """How many there are."""
        return self.passed + self.failed + self.errors + self.skipped

    @property
    def ok(self) -> bool:
        """Whether some passed and none failed."""
        return self.passed > 0 and not (self.failed or self.errors or self.unreadable)


class _Refused(Exception):
    """A report that is not read any further."""


class _Report:
    """Handlers for the parser, and what they have counted."""

    def __init__(self) -> None:
        self.depth = self.passed = self.failed = self.errors = self.skipped = 0
        self.failures: list[tuple[str, str]] = []
        self.name = self.outcome = ""
        self.message: list[str] = []
        self.room = 0
        self.rooted = False
        self.ends: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.depth == 0:
            self.rooted = tag in {"testsuites", "testsuite"}
        self.depth += 1
        if self.depth > DEEP:
            raise _Refused(f"more than {DEEP} elements inside of each other")
        if tag == "testcase":
            if self.passed + self.failed + self.errors + self.skipped >= CASES:
                raise _Refused(f"more than {CASES:,} tests")
            names = (attributes.get("classname", ""), attributes.get("name", ""))
            self.name = (
                "::".join(texts.line(one[: 4 * _NAME], _NAME) for one in names if one) or "a test without a name"
            )
            self.outcome = ""
        elif tag in _OURS and (not self.outcome or tag != "skipped"):
            self.outcome = tag
            said = attributes.get("message", "")[:_MESSAGE]
            self.message = [said, "\n"] if said else []
            self.room = _MESSAGE if tag != "skipped" else 0

    def data(self, said: str) -> None:
        if self.room > 0:
            self.message.append(said[: self.room])
            self.room -= len(said)

    def end(self, tag: str) -> None:
        self.depth -= 1
        if tag in _OURS:
            self.room = 0
        if tag != "testcase":
            return
        end = "failed" if self.outcome in {"failure", "error"} else self.outcome or "passed"
        self.ends[self.name] = max(self.ends.get(self.name, end), end, key=_WORST.index)
        self.passed += not self.outcome
        self.failed += self.outcome == "failure"
        self.errors += self.outcome == "error"
        self.skipped += self.outcome == "skipped"
        if self.outcome in {"failure", "error"} and len(self.failures) < FAILURES:
            self.failures.append((self.name, texts.clean("".join(self.message))))
        self.outcome = ""


def parse(raw: bytes) -> Tests:
    """The tests that a report tells of; one that is no report, or that tries to be more than one, is `unreadable`."""
    if not raw:
        return Tests()
    report, why = _read(raw)
    if report is None:
        return Tests(unreadable=why)
    return Tests(report.passed, report.failed, report.errors, report.skipped, tuple(report.failures))


def outcomes(raw: bytes) -> dict[str, str] | None:
    """Test → passed, skipped or failed, the worst of those of one name; None where a report cannot be read."""
    report, _ = _read(raw)
    return None if report is None else report.ends


def _read(raw: bytes) -> tuple[_Report | None, str]:
    """What a report tells, or why it is not read."""
    if len(raw) > LARGE:
        return None, f"a report of {len(raw):,} bytes: at most {LARGE:,} are read"
    report = _Report()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = report.start
    parser.EndElementHandler = report.end
    parser.CharacterDataHandler = report.data
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.EntityDeclHandler = _no_doctype
    try:
        parser.Parse(raw, True)
    except _Refused as why:
        return None, f"a report with {why}"
    except (expat.ExpatError, ValueError, LookupError) as why:
        return None, f"a report that is no XML: {texts.line(str(why), 100)}"
    return (report, "") if report.rooted else (None, "a report that is not JUnit's")


def _no_doctype(*_: object) -> None:
    raise _Refused("a document type, which could declare entities")


# -- for the next attempt -------------------------------------------------------------------------
_TEMP = r"(?:/private)?(?:/tmp|/var/tmp|/var/folders|/dev/shm)"
_SCRUBBED = (
    (re.compile(rf"{_TEMP}(?:/[^\s/:'\"<>]+)*/([^\s/:'\"<>]+)"), r"<tmp>/\1"),
    (re.compile(r"\b0x[0-9a-fA-F]{4,16}\b"), "0x…"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r" in \d+(?:\.\d+)?s(?: \(\d+:\d\d:\d\d\))?(?=[ =]|$)", re.MULTILINE), ""),
    (re.compile(r"^\d+\.\d+s (?=call|setup|teardown)", re.MULTILINE), ""),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:seconds|ms|µs)\b"), "<duration>"),
    (re.compile(r"^(?:platform |rootdir:|cachedir:|plugins:|configfile:|- generated xml).*\n?", re.MULTILINE), ""),
)  # fmt: skip
_LOUD = re.compile(r"^(?:E\s|>\s|\S+:\d+: )|\b\w*(?:Error|Exception|Warning)\b")


def scrub(said: str, roots: Sequence[str] = ()) -> str:
    """Output without what differs from run to run: times, addresses, temporary folders; `roots` are cut off paths."""
    found = texts.clean(said)
    for root in sorted(roots, key=len, reverse=True):
        found = found.replace(root.rstrip("/") + "/", "")
    for pattern, instead in _SCRUBBED:
        found = pattern.sub(instead, found)
    return found.strip()


def middle_cut(said: str, most: int) -> str:
    """At most `most` characters: the beginning and the end, by whole lines where there are such."""
    if len(said) <= most:
        return said
    mark = "\n(… the middle is left out …)\n"
    room = most - len(mark)
    if room < 20:
        return said[:most]
    head, tail = said[: room // 2], said[len(said) - (room - room // 2) :]
    head = head.rpartition("\n")[0] or head
    tail = tail.partition("\n")[2] or tail
    return head + mark + tail


def feedback(tests: Tests, output: str, most_chars: int, roots: Sequence[str] = ()) -> str:
    """What the next attempt is told, in at most `most_chars`: failing tests with what was asserted, then the output.

    The same failures make the same text, however long they took and wherever they ran.
    """
    parts: list[str] = []
    if tests.unreadable:
        parts.append(f"The tests left {tests.unreadable}.")
    if tests.total:
        said = f"{tests.passed} passed, {tests.failed} failed, {tests.errors} errors, {tests.skipped} skipped."
        parts.append(said)
    short: list[str] = []
    left = most_chars // 2
    for name, message in tests.failures:
        told = f"FAILED {name}\n{_asserted(scrub(message, roots), max(200, most_chars // 6))}"
        left -= len(told) + 1
        if left < 0 and short:
            short.append(f"(and {len(tests.failures) - len(short)} more failing)")
            break
        short.append(told)
    parts += short
    head = "\n".join(parts)
    rest = scrub(output[-200_000:], roots)
    if not rest:
        return middle_cut(head, most_chars)
    room = most_chars - len(head) - len("\n\nOutput:\n")
    if room < 40:
        return middle_cut(head, most_chars) if head else middle_cut(rest, most_chars)
    return f"{head}\n\nOutput:\n{middle_cut(rest, room)}" if head else middle_cut(rest, most_chars)


def _asserted(message: str, most: int) -> str:
    """The lines of a failure that say what was asserted and where; all of them where none does."""
    lines = [line.rstrip() for line in message.split("\n") if line.strip()]
    loud = list(dict.fromkeys(line for line in lines if _LOUD.search(line)))
    return middle_cut("\n".join(loud or lines), most)
