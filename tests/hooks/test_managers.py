"""Hook managers, the real ones: installed before git-peer and after, beside it, and each of both taken out again."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.enforce.team import HELD, Member, Team
from tests.real.clients import PROGRAMS, program
from tests.world import World, start


@dataclass(frozen=True)
class Manager:
    """Puts itself into a clone so that a pre-commit and a pre-push of the user's run `line`; and out again."""

    put: Callable[[Member, str], None]
    out: Callable[[Member], None]


def _run(bob: Member, name: str, *args: str) -> None:
    start((program(name), *args), bob.at.path).finish(0)


def _husky(bob: Member, line: str) -> None:
    bob.at.write("package.json", "{}")
    _run(bob, "husky")
    for name in ("pre-commit", "pre-push"):
        bob.at.write(f".husky/{name}", f"{line} {name}\n")


def _no_husky(bob: Member) -> None:
    bob.git("config", "--unset", "core.hooksPath")


def _lefthook(bob: Member, line: str) -> None:
    text = "".join(f"{name}:\n  jobs:\n    - run: {line} {name}\n" for name in ("pre-commit", "pre-push"))
    bob.at.write("lefthook.yml", text)
    _run(bob, "lefthook", "install")


def _simple(bob: Member, line: str) -> None:
    hooks = {name: f"{line} {name}" for name in ("pre-commit", "pre-push")}
    bob.at.write("package.json", json.dumps({"simple-git-hooks": hooks}))
    _run(bob, "simple-git-hooks")


def _no_simple(bob: Member) -> None:
    program("simple-git-hooks")
    script = PROGRAMS.parent / "node_modules" / "simple-git-hooks" / "uninstall.js"
    start(("node", str(script)), bob.at.path).finish(0)


def _framework(bob: Member, line: str) -> None:
    entry = json.dumps(f"sh -c {shlex.quote(line + ' $PRE_COMMIT_HOOK')}")
    rows = [
        f"  - {{id: {name}, name: x, language: system, always_run: true, pass_filenames: false, stages: [{name}], "
        f"entry: {entry.replace('$PRE_COMMIT_HOOK', name)}}}\n"
        for name in ("pre-commit", "pre-push")
    ]
    bob.at.write(".pre-commit-config.yaml", f"repos:\n- repo: local\n  hooks:\n{''.join(rows)}")
    for name in ("pre-commit", "pre-push"):
        start((sys.executable, "-m", "pre_commit", "install", "-t", name), bob.at.path).finish(0)


def _no_framework(bob: Member) -> None:
    for name in ("pre-commit", "pre-push"):
        start((sys.executable, "-m", "pre_commit", "uninstall", "-t", name), bob.at.path).finish(0)


def _global(bob: Member, line: str) -> None:
    folder = Path(bob.git("config", "--global", "--type=path", "--default", "~/team hooks", "x.y").line)
    folder.mkdir(exist_ok=True)
    for name in ("pre-commit", "pre-push"):
        (folder / name).write_text(f"#!/bin/sh\n{line} {name}\n")
        (folder / name).chmod(0o755)
    bob.git("config", "--global", "core.hooksPath", str(folder))


def _no_global(bob: Member) -> None:
    bob.git("config", "--global", "--unset", "core.hooksPath")


