"""`git peer agent`: into an agent's settings and out again; and the hooks as the settings have them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from itertools import permutations
from pathlib import Path

import pytest

from git_peer.agents.entries import HOOKS
from tests.agents.calling import Agent, denied, eventually
from tests.world import TIMEOUT, Clone, World

FILES = {"claude-code": ".claude/settings.json", "codex": ".codex/hooks.json", "gemini": ".gemini/settings.json"}
SERVERS = {"gemini": ".gemini/settings.json", "cursor": ".cursor/mcp.json"}


def snapshot(clone: Clone) -> dict[str, bytes | None]:
    """Every file and folder of the work tree but git's."""
    found: dict[str, bytes | None] = {}
    for path in clone.path.rglob("*"):
        inner = str(path.relative_to(clone.path))
        if not inner.startswith(".git/") and inner != ".git":
            found[inner] = path.read_bytes() if path.is_file() else None
    return found


@pytest.mark.parametrize("more", [(), ("--mcp",), ("--no-mcp",)], ids=str)
@pytest.mark.parametrize("agent", [*FILES, "cursor", "anything"])
def test_in_and_out(world: World, agent: str, more: tuple[str, ...]) -> None:
    clone = world.clone("a")
    before = snapshot(clone)
    shown = clone.peer("agent", "install", agent, *more, "--dry-run")
    assert "+++ " in shown.out
    assert snapshot(clone) == before
    answer = clone.peer("agent", "install", agent, *more, "--json").json()
    assert answer["changed"]
    assert serves(clone, agent) is ("--mcp" in more or (agent not in FILES and not more))
    made = snapshot(clone)
    assert made != before
    assert str(world.folder) not in "".join(value.decode() for value in made.values() if value)
    assert clone.peer("agent", "install", agent, "--json").json()["changed"] == []
    assert snapshot(clone) == made
    clone.peer("agent", "remove", agent)
    assert snapshot(clone) == before
    assert clone.peer("agent", "remove", agent, "--json").json()["changed"] == []


def serves(clone: Clone, agent: str) -> bool:
    """Whether a reader of an agent's settings finds `git-peer mcp` in them."""
    if agent == "codex":
        config = clone.path / ".codex/config.toml"
        servers = tomllib.loads(config.read_text())["mcp_servers"] if config.exists() else {}
    else:
        config = clone.path / SERVERS.get(agent, ".mcp.json")
        servers = json.loads(config.read_text()).get("mcpServers", {}) if config.exists() else {}
    found = [(entry["command"], entry["args"]) for entry in servers.values()]
    assert found in ([], [("git-peer", ["mcp"])])
    return bool(found)


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
    assert listed[0] == {"agent": "claude-code", "project": "no", "user": "yes", "mcp": []}
    moved = tmp_path / "elsewhere"
    env = {"CLAUDE_CONFIG_DIR": str(moved)}
    assert clone.peer("agent", "install", "claude-code", "--user", "--json", env=env).json()["changed"]
    assert (moved / "settings.json").exists()
    clone.peer("agent", "remove", "claude-code", "--user")
    assert not (tmp_path / "home" / ".claude" / "settings.json").exists()
    assert clone.peer("agent", "install", "anything", "--user", "--json", status=129).json()["error"]["code"] == "usage"
    assert clone.peer("agent", "install", "no/name", "--json", status=129).json()["error"]["code"] == "usage"


@pytest.mark.parametrize("agent", [*FILES, "cursor"])
def test_mcp_for_the_user(world: World, tmp_path: Path, agent: str) -> None:
    clone = world.clone("a")
    home = tmp_path / "home"
    config = home / {"claude-code": ".claude.json", "codex": ".codex/config.toml"}.get(agent, SERVERS.get(agent, ""))
    assert clone.peer("agent", "install", agent, "--user", "--mcp", "--json").json()["changed"]
    read = tomllib.loads if agent == "codex" else json.loads
    servers = next(value for key, value in read(config.read_text()).items() if "hooks" not in key)
    assert servers["peer"]["command"] == "git-peer"
    clone.peer("agent", "remove", agent, "--user")
    assert not config.exists()


