"""What is no plan: one clear error with its line, and nothing of it is imported."""

from __future__ import annotations

import pytest

from git_peer.formats.document import Bad
from git_peer.ops.plan_merge import Side
from tests.core.bench import Bench
from tests.formats.plans import READ, export, take

TWO = '[[tasks]]\nid = "a"\ntitle = "A"\n\n[[tasks]]\nid = "b"\ntitle = "B"\n'
LATE = """\
phases = ["p", "q"]
[[tasks]]
id = "a"
title = "A"
phase = "q"
[[tasks]]
id = "b"
title = "B"
phase = "p"
depends_on = ["a"]
"""
BAD: list[tuple[str, str, int, str]] = [
    ("toml", 'goal = "x', 1, "no TOML"),
    ("toml", 'goal = "x"\ngoal = "y"\n', 2, "no TOML"),
    ("toml", 'gaol = "x"\n', 1, "unknown key 'gaol'"),
    ("toml", TWO + 'titel = "C"\n', 8, "unknown key 'titel'"),
    ("toml", TWO + "priority = 11\n", 8, "priority of task b is 11"),
    ("toml", TWO + 'priority = "high"\n', 8, "wants a whole number"),
    ("toml", TWO + "priority = true\n", 8, "wants a whole number"),
    ("toml", TWO + 'estimate = "soon"\n', 8, "wants seconds"),
    ("toml", TWO + 'status = "doing"\n', 8, "unknown status 'doing'"),
    ("toml", TWO + 'status = "review"\n', 8, "nobody is its assignee"),
    ("toml", TWO + 'assignee = "../../x"\n', 8, "no session's name"),
    ("toml", TWO + 'depends_on = ["c"]\n', 8, "names 'c', which is no task"),
    ("toml", TWO + 'depends_on = ["b"]\n', 8, "a cycle of tasks: b → b"),
    ("toml", TWO + 'parent = "b"\n', 8, "cycle"),
    ("toml", TWO + 'phase = "build"\n', 8, "no phase 'build'"),
    ("toml", TWO + 'paths = ["../x"]\n', 8, "outside the repository"),
    ("toml", TWO + 'paths = [".git/config"]\n', 8, "inside git's own directory"),
    ("toml", TWO + 'skills = ["x", "x"]\n', 8, "twice"),
    ("toml", TWO + 'title = "again"\n', 8, "no TOML"),
    ("toml", TWO + '[[tasks]]\nid = "a"\ntitle = "A2"\n', 9, "given twice, first in line 2"),
    ("toml", TWO + '[[tasks]]\nid = "a/b"\ntitle = "A2"\n', 9, "not an id for a task"),
    ("toml", TWO + '[[tasks]]\nid = "c"\n', 8, "no title"),
    ("toml", TWO + f'description = "{"x" * 40_000}"\n', 8, "over 32,768 bytes"),
    ("toml", TWO + 'description = "nul\\u0000"\n', 8, "NUL"),
    ("toml", '[[contracts]]\nname = "c"\ntype = "api"\ndefinition = "d"\n', 3, "unknown type 'api'"),
    ("toml", '[[contracts]]\nname = "c"\n', 1, "no definition"),
    ("toml", '[[phases]]\nid = "p"\nname = "P"\n[[phases]]\nid = "p"\nname = "Q"\n', 4, "there twice"),
    ("toml", '[[phases]]\nid = "p"\nstatus = "shut"\n', 3, "unknown status 'shut'"),
    ("toml", 'tasks = "none"\n', 1, "wants a list of tables"),
    ("toml", 'log = "x"\n', 1, "head of an export"),
    ("toml", "x = " + "[" * 5000 + "\n", 1, "no"),
    (
        "toml",
        LATE,
        10,
        "depends on a of a later phase",
    ),
    ("json", '{"goal": "x",\n "tasks": [', 2, "no JSON"),
    ("json", "[1]", 1, "a plan is a table"),
    ("json", '{"goal": NaN}', 0, "NaN is no JSON"),
    ("json", '{"goal": "x",\n"goal": "y"}', 2, "twice"),
    ("json", '{"tasks": [\n{"id": "a", "title": "A"},\n{"id": "b",\n"title": 7}]}', 4, "title of a task wants a text"),
    ("json", '{"tasks": [\n{"id": "a", "title": "A"},\n{"id": "b", "title": "B", "x": 1}]}', 3, "unknown key 'x'"),
    ("json", '{"goal": "\\ud800"}', 1, "half a character"),
    ("json", '{"tasks": [{"title": "A", "estimate": 1e3}]}', 1, "wants a whole number"),
    ("json", '{"tasks": [{"title": "A", "estimate": ' + "9" * 5000 + "}]}", 0, "no JSON"),
    ("json", "[" * 200_000, 1, "too many brackets"),
    ("md", "# G\n\n- [ ] A\n  status: doing\n", 4, "unknown status 'doing'"),
    ("md", "# G\n\n- [ ] A\n  after: Nothing\n", 4, "names 'Nothing'"),
    ("md", "# G\n\n- [ ] A (after: B)\n- [ ] B (after: A)\n", 3, "a cycle of tasks: 'A' → 'B' → 'A'"),
    ("md", "- [ ] A {#x}\n- [ ] B {#x}\n", 2, "given twice, first in line 1"),
    ("md", "- [ ] A\n- [ ] A\n- [ ] B\n  after: A\n", 4, "more than one task is called 'A'"),
    ("md", "- [ ] A\n- [ ]\n", 2, "without a title"),
    ("md", "- [ ] A\n  estimate: later\n", 2, "wants a time"),
    ("md", "- [ ] A\n  priority: high\n", 2, "wants a number"),
    ("md", "- [ ] A\n  accept: x\n  accept: y\n", 3, "second time"),
    ("md", "- [ ] A\n\n  ```\n  - [ ] swallowed\n", 3, "a code block that does not end"),
    ("md", "- [ ] A\n<!-- x\n- [ ] swallowed\n", 2, "a comment that does not end"),
    ("md", "## Contracts\n\n### c\n\n```\na\n```\n\n```\nb\n```\n", 9, "second time"),
    ("md", "## Build\n\n- [ ] A\n\n## Build\n", 5, "there twice"),
    ("md", "".join("  " * at + f"- [ ] T{at}\n" for at in range(60)), 52, "levels deep"),
]


