"""`git peer go`: from a goal to the branch that has it, with one command."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from git_peer.core.errors import PeerError
from git_peer.runner import go as going
from tests.planner.plans import free, plan, task, untouched
from tests.runner.chat import chat
from tests.world import Clone, Running

GOAL = "Words and their number"
PLAN = plan(
    task("words", phase="build", paths=["words.py"], accept="python3 -m pytest -q -p no:cacheprovider test_words.py"),
    task("count", "words", phase="build", paths=["count.py"], accept="python3 -m pytest -q -p no:cacheprovider"),
    phases=[{"id": "build", "name": "Build it"}],
)


def _file(path: str, text: str) -> str:
    return f"FILE: {path}\n```python\n{text}```\n"


REPLIES = {
    r"Step: decide": "yes",
    r"Step: .* Task: t1\.": _file("words.py", "def words(text):\n    return text.split()\n")
    + _file("test_words.py", "from words import words\n\n\ndef test_words():\n    assert words('a b') == ['a', 'b']\n"),
    r"Step: .* Task: t2\.": _file(
        "count.py", "from words import words\n\n\ndef count(text):\n    return len(words(text))\n"
    )
    + _file("test_count.py", "from count import count\n\n\ndef test_count():\n    assert count('a b') == 2\n"),
    r"": json.dumps(PLAN),
}


def go(clone: Clone, spec: str, *more: str, status: int = 0) -> dict[str, Any]:
    """Run it with one model for everything."""
    options = ["--planner=llama", f"--planner-model={spec}", f"--model={spec}", "--sandbox=none", "--json"]
    return clone.peer("go", GOAL, *options, *more, status=status).json()


@pytest.mark.real
@pytest.mark.parametrize("runners", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_the_whole_chain(pair: tuple[Clone, Clone], runners: str) -> None:
    one, two = pair
    with chat(REPLIES) as model:
        done = go(one, model.spec, "--runners", runners)
        assert (done["partial"], done["open"], done["errors"]) == (False, [], [])
        assert sorted(run["task"] for run in done["runs"]) == ["t1", "t2"]
        asked = len(model.asked)
        again = go(one, model.spec)
        assert len(model.asked) == asked, "what is done is not done again"
        assert again["runs"] == []
    two.git("fetch", "-q")
    names = two.git("ls-tree", "-r", "--name-only", "origin/peer/integration").out.split()
    assert {"words.py", "test_words.py", "count.py", "test_count.py"} <= set(names)
    told = one.peer("go", GOAL, "--planner=llama", "--model=x", "--sandbox=none").out
    assert "peer/integration" in told


def test_partial_when_the_time_is_up(pair: tuple[Clone, Clone]) -> None:
    with chat(REPLIES) as model:
        model.held_at(r"Task: t2\.")
        done = go(pair[0], model.spec, "--timeout", "25s", "--runners", "1", status=1)
    assert done["partial"]
    assert [one["task"] for one in done["open"]] == ["t2"]
    assert done["open"][0]["status"] == "todo", "what was begun went back"
    names = pair[0].git("ls-tree", "-r", "--name-only", "FETCH_HEAD", check=False).out
    assert "count.py" not in names


def started(clone: Clone, spec: str, *more: str) -> Running:
    """`go`, and do not wait for its end."""
    options = ["--planner=llama", f"--model={spec}", "--sandbox=none", "--json"]  # it plans, too
    return clone.start_peer("go", GOAL, *options, *more, real=True)


def ended_with(pid: int) -> None:
    """No process of that work is left: each is in a process group that its `go` has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            env = (folder / "environ").read_bytes()
            assert f"GIT_PEER_TEST_RUN={pid}".encode() not in env, (folder / "cmdline").read_bytes()


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_planner_ends_with_it(local: Clone, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    mark = os.getpid() * 100 + number
    monkeypatch.setenv("GIT_PEER_TEST_RUN", str(mark))
    with chat(REPLIES) as model:
        came = model.held_at("")
        running = started(local, model.spec)
        assert came.wait(60)
        begun = time.monotonic()
        running.process.send_signal(number)
        assert running.finish(130).json()["error"]["code"] == "interrupted"
        assert time.monotonic() - begun < going.GRACE, "nobody was killed"
    monkeypatch.delenv("GIT_PEER_TEST_RUN")
    ended_with(mark)
    untouched(local)


@pytest.mark.real
def test_the_time_bounds_the_planner_too(local: Clone) -> None:
    with chat(REPLIES) as model:
        model.held_at("")
        error = started(local, model.spec, "--timeout", "4s").finish(1).json()["error"]
    assert (error["code"], error["message"]) == ("failed", "the time was up, and git peer plan was not done")
    untouched(local)


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_runners_end_with_it(local: Clone, number: signal.Signals) -> None:
    """What they had begun is handed back."""
    with chat(REPLIES) as model:
        came = model.held_at("Task: t1")
        running = started(local, model.spec, "--runners=1")
        assert came.wait(60)
        running.process.send_signal(number)
        running.finish(130)
    task = local.peer("plan", "show", "--json").json()["tasks"][0]
    assert (task["status"], task["assignee"]) == ("todo", None)
    free(local)


def test_another_goal_is_refused(pair: tuple[Clone, Clone]) -> None:
    one = pair[0]
    one.peer("task", "add", "Something else")
    with chat(REPLIES) as model:
        done = go(one, model.spec, status=1)
        assert model.asked == []
    assert done["error"]["code"] == "exists"


@pytest.mark.parametrize("other", [("--votes", "2"), ("--model", "m")])
def test_what_does_not_go_together(local: Clone, other: tuple[str, str]) -> None:
    """Said before anything is planned."""
    error = local.peer("go", GOAL, "--exec", "true", *other, "--json", status=129).json()["error"]
    assert error["code"] == "usage"


class _Ended(going.Runners):
    """Runners that hand something in at the second look, and have ended at the fourth."""

    looks = 0

    @property
    def running(self) -> int:
        self.looks += 1
        if self.looks == 1:
            self.outcomes.append({"task": f"t{len(self.outcomes) + 1}", "outcome": "done"})
        return int(self.looks <= 2)


class _Scripted(going.Chain):
    """Commands that answer as they do where a runner ends just before what it handed in is merged."""

    def __init__(self) -> None:
        super().__init__(Path(), "go", None, lambda _: None)
        self.rounds = 0
        self.merging = [["t1"], [], ["t2"], []]

    def ask(self, *args: str, may_fail: bool = False, bounded: bool = False) -> dict[str, Any]:
        if args[0] == "integrate":
            return {"ok": may_fail and not bounded, "merged": self.merging.pop(0)}
        if args[:2] == ("task", "ready"):
            return {"tasks": [{"id": "t2"}] if self.rounds == 1 else []}
        return {"tasks": []}

    @contextmanager
    def runners(self, found: going.Runners, count: int, options: Sequence[str]) -> Iterator[None]:
        self.rounds += count + len(options)
        assert isinstance(found, _Ended)
        found.looks = -1
        yield


class _Failing(_Scripted):
    """Integrating does not come to an answer."""

    def ask(self, *args: str, may_fail: bool = False, bounded: bool = False) -> dict[str, Any]:
        if args[0] == "integrate":
            return {"ok": False, "error": {"code": "not_allowed", "message": "it is checked out", "hint": "leave it"}}
        return super().ask(*args, may_fail=may_fail, bounded=bounded)


def test_an_integration_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(going, "EVERY", 0.0)
    monkeypatch.setattr(going, "Runners", _Ended)
    with pytest.raises(PeerError) as found:
        going.go(_Failing(), "Words", 1, [], [], [], lambda _: None)
    why = found.value
    assert (why.code, why.message, why.hint) == ("not_allowed", "not integrated: it is checked out", "leave it")


def test_a_runner_that_ends_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """It saw nothing to wait for while its work was merged: another one takes what is ready then."""
    monkeypatch.setattr(going, "EVERY", 0.0)
    monkeypatch.setattr(going, "Runners", _Ended)
    chain = _Scripted()
    seen: list[str] = []

    def tell(line: str) -> None:
        seen.append(line)

    done = going.go(chain, "Words", 1, [], [], [], tell)
    assert (chain.rounds, chain.merging) == (2, [])
    assert [one["task"] for one in done["runs"]] == ["t1", "t2"]
    assert seen == ["planning", "1 runner begins", "1 runner begins"]
