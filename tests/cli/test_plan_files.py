"""plan import and plan export: what is edited changes, all of it or nothing, and what is shown is what happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone, World

PLAN = """\
goal = "Log in, and out"

[[phases]]
name = "Build"

[[phases]]
name = "Ship"

[[tasks]]
id = "~form"
title = "The form"
phase = "Build"
paths = ["src/auth.py", "docs/"]
accept = "make test"
estimate = "4h"
provides = ["login"]

[[tasks]]
title = "The session"
phase = "Build"
depends_on = ["~form"]
uses = ["login"]
checklist = ["[ ] cookie", "[x] header"]

[[tasks]]
title = "Announce"
phase = "ship"
depends_on = ["The session"]

[[contracts]]
name = "login"
type = "function_signature"
definition = "def login(user: str) -> Session"
"""


def changes(answer: dict[str, Any]) -> list[tuple[str, str, str | None, str | None]]:
    """(sign, what, id, field) of an answer's changes."""
    return [(one["change"], one["what"], one["id"], one.get("field")) for one in answer["changes"]]


def task(answer: dict[str, Any], ident: str) -> dict[str, Any]:
    """One task of an answer."""
    return next(dict(one) for one in answer["tasks"] if one["id"] == ident)


def commits(clone: Clone) -> int:
    """How many commits the log has."""
    return int(clone.git("rev-list", "--count", "refs/peer/coordination").line)


@pytest.fixture
def planned(local: Clone) -> Clone:
    """A clone with a plan of three tasks."""
    local.write("plan.toml", PLAN)
    ask(local, "plan", "import", "plan.toml")
    return local


def test_import(local: Clone) -> None:
    """Ids are given in turn, names are resolved, and the reply has the plan."""
    local.write("plan.toml", PLAN)
    answer = ask(local, "plan", "import", "plan.toml")
    assert answer["goal"] == "Log in, and out"
    assert [(one["id"], one["status"]) for one in answer["phases"]] == [("build", "open"), ("ship", "pending")]
    assert [(one["id"], one["depends_on"], one["phase"]) for one in answer["tasks"]] == [
        ("t1", [], "build"), ("t2", ["t1"], "build"), ("t3", ["t2"], "ship"),
    ]  # fmt: skip
    first = task(answer, "t1")
    assert (first["paths"], first["estimate"], first["accept"]) == (["src/auth.py", "docs/"], 14400, "make test")
    assert task(answer, "t2")["checklist"] == [{"text": "cookie", "done": False}, {"text": "header", "done": True}]
    assert [one["name"] for one in answer["contracts"]] == ["login"]
    assert len(answer["changes"]) == 7


def test_again(planned: Clone) -> None:
    """The same file again changes nothing and writes nothing, though it has no ids."""
    before = commits(planned)
    answer = ask(planned, "plan", "import", "plan.toml")
    assert (answer["changes"], commits(planned), len(answer["tasks"])) == ([], before, 3)


@pytest.mark.parametrize("form", ["toml", "json", "md"])
def test_unedited(planned: Clone, form: str) -> None:
    """An export changes nothing, by file, by stdin, with another end of lines and a byte order mark."""
    text = planned.peer("plan", "export", "--format", form).raw
    planned.peer("plan", "export", f"out.{form}")
    assert planned.read(f"out.{form}").encode() == text
    before = commits(planned)
    for stdin in (text, b"\xef\xbb\xbf" + text, text.replace(b"\n", b"\r\n")):
        assert ask(planned, "plan", "import", "-", stdin=stdin)["changes"] == []
    assert ask(planned, "plan", "import", f"out.{form}")["changes"] == []
    assert commits(planned) == before


def test_edited(planned: Clone) -> None:
    """What was edited changes, and only that, though the log has moved on meanwhile."""
    planned.peer("plan", "export", "plan.json")
    ask(planned, "task", "edit", "t1", "--title", "The whole form", as_="zoe")
    text = planned.read("plan.json").replace('"title": "The session"', '"title": "Sessions",\n      "priority": 8')
    planned.write("plan.json", text)
    answer = ask(planned, "plan", "import", "plan.json")
    assert changes(answer) == [("~", "task", "t2", "title"), ("~", "task", "t2", "priority")]
    assert [one["title"] for one in answer["tasks"]] == ["The whole form", "Sessions", "Announce"]
    assert ask(planned, "plan", "import", "plan.json")["changes"] == []


def test_both_edited(planned: Clone) -> None:
    """What somebody else changed in between is not overwritten."""
    planned.peer("plan", "export", "plan.toml")
    ask(planned, "task", "edit", "t2", "--title", "Hers", as_="zoe")
    planned.write("plan.toml", planned.read("plan.toml").replace("The session", "His"))
    answer = refused(planned, "changed", "plan", "import", "plan.toml")
    assert "plan.toml:" in answer["error"]["message"]
    assert task(ask(planned, "plan", "show"), "t2")["title"] == "Hers"


def test_taken_out(planned: Clone) -> None:
    """A task that was taken out is dropped, its phase and a contract with it; what is new is added."""
    text = planned.peer("plan", "export").out
    head, _, rest = text.partition('[[phases]]\nid = "ship"')
    kept = head + "[[tasks]]" + rest.partition("[[tasks]]")[2].rpartition("[[tasks]]")[0]
    kept = kept.replace('provides = [\n    "login",\n]\n', "").replace('uses = [\n    "login",\n]\n', "")
    new = '[[tasks]]\ntitle = "Log out"\nphase = "build"\nstatus = "done"\n'
    answer = ask(planned, "plan", "import", "-", "--as-format", "toml", stdin=(kept + new).encode())
    assert set(changes(answer)) == {
        ("-", "phase", "ship", None), ("-", "task", "t3", None), ("+", "task", None, None),
        ("~", "task", "t1", "provides"), ("~", "task", "t2", "uses"), ("-", "contract", "login", None),
    }  # fmt: skip
    assert [one["id"] for one in answer["phases"]] == ["build"]
    assert answer["contracts"] == []
    assert [(one["title"], one["status"]) for one in answer["tasks"]] == [
        ("The form", "todo"), ("The session", "todo"), ("Announce", "dropped"), ("Log out", "done"),
    ]  # fmt: skip


