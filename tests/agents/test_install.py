"""`git peer agent`: into an agent's settings and out again; and the hooks as the settings have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from git_peer.agents.entries import HOOKS
from tests.agents.calling import Agent, denied, eventually
from tests.world import Clone, World

FILES = {"claude-code": ".claude/settings.json", "codex": ".codex/hooks.json", "gemini": ".gemini/settings.json"}


def snapshot(clone: Clone) -> dict[str, bytes | None]:
    """Every file and folder of the work tree but git's."""
    found: dict[str, bytes | None] = {}
    for path in clone.path.rglob("*"):
        inner = str(path.relative_to(clone.path))
        if not inner.startswith(".git/") and inner != ".git":
            found[inner] = path.read_bytes() if path.is_file() else None
    return found


@pytest.mark.parametrize("agent", [*FILES, "cursor"])
def test_in_and_out(world: World, agent: str) -> None:
    clone = world.clone("a")
    before = snapshot(clone)
    shown = clone.peer("agent", "install", agent, "--dry-run")
    assert "+++ " in shown.out
    assert snapshot(clone) == before
    answer = clone.peer("agent", "install", agent, "--json").json()
    assert answer["changed"]
    made = snapshot(clone)
    assert made != before
    assert str(world.folder) not in "".join(value.decode() for value in made.values() if value)
    assert clone.peer("agent", "install", agent, "--json").json()["changed"] == []
    assert snapshot(clone) == made
    clone.peer("agent", "remove", agent)
    assert snapshot(clone) == before
    assert clone.peer("agent", "remove", agent, "--json").json()["changed"] == []


@pytest.mark.parametrize("agent", FILES)
def test_beside_what_is_there(world: World, agent: str) -> None:
    """Odd spacing, mode bits, a symlink: all stay."""
    clone = world.clone("a")
    real = clone.write("dotfiles/settings.json", '{"z":1,\n\t"hooks" : { },  "a": [1,2]}')
    real.chmod(0o600)
    path = clone.path / FILES[agent]
    path.parent.mkdir()
    path.symlink_to(real)
    before = snapshot(clone)
    clone.peer("agent", "install", agent)
    assert path.is_symlink()
    assert json.loads(path.read_text())["z"] == 1
    assert real.stat().st_mode & 0o777 == 0o600
    clone.peer("agent", "remove", agent)
    assert snapshot(clone) == before


@pytest.mark.parametrize("text", ["{ // mine\n}", "[]", "", '{"hooks": 1}'])
def test_what_does_not_parse_is_left_alone(world: World, text: str) -> None:
    clone = world.clone("a")
    path = clone.write(FILES["claude-code"], text)
    for command in ("install", *(() if text == '{"hooks": 1}' else ("remove",))):
        answer = clone.peer("agent", command, "claude-code", "--json", status=1).json()
        assert answer["error"]["code"] == "invalid"
        assert "settings.json" in answer["error"]["message"]
        assert path.read_text() == text
    assert clone.peer("agent", "list", "--json").json()["agents"][0]["project"] in ("unreadable", "no")


def test_for_the_user(world: World, tmp_path: Path) -> None:
    clone = world.clone("a")
    before = snapshot(clone)
    answer = clone.peer("agent", "install", "claude-code", "--user", "--json").json()
    assert answer["changed"] == [str(tmp_path / "home" / ".claude" / "settings.json")]
    assert snapshot(clone) == before
    listed = clone.peer("agent", "list", "--json").json()["agents"]
    assert listed[0] == {"agent": "claude-code", "project": "no", "user": "yes"}
    moved = tmp_path / "elsewhere"
    env = {"CLAUDE_CONFIG_DIR": str(moved)}
    assert clone.peer("agent", "install", "claude-code", "--user", "--json", env=env).json()["changed"]
    assert (moved / "settings.json").exists()
    clone.peer("agent", "remove", "claude-code", "--user")
    assert not (tmp_path / "home" / ".claude" / "settings.json").exists()
    assert clone.peer("agent", "install", "cursor", "--user", "--json", status=129).json()["error"]["code"] == "usage"
    assert clone.peer("agent", "install", "no/name", "--json", status=129).json()["error"]["code"] == "usage"


def test_uninstalling_git_peer_leaves_them(local: Clone) -> None:
    """The settings are the project's; without git-peer set up the hooks do nothing."""
    local.peer("agent", "install", "claude-code")
    local.peer("uninstall", "--purge", "--yes")
    assert (local.path / FILES["claude-code"]).exists()
    assert Agent(local).call("pre-edit", tool_input={"file_path": str(local.path / "src/api.py")}) == {}


# -- as the agents run them -------------------------------------------------------------------------
@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder for PATH with git-peer in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "git-peer"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m git_peer "$@"\n')
    script.chmod(0o755)
    return folder


