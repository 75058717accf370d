"""`git peer phase`: phases in order, and the merge points that close them."""

from __future__ import annotations

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone


def accepted(clone: Clone, ident: str, worker: str, other: str) -> None:
    """A task from ready to its merge point."""
    ask(clone, "task", "claim", ident, as_=worker)
    ask(clone, "task", "review", ident, as_=worker)
    ask(clone, "task", "merge-point", ident, as_=other)


def states(clone: Clone) -> dict[str, str]:
    """Phase → status, by the local copy."""
    return {phase["id"]: phase["status"] for phase in ask(clone, "phase", "list")["phases"]}


def test_a_phase_closes_when_all_stand_on_the_integration_head(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    ask(one, "phase", "add", "Build it", as_="abe")
    ask(one, "phase", "add", "Ship it", as_="abe")
    for title in ("first", "second"):
        ask(one, "task", "add", title, "--phase", "build", as_="abe")
    later = ask(one, "task", "add", "third", "--phase", "ship", as_="abe")["task"]["id"]
    assert refused(one, "invalid", "task", "claim", later, as_="abe")["waits_for"] == ["phase ship-it"]
    accepted(one, "t1", "abe", "eve")
    ask(two, "task", "claim", "t2", as_="bob")
    waiting = ask(one, "phase", "sync", as_="abe")
    assert [task["id"] for task in waiting["waiting_for"]["tasks"]] == ["t2"]
    two.write("new.py", "x\n")
    two.commit("work")
    ask(two, "push", as_="bob")
    ask(two, "task", "review", "t2", as_="bob")
    ask(one, "task", "merge-point", "t2", as_="eve")
    told = ask(two, "phase", "sync", as_="bob")
    assert (told["closed"], told["waiting_for"]["sessions"]) == (False, ["abe"])
    assert refused(one, "changed", "phase", "sync", as_="abe")["head"] == two.head()
    one.git("pull", "-q", "--ff-only")
    closed = ask(one, "phase", "sync", as_="abe")
    assert (closed["closed"], closed["phase"], closed["open"]) == (True, "build-it", "ship-it")
    assert states(one) == {"build-it": "closed", "ship-it": "open"}
    assert {task["status"] for task in ask(one, "task", "list", "--phase", "build-it")["tasks"]} == {"done"}
    ask(two, "task", "claim", later, as_="bob")
    refused(two, "invalid", "task", "reopen", "t1", as_="bob")


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("exists", ("add", "One")),
        ("exists", ("add", "else", "--id", "one")),
        ("invalid", ("add", "x", "--id", "a/b")),
        ("invalid", ("add", " \n ")),
        ("invalid", ("add", "x" * 40_000)),
        ("invalid", ("add", "caf\udce9")),
        ("not_found", ("sync", "nowhere")),
        ("not_found", ("rename", "nowhere", "x")),
        ("not_found", ("remove", "nowhere")),
        ("invalid", ("remove", "one")),
        ("invalid", ("sync", "two")),
        ("usage", ("add",)),
    ],
)
def test_bad_input_changes_nothing(local: Clone, code: str, args: tuple[str, ...]) -> None:
    for name in ("One", "Two"):
        ask(local, "phase", "add", name)
    ask(local, "task", "add", "x", "--phase", "one")
    before = ask(local, "status")["log"]["height"]
    refused(local, code, "phase", *args)
    assert ask(local, "status")["log"]["height"] == before


def test_rename_and_remove(local: Clone) -> None:
    ask(local, "phase", "add", "One")
    ask(local, "phase", "add", "Two")
    assert [one["name"] for one in ask(local, "phase", "rename", "one", "First")["phases"]] == ["First", "Two"]
    ask(local, "phase", "remove", "First")
    assert states(local) == {"two": "open"}
    assert "two" in local.peer("phase", "list").out
