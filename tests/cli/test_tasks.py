"""`git peer task` as users and scripts run it: what is answered, what is refused, and what bad input does: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone

TASK_KEYS = {
    "id", "title", "description", "phase", "parent", "depends_on", "paths", "inputs", "outputs", "provides", "uses",
    "accept", "checklist", "priority", "estimate", "skills", "status", "assignee", "progress",
}  # fmt: skip


def add(clone: Clone, title: str, *options: str, as_: str = "planner") -> str:
    """A task; its id."""
    return str(ask(clone, "task", "add", title, *options, as_=as_)["task"]["id"])


def status(clone: Clone, ident: str) -> str:
    """A task's status, by the local copy."""
    return str(ask(clone, "task", "show", ident)["task"]["status"])


def height(clone: Clone) -> int:
    """How many commits the log has."""
    return int(ask(clone, "status")["log"]["height"])


def test_a_task_from_its_beginning_to_its_end(local: Clone) -> None:
    ident = add(local, "login", "--path", "src/auth.py", "--accept", "test -f README.md", "--item", "form")
    assert ident == "t1"
    told = ask(local, "task", "claim", ident, "--lock", as_="zoe")
    assert told["task"].keys() >= TASK_KEYS
    assert [lock["target"] for lock in told["locks"]] == ["src/auth.py"]
    assert ask(local, "task", "progress", ident, "40", "--check", "form", as_="zoe")["task"]["progress"] == 40
    assert ask(local, "task", "review", ident, as_="zoe")["task"]["status"] == "review"
    refused(local, "invalid", "task", "merge-point", ident, as_="abe")
    assert ask(local, "task", "result", ident, "--run", as_="zoe")["task"]["result"]["passed"] is True
    refused(local, "not_allowed", "task", "merge-point", ident, as_="zoe")
    ask(local, "task", "merge-point", ident, as_="abe")
    done = ask(local, "task", "done", ident, as_="abe")
    assert (done["task"]["status"], [lock["target"] for lock in done["released"]]) == ("done", ["src/auth.py"])
    assert ask(local, "locks")["locks"] == []
    shown = ask(local, "task", "show", ident)
    assert [one["what"] for one in shown["history"]] == [
        "added", "claimed", "40 %", "review", "acceptance passed", "merge_point", "done",
    ]  # fmt: skip


def test_taken_and_nothing_ready(local: Clone) -> None:
    ident = add(local, "one")
    ask(local, "task", "claim", ident, as_="zoe")
    assert refused(local, "held", "task", "claim", ident, as_="abe")["holder"] == "zoe"
    answer = refused(local, "not_found", "task", "next", as_="abe")
    assert (answer["ready"], answer["waiting"]) == (0, 0)
    refused(local, "not_yours", "task", "release", ident, as_="abe")
    assert ask(local, "task", "release", ident, as_="zoe")["task"]["status"] == "todo"


def test_readers_write_nothing(local: Clone) -> None:
    add(local, "one")
    before = height(local)
    for args in (("task", "list"), ("task", "ready"), ("task", "show", "t1"), ("plan", "show"), ("plan", "check")):
        ask(local, *args, as_="reader")
    assert height(local) == before
    assert [one["name"] for one in ask(local, "peers")["sessions"]] == ["planner"]


def test_lists(local: Clone) -> None:
    first, second = add(local, "one", "--priority", "3"), add(local, "two", "--priority", "7")
    add(local, "three", "--after-task", first)
    assert [one["id"] for one in ask(local, "task", "ready")["tasks"]] == [second, first]
    ask(local, "task", "claim", first, as_="zoe")
    assert [one["id"] for one in ask(local, "task", "list", "--mine", as_="zoe")["tasks"]] == [first]
    assert [one["id"] for one in ask(local, "task", "list", "--status", "todo")["tasks"]] == ["t2", "t3"]
    assert "one" in local.peer("task", "list").out