def commands(clone: Clone, agent: str) -> list[tuple[str, str, str]]:
    """(their event, matcher, command) of every hook in the settings."""
    hooks = json.loads((clone.path / FILES[agent]).read_text())["hooks"]
    return [
        (event, group.get("matcher", ""), hook["command"])
        for event, groups in hooks.items()
        for group in groups
        for hook in group["hooks"]
    ]


def run(command: str, clone: Clone, path: str, **payload: object) -> subprocess.CompletedProcess[bytes]:
    """A hook's command, as an agent runs it."""
    raw = json.dumps({"session_id": "s1", "cwd": str(clone.path), **payload}).encode()
    env = {**os.environ, "PATH": path}
    return subprocess.run(["sh", "-c", command], cwd=clone.path, env=env, input=raw, capture_output=True, timeout=60)


@pytest.mark.parametrize("agent", FILES)
@pytest.mark.parametrize("how", ["missing", "no interpreter", "wrong command line", "crash"])
def test_a_missing_or_broken_program(local: Clone, tmp_path: Path, agent: str, how: str) -> None:
    """Edits go through, the agent's user is told, and nothing ever exits 2."""
    local.peer("agent", "install", agent)
    folder = tmp_path / "broken"
    folder.mkdir()
    script = {
        "no interpreter": "#!/nowhere/python\n",
        "wrong command line": f"#!/bin/sh\nexec {sys.executable} /nowhere/git-peer.py\n",  # exits 2
        "crash": "#!/bin/sh\nkill -9 $$\n",
    }
    if how in script:
        (folder / "git-peer").write_text(script[how])
        (folder / "git-peer").chmod(0o755)
    for event, matcher, command in commands(local, agent):
        ran = run(command, local, f"{folder}:/usr/bin:/bin", tool_input={"file_path": "src/api.py"})
        assert ran.returncode == 0, (command, ran)
        answer = json.loads(ran.stdout) if ran.stdout else {}
        context = answer.pop("hookSpecificOutput", {}) if event == "SessionStart" else {}  # its model hears of it, too
        assert set(context) <= {"hookEventName", "additionalContext"}
        assert set(answer) <= {"systemMessage"}
        if matcher and event in ("PreToolUse", "BeforeTool"):
            assert "git-peer" in answer["systemMessage"]


@pytest.mark.parametrize("agent", FILES)
def test_the_commands_work(local: Clone, program: Path, agent: str) -> None:
    """Every hook in the settings reaches git-peer; the one before an edit refuses by the agent's JSON."""
    local.peer("agent", "install", agent)
    local.peer("lock", "src/api.py", as_="anna")
    path = f"{program}:{os.environ['PATH']}"
    seen = set()
    for event, matcher, command in commands(local, agent):
        if command.endswith("exit 0") and "wait" in command:
            continue  # waits; test_wake has it
        ran = run(
            command, local, path, hook_event_name=event, tool_name="Edit",
            tool_input={"file_path": "src/api.py", "command": "rm src/api.py"},
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, b""), (command, ran)
        answer = json.loads(ran.stdout) if ran.stdout else {}
        assert "systemMessage" not in answer, answer
        if matcher and event in ("PreToolUse", "BeforeTool"):
            assert "anna" in denied(answer)
        seen.add(event)
    assert seen == {entry.theirs for entry in HOOKS[agent].entries}


def test_an_idle_agent_is_woken(local: Clone, program: Path) -> None:
    """By a lock that comes free after it was refused, and by a delta that wants its answer: exit 2 and the news."""
    local.peer("agent", "install", "claude-code")
    (command,) = [command for _, _, command in commands(local, "claude-code") if "claude-code wait" in command]
    agent = Agent(local, "s1")
    agent.call("session-start")
    local.peer("lock", "src/api.py", as_="anna")
    assert "anna" in agent.edit("src/api.py")

    def wait() -> subprocess.Popen[bytes]:
        env = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}"}
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=local.path, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"session_id": "s1", "cwd": str(local.path)}).encode())
        process.stdin.close()
        place = local.common / "peer" / "agents" / f"{agent.name}+wait.json"
        eventually(place.exists)
        return process

    waiting = wait()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(3)
        local.peer("unlock", "src/api.py", as_="anna")
        assert waiting.wait(30) == 2
        assert waiting.stderr is not None
        assert b"src/api.py" in waiting.stderr.read()
        waiting.stderr.close()
        waiting = wait()
        local.peer("push-delta", "--type", "blocker", "--summary", "look here", as_="anna")
        assert waiting.wait(30) == 2
        assert waiting.stderr is not None
        assert b"look here" in waiting.stderr.read()
        waiting.stderr.close()
        waiting = wait()
        agent.call("prompt", prompt="at work again")
        assert waiting.wait(30) == 0
    finally:
        waiting.kill()
        waiting.wait()
        if waiting.stderr is not None:
            waiting.stderr.close()
