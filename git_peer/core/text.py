"""Strangers' text: cleaned when it comes in, bounded, and marked as data wherever somebody reads it. Pure.

What goes is a fixed list, as in `layout`: every release cleans alike, so that apply() may insist on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from git_peer.core.errors import Malformed, PeerError

SUMMARY = 200  # characters of a line: a summary, a topic
BODY = 32 * 1024  # bytes of a delta's body
MESSAGE = 8 * 1024  # bytes of a turn, a position, a note
ITEM = 500  # characters of an entry of a list
ITEMS = 20  # entries of a list

# A terminal's control sequences, whole: what stays of one whose first byte is taken away is noise.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)"
    "|\x1b[ -/]*[0-~]"
)
_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_LOST = re.compile("[\ud800-\udfff]")  # half a character: no UTF-8 has it
# Control characters but newline and tab, those that change direction, and those that nobody sees.
_NOT_SEEN = (
    "\0-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
HIDDEN = re.compile(f"[{_NOT_SEEN}]")
_NOT_OF_A_LINE = re.compile(f"[\n\ud800-\udfff{_NOT_SEEN}]")
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_][\w.,:/@+=*?~#%\[\](){}-]*|[@./_*\[(][\w.,:/@+=*?~#%\[\](){}-]*")


def clean(text: str) -> str:
    """`text` without control sequences and without characters that cannot be seen; lines and tabs stay."""
    text = _BREAK.sub("\n", _SEQUENCE.sub("", text))
    return HIDDEN.sub("", _LOST.sub("\ufffd", text)).strip()


def line(text: str, most: int = 0) -> str:
    """`text` cleaned, on one line; with `most` cut to so many characters."""
    flat = _SPACES.sub(" ", clean(text))
    return flat if not most or len(flat) <= most else flat[: most - 1].rstrip() + "…"


def size(text: str) -> int:
    """Bytes of `text` in the log."""
    return len(text.encode("utf-8", "surrogatepass"))


# -- coming in ------------------------------------------------------------------------------------
def taken(text: str, what: str, most: int = MESSAGE) -> str:
    """`text` as it goes into the log; PeerError("invalid") where it is over `most` bytes, or says nothing."""
    if size(text) > most:
        limit = f"{most // 1024} KiB" if most >= 1024 else f"{most} bytes"
        raise PeerError(
            "invalid",
            f"{what} of {size(text):,} bytes: {limit} are allowed",
            "say it in short, and name a file or a commit that has the rest",
        )
    found = clean(text)
    if not found and text:
        raise PeerError("invalid", f"{what} without a character that can be seen", "say it in plain text")
    return found


def taken_line(text: str, what: str, most: int = SUMMARY) -> str:
    """The same for one line of at most `most` characters."""
    found = line(text) if len(text) <= most * 8 else text
    if len(found) > most:
        raise PeerError(
            "invalid", f"{what} of {len(found):,} characters: {most} are allowed", "say it in a line; --body has room"
        )
    if not found:
        raise PeerError("invalid", f"{what} that says nothing", "say it in a line")
    return found


def check(text: str, most: int) -> None:
    """Malformed unless `text` is as taken() makes it."""
    if size(text) > most or HIDDEN.search(text) or text != text.strip():
        raise Malformed(f"a text over {most} bytes, or with characters that nobody sees")


def check_line(text: str, most: int = SUMMARY) -> None:
    """Malformed unless `text` is as taken_line() makes it."""
    if not text or len(text) > most or "\n" in text or "\t" in text or HIDDEN.search(text):
        raise Malformed(f"not a line of at most {most} characters")


def is_plain(text: str) -> bool:
    """Whether a text has nothing that a terminal obeys or nobody sees."""
    return not HIDDEN.search(text)


def escaped(json: str) -> str:
    """JSON in which what a terminal obeys, or nobody sees, stands as an escape: the same values, harmless to show."""
    return HIDDEN.sub(_escape, json)


def _escape(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-16-be")
    return "".join(f"\\u{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))


# -- going out ------------------------------------------------------------------------------------
def shown(text: str) -> str:
    """Any text as one line that somebody looks at: what would break it, be obeyed or not be seen is an escape."""
    return text if text.isascii() and text.isprintable() else _NOT_OF_A_LINE.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def page(lines: str | Iterable[str]) -> str:
    """Lines, or one, as a page: each stands on one line of its own, whatever strangers have put into it.

    The edge of every face that shows text: nothing is written to a terminal, an agent or a page but through here.
    """
    return "\n".join(map(shown, (lines,) if isinstance(lines, str) else lines))


def harmless(value: Any) -> Any:
    """A value of JSON for those who read it as text, an agent's model above all: the lines of its texts as shown()."""
    if isinstance(value, str):
        return page(value.split("\n"))
    if isinstance(value, Mapping):
        return {harmless(key): harmless(one) for key, one in value.items()}
    return [harmless(one) for one in value] if isinstance(value, (list, tuple)) else value


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, in the singular where it is one: "1 lock", "2 locks"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def word(text: str, most: int = 64) -> str:
    """A stranger's name, path or kind inside a sentence of ours: as it is where it is one word, else quoted."""
    return text if len(text) <= most and _WORD.fullmatch(text) and is_plain(text) else quoted(text, most)


def quoted(text: str, most: int = 120) -> str:
    """A stranger's text inside a sentence of ours: one line, in quotes that it cannot close."""
    return "“" + line(text, most).replace("“", "'").replace("”", "'") + "”"


def argument(text: str) -> str:
    """A stranger's text as one argument of a command that we suggest: in quotes of the shell that it cannot close."""
    return "'" + shown(text).replace("'", "'\\''") + "'"


def framed(text: str, mark: str = "  | ") -> list[str]:
    """A stranger's text for a terminal or a briefing, in lines: a mark before each, which no text can leave."""
    return [(mark + one).rstrip() for one in clean(text).split("\n")]


def fenced(text: str) -> list[str]:
    """A stranger's text for Markdown, in lines: a code block whose fence is longer than any in it."""
    found = clean(text)
    fence = "`" * max(3, _longest(found) + 1)
    return [f"{fence}text", *found.split("\n"), fence]


def span(text: str, most: int = SUMMARY) -> str:
    """A stranger's text inside a line of Markdown: a code span, in which nothing is a link, a tag or a mention."""
    found = line(text, most) or " "
    tick = "`" * (_longest(found) + 1)
    pad = " " if found[0] in "` " or found[-1] in "` " else ""
    return f"{tick}{pad}{found}{pad}{tick}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