@pytest.mark.parametrize(("form", "text", "line", "said"), BAD)
def test_bad(form: str, text: str, line: int, said: str) -> None:
    """The line and what is wrong; the log stays as it was."""
    bench = Bench()
    height = bench.height
    with pytest.raises(Bad) as caught:
        take(bench, READ[form](text))
    assert (said in str(caught.value), caught.value.line) == (True, line), caught.value
    assert caught.value.code == ("cycle" if "cycle" in said else "invalid")
    assert bench.height == height


LOGGED = [
    ("progress = 40", "progress = 50", "the progress of task a cannot be edited"),
    ('assignee = "zoe"', 'assignee = "abe"', "the assignee of task a cannot be edited"),
    ('commit = "c1"', 'commit = "c2"', "the commit of task a cannot be edited"),
    ('status = "review"', 'status = "done"', "cannot make a done"),
    ('status = "review"', 'status = "merge_point"', "cannot make a merge_point"),
    ('status = "approved"', 'status = "locked"', "the status of contract c cannot be edited"),
    ("version = 2", "version = 4", "the version of contract c cannot be edited"),
]


@pytest.mark.parametrize(("old", "new", "said"), LOGGED)
def test_what_only_commands_say(old: str, new: str, said: str) -> None:
    """A file cannot say that work is done, or whose it is."""
    bench = Bench()
    take(
        bench,
        READ["toml"](
            '[[tasks]]\nid = "a"\ntitle = "A"\nstatus = "review"\nassignee = "zoe"\nprogress = 40\ncommit = "c1"\n'
            '[[contracts]]\nname = "c"\ndefinition = "d"\nversion = 2\nstatus = "approved"\n'
        ),
    )
    text = export(bench, "toml")
    assert text.count(old) == 1
    with pytest.raises(Bad) as caught:
        take(bench, READ["toml"](text.replace(old, new)), Side(bench.state))
    assert said in str(caught.value)
    assert text.split("\n")[caught.value.line - 1] == old


GARBAGE = [
    "`" * 100_000 + "x",
    "".join("`" * n for n in range(400)),
    "- [ ] " + "(after:" * 50_000,
    "# " + " " * 200_000 + "x",
    "- [ ] " + "{#" * 100_000,
    "\n".join("  " * (n % 200) + "- x" for n in range(20_000)),
    "- [ ] x\n" + "\t" * 100_000,
    "- [ ] `" + "/" * 300_000 + "(`",
    "<!-- -" * 50_000 + "-->",
    "- [ ] a\n  after: " + '"' * 100_000,
    '"""' + '"' * 100_000,
    "a.b." * 5_000 + "c = 1",
    "# #" * 80_000,
    "|---" * 60_000,
    "- [ ] x\n  accept:" + "\t" * 100_000 + ":",
]


@pytest.mark.parametrize("form", ["toml", "json", "md"])
def test_garbage_ends(form: str) -> None:
    """What would take a careless pattern for ever is read or refused in the time of its length."""
    for text in GARBAGE:
        try:
            READ[form](text)
        except Bad as why:
            said = str(why)
            assert said
