"""What a model returns, read and laid over a plan: every problem is found and named, and none of it gets through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.core import text
from git_peer.core.errors import PeerError
from git_peer.core.log.state import State
from git_peer.core.plan import proposal as proposals
from git_peer.core.plan import record as plan
from git_peer.core.plan.draft import Draft, collisions, difference
from git_peer.core.plan.edits import AddContract, AddPhase, AddTask, AnyEdit, EditPlan, SetStatus
from git_peer.core.plan.proposal import Proposal
from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.board import Board
from git_peer.core.plan.task.claim import Claim
from git_peer.core.plan.task.record import Spec
from git_peer.core.rules import decide as commands
from git_peer.core.target import target as targets
from tests.core.bench import A, Bench


def read(raw: Any, most: int = 100, replan: bool = False) -> tuple[Proposal, list[str]]:
    return proposals.read(raw, lambda given: targets.parse(given, "", lambda _: ""), most, replan)


def edit(bench: Bench, *edits: AnyEdit) -> None:
    bench.do(EditPlan(me=A, edits=edits))


def draft(bench: Bench, raw: Any, replan: bool = True) -> Draft:
    found, problems = read(raw, replan=replan)
    assert problems == []
    return Draft(found, Board(bench.state))


def problems(bench: Bench, raw: Any, replan: bool = True) -> list[str]:
    return draft(bench, raw, replan).problems(replan)


@pytest.fixture
def bench() -> Bench:
    """A closed phase, an open one and one to come; a task of each kind."""
    made = Bench()
    specs = {
        "done": Spec(title="Done", phase="old"),
        "begun": Spec(title="Begun", phase="now"),
        "todo": Spec(title="To do", phase="now", depends_on=("begun",)),
        "stuck": Spec(title="Stuck", phase="next"),
    }
    status = {"done": "done", "stuck": "blocked"}
    edit(
        made,
        AddPhase(id="old", name="Old", closed=True),
        AddPhase(id="now", name="Now"),
        AddPhase(id="next", name="Next"),
        AddContract(name="sealed", type="free", definition="x", status="locked"),
        AddContract(name="open", type="free", definition="x"),
        *(AddTask(id=ident, spec=spec, status=status.get(ident, "todo")) for ident, spec in specs.items()),
    )
    made.do(Claim(me=A, task="begun"))
    return made


# -- shape ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (None, "the plan: an object is wanted, not null"),
        ([], "the plan: an object is wanted, not a list"),
        ({"tasks": "all"}, "tasks: a list is wanted, not a text"),
        ({"tasks": [1]}, "tasks[0]: an object is wanted, not a number"),
        ({"tasks": [{}]}, "tasks[0].id: an id is wanted, not null"),
        ({"tasks": [{"id": "a b"}]}, "tasks[0].id: “a b” is no id"),
        ({"tasks": [{"id": "../a"}]}, "tasks[0].id: “../a” is no id"),
        ({"tasks": [{"id": "a", "title": ""}]}, "task a: an empty title"),
        ({"tasks": [{"id": "a", "title": "\u200b"}]}, "task a: an empty title"),
        ({"tasks": [{"id": "a", "title": 3}]}, "task a: title: a text is wanted, not a number"),
        ({"tasks": [{"id": "a", "title": "x" * 201}]}, "task a: title: a text of 201 characters: 200 are allowed"),
        ({"tasks": [{"id": "a", "titel": "x"}]}, "task a: unknown key “titel”"),
        ({"tasks": [{"id": "a"}, {"id": "A"}]}, "task A: a second task of that id"),
        ({"tasks": [{"id": "a", "priority": 11}]}, "task a: priority: an integer of 0 to 10 is wanted"),
        ({"tasks": [{"id": "a", "priority": True}]}, "task a: priority: an integer of 0 to 10 is wanted"),
        ({"tasks": [{"id": "a", "estimate": 1.5}]}, "task a: estimate: an integer of 0 to 31,622,400 is wanted"),
        ({"tasks": [{"id": "a", "paths": "src/"}]}, "task a: paths: a list is wanted, not a text"),
        ({"tasks": [{"id": "a", "paths": ["../x"]}]}, "task a: paths: “../x”: "),
        ({"tasks": [{"id": "a", "paths": ["/etc"]}]}, "task a: paths: “/etc”: "),
        ({"tasks": [{"id": "a", "paths": [".git/hooks/x"]}]}, "task a: paths: “.git/hooks/x”: "),
        ({"tasks": [{"id": "a", "paths": [".GIT/x"]}]}, "task a: paths: “.GIT/x”: "),
        ({"tasks": [{"id": "a", "paths": ["@deploy"]}]}, "task a: paths: “@deploy” is a name, not a path"),
        ({"tasks": [{"id": "a", "paths": [{}]}]}, "task a: paths: a path is wanted, not an object"),
        ({"tasks": [{"id": "a", "checklist": [["x"]]}]}, "task a: checklist: a text is wanted, not a list"),
        ({"tasks": [{"id": "a", "depends_on": [None]}]}, "task a: depends_on: an id is wanted, not null"),
        ({"phases": [{"id": "p"}, {"id": "p"}]}, "phases[1]: a second phase p"),
        ({"phases": [{"id": "p", "name": "\x00"}]}, "phases[0]: an empty name"),
        ({"contracts": [{"name": "c", "type": "odd", "definition": "x"}]}, "contracts[0]: its type is one of "),
        ({"contracts": [{"name": "c", "type": "free"}]}, "contracts[0]: an empty definition"),
        ({"drop": ["t1"]}, "the plan: unknown key “drop”"),
    ],
)
def test_a_problem_of_shape(raw: Any, said: str) -> None:
    found = read(raw)[1]
    assert len(found) == 1, found
    assert found[0].startswith(said), found


@pytest.mark.parametrize("none", ["null", "None", "", "n/a"])
def test_what_plainly_means_none(none: str) -> None:
    found, problems = read({"tasks": [{"id": "a", "title": "x", "parent": none, "depends_on": [none], "uses": [none]}]})
    assert problems == []
    task = found.tasks[0][1]
    assert [task.parent or "", task.depends_on, task.uses] == ["", (), ()]
    there = [{"id": "null", "title": "x"}, {"id": "b", "title": "y", "parent": "null", "depends_on": ["null"]}]
    assert read({"tasks": there})[0].tasks[1][1].parent == "null", "where there is a task of that name, it is meant"


def test_too_large_and_too_many() -> None:
    big = {"id": "a", "title": "x", "inputs": [f"{n}" + "y" * 230 for n in range(100)]}
    big |= {"outputs": big["inputs"], "skills": big["inputs"]}
    assert read({"tasks": [big]})[1][0].startswith("task a: it is too large: ")
    many = {"tasks": [{"id": f"a{n}", "title": "x"} for n in range(12)]}
    assert read(many, most=10)[1] == ["tasks: too many tasks: 12, 10 are allowed; make each of them larger"]
    assert read(many, most=12)[1] == []
    told = proposals.listed([str(n) for n in range(500)])
    assert (len(told), told[-1]) == (51, "and 450 more")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
field = st.sampled_from(sorted(proposals.schema(True)["properties"]["tasks"]["items"]["properties"]))
any_task = st.dictionaries(field, json_values | st.text(max_size=30) | st.lists(st.text(max_size=9)), max_size=8)
top = st.fixed_dictionaries(
    {},
    optional={
        "tasks": st.lists(any_task, max_size=4) | json_values,
        "phases": st.lists(st.fixed_dictionaries({"id": st.text(max_size=4), "name": st.text()}), max_size=3),
        "contracts": json_values,
        "drop": json_values,
        "goal": json_values,
    },
)


@given(top | json_values, st.booleans())
def test_whatever_comes_is_read_or_refused(raw: Any, replan: bool) -> None:
    """Never an exception; what is taken is clean; what is taken and fits the plan can be written and sent."""
    found, wrong = read(raw, replan=replan)
    assert all(0 < len(one) <= 300 for one in wrong)
    for ident, changes in found.tasks:
        assert plan.is_id(ident)
        for said in (changes.title, changes.description, changes.accept):
            assert said is None or said == text.clean(said)
    if not wrong:
        made = Bench()
        laid = Draft(found, Board(made.state))
        if not laid.problems(replan):
            edit(made, *laid.edits("g", []))
            json.dumps(Board(made.state).whole(made.scene), ensure_ascii=False).encode()


# -- as a plan ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"tasks": [{"id": "a"}]}, "task a: an empty title"),
        ({"tasks": [{"id": "done", "title": "x"}]}, "task done: it is done: what is started or over stays as it is"),
        ({"tasks": [{"id": "begun", "priority": 1}]}, "task begun: it is in_progress: "),
        ({"tasks": [{"id": "TODO", "title": "x"}]}, "task TODO: there is a task todo already: "),
        ({"drop": ["begun"]}, "drop: begun is in_progress: what is started or over stays as it is"),
        ({"drop": ["nothing"]}, "drop: there is no task nothing"),
        (
            {"tasks": [{"id": "a", "title": "x", "depends_on": ["todo"]}], "drop": ["todo"]},
            "task a: it depends on todo, which is dropped",
        ),
        ({"tasks": [{"id": "a", "title": "x", "phase": "old"}]}, "task a: phase old is closed"),
        ({"tasks": [{"id": "a", "title": "x", "phase": "none"}]}, "task a: there is no phase none"),
        ({"tasks": [{"id": "a", "title": "x", "parent": "begun"}]}, "task a: its parent begun is in_progress: "),
        ({"tasks": [{"id": "a", "title": "x", "parent": "done"}]}, "task a: its parent done is done"),
        (
            {"tasks": [{"id": "a", "title": "x", "parent": "todo", "phase": "next"}]},
            "task a: it is in phase next, its parent todo in now",
        ),
        (
            {"tasks": [{"id": "a", "title": "x", "phase": "now", "depends_on": ["stuck"]}]},
            "task a (now) depends on stuck, whose phase next is later",
        ),
        ({"tasks": [{"id": "todo", "depends_on": ["todo"]}]}, "task todo: it depends on itself"),
        (
            {"tasks": [{"id": "a", "title": "x", "depends_on": ["b"]}, {"id": "b", "title": "y", "parent": "a"}]},
            "tasks wait for each other in a cycle: ",
        ),
        (
            {"tasks": [{"id": "a", "title": "x", "uses": ["void"]}]},
            "task a: it uses the contract void, which is not defined",
        ),
        (
            {"tasks": [{"id": "a", "title": "x", "provides": ["void"]}]},
            "task a: it provides the contract void, which is not",
        ),
        ({"contracts": [{"name": "sealed", "type": "free", "definition": "y"}]}, "contract sealed: it is locked, "),
    ],
)
def test_a_problem_of_the_plan(bench: Bench, raw: Any, said: str) -> None:
    found = problems(bench, raw)
    assert any(one.startswith(said) for one in found), found


def test_a_parent_of_itself_and_of_its_parent(bench: Bench) -> None:
    for around in (["a"], ["a", "b"], ["a", "b", "c"]):
        listed = [{"id": one, "title": one, "parent": around[at - 1]} for at, one in enumerate(around)]
        assert problems(bench, {"tasks": listed}), around


def test_a_plan_without_tasks_is_none(bench: Bench) -> None:
    assert problems(bench, {"tasks": []}, replan=False) == ["tasks: there are none"]
    assert problems(bench, {"tasks": []}) == []


def test_what_is_written_is_what_was_proposed(bench: Bench) -> None:
    raw = {
        "goal": "More",
        "phases": [{"id": "now", "name": "Another name"}, {"id": "last", "name": "Last"}],
        "tasks": [
            {"id": "todo", "title": "To do it", "depends_on": ["begun", "new"], "priority": 5},
            {"id": "new", "title": "New", "phase": "now", "provides": ["open"], "paths": ["src/"]},
            {"id": "part", "title": "Part", "parent": "stuck", "uses": ["c"], "paths": ["src/a.py"]},
        ],
        "contracts": [
            {"name": "c", "type": "free", "definition": "d"},
            {"name": "open", "type": "free", "definition": "y"},
            {"name": "sealed", "type": "free", "definition": "x"},
        ],
    }
    laid = draft(bench, raw)
    assert laid.problems(True) == []
    before = Board(bench.state)
    edit(bench, *laid.edits("More", []))
    after = Board(bench.state)
    assert difference(before, after) == {
        "goal": ["", "More"],
        "phases": ["last"],
        "contracts": ["c", "open"],
        "added": ["t1", "t2"],
        "changed": [{"id": "todo", "fields": ["title", "depends_on"]}],
        "dropped": [],
    }
    assert after["todo"].depends_on == ("begun", "t1")
    assert (after["t2"].parent, after["t2"].phase) == ("stuck", "next")
    assert after.plan.phase("now") == before.plan.phase("now")
    assert collisions(after, before, laid.new) == []  # src/ and src/a.py are in different phases
    again = draft(bench, {"tasks": [{"id": "x", "title": "X", "phase": "now", "paths": ["src/b.py"]}]})
    before = after
    edit(bench, *again.edits("", []))
    after = Board(bench.state)
    assert collisions(after, before, again.new) == ["t1 and x may run at the same time and both change src/b.py"]
    assert collisions(after, after, []) == []


def test_what_was_begun_meanwhile_is_not_changed(bench: Bench) -> None:
    """The edits are against the plan that was seen."""
    edit(bench, AddTask(id="free", spec=Spec(title="Free", phase="now")))
    laid = draft(bench, {"tasks": [{"id": "free", "title": "Other"}]})
    drops = draft(bench, {"drop": ["free"]})
    bench.do(Claim(me=A, task="free"))
    for one in (laid, drops):
        with pytest.raises(PeerError) as why:
            commands.decide(State(bench.state), EditPlan(me=A, edits=one.edits("", [])), bench.scene)
        assert why.value.code == "changed"
    found = tasks.get(bench.state, "free")
    assert found is not None
    assert (found.title, found.status) == ("Free", "in_progress")


def test_dropped_ones_stay_out(bench: Bench) -> None:
    edit(bench, SetStatus(id="stuck", status="dropped", saw="blocked"))
    raw = {"tasks": [{"id": "a", "title": "x", "depends_on": ["stuck"]}]}
    assert problems(bench, raw) == ["task a: it depends on stuck, which was dropped"]
