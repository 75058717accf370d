"""`git peer plan show` and `plan check`: the plan as a whole, for people and for scripts."""

from __future__ import annotations

from tests.cli.asking import ask
from tests.world import Clone


def build(clone: Clone) -> None:
    """Two phases, a task with subtasks, one that waits, a contract."""
    ask(clone, "phase", "add", "Build")
    ask(clone, "phase", "add", "Ship")
    ask(clone, "contract", "add", "api", "--type", "free", "--definition", "x")
    ask(clone, "task", "add", "server", "--phase", "build", "--path", "src/", "--accept", "true")
    ask(clone, "task", "split", "t1", "routes", "errors")
    ask(clone, "task", "add", "client", "--phase", "build", "--path", "src/api.py", "--uses", "api")
    ask(clone, "task", "add", "release", "--phase", "ship", "--after-task", "t1", "--estimate", "1h")
    ask(clone, "task", "edit", "t2", "--path", "src/api.py")


def test_empty(local: Clone) -> None:
    assert ask(local, "plan", "show")["tasks"] == []
    assert "no plan" in local.peer("plan", "show").out
    assert ask(local, "plan", "check")["open"] == 0


def test_show(local: Clone) -> None:
    build(local)
    ask(local, "task", "claim", "t2", as_="zoe")
    whole = ask(local, "plan", "show")
    assert whole.keys() >= {"goal", "phases", "tasks", "contracts"}
    assert [task["id"] for task in whole["tasks"]] == ["t1", "t2", "t3", "t4", "t5"]
    by_depth = {
        depth: [task["id"] for task in ask(local, "plan", "show", "--depth", depth)["tasks"]] for depth in "123"
    }
    assert by_depth == {"1": [], "2": ["t1", "t4", "t5"], "3": ["t1", "t2", "t3", "t4", "t5"]}
    lines = local.peer("plan", "show").out.splitlines()
    assert any("Build" in line and "0/3 done" in line for line in lines)
    assert any("t2" in line and "zoe" in line for line in lines)
    assert any("t5" in line and "waits for" in line for line in lines)
    first = local.peer("plan", "show", "--depth", "1").out
    assert "0/3 done" in first
    assert "t1" not in first


def test_check(local: Clone) -> None:
    build(local)
    found = ask(local, "plan", "check")
    assert (found["open"], found["critical_path"][-1], found["width"]) == (4, "t5", 3)
    assert {"tasks": ["t2", "t4"], "paths": ["src/api.py"]} in found["collisions"]
    assert found["without_acceptance"] == ["t4", "t5"]
    assert found["contracts"] == [{"contract": "api", "task": "t4", "problem": "no task provides it"}]
    assert "Critical path" in local.peer("plan", "check").out
