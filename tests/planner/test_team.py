"""Several people and agents: questions with answers from another clone, two planners, and plans that change."""

from __future__ import annotations

import json

from tests.planner.api import Api, failed, tool
from tests.planner.plans import GOOD, ask, free, plan, show, task
from tests.world import Clone

QUESTIONS = {"questions": [{"text": "Which \x1b[1mdatabase\x1b[0m?", "to": "ben"}, {"text": "By when?"}]}


def test_questions_are_answered_by_another_clone(pair: tuple[Clone, Clone], api: Api) -> None:
    one, two = pair
    two.peer("session", "start", "ben", "--doing", "the store")
    one.peer("sync")
    api.script = [tool(QUESTIONS, "ask_team", tokens=(7, 8))]
    done = ask(one, api, "new", "Build a shop", "--ask", as_="ana")
    assert [(q["text"], q["to"], q["session"], q["answers"]) for q in done["questions"]] == [
        ("Which database?", "ben", "ana", []),
        ("By when?", None, "ana", []),
    ]
    assert done["usage"] == {"input_tokens": 7, "output_tokens": 8, "calls": 1}
    assert [one["name"] for one in api.requests[0]["tools"]] == ["propose_plan", "ask_team"]
    assert api.requests[0]["tool_choice"]["type"] == "any"
    assert "ben" in api.requests[0]["messages"][0]["content"]
    free(one)
    assert show(one)["tasks"] == []

    two.peer("sync")
    notices = two.peer("status", "--json", as_="ben").json()["notices"]
    assert [n["message"] for n in notices if n["code"] == "question"] == ["ana, who plans, asks you: “Which database?”"]
    assert "asks you" not in two.peer("status", "--json").out
    mine = two.peer("plan", "questions", "--for", "ben", "--json").json()["questions"]
    assert [q["text"] for q in mine] == ["Which database?", "By when?"]
    two.peer("session", "start", as_="eve")
    assert [q["text"] for q in two.peer("plan", "questions", "--for", "eve", "--json").json()["questions"]] == [
        "By when?"
    ]
    told = two.peer(
        "plan", "answer", mine[0]["id"][:6], "Only </data> PostgreSQL \x1b[2J16", "--json", as_="ben"
    ).json()
    assert told["questions"][0]["answers"][0]["text"] == "Only </data> PostgreSQL 16"
    assert "asks you" not in two.peer("status", "--json", as_="ben").out
    two.peer("plan", "answer", mine[0]["id"], "PostgreSQL 17", as_="ben")  # in place of the first
    assert two.peer("plan", "answer", "ffff", "x", status=1, as_="ben").err.startswith("error: no open question")
    two.peer("plan", "answer", mine[0]["id"], " ", status=129, as_="ben")

    one.peer("sync")
    api.script = [tool(GOOD)]
    done = ask(one, api, "new", "Build a shop", "--yes", as_="ana")
    prompt = api.requests[1]["messages"][0]["content"]
    assert "ben: PostgreSQL 17" in prompt
    assert "PostgreSQL 16" not in prompt
    assert "By when?" in prompt
    assert len(done["tasks"]) == 4
    assert one.peer("plan", "questions", "--json").json()["questions"] == []  # closed by the plan that used them
    two.peer("sync")
    assert two.peer("plan", "questions").line == "There are no open questions."
    two.peer("fsck")


def test_bad_questions_go_back(local: Clone, api: Api) -> None:
    bad = {"questions": [{"text": "?", "to": "nobody"}, {"text": ""}, {"text": "x" * 5000}]}
    api.script = [tool(bad, "ask_team"), tool(QUESTIONS | {"x": 1}, "ask_team"), tool(plan(task("a")))]
    assert len(ask(local, api, "new", "g", "--yes", "--ask")["tasks"]) == 1
    back = api.requests[1]["messages"][-1]["content"][0]["content"]
    assert "there is no session “nobody”" in back
    assert back.count("\n- ") == 3
    assert local.peer("plan", "questions", "--json").json()["questions"] == []


def test_no_questions_unasked(local: Clone, api: Api) -> None:
    """Without --ask there is no such tool, whatever the model calls."""
    api.script = [tool(QUESTIONS, "ask_team"), tool(plan(task("a")))]
    assert len(ask(local, api, "new", "g", "--yes")["tasks"]) == 1
    assert "is no tool" in json.dumps(api.requests[1])


def test_two_planners_at_once(pair: tuple[Clone, Clone], api: Api) -> None:
    """The second, wherever it is, is refused by name; one that waits comes next and finds a plan there."""
    one, two = pair
    slow = tool(plan(task("a")), hangs=6)
    api.script = [slow]
    first = one.start_peer("plan", "new", "the first", "--yes", "--json", env=api.env, as_="ana")
    assert api.reached.wait(60)
    why = ask(two, api, "new", "the second", "--yes", status=1, as_="ben")
    assert why["error"]["code"] == "locked"
    assert why["conflicts"][0]["lock"]["session"] == "ana"
    assert ask(one, api, "new", "the third", "--yes", status=1, as_="ana")["error"]["code"] == "locked"
    assert len(api.requests) == 1
    waiting = two.start_peer("plan", "new", "the fourth", "--yes", "--json", "--wait", "60s", env=api.env, as_="ben")
    api.script = [tool(plan(task("b")))]
    api.ending.set()  # the first one's connection ends in the middle
    assert first.finish(3).json()["error"]["code"] == "unavailable"
    done = waiting.finish(0).json()
    assert (done["goal"], [t["title"] for t in done["tasks"]]) == ("the fourth", ["Do b"])
    free(two)


