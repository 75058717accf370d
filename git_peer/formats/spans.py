"""Pieces of a line of Markdown: code spans, and lists of words, spans and quoted texts. Linear in the line's length."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable

from git_peer.core.text import is_plain

_CONTROL = re.compile("[\0-\x1f\x7f]")
_BARE = re.compile(r"[^\s\0-\x20\x7f,\"`](?:[^\0-\x1f\x7f,]*[^\s\0-\x20\x7f,])?")
_DECODER = json.JSONDecoder(strict=False)


class Ticks:
    """The runs of backticks in a text, by their length."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.runs = {found.start(): found.end() for found in re.finditer("`+", text)}
        self._by_length: dict[int, list[int]] = {}
        for start, end in self.runs.items():
            self._by_length.setdefault(end - start, []).append(start)

    def span(self, start: int) -> tuple[str, int] | None:
        """(content, end) of the code span that begins with the run at `start`; None where nothing closes it."""
        end = self.runs[start]
        same = self._by_length[end - start]
        at = bisect_right(same, start)
        if at == len(same):
            return None
        inner = self.text[end : same[at]]
        if inner.strip(" ") and inner[0] == inner[-1] == " ":
            inner = inner[1:-1]
        return inner, same[at] + end - start


def spans(text: str) -> list[str]:
    """What the code spans of a text hold."""
    ticks = Ticks(text)
    found: list[str] = []
    behind = 0
    for start in ticks.runs:
        span = ticks.span(start) if start >= behind else None
        if span is not None:
            found.append(span[0])
            behind = span[1]
    return found


def words(text: str) -> list[str]:
    """The entries of a list: JSON strings, code spans, and what stands between commas."""
    ticks = Ticks(text)
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t,":
            at += 1
            continue
        if text[at] == '"':
            quoted = _quoted(text, at)
            if quoted is not None:
                found.append(quoted[0])
                at = quoted[1]
                continue
        span = ticks.span(at) if at in ticks.runs else None
        if span is not None:
            found.append(span[0])
            at = span[1]
            continue
        end = text.find(",", at)
        end = len(text) if end < 0 else end
        found.append(text[at:end].strip(" \t"))
        at = end
    return found


def _quoted(text: str, at: int) -> tuple[str, int] | None:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except ValueError:
        return None
    return (value, end) if isinstance(value, str) else None


def whole(text: str) -> str:
    """A text that is one JSON string or one code span, without what is around it; any other as it is."""
    if text.startswith('"'):
        quoted = _quoted(text, 0)
        if quoted is not None and quoted[1] == len(text):
            return quoted[0]
    if text.startswith("`"):
        span = Ticks(text).span(0)
        if span is not None and span[1] == len(text):
            return span[0]
    return text


def is_seen(text: str) -> bool:
    """Whether a text can stand in a line as it is."""
    return text.isprintable() and is_plain(text)


# -- writing --------------------------------------------------------------------------------------
def quote(text: str) -> str:
    """A text as a JSON string, on one line of any reader's."""
    return json.dumps(text, ensure_ascii=not is_seen(text))


def code(text: str) -> str:
    """A text as a code span; where it cannot be one, quoted."""
    if not text.strip(" ") or _CONTROL.search(text) or not is_plain(text):
        return quote(text)
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padded = text[0] == "`" or text[-1] == "`" or text[0] == text[-1] == " "
    return f"{ticks} {text} {ticks}" if padded else f"{ticks}{text}{ticks}"


def listed(texts: Iterable[str]) -> str:
    """Texts as a list that words() reads."""
    return ", ".join(text if _BARE.fullmatch(text) and is_seen(text) else quote(text) for text in texts)
