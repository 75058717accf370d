"""Sketches: what small models hand in as a plan, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.core.errors import PeerError
from git_peer.core.plan import sketch
from git_peer.core.plan.task.record import Changes
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target, show
from tests.models.schemas import holds

GOAL = "Words and their number"


def resolve(given: str) -> Target:
    """As planners do, in an empty repository."""
    return targets.parse(given, "", lambda _: "", "/repo")


def row(title: Any, path: Any = "", after: Any = (), what: Any = "") -> dict[str, Any]:
    """A task as a model writes it."""
    return {"title": title, "what": what, "path": path, "after": list(after) if isinstance(after, tuple) else after}


def read(*rows: Any, most: int = 100) -> tuple[dict[str, Changes], list[str]]:
    """(id → task, what was said of it)."""
    found, said = sketch.read({"tasks": list(rows)}, GOAL, resolve, most)
    return dict(found.tasks), said


def shape(tasks: dict[str, Changes]) -> dict[str, tuple[list[str], list[str]]]:
    """Id → (paths, what it comes after)."""
    return {
        ident: ([show(one) for one in task.paths or ()], list(task.depends_on or ())) for ident, task in tasks.items()
    }


def test_a_plan_of_several_files() -> None:
    tasks, said = read(
        row("Words", "words.py", what="split()"), row("Count", "src/count.py", (1,)), row("Main", "m.py")
    )
    assert shape(tasks) == {"s1": (["words.py"], []), "s2": (["src/count.py"], ["s1"]), "s3": (["m.py"], [])}
    assert (tasks["s1"].title, tasks["s1"].description, said) == ("Words", "split()", [])


@pytest.mark.parametrize(
    "nothing", [None, "null", "None", "", " ", "n/a", "[]", 0, [None], ["none"], ["null", ""], [0]]
)
def test_what_means_nothing(nothing: Any) -> None:
    paths = nothing if nothing != 0 else None
    tasks, said = read(row("A", "a.py"), row("B", paths, nothing, nothing))
    assert (shape(tasks)["s2"], said) == (([], []), [])


@pytest.mark.parametrize("one", [1, "1", "#1", "task 1", "t1", "Words", "words"])
def test_the_ways_to_name_a_task(one: Any) -> None:
    tasks, said = read(row("Words", "a.py"), row("B", "b.py", [one]))
    assert (shape(tasks)["s2"][1], said) == (["s1"], [])
    assert shape(read(row("Words", "a.py"), row("B", "b.py", one))[0])["s2"][1] == ["s1"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".git/config", "@deploy", "a\x1bb", "x" * 900])
def test_a_path_that_is_none(path: str) -> None:
    tasks, said = read(row("A", path), row("B", "b.py"))
    assert (shape(tasks)["s1"][0], shape(tasks)["s2"][0]) == ([], ["b.py"])
    assert len(said) == 1
    assert said[0].startswith("task 1: the path ")


@pytest.mark.parametrize("path", ["/a.py", "./a.py", "`a.py`", ' "a.py" ', ["a.py"]])
def test_a_path_that_is_meant(path: Any) -> None:
    tasks, said = read(row("A", path), row("B", "b.py"))
    assert (shape(tasks)["s1"][0], said) == (["a.py"], [])


@pytest.mark.parametrize("after", [2, 3, 9, "nobody", {"a": 1}, True])
def test_after_what_is_no_earlier_task(after: Any) -> None:
    tasks, said = read(row("A", "a.py"), row("B", "b.py", [after]), row("C", "c.py"))
    if after is True:
        after = "True"
    assert (shape(tasks)["s2"][1], len(said)) == ([], 1)
    assert said[0].startswith("task 2: that it comes after “")


@pytest.mark.parametrize("wrong", [None, 3, [], {}, row(""), row(None, "../x"), row("\x00")])
def test_an_entry_that_is_no_task_costs_nothing_else(wrong: Any) -> None:
    tasks, said = read(row("A", "a.py"), wrong, row("C", "c.py", (2, 1)))
    assert shape(tasks) == {"s1": (["a.py"], []), "s3": (["c.py"], ["s1"])}
    assert any(one.startswith("task 2 was left out") for one in said)


def test_tasks_of_one_file_are_one_task() -> None:
    """With its tests, whoever of them is named first."""
    tasks, said = read(
        row("Define it", "fib.py"), row("Base cases", "fib.py", (1,)), row("Test it", "tests/test_fib.py", (2,))
    )
    assert list(tasks) == ["s1"]
    assert (tasks["s1"].title, tasks["s1"].description) == (GOAL, GOAL)
    assert [show(one) for one in tasks["s1"].paths or ()] == ["fib.py", "tests/test_fib.py"]
    assert [one.text for one in tasks["s1"].checklist or ()] == ["Define it", "Base cases", "Test it"]
    assert said == ["its 3 tasks are all about fib.py: they are one task"]


def test_one_task_is_the_goal() -> None:
    tasks, said = read(row("Fib", "fib.py", what="returns fib(n) or something quite wrong"))
    assert (tasks["s1"].title, tasks["s1"].description, tasks["s1"].checklist, said) == ("Fib", GOAL, (), [])


def test_tests_belong_to_what_they_test() -> None:
    tasks, said = read(
        row("A", "a.py"), row("B", "b.py"), row("Test a", "test_a.py", (1,)), row("C", "c.py", (3,)), row("B", "b.py")
    )
    assert shape(tasks) == {"s1": (["a.py", "test_a.py"], []), "s2": (["b.py"], []), "s4": (["c.py"], ["s1"])}
    assert said == ["task 3 is part of task 1: its tests", "task 5 is part of task 2: said twice"]
    kept, _ = read(row("A", "a.py"), row("B", "b.py"), row("Test a", "test_a.py", (1, 2)))
    assert shape(kept)["s3"] == (["test_a.py"], ["s1", "s2"]), "it needs more than what it tests"


def test_tasks_that_share_a_file_are_ordered() -> None:
    tasks, _ = read(row("A", "a.py"), row("B", "b.py"), row("More of a", "a.py"))
    assert shape(tasks)["s3"] == (["a.py"], ["s1"])


def test_too_many() -> None:
    tasks, said = read(*(row(f"T{n}", f"f{n}.py") for n in range(5)), most=3)
    assert (list(tasks), said) == (["s1", "s2", "s3"], ["2 tasks were left out: 3 are allowed"])


@pytest.mark.parametrize("raw", [None, 3, "x", [], {}, {"tasks": None}, {"tasks": []}])
def test_no_plan_at_all(raw: Any) -> None:
    assert sketch.read(raw, GOAL, resolve, 9)[0].tasks == ()


def test_every_answer_is_bounded() -> None:
    """Nothing that the form lets through is longer than what an answer may take."""
    schema = sketch.schema(100)
    full = row("t" * sketch.TITLE, "p" * sketch.PATH, [1] * sketch.AFTER, "w" * sketch.WHAT)
    most = {"tasks": [full] * sketch.TASKS}
    assert holds(schema, most)
    assert len(json.dumps(most)) < 6_000
    longer = (full | {"what": "w" * (sketch.WHAT + 1)}, full | {"after": [9]}, full | {"title": ""})
    assert not any(holds(schema, {"tasks": [one]}) for one in longer)
    assert not holds(schema, {"tasks": [full] * (sketch.TASKS + 1)})
    assert holds(sketch.schema(1), {"tasks": [full]})
    assert not holds(sketch.schema(1), {"tasks": [full, full]})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
path = st.sampled_from(["a.py", "b.py", "test_a.py", "src/", "*.py", "/", "..", "none", "a.py, b.py"]) | st.text()
rows = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["A", "B", ""]) | anything,
        "what": anything,
        "path": path | anything,
        "after": st.lists(st.integers(-1, 6) | anything, max_size=4) | anything,
    },
)


@given(st.lists(rows | anything, max_size=7) | anything)
def test_whatever_comes_is_a_plan_without_circles(tasks: Any) -> None:
    found, _ = sketch.read({"tasks": tasks}, GOAL, resolve, 5)
    seen: set[str] = set()
    for ident, task in found.tasks:
        assert task.title
        assert set(task.depends_on or ()) <= seen, "it comes after earlier tasks only"
        seen.add(ident)
    assert len(seen) == len(found.tasks) <= 5


def test_resolve_refuses_what_is_outside() -> None:
    with pytest.raises(PeerError):
        resolve("../x")