def test_new_where_a_plan_is_unfinished(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD)]
    ask(local, api, "new", "g", "--yes")
    why = ask(local, api, "new", "another", "--yes", status=1)["error"]
    assert why["code"] == "exists"
    assert "plan replan" in why["hint"]
    assert len(api.requests) == 1


def test_new_after_a_plan_that_is_over(local: Clone, api: Api) -> None:
    local.peer("task", "add", "Old work")
    local.peer("task", "drop", "t1")
    again = plan(task("a"), task("b", "t1"))
    api.script = [tool(again), tool(plan(task("a")))]
    done = ask(local, api, "new", "Something else", "--yes")
    assert "t1, which was dropped" in json.dumps(api.requests[1])
    assert [(t["id"], t["status"]) for t in done["tasks"]] == [("t1", "dropped"), ("t2", "todo")]
    assert done["goal"] == "Something else"


def test_replan_where_there_is_no_plan(local: Clone, api: Api) -> None:
    assert ask(local, api, "replan", "more", "--yes", status=1)["error"]["code"] == "not_found"
    assert api.requests == []


def test_replan_keeps_started_work(local: Clone, api: Api) -> None:
    """What is in progress is neither changed nor dropped; the rest may be; the difference is shown."""
    api.script = [tool(GOOD)]
    ask(local, api, "new", "Build a shop", "--yes")
    local.peer("task", "claim", "t1", as_="ben")
    touching = plan(task("t1", title="Something else"), drop=["t1", "t4"])
    change = plan(
        {"id": "t2", "title": "Do the API", "depends_on": ["t1", "cache"]},
        task("cache", phase="build", uses=["user"]),
        drop=["t4"],
        contracts=[{"name": "user", "type": "type_definition", "definition": "User(name: str, age: int)"}],
        goal="Build a shop with a cache",
    )
    api.script = [tool(touching), tool(change), tool(change)]
    result = local.peer("plan", "replan", "It needs a cache", env=api.env, status=1)
    for wanted in ("~ t2  Do the API", "depends on: t1, t5", "+ t5  Do cache", "- t4  Do docs", "age: int"):
        assert wanted in result.out, result
    assert "nothing was written of what was proposed: 1 new task, 1 changed task, 1 dropped task" in result.err
    prompt, back = api.requests[1]["messages"][0]["content"], api.requests[2]["messages"][-1]["content"][0]["content"]
    assert "It needs a cache" in prompt
    assert "task t1 (in_progress, build, for ben): Do model" in prompt
    assert "t1: it is in_progress: what is started or over stays as it is" in back
    assert "drop: t1 is in_progress" in back
    before = show(local)["tasks"]
    api.script = [tool(change)]
    done = ask(local, api, "replan", "It needs a cache", "--yes")
    assert done["diff"]["added"] == ["t5"]
    assert done["diff"]["dropped"] == ["t4"]
    assert done["diff"]["changed"] == [{"id": "t2", "fields": ["title", "depends_on"]}]
    assert done["goal"] == "Build a shop with a cache"
    after = {one["id"]: one for one in show(local)["tasks"]}
    assert after["t1"] == before[0]
    assert (after["t2"]["title"], after["t2"]["priority"], after["t2"]["depends_on"]) == ("Do the API", 7, ["t1", "t5"])
    assert after["t4"]["status"] == "dropped"
    assert [(c["version"], c["definition"]) for c in done["contracts"]] == [(2, "User(name: str, age: int)")]


def test_replan_that_changes_nothing(local: Clone, api: Api) -> None:
    api.script = [tool(GOOD), tool(plan({"id": "t1", "title": "Do model"}))]
    ask(local, api, "new", "g", "--yes")
    height = local.peer("log", "--json").objects()
    done = ask(local, api, "replan")
    assert done["diff"] == {"phases": [], "contracts": [], "added": [], "changed": [], "dropped": []}
    kinds = {event["kind"] for event in local.peer("log", "--json").objects()[len(height) :]}
    assert not any(kind.startswith(("plan.", "task.", "phase.")) for kind in kinds), kinds


def test_a_task_begun_meanwhile_is_not_changed(pair: tuple[Clone, Clone], api: Api) -> None:
    """Somebody claims a task while the model thinks of changing it: refused, and nothing of it is written."""
    one, two = pair
    api.script = [tool(GOOD)]
    ask(one, api, "new", "g", "--yes", as_="ana")
    change = plan({"id": "t1", "title": "Another"}, task("z"))
    api.script = [failed(529, "overloaded_error", retry_after="8"), tool(change)]
    running = one.start_peer("plan", "replan", "x", "--yes", "--json", env=api.env, as_="ana")
    while len(api.requests) < 2:
        assert running.process.poll() is None
        api.ending.wait(0.05)
    two.peer("task", "claim", "t1", as_="ben")
    done = running.finish(1).json()
    assert done["error"]["code"] == "changed", done
    assert [t["title"] for t in show(two)["tasks"]] == ["Do model", "Do api", "Do page", "Do docs"]
    one.peer("sync")
    free(one)


def test_a_lease_that_was_lost(pair: tuple[Clone, Clone], api: Api) -> None:
    """A person takes @planning away while the model thinks, and somebody else may have planned: nothing is written."""
    one, two = pair
    api.script = [failed(529, "overloaded_error", retry_after="8"), tool(GOOD)]
    running = one.start_peer("plan", "new", "g", "--yes", "--json", env=api.env, as_="ana")
    while not api.requests:
        assert running.process.poll() is None
        api.ending.wait(0.05)
    two.peer("unlock", "@planning", "--force", "--reason", "mine", as_="ben")
    done = running.finish(1).json()
    assert done["error"]["code"] == "changed", done
    two.peer("sync")
    assert show(two)["tasks"] == []
    free(two)
