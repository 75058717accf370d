"""What a session says of itself: said again it changes, and may be emptied; others see it everywhere."""

from __future__ import annotations

import json

import pytest

from tests.cli.asking import CLAUDE, ask, refused
from tests.cli.test_sessions import session_of
from tests.world import Clone

SAID = ("doing", "agent", "capabilities", "issue", "spec", "paths", "meta")
EMPTY: dict[str, object] = {
    "doing": "",
    "agent": None,
    "capabilities": [],
    "issue": None,
    "spec": None,
    "paths": [],
    "meta": {},
}


def said(clone: Clone, name: str = "ana") -> dict[str, object]:
    return {key: value for key, value in session_of(clone, name).items() if key in SAID}


@pytest.mark.parametrize("before", [[], ["session", "start", "ana"]], ids=["at its start", "later"])
def test_all_of_it_is_kept_changed_and_emptied(local: Clone, before: list[str]) -> None:
    if before:
        ask(local, *before)
        assert said(local) == EMPTY
    given = ["--doing", "the parser", "--agent", "codex", "--capability", "python", "--capability", "sql"]
    given += [
        "--issue",
        "42",
        "--spec",
        "docs/guide.md",
        "--path",
        "src/",
        "--path",
        "README.md",
        "--meta",
        '{"b":1,"a":[2]}',
    ]
    sid = ask(local, "session", "start", "ana", *given)["sid"]
    whole = {
        "doing": "the parser", "agent": "codex", "capabilities": ["python", "sql"], "issue": "42",
        "spec": "docs/guide.md", "paths": ["src/", "README.md"], "meta": {"a": [2], "b": 1},
    }  # fmt: skip
    assert said(local) == whole
    ask(local, "session", "start", "ana", "--issue", "43")  # what is not given stays
    assert said(local) == {**whole, "issue": "43"}
    ask(local, "session", "renew", as_="ana")
    ask(local, "lock", "docs/", as_="ana")
    assert said(local) == {**whole, "issue": "43"}
    empty = [f"--{name}=" for name in ("doing", "agent", "capability", "issue", "spec", "path", "meta")]
    assert ask(local, "session", "start", "ana", *empty)["sid"] == sid  # the same session all the while
    assert said(local) == EMPTY
    assert ask(local, "fsck")["problems"] == []


def test_others_see_it(local: Clone) -> None:
    ask(
        local,
        "session",
        "start",
        "ana",
        "--doing",
        "the parser",
        "--issue",
        "42",
        "--capability",
        "sql",
        "--path",
        "src/",
    )
    line = "the parser; issue 42; on src/; can sql"
    assert line in local.peer("peers", as_="ben").out
    assert line in local.peer("brief", as_="ben").out
    assert line in local.peer("status", as_="ben").out


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--meta", "[1]"), "usage"),
        (("--meta", "{"), "usage"),
        (("--path", "../out"), "usage"),
        (("--issue", "x" * 1001), "invalid"),
        (("--meta", json.dumps({"x": "y" * 9000})), "invalid"),
        (tuple(word for n in range(101) for word in ("--path", f"f{n}")), "invalid"),
    ],
)
def test_what_cannot_be_said(local: Clone, args: tuple[str, ...], code: str) -> None:
    ask(local, "session", "start", "ana")
    before = local.peer("--json", "log").out
    refused(local, code, "session", "start", "ana", *args)
    assert local.peer("--json", "log").out == before


def test_an_agent_of_its_own_word_is_nobody_s_person(local: Clone) -> None:
    """The unnamed session owns what agents hold beside it; one that says to be an agent does not."""
    ask(local, "session", "start")
    ask(local, "lock", "src/", env=CLAUDE)
    ask(local, "session", "start", "--agent", "codex")
    assert ask(local, "whoami")["agent"] == "codex"
    rows = local.peer("--json", "log", "--kind", "session.renew").objects()
    assert rows[0]["agent"] == "codex"
    assert rows[0]["v"] == 2
