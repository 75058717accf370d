"""What a hook costs: by counts, not by time. Benchmarks have the milliseconds."""

from __future__ import annotations

import json
import shutil
import sys
import time

import pytest

from tests.agents.calling import Agent, passes
from tests.world import Clone, start

# Answers one event in its own process and lists what was loaded and started for it.
PROBE = """
import sys
started, names = [], []
def hook(name, args):
    if name in ("os.posix_spawn", "subprocess.Popen", "os.fork", "os.exec", "os.system", "socket.connect"):
        started.append(name)
sys.addaudithook(hook)
from git_peer import start
from git_peer.agents import claude, quick
answer = quick.answer(claude, sys.argv[1], sys.stdin.buffer.read())
import json
ours = [name for name in sys.modules if name.startswith("git_peer")]
others = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"git_peer", "__main__"}
print(json.dumps({"answer": answer.decode(), "ours": ours, "others": sorted(others), "started": started}))
"""
LIGHT = {"agents", "core", "hooks", "layout", "start"}
HEAVY_STDLIB = {"dataclasses", "pathlib", "subprocess", "typing", "asyncio", "ssl", "hashlib", "tempfile", "socket"}


def probe(agent: Agent, event: str, **payload: object) -> dict[str, object]:
    """What an event costs; it has to have nothing to say."""
    raw = json.dumps({"session_id": agent.session, "cwd": str(agent.clone.path), **payload}).encode()
    code = PROBE + f"\nassert not set(sys.modules) & {HEAVY_STDLIB!r}, set(sys.modules) & {HEAVY_STDLIB!r}\n"
    found = (
        start((sys.executable, "-I", "-S", "-c", _path() + code, event), agent.clone.path, stdin=raw).finish(0).json()
    )
    assert found["answer"] == ""
    return found


def _path() -> str:
    """-I and -S leave no way to the package under test, and nothing that a site's start-up loads."""
    return f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"


def is_light(found: dict[str, object]) -> bool:
    """Nothing but the standard library and a few modules of ours, and no child."""
    ours = {str(name).split(".")[1] for name in found["ours"] if "." in str(name)}  # type: ignore[attr-defined]
    return ours <= LIGHT and found["others"] == [] and found["started"] == []


def edit(clone: Clone, path: str) -> dict[str, object]:
    """What an edit tool is given."""
    return {"tool_name": "Edit", "tool_input": {"file_path": str(clone.path / path)}}


def test_an_edit_under_one_s_own_lock(local: Clone) -> None:
    agent = Agent(local)
    agent.edit("src/api.py")
    assert is_light(probe(agent, "pre-edit", **edit(local, "src/api.py")))
    assert is_light(probe(agent, "pre-shell", tool_input={"command": "sed -i s/a/b/ src/api.py"}))
    assert is_light(probe(agent, "pre-shell", tool_input={"command": "pytest -q"}))
    assert is_light(probe(agent, "post-edit", **edit(local, "src/api.py")))
    assert is_light(probe(agent, "pre-edit", agent_id="sub", **edit(local, "src/api.py")))
    passes(agent, 3600)  # nothing is new where the log has not moved
    assert is_light(probe(agent, "post-edit", **edit(local, "src/api.py")))


def test_an_edit_of_one_s_own_section(local: Clone) -> None:
    """It is known which lines are the session's as long as nobody else changes the file: its own edits are followed."""
    agent = Agent(local)
    local.write("src/two.py", "def one():\n    return 1\n\n\ndef two():\n    return 2\n")
    local.commit("two", "src/two.py")

    def change(old: str, new: str) -> dict[str, object]:
        given = {"file_path": str(local.path / "src/two.py"), "old_string": old, "new_string": new}
        return {"tool_name": "Edit", "tool_input": given}

    agent.call("pre-edit", **change("return 1", "a = 1\n    return a"))
    assert is_light(probe(agent, "pre-edit", **change("return 1", "return 3")))  # the first edit was not made
    local.write("src/two.py", "def one():\n    return 3\n\n\ndef two():\n    return 2\n")
    assert is_light(probe(agent, "pre-edit", **change("return 3", "b = 3\n    return b")))
    local.write("src/two.py", "def one():\n    b = 3\n    return b\n\n\ndef two():\n    return 2\n")
    assert is_light(probe(agent, "pre-edit", **change("return b", "return -b")))
    assert set(agent.locks()) == {"src/two.py::one"}
    assert agent.call("pre-edit", **change("return 2", "return 22")) == {}  # another section is not its own yet
    assert set(agent.locks()) == {"src/two.py::one", "src/two.py::two"}
    local.write("src/two.py", "import os\n\n\ndef one():\n    b = 3\n    return b\n\n\ndef two():\n    return 2\n")
    with pytest.raises(AssertionError):  # who knows what that was
        probe(agent, "pre-edit", **change("return b", "return -b"))
    assert is_light(probe(agent, "pre-edit", **change("return b", "return -b")))


def test_under_a_folder_s_lock(local: Clone) -> None:
    agent = Agent(local)
    local.peer("lock", "src/", "docs/*.md", env=agent.env)
    for path in ("src/api.py", "src/new/file.py", "docs/guide.md"):
        assert is_light(probe(agent, "pre-edit", **edit(local, path))), path


def test_under_a_tentative_lock(pair: tuple[Clone, Clone]) -> None:
    """With a remote, too, once the sender is at work: no child, no network."""
    agent = Agent(pair[0])
    pair[0].git("remote", "set-url", "origin", "/nowhere")
    assert agent.edit("src/api.py") == ""
    assert is_light(probe(agent, "pre-edit", **edit(pair[0], "src/api.py")))


def test_where_nothing_is_set_up(local: Clone) -> None:
    shutil.rmtree(local.common / "peer")
    for event in ("session-start", "prompt", "pre-edit", "post-edit", "pre-compact", "stop", "session-end"):
        assert is_light(probe(Agent(local), event, **edit(local, "src/api.py")))


@pytest.mark.parametrize("why", ["another path", "lapsed", "disputed", "idle", "lost"])
def test_the_probe_sees_what_is_heavy(local: Clone, why: str) -> None:
    """Where memory is not enough the log is asked, and it shows."""
    agent = Agent(local)
    agent.edit("src/api.py")
    path = "src/api.py"
    if why == "another path":
        path = "src/auth.py"
    elif why == "lapsed":
        held = local.common / "peer" / "held"
        for file in held.glob("*.json"):
            file.write_text(file.read_text().replace('"ttl": 1800', '"ttl": 1'))
        time.sleep(1.1)
    elif why == "disputed":
        seen = local.common / "peer" / "seen.json"
        seen.write_text(seen.read_text().replace('"disputed": false', '"disputed": true'))
    elif why == "idle":
        local.git("config", "peer.debateTimeout", "1s")
        local.peer("debate", "start", "--topic", "t", "--position", "p", "--path", path, as_="bob")
        assert is_light(probe(agent, "pre-edit", **edit(local, path)))
        time.sleep(2.1)
    else:
        agent.edit("docs/guide.md")
        local.peer("unlock", "--force", "--reason", "x", "docs/guide.md", as_="anna")
    raw = json.dumps({"session_id": "s1", "cwd": str(local.path), **edit(local, path)}).encode()
    found = start((sys.executable, "-c", PROBE, "pre-edit"), local.path, stdin=raw).finish(0).json()
    assert "pygit2" in found["others"]