def test_reject_and_reopen(local: Clone) -> None:
    ident = add(local, "one")
    refused(local, "invalid", "task", "reject", ident, "--note", "no", as_="abe")  # nobody has begun it
    assert status(local, ident) == "todo"
    ask(local, "task", "claim", ident, as_="zoe")
    ask(local, "task", "review", ident, as_="zoe")
    refused(local, "usage", "task", "reject", ident, as_="abe")
    back = ask(local, "task", "reject", ident, "--note", "no tests", as_="abe")["task"]
    assert (back["status"], back["assignee"], back["note"]) == ("in_progress", "zoe", "no tests")
    ask(local, "task", "drop", ident, as_="zoe")
    assert ask(local, "task", "reopen", ident, as_="abe")["task"]["status"] == "todo"


def test_split_finishes_its_parent(local: Clone) -> None:
    ident = add(local, "big")
    made = [one["id"] for one in ask(local, "task", "split", ident, "first", "second", "--in-order")["tasks"]]
    assert ask(local, "task", "show", made[1])["task"]["depends_on"] == made[:1]
    for one in made:
        ask(local, "task", "claim", one, as_="zoe")
        ask(local, "task", "review", one, as_="zoe")
        ask(local, "task", "merge-point", one, as_="abe")
        ask(local, "task", "done", one, as_="abe")
    assert status(local, ident) == "done"


def test_cycles_are_named(local: Clone) -> None:
    first = add(local, "one")
    second = add(local, "two", "--after-task", first)
    answer = refused(local, "cycle", "task", "edit", first, "--after-task", second)
    assert first in answer["error"]["message"]
    assert second in answer["error"]["message"]


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("not_found", ("task", "show", "nowhere")),
        ("not_found", ("task", "show", "")),
        ("not_found", ("task", "claim", "t")),  # two begin with it
        ("not_found", ("task", "add", "x", "--after-task", "t99")),
        ("not_found", ("task", "add", "x", "--parent", "t99")),
        ("not_found", ("task", "add", "x", "--phase", "nowhere")),
        ("not_found", ("task", "move", "t1", "nowhere")),
        ("exists", ("task", "add", "x", "--id", "t1")),
        ("invalid", ("task", "add", "x", "--id", "../x")),
        ("invalid", ("task", "add", "x", "--id", "a\nb")),
        ("invalid", ("task", "add", "x" * 5000)),
        ("invalid", ("task", "add", "x", "--description", "y" * 40_000)),
        ("invalid", ("task", "assign", "t1", "../../x")),
        ("invalid", ("task", "assign", "t1", "a\nb")),
        ("invalid", ("task", "progress", "t2", "5")),
        ("usage", ("task", "add", "")),
        ("usage", ("task", "add", " \n\t")),
        ("usage", ("task", "add")),
        ("usage", ("task", "add", "x", "--priority", "11")),
        ("usage", ("task", "add", "x", "--priority", "-1")),
        ("usage", ("task", "add", "x", "--estimate", "soon")),
        ("usage", ("task", "add", "x", "--path", "../outside")),
        ("usage", ("task", "add", "x", "--path", ".git/config")),
        ("usage", ("task", "add", "x", "--path", "README.md:9-3")),
        ("usage", ("task", "add", "x", "--path", "")),
        ("usage", ("task", "edit", "t1")),
        ("usage", ("task", "progress", "t1", "101")),
        ("usage", ("task", "progress", "t1")),
        ("usage", ("task", "review", "t1", "--commit", "nowhere")),
        ("usage", ("task", "result", "t1")),
        ("usage", ("task", "result", "t1", "--run", "--passed")),
        ("usage", ("task", "release", "t1", "--force")),
        ("usage", ("task", "block", "t1")),
        ("usage", ("task", "add", "x", "--description", "@nowhere")),
    ],
)
def test_bad_input_changes_nothing(local: Clone, code: str, args: tuple[str, ...]) -> None:
    add(local, "one")
    add(local, "two")
    before = height(local)
    found = local.peer("--json", *args, status=None)
    answer = found.json()
    assert "Traceback" not in found.err
    got = answer["error"]["code"]
    assert got == code or (args[:2] == ("task", "progress") and got == "not_yours"), answer["error"]
    assert height(local) == before


