"""Whatever comes in, and whatever is wrong here: exit 0, one JSON object or nothing, within three seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_peer.agents import quick
from git_peer.agents.event import EVENTS
from tests import modules
from tests.agents.calling import Agent, answer_of, denied
from tests.world import Clone, start

KINDS = list(quick.AGENTS)
WITHIN = 3.0  # seconds for an answer
START = 2.0  # seconds on top that a busy machine may take to start Python

GARBAGE = {
    "nothing": b"",
    "no json": b"hello",
    "half": b'{"session_id": "x", "cwd":',
    "a list": b"[1, 2]",
    "null": b"null",
    "no utf-8": b'{"cwd": "\xff\xfe"}',
    "wrong types": b'{"session_id": 1, "cwd": [], "tool_input": 7, "tool_name": {}, "stop_hook_active": "yes"}',
    "half a character": b'{"session_id": "\\ud800", "cwd": "/", "tool_input": {"file_path": "/x\\ud800"}}',
    "a NUL": b'{"session_id": "x", "tool_input": {"file_path": "/x\\u0000y", "command": "rm x\\u0000y"}}',
    "deep": b"[" * 100_000,
    "deep inside": b'{"tool_input": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "long": json.dumps({"tool_input": {"file_path": "x/" * 200_000, "command": "rm " + "y" * 2_000_000}}).encode(),
    "a folder that is not there": b'{"session_id": "x", "cwd": "/nowhere/at/all"}',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(local: Clone, kind: str, what: str) -> None:
    answer = answer_of(local.peer("hook", kind, "pre-edit", stdin=GARBAGE[what], status=None))
    assert not denied({key: value for key, value in answer.items() if key != "systemMessage"})


@pytest.mark.parametrize("event", [*EVENTS, "no-such-event", ""])
def test_every_event_with_nothing(local: Clone, event: str) -> None:
    for kind in KINDS:
        answer = answer_of(local.peer("hook", kind, event, stdin=b"", status=None))
        assert set(answer) == {"systemMessage"}


def test_stdin_that_is_missing(local: Clone) -> None:
    """Closed, and one that never ends."""
    args = (sys.executable, "-P", "-m", "git_peer", "hook", "claude-code", "pre-edit")
    closed = subprocess.run(("sh", "-c", '"$@" <&- 2>&-', "sh", *args), cwd=local.path, capture_output=True)
    assert (closed.returncode, set(json.loads(closed.stdout))) == (0, {"systemMessage"})
    nowhere = subprocess.run(("sh", "-c", '"$@" >&-', "sh", *args), cwd=local.path, input=b"{}")
    assert nowhere.returncode == 0
    read, write = os.pipe()
    try:
        os.write(write, json.dumps({"session_id": "s", "cwd": str(local.path)}).encode())
        began = time.monotonic()
        open_ended = subprocess.run(args, cwd=local.path, stdin=read, capture_output=True)
        assert time.monotonic() - began < WITHIN + START
    finally:
        os.close(read)
        os.close(write)
    assert (open_ended.returncode, open_ended.stdout) == (0, b"")


def test_too_much(local: Clone) -> None:
    raw = b'{"a": "' + b"x" * (quick.MOST + 10) + b'"}'
    answer = answer_of(local.peer("hook", "codex", "pre-edit", stdin=raw, status=None))
    assert "MiB" in answer["systemMessage"]


_TEXT = st.text(max_size=12) | st.sampled_from(["../x", "/", ".git/config", "README.md", "git stash", "rm -rf .", "~"])
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_KEYS = ("session_id", "cwd", "tool_name", "hook_event_name", "source", "stop_hook_active", "agent_id", "prompt")
_INPUT = st.dictionaries(
    st.sampled_from(["file_path", "notebook_path", "path", "edits", "command", "patch", "dir_path"]), _JSON, max_size=4
)
_PAYLOAD = st.fixed_dictionaries({}, optional={**dict.fromkeys(_KEYS, _JSON), "tool_input": _INPUT | _JSON})


@pytest.fixture
def lone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no repository, as the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(st.sampled_from(KINDS), st.sampled_from(EVENTS), _PAYLOAD | _JSON)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_payload(lone: Path, kind: str, event: str, payload: Any) -> None:
    """No payload raises, refuses where nothing is set up, or is answered with anything but one JSON object."""
    dialect = import_module(f"git_peer.agents.{quick.AGENTS[kind]}")
    answer = quick.answer(dialect, event, json.dumps(payload).encode())
    found = json.loads(answer) if answer else {}
    assert isinstance(found, dict)
    assert not denied({key: value for key, value in found.items() if key != "systemMessage"})


@given(st.sampled_from(KINDS), st.sampled_from(EVENTS), st.binary(max_size=100))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(lone: Path, kind: str, event: str, raw: bytes) -> None:
    dialect = import_module(f"git_peer.agents.{quick.AGENTS[kind]}")
    answer = quick.answer(dialect, event, raw)
    assert not answer or isinstance(json.loads(answer), dict)


def test_payloads_in_a_repository(local: Clone) -> None:
    """The odd ones again where everything is set up, each a process."""
    top = str(local.path)
    odd: list[dict[str, Any]] = [
        {"tool_input": {"file_path": top}},
        {"tool_input": {"file_path": top + "/"}},
        {"tool_input": {"file_path": top + "/src"}},
        {"tool_input": {"file_path": top + "/README.md/below"}},
        {"tool_input": {"file_path": top + "/a\nb\u202ec"}},
        {"tool_input": {"file_path": top + "/*"}},
        {"tool_input": {"file_path": top + "/:(top)x"}},
        {"tool_input": {"file_path": "@name"}},
        {"tool_input": {"file_path": top + "/" + "n" * 300}},
        {"tool_input": {"command": "rm -rf . && git checkout -- . && sed -i s/a/b/ '' && > ''"}},
        {"session_id": "", "tool_input": {"file_path": top + "/x"}},
        {"session_id": "x\n;rm", "tool_input": {"file_path": top + "/x2"}},
    ]
    for payload in odd:
        for event in ("pre-edit", "pre-shell"):
            agent = Agent(local)
            assert "systemMessage" not in agent.call(event, **payload), payload
    assert local.peer("locks", "--json").json()["locks"] != []
    assert local.peer("fsck", "--json").json()["ok"]


def test_a_lock_that_does_not_come_free(local: Clone) -> None:
    """Another process sits on the kernel lock: the edit goes on, and says why."""
    code = (
        "import sys, time, filelock\nlock = filelock.FileLock(sys.argv[1])\nlock.acquire()\nprint('held', flush=True)"
    )
    args = (sys.executable, "-c", f"{code}\ntime.sleep(60)", str(local.common / "peer" / "lock"))
    holder = start(args, local.path)
    try:
        assert holder.process.stdout is not None
        assert holder.process.stdout.readline() == b"held\n"
        began = time.monotonic()
        answer = Agent(local).call("pre-edit", tool_input={"file_path": str(local.path / "src/api.py")})
        assert time.monotonic() - began < WITHIN + START
        assert set(answer) == {"systemMessage"}
    finally:
        holder.kill()


def test_a_disk_that_does_not_answer(local: Clone) -> None:
    """A read that never returns (a pipe that nobody writes) keeps no agent waiting; its pipes are not held either."""
    facts = local.common / "peer" / "clone.json"
    facts.unlink()
    os.mkfifo(facts)
    for event in ("pre-edit", "session-start", "stop"):
        began = time.monotonic()
        answer = Agent(local).call(event, tool_input={"file_path": str(local.path / "src/api.py")})
        assert time.monotonic() - began < WITHIN + START
        assert "in time" in answer.pop("systemMessage")
        assert answer == {}


def test_an_accident_inside(local: Clone, tmp_path: Path) -> None:
    """A library that cannot be loaded: a message, and the work goes on."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pygit2.py").write_text("raise RuntimeError('gone\\nwrong')\n")
    env = modules.first(tmp_path / "broken")
    raw = json.dumps({"session_id": "s", "cwd": str(local.path), "tool_input": {"file_path": "src/api.py"}}).encode()
    answer = answer_of(local.peer("hook", "claude-code", "pre-edit", stdin=raw, env=env, status=None))
    assert set(answer) == {"systemMessage"}
    assert "gone wrong" in answer["systemMessage"]


@pytest.mark.parametrize("damage", ["torn", "garbage", "no header"])
def test_an_index_that_cannot_be_read(local: Clone, damage: str) -> None:
    """Who has locked what does not hang on it: an edit is refused, or its file locked, as ever."""
    index = local.gitdir / "index"
    raw = index.read_bytes()
    index.write_bytes(
        {"torn": raw[: len(raw) // 2], "garbage": raw[:12] + b"\xff" * 200, "no header": b"x" * 50}[damage]
    )
    local.peer("lock", "src/api.py", as_="other")
    agent = Agent(local)
    assert "src/api.py is locked by other" in agent.edit("src/api.py")
    assert agent.edit("src/auth.py") == ""
    assert agent.edit("src/new.py") == ""
    assert set(agent.locks()) == {"src/auth.py", "src/new.py"}
    local.write(".gitignore", "*.log\n")
    assert agent.edit("a.log") == ""
    assert len(agent.locks()) == 2
