"""`git peer contract`: what tasks agree on, in versions."""

from __future__ import annotations

import pytest

from tests.cli.asking import CLAUDE, ask, refused
from tests.world import Clone


def height(clone: Clone) -> int:
    """How many commits the log has."""
    return int(ask(clone, "status")["log"]["height"])


def test_versions_and_approval(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    one.write("api.md", "GET /login\n")
    told = ask(one, "contract", "add", "api", "--type", "api_endpoint", "--definition", "@api.md", as_="abe")
    assert (told["contract"]["version"], told["contract"]["definition"]) == (1, "GET /login")
    ask(two, "contract", "approve", "api@1", as_="bob")
    assert ask(two, "contract", "show", "api")["contract"]["approved_by"] == ["bob"]
    ask(one, "contract", "change", "api@1", "--definition", "POST /login", as_="abe")
    for args in (("approve", "api@1"), ("change", "api@1", "--definition", "PUT /login")):
        refused(two, "changed", "contract", *args, as_="eve")
    changed = ask(two, "contract", "change", "api", "--definition", "PUT /login", as_="bob")["contract"]
    assert (changed["version"], changed["status"], changed["approved_by"]) == (3, "draft", [])
    refused(one, "changed", "contract", "remove", "api", as_="abe")  # it has not seen this version
    ask(one, "sync")
    assert ask(one, "contract", "remove", "api", as_="abe")["contract"]["version"] == 3
    assert ask(one, "contract", "list")["contracts"] == []


def test_what_a_closed_phase_relied_on_is_locked(local: Clone) -> None:
    ask(local, "phase", "add", "one")
    ask(local, "contract", "add", "api", "--type", "free", "--definition", "1")
    ask(local, "task", "add", "x", "--phase", "one", "--provides", "api")
    ask(local, "task", "claim", "t1", as_="zoe")
    ask(local, "task", "review", "t1", as_="zoe")
    ask(local, "task", "merge-point", "t1", as_="abe")
    assert ask(local, "phase", "sync", as_="zoe")["closed"] is True
    change = ("contract", "change", "api", "--definition", "2")
    refused(local, "not_allowed", *change)
    refused(local, "not_allowed", *change, "--force", "--reason", "why", env=CLAUDE)
    refused(local, "invalid", "contract", "remove", "api")
    forced = ask(local, *change, "--force", "--reason", "the law")["contract"]
    assert (forced["version"], forced["status"], forced["forced"]) == (2, "locked", "the law")


@pytest.mark.parametrize(
    ("code", "args"),
    [
        ("exists", ("add", "api", "--type", "free", "--definition", "x")),
        ("invalid", ("add", "a b", "--type", "free", "--definition", "x")),
        ("invalid", ("add", "../x", "--type", "free", "--definition", "x")),
        ("invalid", ("add", "x", "--type", "free", "--definition", "y" * 40_000)),
        ("invalid", ("add", "x", "--type", "free", "--definition", "")),
        ("invalid", ("add", "x", "--type", "free", "--definition", "caf\udce9")),
        ("usage", ("add", "x", "--type", "else", "--definition", "x")),
        ("usage", ("add", "x", "--type", "free")),
        ("usage", ("approve", "api")),
        ("usage", ("approve", "api@x")),
        ("usage", ("approve", "api@0")),
        ("changed", ("approve", "api@2")),
        ("not_found", ("approve", "nowhere@1")),
        ("not_found", ("show", "nowhere")),
        ("not_found", ("show", "../plan")),
        ("not_found", ("remove", "nowhere")),
        ("usage", ("change", "api", "--definition", "x", "--force")),
    ],
)
def test_bad_input_changes_nothing(local: Clone, code: str, args: tuple[str, ...]) -> None:
    ask(local, "contract", "add", "api", "--type", "free", "--definition", "1")
    before = height(local)
    refused(local, code, "contract", *args)
    assert height(local) == before