@pytest.mark.parametrize("flag", ["title", "--description", "--item", "--input", "--skill", "--provides"])
def test_text_that_is_not_utf8_is_refused(local: Clone, flag: str) -> None:
    add(local, "one")
    before = height(local)
    bad = "caf\udce9"
    args = ("task", "add", bad) if flag == "title" else ("task", "add", "x", flag, bad)
    refused(local, "invalid", *args)
    assert height(local) == before


def test_odd_names_stay_as_they_are(local: Clone) -> None:
    """Control characters reach the log and JSON, and never a terminal; a path keeps its bytes."""
    title = "red \x1b[31m and \x07 bell"
    ident = add(local, title, "--description", "two\nlines\x00"[:9], "--path", "caf\udce9/x\ny")
    told: dict[str, Any] = ask(local, "task", "show", ident)["task"]
    assert told["title"] == title
    assert len(told["paths"]) == 1
    for args in (("task", "show", ident), ("task", "list"), ("plan", "show")):
        out = local.peer(*args).raw
        assert b"\x1b" not in out
        assert b"\x07" not in out
    held = ask(local, "task", "claim", ident, "--lock", as_="zoe")["locks"]
    assert [(lock["path_encoding"], lock["path"]) for lock in held] == [("percent", "caf%E9/x\ny")]


def test_two_clones(pair: tuple[Clone, Clone]) -> None:
    """What the other clone has said counts before anything is refused; a refusal is by a fetched log."""
    one, two = pair
    first = add(one, "one", "--path", "src/api.py")
    second = add(one, "two", "--after-task", first)
    assert ask(two, "task", "claim", first, "--lock", as_="bob")["locks"][0]["guarantee"] == "remote"
    assert refused(one, "held", "task", "claim", first, as_="abe")["holder"] == "bob"
    ask(two, "task", "review", first, as_="bob")
    ask(one, "task", "merge-point", first, as_="abe")
    ask(two, "task", "done", first, as_="bob")
    ask(one, "task", "claim", second, as_="abe")  # one's copy says that it waits
    third = add(two, "three", as_="bob")
    ask(one, "task", "edit", third, "--title", "other", as_="abe")
    split = ask(one, "task", "split", third, "a", "b", as_="abe")
    assert split["task"]["children"] == [view["id"] for view in split["tasks"]]
    ask(two, "task", "drop", "t4", as_="bob")
    ask(one, "task", "reopen", "t4", as_="abe")
    assert ask(one, "fsck")["problems"] == ask(two, "fsck")["problems"] == []
    three = one.world.clone("c")
    three.peer("init")
    assert ask(three, "fsck")["problems"] == []
    assert [view["id"] for view in ask(three, "task", "ready")["tasks"]] == ["t4", "t5"]


def test_every_status_that_is_said_again_replays_elsewhere(pair: tuple[Clone, Clone]) -> None:
    """A word that was read is another object than the same in the program: trees must be the same for all that."""
    one, two = pair
    ident = add(one, "one")
    for verb in ("block", "reopen", "drop", "reopen"):
        ask(one, "task", verb, ident, *(("--note", "x") if verb == "block" else ()), as_="abe")
    ask(two, "sync")
    assert ask(two, "task", "show", ident)["task"]["status"] == "todo"


def test_sessions_end_with_their_tasks(local: Clone) -> None:
    ident = add(local, "one", "--path", "src/")
    ask(local, "task", "claim", ident, "--lock", as_="zoe")
    ask(local, "session", "end", as_="zoe")
    assert ask(local, "locks")["locks"] == []
    told = ask(local, "task", "show", ident)["task"]
    assert (told["status"], told["left_by"]) == ("todo", "zoe")
    ask(local, "task", "claim", ident, as_="zoe")
    ask(local, "session", "start", "zoe", "--takeover", as_="zoe")
    assert status(local, ident) == "todo"
