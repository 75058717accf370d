"""What a watcher of a clone is told beside the log: what is refused here; and that a plan was changed as a whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from git_peer import layout
from git_peer.store.clone import refusals
from tests.cli.asking import ask, refused
from tests.world import Clone

BEN = {"GIT_PEER_SESSION": "ben"}


def told(clone: Clone, count: int, *acts: Callable[[], object]) -> list[dict[str, Any]]:
    """The refusals that `watch` tells of, while `acts` are done once it has begun."""
    oldest, newest = (row["id"] for row in clone.peer("--json", "log").objects()[1::-1])
    out = clone.path.parent / "told.jsonl"
    args = ("--after", oldest, "--interval", "0.1", "--count", str(1 + count), "--exec", f"cat >> {out}; echo >> {out}")
    running = clone.start_peer("watch", *args)
    while not (out.exists() and newest in out.read_text()):
        time.sleep(0.05)
    for act in acts:
        act()
    running.finish(0)
    rows = [json.loads(line) for line in out.read_text().splitlines() if line]
    return rows[1:]


def test_refusals_are_told_of_in_this_clone_and_nowhere_else(pair: tuple[Clone, Clone]) -> None:
    one, two = pair
    ask(one, "lock", "src/", as_="ana")
    two.peer("sync")
    before = one.peer("--json", "log").out
    rows = told(
        two,
        4,
        lambda: refused(two, "locked", "lock", "src/api.py", "docs/", as_="ben"),
        lambda: two.write("src/api.py", "x\n"),
        lambda: two.git("commit", "-qam", "x", env=BEN, check=False),
        lambda: two.git("commit", "-qam", "x", "--no-verify", env=BEN),
        lambda: refused(two, "locked", "push", "origin", "main", as_="ben"),
        lambda: two.git("push", "-q", "origin", "main", env=BEN, check=False),
    )
    assert [(row["kind"], row["what"], row["code"], row["by"]) for row in rows] == [
        ("conflict.detected", what, "locked", "ben") for what in ("lock", "commit", "push", "push")
    ]
    assert [row["paths"] for row in rows] == [["src/api.py"]] * 4
    assert all(row["holders"] == ["ana"] and row["local"] and row["height"] is None for row in rows)
    assert rows[0]["says"] == "ben was refused a lock of src/api.py, which ana has"
    assert one.peer("--json", "log").out == before
    assert two.peer("--json", "log").out == before
    assert not (one.common / "peer" / layout.F_REFUSALS).exists()


def test_readers_note_nothing(local: Clone) -> None:
    ask(local, "lock", "src/", as_="ana")
    refused(local, "locked", "check", "src/api.py", as_="ben")
    assert not (local.common / "peer" / layout.F_REFUSALS).exists()


def test_the_file_of_refusals_does_not_grow_for_ever(tmp_path: Path) -> None:
    watch = refusals.Watch(tmp_path)
    place = tmp_path / layout.F_REFUSALS
    refusals.note(tmp_path, "ben", "lock", "locked", [("a", "ana"), ("a", "ana"), ("b", "")])
    [row] = watch.news()
    assert (row["paths"], row["holders"]) == (["a", "b"], ["ana"])
    place.write_bytes(b"x" * (refusals.MOST + 1))
    assert watch.news() == []  # what is no refusal is passed over
    refusals.note(tmp_path, "ben", "lock", "locked", [])
    assert place.stat().st_size < 1000
    assert [row["by"] for row in watch.news()] == ["ben"]
    assert watch.news() == []
    refusals.note(tmp_path / "nowhere", "ben", "lock", "locked", [])  # a refusal stands also where none can be noted


def test_a_plan_that_is_changed_as_a_whole(local: Clone) -> None:
    ask(local, "task", "add", "By hand", as_="ana")
    assert local.peer("--json", "log", "--kind", "plan.revise").out == ""  # one task is no replan
    local.peer("plan", "export", "plan.json")
    plan = json.loads(local.read("plan.json"))
    plan["tasks"][0]["title"] = "Renamed"
    plan["tasks"].append({"title": "Another", "id": "t9"})
    local.write("plan.json", json.dumps(plan))
    ask(local, "plan", "import", "plan.json", as_="ana")
    [row] = local.peer("--json", "log", "--kind", "plan.revise").objects()
    assert (row["how"], row["added"], row["changed"], row["v"]) == ("import", 1, 1, 2)
    assert row["says"] == "ana imported the plan (1 task added, 1 task changed)"
    ask(local, "plan", "import", "plan.json", as_="ana")  # nothing to change: nothing to tell
    assert len(local.peer("--json", "log", "--kind", "plan.revise").objects()) == 1


def test_deltas_after_one_that_has_settled(local: Clone) -> None:
    """It has left the tree, and what came after it is still what came after it."""
    ids = []
    ask(local, "session", "start", as_="ben")
    for name in ("one", "two", "three"):
        done = ask(local, "push-delta", "--type", "decision", "--summary", name, "--to", "ben", as_="ana")
        ids.append(done["delta"]["id"])
    ask(local, "ack", ids[0], as_="ben")
    ask(local, "push-delta", "--type", "decision", "--summary", "better", "--supersedes", ids[1], as_="ana")
    left = [delta["id"] for delta in ask(local, "deltas", as_="ben")["deltas"]]
    assert ids[1] not in left
    late = [delta["summary"] for delta in ask(local, "deltas", "--after", ids[1], as_="ben")["deltas"]]
    assert late == ["three", "better"]
    late = [delta["summary"] for delta in ask(local, "deltas", "--all", "--after", ids[0][:8], as_="ben")["deltas"]]
    assert sorted(late) == ["better", "three", "two"]
    refused(local, "not_found", "deltas", "--after", "zzz", as_="ben")


def test_a_heartbeat_is_as_often_as_it_is_wished(local: Clone) -> None:
    """Without the setting a lock of half an hour is renewed after a quarter of an hour; with it after two seconds."""
    ask(local, "lock", "src/", "--ttl", "30m", as_="ana")
    assert ask(local, "session", "renew", "--if-due", as_="ana")["renewed"] is False
    local.git("config", "peer.heartbeat", "2s")
    time.sleep(2.1)
    assert ask(local, "session", "renew", "--if-due", as_="ana")["renewed"] is True
    assert ask(local, "session", "renew", "--if-due", as_="ana")["renewed"] is False
    local.git("config", "peer.heartbeat", "9h")  # longer than the lease allows: the lease counts
    ask(local, "lock", "docs/", "--ttl", "4s", as_="ana")
    time.sleep(2.1)
    assert ask(local, "session", "renew", "--if-due", as_="ana")["renewed"] is True
    local.git("config", "peer.heartbeat", "often")
    refused(local, "invalid", "session", "renew", "--if-due", as_="ana")