def test_codex_s_comments_stay(world: World) -> None:
    clone = world.clone("a")
    text = '# mine\nmodel = "m"  # the one\n\n[mcp_servers.docs]\ncommand = "docs" # theirs'
    config = clone.write(".codex/config.toml", text)
    clone.peer("agent", "install", "codex", "--mcp")
    assert config.read_text().startswith(text)
    assert tomllib.loads(config.read_text())["mcp_servers"].keys() == {"docs", "peer"}
    assert clone.peer("agent", "install", "codex", "--json").json()["changed"] == []
    config.write_text(config.read_text() + "[projects.x]\n")  # what is put behind it later stays, too
    clone.peer("agent", "remove", "codex")
    assert config.read_text() == text + "\n[projects.x]\n"


@pytest.mark.parametrize(
    ("agent", "file", "text"),
    [
        ("codex", ".codex/config.toml", "mcp_servers = {}\n"),
        ("codex", ".codex/config.toml", '[mcp_servers.peer]\ncommand = "another"\n'),
        ("codex", ".codex/config.toml", "no toml"),
        ("cursor", ".cursor/mcp.json", '{"mcpServers": {"peer": {"command": "another"}}}'),
        ("cursor", ".cursor/mcp.json", '{"mcpServers": []}'),
        ("vscode", ".vscode/mcp.json", '{"servers": {}, // mine\n}'),
    ],
)
def test_servers_that_stand_in_the_way(world: World, agent: str, file: str, text: str) -> None:
    """Nothing is written, not even the parts that would fit."""
    clone = world.clone("a")
    config = clone.write(file, text)
    before = snapshot(clone)
    answer = clone.peer("agent", "install", agent, "--mcp", "--json", status=1).json()
    assert answer["error"]["code"] == "invalid"
    assert config.name in answer["error"]["message"]
    assert snapshot(clone) == before


def test_a_server_that_a_person_has_set_up(world: World) -> None:
    """It counts, and stays as it is."""
    clone = world.clone("a")
    text = '{"mcpServers": {"mine": {"command": "/opt/git-peer", "args": ["mcp"], "env": {"X": "1"}}}}'
    config = clone.write(".cursor/mcp.json", text)
    clone.peer("agent", "install", "cursor")
    assert config.read_text() == text
    toml = clone.write(".codex/config.toml", '[mcp_servers.p]\ncommand = "git-peer"\nargs = ["mcp"]\n')
    before = toml.read_text()
    clone.peer("agent", "install", "codex", "--mcp")
    assert toml.read_text() == before


@pytest.mark.parametrize("order", list(permutations(["claude-code", "one", "two"])), ids="-".join)
def test_agents_that_share_a_file(world: World, order: tuple[str, ...]) -> None:
    """The MCP server goes with the last of those that it was put there for."""
    clone = world.clone("a")
    before = snapshot(clone)
    for agent in ("claude-code", "one", "two"):
        clone.peer("agent", "install", agent, "--mcp")
    for left in (2, 1, 0):
        clone.peer("agent", "remove", order[2 - left])
        assert serves(clone, "any") is (left > 0)
        listed = {row["agent"]: row for row in clone.peer("agent", "list", "--json").json()["agents"]}
        for agent in order[3 - left :]:
            assert (listed[agent]["project"], listed[agent]["mcp"]) == ("yes", ["project"])
    assert snapshot(clone) == before


def test_claude_code_leaves_what_others_share(world: World) -> None:
    """Who never had the server takes none away."""
    clone = world.clone("a")
    clone.peer("agent", "install", "one")
    before = snapshot(clone)
    clone.peer("agent", "install", "claude-code")
    clone.peer("agent", "remove", "claude-code")
    assert snapshot(clone) == before


# -- what doctor says ---------------------------------------------------------------------------------
def agents_check(clone: Clone, path: str, status: int = 0) -> dict[str, str]:
    checks = clone.peer("doctor", "--json", env={"PATH": path}, status=status).json()["checks"]
    found: dict[str, str] = next(check for check in checks if check["name"] == "agents")
    return found


