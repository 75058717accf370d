"""The lines that git gives a pre-push hook, of any form: each is understood, or the push is refused."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from git_peer.core.errors import PeerError
from git_peer.ops.outgoing import Update, parse

IDS = st.text("0123456789abcdef", min_size=40, max_size=40) | st.just("0" * 40)
# What a ref may be called: no white space of ASCII's, no control characters.
NAMES = st.text(
    st.characters(min_codepoint=0x21, exclude_characters="\x7f", exclude_categories=["Cs"])
    | st.sampled_from(["\u00a0", "\u2028", "\x85", "\udcff"]),
    min_size=1,
).map("refs/heads/{}".format)
WORDS = st.text(st.characters(exclude_characters="\n") | st.sampled_from(["\u2028", "\x0c", "\r", " ", "\udc80"]))
SEARCHES = st.text().map("HEAD^{{/{}}}".format) | st.text(min_size=1).map(":/{}".format)


def line(local_ref: str, local: str, remote_ref: str, remote: str) -> str:
    return f"{local_ref} {local} {remote_ref} {remote}\n"


ROWS = st.lists(st.tuples(WORDS | SEARCHES, IDS, NAMES, IDS), max_size=5)


@given(ROWS)
def test_nothing_is_dropped(rows: list[tuple[str, str, str, str]]) -> None:
    """Whatever the user typed for a source: each update is read, with its ids and where it goes."""
    found = parse("".join(line(*row) for row in rows))
    wanted = [(a.strip("0") and a, name, b.strip("0") and b) for _, a, name, b in rows]
    read = [(one.local, one.remote_ref, one.remote) for one in found]
    assert [one for one in read if one in wanted] == wanted  # a source may look like a line itself: one more is read


@example([("HEAD^{/\n}", "0" * 40, "refs/heads/5", "0" * 40)], "0", 0)
@given(ROWS, st.text(string.printable + "\u2028\u00e9", min_size=1).filter(str.strip), st.integers(0, 5))
def test_what_is_not_understood(rows: list[tuple[str, str, str, str]], junk: str, at: int) -> None:
    """It is refused, wherever it stands; only what may be a search for text, which spans lines, goes on in the next."""
    lines = [line(*row) for row in rows]
    lines.insert(at, f"{junk}\n")
    found, why = _read("".join(lines))
    if why is None:
        assert "{" in junk or junk.startswith(":/") or len(found) > len(rows)
    else:
        assert why.code == "not_allowed"
        assert why.message.isprintable()


def _read(text: str) -> tuple[list[Update], PeerError | None]:
    try:
        return parse(text), None
    except PeerError as why:
        return [], why


@given(st.text())
def test_any_text(text: str) -> None:
    found, why = _read(text)
    assert why is not None or bool(found) == bool(text.strip())