def test_order_of_phases(planned: Clone) -> None:
    """Phases that were moved are moved, and a new one stands where it was put."""
    text = planned.peer("plan", "export", "--format", "md").out
    text = text.replace("## Ship {#ship}", "## Test\n\n- [ ] Try it `src/api.py`\n\n## Ship {#ship}")
    answer = ask(planned, "plan", "import", "-", stdin=text.encode())
    assert [one["id"] for one in answer["phases"]] == ["build", "test", "ship"]
    assert task(answer, "t4")["paths"] == ["src/api.py"]


def test_ticked_in_markdown(planned: Clone) -> None:
    """A box of a checklist may be ticked; that of a task says that it is done, which a file cannot."""
    text = planned.peer("plan", "export", "--format", "md").out
    ticked = text.replace("+ [ ] cookie", "+ [x] cookie").replace("- [ ] Announce", "- [-] Announce")
    answer = ask(planned, "plan", "import", "-", stdin=ticked.encode())
    assert changes(answer) == [("~", "task", "t2", "checklist"), ("~", "task", "t3", "status")]
    done = refused(
        planned, "invalid", "plan", "import", "-", stdin=text.replace("[ ] The form", "[x] The form").encode()
    )
    line = next(at for at, one in enumerate(text.split("\n"), 1) if "The form" in one)
    assert done["error"]["message"].startswith(f"stdin:{line}: ")


def test_dry_run_and_telling(planned: Clone) -> None:
    """The change is shown on stderr before it is made; a dry run makes none."""
    text = planned.peer("plan", "export").out.replace("Announce", "Tell")
    before = commits(planned)
    dry = planned.peer("plan", "import", "-", "--dry-run", stdin=text.encode())
    assert (dry.err, dry.out) == ("~ task t3 title: Announce → Tell\n", "1 change would be made.\n")
    assert commits(planned) == before
    assert changes(ask(planned, "plan", "import", "-", "--dry-run", stdin=text.encode())) == [
        ("~", "task", "t3", "title")
    ]
    real = planned.peer("plan", "import", "-", stdin=text.encode())
    assert (real.err, real.out) == (dry.err, "1 change made.\n")
    assert commits(planned) == before + 1


def test_all_or_nothing(planned: Clone) -> None:
    """One wrong line, and nothing is imported; the file and its line are named."""
    before = commits(planned)
    planned.write("bad.toml", '[[tasks]]\ntitle = "Fine"\n[[tasks]]\ntitle = "Wrong"\nstatus = "doing"\n')
    answer = refused(planned, "invalid", "plan", "import", "bad.toml")
    assert answer["error"]["message"] == "bad.toml:5: unknown status 'doing' of task Wrong"
    assert commits(planned) == before


@pytest.mark.parametrize("raw", [b"# x\n\xff\xfe", b"goal = 'a\0b'", b'{"tasks": [', b"# x\n" + b"- [ ] x\n" * 20_001])
def test_no_text(local: Clone, raw: bytes) -> None:
    """Bytes that are no plan, and too much of one: a clear word."""
    answer = refused(local, "invalid", "plan", "import", "-", stdin=raw)
    assert answer["error"]["message"].startswith("stdin:")


def test_too_large(local: Clone) -> None:
    """50 MB are not read to their end."""
    local.write("big.md", b"- [ ] A task\n  with text\n" * 2_000_000)
    answer = refused(local, "invalid", "plan", "import", "big.md")
    assert answer["error"]["message"] == "big.md: over 10 MiB"


def test_unreadable(local: Clone) -> None:
    """What cannot be read or written is a wrong command line."""
    refused(local, "usage", "plan", "import", "nowhere.toml")
    refused(local, "usage", "plan", "import", "src")
    refused(local, "usage", "plan", "import", "plan.dot", "--as-format", "dot")
    refused(local, "usage", "plan", "export", "src")
    refused(local, "failed", "plan", "export", "README.md/plan.toml")


def test_another_log(planned: Clone, world: World) -> None:
    """An export goes into another log whole, and comes out the same but for its head."""
    text = planned.peer("plan", "export").out
    other = world.clone("other")
    other.peer("init", "--local")
    ask(other, "plan", "import", "-", stdin=text.encode())
    again = other.peer("plan", "export").out
    assert again.partition("[[phases]]")[2] == text.partition("[[phases]]")[2]
    assert again.partition("[log]")[0] == text.partition("[log]")[0]


def test_of_a_remote(pair: tuple[Clone, Clone]) -> None:
    """What the other clone did since is fetched before it is compared."""
    one, two = pair
    one.write("plan.toml", PLAN)
    ask(one, "plan", "import", "plan.toml")
    ask(two, "sync")
    text = one.peer("plan", "export").out
    ask(one, "task", "edit", "t1", "--priority", "9")
    answer = ask(two, "plan", "import", "-", stdin=text.replace("Announce", "Tell").encode())
    assert changes(answer) == [("~", "task", "t3", "title")]
    assert (task(answer, "t1")["priority"], answer["traffic"]["pushes"]) == (9, 1)
