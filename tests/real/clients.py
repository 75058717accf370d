"""The real agents from npm (tools/npm-clients), each against a scripted API, with a home of its own and no network."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.real.scripted import KEY, ScriptedApi
from tests.world import TIMEOUT, Clone, Result, merged, require

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")  # read before the environment is sealed
PROGRAMS = Path(os.environ.get("GIT_PEER_NPM") or _CACHE / "git-peer" / "npm" / "bin")


def program(name: str) -> str:
    """A program that tools/npm-clients has installed; skips (or fails) the test where it is missing."""
    require(f"{name} (tools/npm-clients installs it)", (PROGRAMS / name).exists)
    require("node")
    return str(PROGRAMS / name)


def git_peer(folder: Path, script: str = "") -> Path:
    """A folder with a `git-peer` for PATH: this interpreter's, or a shell script in its place."""
    folder.mkdir(parents=True, exist_ok=True)
    there = folder / "git-peer"
    where = f"export PYTHONPATH={shlex.quote(os.environ.get('PYTHONPATH', ''))}"  # some clients hand on little
    ours = f'{where}\nexec {shlex.quote(sys.executable)} -P -m git_peer "$@"'
    there.write_text(f"#!/bin/sh\n{script or ours}\n")
    there.chmod(0o755)
    return folder


def _path(first: Path | None) -> str:
    """PATH with the folder in front, and without any other git-peer."""
    others = [one for one in os.environ["PATH"].split(os.pathsep) if shutil.which("git-peer", path=one) is None]
    return os.pathsep.join([*([str(first)] if first else []), *others])


class Agent:
    """A process of a real agent. Its whole process group ends with it."""

    def __init__(self, args: list[str], cwd: Path, env: Mapping[str, str], terminal: int | None = None) -> None:
        self.args = tuple(args)
        ends = (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE) if terminal is None else (terminal,) * 3
        self.process = subprocess.Popen(
            args, cwd=cwd, env=dict(env), start_new_session=True, stdin=ends[0], stdout=ends[1], stderr=ends[2]
        )

    def finish(self, status: int | None = 0, timeout: float = TIMEOUT) -> Result:
        """Wait for its end; asserts the exit status (None: whatever it is)."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            out, err = self.process.communicate()
            raise AssertionError(f"no end after {timeout} s\n{Result(self.args, -9, out, err)}") from None
        result = Result(self.args, self.process.returncode, out, err)
        assert status is None or result.status == status, result
        return result

    def end(self) -> None:
        """Kill it and all that it has started and not let go."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


class Clients:
    """Starts agents; what a test leaves behind, close() ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin: Path | None = git_peer(folder / "bin")
        self._started: list[Agent] = []

    def close(self) -> None:
        """End all of them."""
        for agent in self._started:
            agent.end()
            agent.process.communicate()

    def environment(self, name: str, api: ScriptedApi, **more: str) -> dict[str, str]:
        """What a client named `name` lives in: a home of its own, and the scripted API in place of every proxy."""
        home = self.folder / f"home-{name}"
        scratch = home / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        path = _path(self.bin)
        (home / ".profile").write_text(f"PATH={shlex.quote(path)}\n")  # Codex's shell is one of a login
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), api.url)
        return merged({
            "HOME": str(home), "TMPDIR": str(scratch), "TERM": "dumb", "PATH": path,
            **dict.fromkeys(("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")),
            **proxies, **more,
        })  # fmt: skip

    def claude(self, clone: Clone, api: ScriptedApi, *args: str, name: str = "claude", prompt: str = "Go.") -> Agent:
        """Claude Code with one prompt, its events as they come on stdout; edits and commands need no consent."""
        options = ["--output-format", "stream-json", "--verbose", *_WILLING]
        return self._start([program("claude"), "-p", prompt, *options, *args], clone, self.claude_env(api, name))

    def claude_in_terminal(self, clone: Clone, api: ScriptedApi, prompt: str = "Go.") -> Agent:
        """Claude Code as a person has it, who has been welcomed and trusts the project: it stays when it has answered.

        Its session begins with `prompt`; what it draws is read and dropped.
        """
        env = self.claude_env(api, "terminal") | {"TERM": "xterm-256color"}
        welcomed = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {
                str(clone.path.resolve()): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
            },
        }
        Path(env["CLAUDE_CONFIG_DIR"]).mkdir()
        Path(env["CLAUDE_CONFIG_DIR"], ".claude.json").write_text(json.dumps(welcomed))
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 120))
        agent = Agent([program("claude"), *_WILLING, "--", prompt], clone.path, env, theirs)
        self._started.append(agent)
        os.close(theirs)
        threading.Thread(target=_drop, args=(ours,), daemon=True).start()
        return agent

    def claude_env(self, api: ScriptedApi, name: str) -> dict[str, str]:
        """What Claude Code lives in."""
        env = self.environment(
            name, api, ANTHROPIC_BASE_URL=api.url, ANTHROPIC_API_KEY=KEY, CLAUDE_CODE_MAX_RETRIES="0",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1", DISABLE_AUTOUPDATER="1",
            DISABLE_ERROR_REPORTING="1",
        )  # fmt: skip
        return env | {"CLAUDE_CONFIG_DIR": f"{env['HOME']}/.claude", "CLAUDE_CODE_TMPDIR": env["TMPDIR"]}

    def codex(self, clone: Clone, api: ScriptedApi, *args: str, name: str = "codex", prompt: str = "Go.") -> Agent:
        """Codex with one prompt."""
        env = self.environment(name, api, DUMMY_KEY=KEY)
        home = Path(env["HOME"]) / ".codex"
        env["CODEX_HOME"] = str(home)
        home.mkdir(exist_ok=True)
        config = home / "config.toml"
        if not config.exists():
            config.write_text(_CODEX.format(url=api.url, top=json.dumps(str(clone.path.resolve()))))
        options = ["--dangerously-bypass-hook-trust"]
        return self._start([program("codex"), "exec", *options, *args, prompt], clone, env)

    def gemini(self, clone: Clone, api: ScriptedApi, *args: str, name: str = "gemini", prompt: str = "Go.") -> Agent:
        """Gemini CLI with one prompt; nothing needs consent."""
        env = self.environment(
            name, api, GEMINI_API_KEY=KEY, GOOGLE_GEMINI_BASE_URL=api.url, GEMINI_CLI_TRUST_WORKSPACE="true",
            GEMINI_CLI_NO_RELAUNCH="true", GEMINI_TELEMETRY_ENABLED="false",
        )  # fmt: skip
        settings = Path(env["HOME"]) / ".gemini" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        if not settings.exists():
            settings.write_text(json.dumps(_GEMINI))
        options = ["-m", "gemini-2.5-flash", "--approval-mode", "yolo", "--output-format", "stream-json"]
        return self._start([program("gemini"), "-p", prompt, *options, *args], clone, env)

    def _start(self, args: list[str], clone: Clone, env: Mapping[str, str]) -> Agent:
        agent = Agent(args, clone.path, env)
        self._started.append(agent)
        return agent


def _drop(handle: int) -> None:
    """Read a terminal until nobody draws on it."""
    with contextlib.suppress(OSError):
        while os.read(handle, 1 << 16):
            continue
    os.close(handle)


_WILLING = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash")
_CODEX = """\
model = "gpt-5.5"
model_provider = "scripted"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "DUMMY_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = false
[features]
apps = false
plugins = false
[projects.{top}]
trust_level = "trusted"
"""
_GEMINI = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    """Real agents, ended with the test."""
    found = Clients(tmp_path)
    yield found
    found.close()