def _git_version() -> tuple[int, ...]:
    told = subprocess.run(("git", "version"), capture_output=True, check=True, text=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", told)[:2])


def _config(bob: Member, line: str) -> None:
    for name in ("pre-commit", "pre-push"):
        bob.git("config", f"hook.own-{name}.event", name)
        bob.git("config", f"hook.own-{name}.command", f"{line} {name}")


def _no_config(bob: Member) -> None:
    for name in ("pre-commit", "pre-push"):
        bob.git("config", "--remove-section", f"hook.own-{name}")


MANAGERS = {
    "husky": Manager(_husky, _no_husky),
    "lefthook": Manager(_lefthook, lambda bob: _run(bob, "lefthook", "uninstall")),
    "simple-git-hooks": Manager(_simple, _no_simple),
    "the pre-commit framework": Manager(_framework, _no_framework),
    "a global core.hooksPath": Manager(_global, _no_global),
}
if _git_version() >= (2, 54):  # which has hooks in its settings
    MANAGERS["git's own settings"] = Manager(_config, _no_config)


class Beside:
    """bob's clone with a manager in it whose hooks write down that they ran."""

    def __init__(self, team: Team, manager: Manager) -> None:
        self.team, self.bob, self.manager = team, team.bob, manager
        self.log = team.world.folder / "ran"

    def put(self) -> None:
        self.manager.put(self.bob, f"echo ran >>{self.log}; echo")
        self.bob.git("add", "-A")
        self.bob.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "tools")
        self.bob.git("push", "-q", "--no-verify", "origin", "HEAD:tools")
        self.log.unlink(missing_ok=True)

    def ran(self) -> int:
        """How many hooks of the user's have run since one asked last."""
        found = self.log.read_text().count("ran") if self.log.exists() else 0
        self.log.unlink(missing_ok=True)
        return found

    def works(self, gated: bool, tool: bool) -> None:
        """A commit and a push run the user's hooks once each; what alice holds is refused where the gate is in."""
        bob = self.bob
        bob.commit("docs/guide.md")
        assert self.ran() == tool
        bob.git("push", "-q", "origin", "HEAD:draft")
        assert self.ran() == tool
        bob.change(HELD)
        result = bob.git("commit", "-q", "-m", "x", "--", HELD, check=False)
        assert (result.status != 0) is gated, result
        assert ("is locked by alice" in result.err) is gated, result
        bob.git("checkout", "-q", "HEAD", "--", HELD)
        self.ran()

    def files(self) -> dict[str, bytes]:
        """Hooks and settings of the clone."""
        common = self.bob.at.common
        found = {path.name: path.read_bytes() for path in (common / "hooks").iterdir() if path.is_file()}
        return {**found, "config": (common / "config").read_bytes()}


@pytest.fixture(params=MANAGERS)
def beside(request: pytest.FixtureRequest, world: World) -> Beside:
    return Beside(Team.of(world, held=True), MANAGERS[request.param])


def test_the_manager_first(beside: Beside) -> None:
    """git-peer comes into a clone that has one, works beside it, strict or not, and goes without a trace."""
    bob = beside.bob
    bob.peer("uninstall")
    beside.put()
    before = beside.files()
    beside.works(gated=False, tool=True)
    bob.peer("init", "--strict")
    beside.works(gated=True, tool=True)
    bob.sneaks("README.md")
    bob.peer("uninstall")
    assert beside.files() == before
    beside.works(gated=False, tool=True)


def test_the_manager_last(beside: Beside) -> None:
    """It comes into a clone that has git-peer, both work once `git peer` was run, and it goes again."""
    bob = beside.bob
    beside.put()
    bob.peer("lock", "src/api.py")  # mends what the manager has put aside
    beside.works(gated=True, tool=True)
    beside.manager.out(bob)
    bob.peer("lock", "src/api.py")
    beside.works(gated=True, tool=False)


def test_the_manager_goes_last(beside: Beside) -> None:
    """git-peer goes first, then the manager: nothing of either is left that runs."""
    bob = beside.bob
    beside.put()
    bob.peer("init")
    bob.peer("uninstall")
    beside.works(gated=False, tool=True)
    beside.manager.out(bob)
    beside.works(gated=False, tool=False)


def test_the_manager_again(beside: Beside) -> None:
    """It installs itself anew, as at each `npm install`: the gate stands, or stands again at the next command."""
    bob = beside.bob
    beside.put()
    bob.peer("init")
    beside.manager.put(bob, f"echo ran >>{beside.log}; echo")
    bob.peer("lock", "src/api.py")
    beside.works(gated=True, tool=True)
