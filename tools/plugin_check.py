"""The Claude Code plugin against the package: its hooks, skill and version are those that `git peer agent install` has.

Prints one line for each problem; exits 1 when there are any. Run: `python -m tools.plugin_check`; with `--write` it
writes the files anew instead.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from git_peer import __version__
from git_peer.agents import entries, guide

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugin"
# Claude Code puts a plugin's bin/ on the PATH of its shell tool, but not on that of hooks.
_PATH = 'PATH="$PATH:${CLAUDE_PLUGIN_ROOT}/bin"; '


def hooks() -> dict[str, Any]:
    """The plugin's hooks."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event, group in entries.HOOKS["claude-code"].groups():
        for hook in group["hooks"]:
            hook["command"] = _PATH + hook["command"]
        found.setdefault(event, []).append(group)
    return {"description": "Locks, briefings and what is owed, by git-peer", "hooks": found}


def manifest() -> dict[str, Any]:
    """The plugin's manifest."""
    return {
        "name": "git-peer",
        "version": __version__,
        "description": "Several agents, and the people beside them, on one git repository without collisions",
        "author": {"name": "the git-peer authors"},
        "license": "MIT",
        "keywords": ["git", "locks", "coordination"],
    }


def expected() -> dict[str, str]:
    """Path in the plugin → text, of every file that is made from the package."""
    return {
        ".claude-plugin/plugin.json": json.dumps(manifest(), indent=2) + "\n",
        "hooks/hooks.json": json.dumps(hooks(), indent=2) + "\n",
        "skills/git-peer/SKILL.md": guide.SKILL,
    }


def problems() -> Iterator[str]:
    """What differs."""
    for name, text in expected().items():
        path = PLUGIN / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield f"plugin/{name}: not what the package has; run `python -m tools.plugin_check --write`"


def main() -> int:
    """Print the problems, or write the files; 1 when there are problems."""
    if sys.argv[1:] == ["--write"]:
        for name, text in expected().items():
            (PLUGIN / name).parent.mkdir(parents=True, exist_ok=True)
            (PLUGIN / name).write_text(text, encoding="utf-8")
        return 0
    found = list(problems())
    for line in found:
        print(line)
    print(f"plugin: {len(found)} problems" if found else "plugin: all in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
