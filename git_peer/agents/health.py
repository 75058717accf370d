"""What `git peer doctor` says of coding agents: which are set up here, and what keeps their hooks from working."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_peer import __version__
from git_peer.agents import install
from git_peer.agents.entries import HOOKS

if TYPE_CHECKING:
    from git_peer.store.git.repo import Repo

_PATIENCE = 10  # seconds for the program on PATH to tell its version


def check(repo: Repo) -> dict[str, str]:
    """The check `agents`: {name, status, detail, hint}."""
    top = repo.top
    if top is None:
        return _said([], "a bare repository has no project's settings")
    states = install.states(top)
    found = [row for row in states if row["project"] != "no" or row["user"] != "no" or row["mcp"]]
    plugged = list(_plugins(top))
    problems = list(codex(repo))
    if not found and not plugged:
        return _said(problems, "none is set up")
    problems += _program()
    for row in found:
        problems += _settings(row, bool(plugged))
    if any(row["mcp"] for row in found) and find_spec("mcp") is None:
        problems.append(("warn", "the MCP server lacks its library", "`pip install 'git-peer[mcp]'`"))
    detail = [f"{row['agent']} ({', '.join(_places(row))})" for row in found]
    return _said(problems, ", ".join([*detail, *(f"claude-code (plugin, {place})" for place in plugged)]))


_Problem = tuple[str, str, str]  # status, what is wrong, what to do


def _said(problems: list[_Problem], detail: str) -> dict[str, str]:
    """The worst of the problems first; all of them in the detail."""
    problems = sorted(problems, key=lambda one: one[0] != "fail")
    status, _, hint = problems[0] if problems else ("ok", "", "")
    return {
        "name": "agents",
        "status": status,
        "detail": "; ".join([*(text for _, text, _ in problems), detail]),
        "hint": hint,
    }


def _places(row: dict[str, Any]) -> Iterator[str]:
    yield from (scope for scope in ("project", "user") if row[scope] != "no")
    if row["mcp"]:
        yield "MCP"


def _program() -> Iterator[_Problem]:
    """The hooks call the git-peer on PATH; agents have the PATH that they were started with."""
    path = shutil.which("git-peer")
    if path is None:
        yield "fail", "they find no git-peer on PATH", "put the folder of git-peer on the PATH of your shell"
        return
    try:
        ran = subprocess.run([path, "version", "--json"], capture_output=True, timeout=_PATIENCE, check=False)
        version = str(json.loads(ran.stdout)["version"])
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError, KeyError):
        yield "fail", f"they call {path}, which does not run", f"`{path} version` shows why"
        return
    if version != __version__:
        yield (
            "warn",
            f"they call {path}, which is git-peer {version}; this is {__version__}",
            "update one of them",
        )


def _settings(row: dict[str, Any], plugged: bool) -> Iterator[_Problem]:
    agent = row["agent"]
    for scope, option in (("project", ""), ("user", " --user")):
        if row[scope] == "outdated":
            again = f"`git peer agent install {agent}{option}` brings them up to date"
            yield "warn", f"the {scope}'s settings of {agent} are outdated", again
        elif row[scope] == "unreadable":
            again = f"`git peer agent install {agent}{option} --dry-run` says where"
            yield "warn", f"the {scope}'s settings of {agent} do not parse", again
    scopes = [scope for scope in ("project", "user") if row[scope] in ("yes", "outdated")]
    if agent in HOOKS and len(scopes) == 2:
        once = f"`git peer agent remove {agent} --user`, or without --user"
        yield "warn", f"{agent} has the hooks twice, from the project's and the user's settings", once
    if agent == "claude-code" and scopes and plugged:
        once = "`claude plugin uninstall git-peer`, or `git peer agent remove claude-code`"
        yield "warn", "claude-code has the hooks twice, from its settings and from the plugin", once


def codex(repo: Repo) -> Iterator[_Problem]:
    """In a linked work tree Codex goes by the hooks of the main one, and only where there is a `.codex` in both."""
    if repo.top is None or not repo.gitdir_name or repo.common.name != ".git":
        return
    main = repo.common.parent
    here, there = (next(row for row in install.states(top) if row["agent"] == "codex") for top in (repo.top, main))
    if here["user"] != "no":
        return
    if here["project"] != "no" and there["project"] == "no":
        text = f"in a linked work tree Codex goes by the hooks of the main one, {main}, which has none"
        yield "warn", text, f"`git -C {shlex.quote(str(main))} peer agent install codex`"
    elif there["project"] != "no" and not (repo.top / ".codex").is_dir():
        text = "Codex runs no hooks in a linked work tree without a .codex"
        yield "warn", text, "`git peer agent install codex`, or check out the one that is committed"


def _plugins(top: Path) -> Iterator[str]:
    """Whose settings of Claude Code enable the plugin."""
    for place, folder in (("project", top / ".claude"), ("user", install.home("claude-code"))):
        try:
            enabled = json.loads((folder / "settings.json").read_bytes()).get("enabledPlugins", {})
            names = [name for name, on in enabled.items() if on]
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        if any(name.partition("@")[0] == "git-peer" for name in names):
            yield place
