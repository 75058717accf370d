"""A repository with a recording gate, and every kind of hook that a user may have in it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from git_peer.hooks import install as hooks

ALL = ("pre-commit", "pre-merge-commit", "post-commit", "post-rewrite", "pre-push")
GATE = """#!/bin/sh
# @PYTHON@ @GATE@ @GITPEER@
echo "gate NAME $*" >>"$HOME/log"
case NAME in pre-push) cat >"$HOME/gate-stdin" ;; esac
[ ! -e "$HOME/refuse" ] || exit 3
"""
USER = """echo "user {name} $* ${{0##*/}}" >>"$HOME/log"
case {name} in pre-push) cat >"$HOME/user-stdin" ;; esac
"""
PYTHON = """#!{python}
import os, sys
log = os.path.join(os.environ["HOME"], "log")
with open(log, "a") as out:
    print("user", *sys.argv[1:], os.path.basename(sys.argv[0]), file=out)
if "push" in sys.argv[0]:
    with open(os.path.join(os.environ["HOME"], "user-stdin"), "w") as out:
        out.write(sys.stdin.read())
"""


OWN_LINES = """[ "$(sed -n 5p "$0")" = data ] || echo "own lines have moved" >>"$HOME/log"; exit 0
data
"""


class Repo:
    """A repository with a remote, and stand-ins for the gate that write down how they are called."""

    def __init__(self, base: Path) -> None:
        self.base, self.home = base, base / "home"
        self.top, self.remote, self.scripts = base / "a [new] repo", base / "remote.git", base / "scripts"
        self.scripts.mkdir()
        for name in ALL:
            (self.scripts / name).write_text(GATE.replace("NAME", name))
        self.git("init", "-q", "--bare", str(self.remote), cwd=base)
        self.git("init", "-q", str(self.top), cwd=base)
        self.git("remote", "add", "origin", str(self.remote))
        self.commit("first")
        self.git("push", "-q", "origin", "HEAD:main")
        self.common = self.top / ".git"
        self.hooks = self.common / "hooks"

    def git(
        self, *args: str, cwd: Path | None = None, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        full = os.environ | dict(env or {})
        return subprocess.run(
            ["git", *args], cwd=cwd or self.top, check=check, capture_output=True, text=True, env=full
        )

    def commit(self, name: str, cwd: Path | None = None, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        (cwd or self.top).joinpath(name).write_text(name)
        self.git("add", name, cwd=cwd)
        return self.git("commit", "-q", "-m", name, cwd=cwd, check=check)

    def install(self, top: Path | None = None) -> dict[str, hooks.HookState]:
        states = hooks.install(self.common, top or self.top, scripts=self.scripts)
        assert [state.name for state in states] == list(ALL)
        assert states == hooks.inspect(self.common, top or self.top, scripts=self.scripts)
        return {state.name: state for state in states}

    def inspect(self) -> dict[str, str]:
        return {each.name: each.state for each in hooks.inspect(self.common, self.top, scripts=self.scripts)}

    def remove(self) -> list[str]:
        return hooks.remove(self.common, self.top)

    def log(self) -> list[str]:
        """What was called since the last look."""
        path = self.home / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line.rstrip() for line in lines]

    def hook(self, name: str, text: str | bytes, mode: int = 0o755, folder: Path | None = None) -> Path:
        path = (folder or self.hooks) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path


def snapshot(*roots: Path) -> dict[str, tuple[int, object]]:
    """Every file, folder and link under `roots`: type and mode, and bytes or target."""
    out: dict[str, tuple[int, object]] = {}
    for root in roots:
        for path in (root, *root.rglob("*")):
            mode = path.lstat().st_mode
            content: object = None
            if stat.S_ISLNK(mode):
                content = os.readlink(path)
            elif stat.S_ISREG(mode):
                content = path.read_bytes(), path.lstat().st_nlink
            out[str(path)] = (mode, content)
    return out


def settled(states: dict[str, hooks.HookState]) -> bool:
    return all(state.state == "installed" for state in states.values())


SHELL = "#!/bin/sh\n# frozen comment\nset -eu\n"


def _none(repo: Repo) -> list[str]:
    return []


def _no_folder(repo: Repo) -> list[str]:
    shutil.rmtree(repo.hooks)
    return []


def _texts(make: Callable[[str], str | bytes], mode: int = 0o755) -> Callable[[Repo], list[str]]:
    def setup(repo: Repo) -> list[str]:
        for name in ("pre-commit", "post-commit", "pre-push"):
            repo.hook(name, make(name), mode)
        return ["pre-commit", "post-commit", "pre-push"] if mode & 0o111 else []

    return setup


def _links(repo: Repo) -> list[str]:
    for name in ("pre-commit", "pre-push"):
        program = repo.hook(f"shared-{name}", SHELL + USER.format(name=name), folder=repo.top / "tools")
        (repo.hooks / name).symlink_to(f"../../tools/{program.name}")
    (repo.hooks / "post-commit").symlink_to("../../tools/not-there")
    return ["pre-commit", "pre-push"]


def _hard_link(repo: Repo) -> list[str]:
    program = repo.hook("checked-in", SHELL + USER.format(name="pre-commit"), folder=repo.top)
    (repo.hooks / "pre-commit").hardlink_to(program)
    return ["pre-commit"]


def _linked_folder(repo: Repo) -> list[str]:
    repo.hooks.rename(repo.top / "versioned")
    repo.hooks.symlink_to("../versioned")
    repo.hook("pre-commit", SHELL + USER.format(name="pre-commit"))
    return ["pre-commit"]


def _folder(folder: str, *where: str) -> Callable[[Repo], list[str]]:
    def setup(repo: Repo) -> list[str]:
        value = folder.format(base=repo.base)
        if where == ("--worktree",):
            repo.git("config", "extensions.worktreeConfig", "true")
        repo.git("config", *where, "core.hooksPath", value)
        path = repo.top / Path(value.replace("~", str(repo.home)))
        for name in ("pre-commit", "pre-push", "commit-msg"):
            repo.hook(name, SHELL + USER.format(name=name), folder=path)
        repo.hook("post-commit", SHELL + USER.format(name="post-commit"), 0o644, folder=path)
        repo.hook("pre-commit", "#!/bin/sh\necho never >>$HOME/log\n")  # git does not look here
        return ["pre-commit", "pre-push", "commit-msg"]

    return setup


def _odd_config(repo: Repo) -> list[str]:
    used = _folder(".githooks")(repo)
    config = repo.common / "config"
    config.write_text(
        "[alias] x = y\n[Core] hookspath=elsewhere ; not this\n" + config.read_text() + "[include]\n\tpath = ../mine"
    )
    (repo.top / "mine").write_text("[core]\n\thooksPath = .githooks # the team's\n")
    return used


def _nowhere(repo: Repo) -> list[str]:
    repo.git("config", "--global", "core.hooksPath", "/dev/null")
    repo.hook("pre-commit", SHELL + USER.format(name="pre-commit"))
    return []


KINDS: dict[str, Callable[[Repo], list[str]]] = {
    "nothing": _none,
    "no hooks folder": _no_folder,
    "sh": _texts(lambda name: SHELL + USER.format(name=name)),
    "bash by env": _texts(lambda name: "#!/usr/bin/env bash\nset -euo pipefail\n" + USER.format(name=name)),
    "bash -e": _texts(lambda name: "#! /bin/bash -eu\n" + USER.format(name=name) + "exit 0\n"),
    "exec": _texts(lambda name: "#!/bin/sh\n" + USER.format(name=name) + "exec true"),
    "odd mode": _texts(lambda name: "#!/bin/sh\n" + USER.format(name=name), 0o711),
    "no shebang": _texts(lambda name: USER.format(name=name)),
    "data behind the script": _texts(
        lambda name: ("#!/bin/sh\n" + USER.format(name=name) + OWN_LINES).encode() + b"\0\xff"
    ),
    "python": _texts(lambda _: PYTHON.format(python=sys.executable)),
    "not executable": _texts(lambda name: SHELL + USER.format(name=name), 0o644),
    "python, not executable": _texts(lambda _: PYTHON.format(python=sys.executable), 0o600),
    "links": _links,
    "hard link": _hard_link,
    "linked folder": _linked_folder,
    "hooksPath": _folder(".githooks"),
    "hooksPath with quotes": _folder('.it\'s "a" $HOME `x` folder'),
    "husky": _folder(".husky/_"),
    "absolute hooksPath": _folder("{base}/shared hooks"),
    "global hooksPath": _folder("~/hooks", "--global"),
    "hooksPath of the work tree": _folder(".githooks", "--worktree"),
    "hooksPath that switches hooks off": _nowhere,
    "hooksPath by include": _odd_config,
}
