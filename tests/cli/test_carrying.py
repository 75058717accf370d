"""A local log's plan and news, when its clone joins a remote that has a log already."""

from __future__ import annotations

from tests.world import Clone, World


def _local(world: World) -> Clone:
    clone = world.clone("local")
    clone.peer("init", "--local")
    clone.peer("phase", "add", "Build")
    clone.peer("task", "add", "One", "--phase", "build", "--path", "src/api.py")
    clone.peer("task", "add", "Two", "--after-task", "t1")
    clone.peer("task", "add", "Gone")
    clone.peer("task", "drop", "t3")
    clone.peer("contract", "add", "api", "--type", "free", "--definition", "what it says")
    clone.peer("task", "claim", "t1", "--lock", as_="worker")
    clone.peer("push-delta", "--type", "discovery", "--summary", "It is slow", "--severity", "blocking")
    clone.peer("debate", "start", "--topic", "How", "--position", "So", "--with", "worker")
    return clone


def test_what_is_open_is_carried_over(world: World) -> None:
    local, there = _local(world), world.clone("there")
    there.peer("init", "--remote", "origin")
    there.peer("task", "add", "Theirs")
    local.peer("init", "--remote", "origin", status=None)
    local.peer("sync", status=None)
    there.peer("sync")
    plan = there.peer("--json", "plan", "show").json()
    titles = {task["title"]: task for task in plan["tasks"]}
    assert sorted(titles) == ["One", "Theirs", "Two"]
    assert titles["Theirs"]["id"] == "t1"
    assert titles["Two"]["depends_on"] == [titles["One"]["id"]]
    assert titles["One"]["phase"] == "build"
    assert titles["One"]["left_by"] == "worker"
    assert [contract["name"] for contract in plan["contracts"]] == ["api"]
    assert [one["summary"] for one in there.peer("--json", "deltas", "--all").json()["deltas"]] == ["It is slow"]
    assert [lock["session"] for lock in there.peer("--json", "locks").json()["locks"]] == ["worker"]
    local.peer("task", "claim", titles["One"]["id"], "--lock", as_="worker")


def test_what_is_lost_is_named_and_nothing_doubles(world: World) -> None:
    local, there = _local(world), world.clone("there")
    there.peer("init", "--remote", "origin")
    told = [local.peer("--json", "init", "--remote", "origin", status=None).out]
    told += [local.peer("--json", "sync", status=None).out for _ in range(2)]
    assert any("debate" in one and "How" in one for one in told)
    assert len(local.peer("--json", "task", "list").json()["tasks"]) == 2
    assert local.peer("fsck").status == 0
    assert there.peer("sync").status == 0
