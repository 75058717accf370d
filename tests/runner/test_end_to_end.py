"""Runners work a plan off for real: with a model, in a sandbox, through a remote; one of them is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_peer.adapters import docker
from tests import engine
from tests.runner import story
from tests.runner.chat import chat
from tests.world import Clone, Running, World, require

PAIRS = os.environ.get("GIT_PEER_PAIRS")  # a file that gets what was asked and answered, for tests.models.train
TTL = 8  # seconds: a killed runner's task is ready again after it


@pytest.fixture
def team(world: World) -> list[Clone]:
    """Two clones of one log, and the plan."""
    image = engine.image()
    clones = [world.clone("a"), world.clone("b")]
    for clone in clones:
        clone.git("config", "peer.sandboxImage", image)
        clone.git("config", "peer.runnerThreads", "1")
        clone.git("config", "peer.ttl", f"{TTL}s")
        clone.git("config", "peer.clockSkew", "1s")
        clone.peer("init", "--remote", "origin")
    (world.folder / "plan.toml").write_text(story.PLAN)
    clones[0].peer("plan", "import", str(world.folder / "plan.toml"))
    return clones


@pytest.fixture
def scripted() -> Iterator[str]:
    """A model whose answers are written down, behind a server."""
    with chat(story.REPLIES) as server:
        yield server.spec
        if PAIRS:
            lines = {(said[-1]["content"].rsplit("\n", 1)[-1]): (said, reply) for said, reply in server.asked}
            text = "".join(json.dumps({"messages": said, "reply": reply}) + "\n" for said, reply in lines.values())
            Path(PAIRS).write_text(text, "utf-8")


def _task(clone: Clone, ident: str) -> dict[str, Any]:
    found: dict[str, Any] = clone.peer("task", "show", ident, "--json").json()["task"]
    return found


def _events(clone: Clone, kind: str) -> list[dict[str, Any]]:
    """Events of a kind, the oldest first."""
    lines = clone.peer("log", "--kind", kind, "--json").out.splitlines()
    return [json.loads(line) for line in reversed(lines)]


def _killed_at(team: list[Clone], runners: dict[str, Running], ident: str) -> str:
    """Kill whoever works on a task, in the middle; its name."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        found = _task(team[0], ident)
        if found["status"] == "in_progress" and found["assignee"]:
            runners[found["assignee"]].kill()
            return str(found["assignee"])
        team[0].peer("sync")
        time.sleep(0.2)
    raise AssertionError(f"nobody has begun {ident}")


@pytest.fixture
def tiny() -> str:
    """A model in the runner's own process: a real one, of Qwen2's architecture, that has learned the story by heart.

    This test with the scripted model (`-m soak`) and GIT_PEER_PAIRS=F, and then
    `python -m tests.models.train F tests/runner/story.gguf`, make it anew.
    """
    require("llama_cpp", lambda: importlib.util.find_spec("llama_cpp") is not None)
    return str(Path(__file__).with_name("story.gguf"))


@pytest.mark.slow
@pytest.mark.parametrize("model", [pytest.param("scripted", marks=pytest.mark.soak), "tiny"])
def test_a_plan_is_worked_off(team: list[Clone], model: str, request: pytest.FixtureRequest) -> None:
    """Three runners, one of which is killed: every task is done once, in order, or ends as it must."""
    work_off(team, request.getfixturevalue(model))


def work_off(team: list[Clone], model: str) -> None:
    """Have it worked off; what must be true at the end."""
    runners = {
        name: clone.start_peer("run", "--loop", "--model", model, "--as", name, "--json")
        for name, clone in (("r1", team[0]), ("r2", team[0]), ("r3", team[1]))
    }
    dead = _killed_at(team, runners, "t2")
    ended = [running.finish(timeout=240) for name, running in runners.items() if name != dead]
    outcomes: dict[str, list[dict[str, Any]]] = {}
    for result in ended:
        assert result.status in (0, 1), result
        for one in result.objects():
            outcomes.setdefault(one["task"], []).append(one)

    # every task is done once, by one that finished it, or ended as it had to
    team[0].peer("sync")
    tasks = {one["id"]: one for one in team[0].peer("plan", "show", "--json").json()["tasks"]}
    ends = {ident: one["status"] for ident, one in tasks.items()}
    assert ends == {**dict.fromkeys(("t1", "t2", "t3", "t5", "t6", "t7"), "done"), "t4": "blocked"}, "\n".join(
        map(str, ended)
    )
    done = [one["task"] for one in _events(team[0], "task.move") if one["status"] == "done"]
    assert sorted(done) == ["t1", "t2", "t5", "t6", "t7"]
    claims = [(one["task"], one["by"]) for one in _events(team[0], "task.claim")]
    first, *others = [who for ident, who in claims if ident == "t2"]
    assert first == dead
    assert others, "another one took it up"

    # what waited began after what it waited for; the parts in their order
    order = [(one["kind"], one["task"], one.get("status")) for one in _events(team[0], "task")]
    for before, after in (("t1", "t5"), ("t2", "t5"), ("t6", "t7")):
        assert order.index(("task.move", before, "done")) < order.index(("task.claim", after, None))

    assert outcomes["t1"][-1]["attempts"] == 2
    assert outcomes["t3"][-1]["outcome"] == "divided"
    assert outcomes["t4"][-1]["outcome"] == "blocked"
    assert "assert None" in tasks["t4"]["note"]

    # it is all on the integration branch, whose tests pass
    team[0].peer("integrate")
    team[0].git("fetch", "-q", "origin")
    team[0].git("checkout", "-q", "--detach", "origin/peer/integration")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."],
        cwd=team[0].path,
        capture_output=True,
        text=True,
    )
    assert tests.returncode == 0, tests.stdout
    assert "5 passed" in tests.stdout
    message = team[0].git("log", "-1", "--format=%B", "origin/peer/task/t1").out
    assert "Peer-Task: t1" in message
    assert "Peer-Model: " in message
    api = docker.connect()
    try:
        for running in runners.values():
            pid = running.process.pid
            assert api.containers(all=True, filters={"label": f"{docker.LABEL}.pid={pid}"}) == []
    finally:
        api.close()