def test_doctor_says_what_keeps_hooks_from_working(local: Clone, program: Path, tmp_path: Path) -> None:
    path = f"{program}:{os.environ['PATH']}"
    others = [one for one in path.split(":") if shutil.which("git-peer", path=one) is None]
    bare = ":".join(others)
    assert agents_check(local, bare)["status"] == "ok"
    local.peer("agent", "install", "claude-code")
    found = agents_check(local, path)
    assert (found["status"], found["detail"]) == ("ok", "claude-code (project)")
    found = agents_check(local, bare, status=1)
    assert (found["status"], "PATH" in found["hint"]) == ("fail", True)
    broken = tmp_path / "broken" / "git-peer"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert "does not run" in agents_check(local, f"{broken.parent}:{bare}", status=1)["detail"]
    broken.write_text('#!/bin/sh\necho \'{"version": "0.0.1"}\'\n')
    assert "git-peer 0.0.1" in agents_check(local, f"{broken.parent}:{bare}")["detail"]
    local.peer("agent", "install", "claude-code", "--user")
    found = agents_check(local, path)
    assert (found["status"], "twice" in found["detail"]) == ("warn", True)
    local.peer("agent", "remove", "claude-code", "--user")
    settings = local.path / FILES["claude-code"]
    text = settings.read_text()
    settings.write_text(text.replace('"timeout": 10', '"timeout": 9'))
    found = agents_check(local, path)
    assert (found["status"], "outdated" in found["detail"]) == ("warn", True)
    assert "agent install claude-code" in found["hint"]
    settings.write_text(text[:-3])
    found = agents_check(local, path)
    assert (found["status"], "do not parse" in found["detail"]) == ("warn", True)
    settings.write_text('{"enabledPlugins": {"git-peer@git-peer": true}}')
    found = agents_check(local, path)
    assert (found["status"], found["detail"]) == ("ok", "claude-code (plugin, project)")
    local.peer("agent", "install", "claude-code")
    assert "plugin" in agents_check(local, path)["hint"]


def test_doctor_knows_where_codex_looks(local: Clone, program: Path) -> None:
    """In a linked work tree Codex goes by the hooks of the main one, where both have a .codex."""
    path = f"{program}:{os.environ['PATH']}"
    linked = local.worktree("two")
    said = linked.peer("agent", "install", "codex").out
    assert f"git -C {local.path} peer agent install codex" in said
    found = agents_check(linked, path)
    assert (found["status"], str(local.path) in found["hint"]) == ("warn", True)
    local.peer("agent", "install", "codex")
    assert agents_check(linked, path)["status"] == "ok"
    assert "git -C" not in linked.peer("agent", "install", "codex").out
    linked.peer("agent", "remove", "codex")
    found = agents_check(linked, path)
    assert (found["status"], "without a .codex" in found["detail"]) == ("warn", True)


def test_uninstalling_git_peer_leaves_what_is_committed(local: Clone) -> None:
    """Settings that are committed are the project's; their hooks do nothing without git-peer. Others go with it."""
    local.peer("agent", "install", "claude-code")
    local.commit("Settings for whoever works here")
    local.peer("agent", "install", "codex")
    local.peer("uninstall", "--purge", "--yes")
    assert (local.path / FILES["claude-code"]).exists()
    assert local.git("status", "--porcelain").out == ""
    assert not (local.path / FILES["codex"]).exists()
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

    place = local.common / "peer" / "agents" / f"{agent.name}+wait.json"

    def wait() -> subprocess.Popen[bytes]:
        assert not place.exists()  # whoever was woken took it along
        env = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}"}
        process = subprocess.Popen(
            ["sh", "-c", command], cwd=local.path, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"session_id": "s1", "cwd": str(local.path)}).encode())
        process.stdin.close()
        eventually(place.exists)
        return process

    waiting = wait()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(3)
        local.peer("unlock", "src/api.py", as_="anna")
        assert waiting.wait(TIMEOUT) == 2
        assert waiting.stderr is not None
        assert b"src/api.py" in waiting.stderr.read()
        waiting.stderr.close()
        waiting = wait()
        local.peer("push-delta", "--type", "blocker", "--summary", "look here", as_="anna")
        assert waiting.wait(TIMEOUT) == 2
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
