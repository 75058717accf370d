"""A clone as the hooks see it: where git takes them from, and what is to be put there."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from git_peer import layout
from git_peer.hooks import blocks, chain

State = Literal["installed", "missing", "foreign-manager", "outdated"]


@dataclass(frozen=True)
class HookState:
    """How one hook of git stands: the file that git starts, and whether the gate runs from there."""

    name: str
    path: Path
    state: State
    detail: str


@dataclass(frozen=True)
class Site:
    """A clone: its common git directory, where git runs the hooks of its main work tree, and what the gate needs."""

    common: Path
    top: Path
    env: Mapping[str, str] | None
    scripts: Path
    python: str
    strict: bool = False

    @property
    def gated(self) -> tuple[str, ...]:
        """The hooks that have a gate here."""
        return (*blocks.GATED, blocks.MOVES) if self.strict else blocks.GATED

    @property
    def peer(self) -> Path:
        return self.common / layout.FOLDER

    @property
    def default(self) -> Path:
        return self.common / "hooks"

    @property
    def dispatchers(self) -> Path:
        return self.peer / layout.D_CHAIN

    @property
    def links(self) -> Path:
        return self.peer / blocks.USER_LINKS

    def gates(self, names: Iterable[str] = ()) -> dict[str, bytes]:
        """The gate's scripts for this machine, by hook name."""
        package = Path(__file__).resolve().parent.parent
        words = {
            b"@PYTHON@": shlex.quote(self.python),
            b"@GATE@": shlex.quote(str(package / "hooks" / "gate_start.py")),
            b"@GITPEER@": f"{shlex.quote(self.python)} {_flags(package)} -m git_peer",
        }
        marks = re.compile(b"|".join(words))
        return {
            name: marks.sub(lambda mark: os.fsencode(words[mark[0]]), (self.scripts / name).read_bytes())
            for name in names or self.gated
        }


@dataclass(frozen=True)
class Plan:
    """The way in: `base` the chained folder for work trees without a setting of their own (None: git's default)."""

    chained: bool
    base: str | None
    worktrees: tuple[Path, ...]  # git directories whose config.worktree names a folder


def _flags(package: Path) -> str:
    """How Python is started: without PYTHONPATH and PYTHONHOME, unless git-peer itself is found by them."""
    if os.environ.get("PYTHONHOME") or os.environ.get("PYTHONUSERBASE"):
        return "-P"
    given = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    specs = [find_spec(name) for name in ("click", "pygit2", "msgspec")]
    where = [str(package), *(str(spec.origin) for spec in specs if spec is not None)]
    return "-P" if any(one.startswith(os.path.join(entry, "")) for one in where for entry in given) else "-E -P"


def shipped() -> Path:
    """The folder of the gate's scripts: in the wheel inside the package, in a checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "hooks_sh"
    return inside if inside.is_dir() else package.parent / "hooks"


def site_of(
    common: Path, top: Path | None, env: Mapping[str, str] | None, scripts: Path | None, python: str | None
) -> Site:
    """The clone whose common git directory is `common`, as seen from the work tree `top` (None: bare)."""
    common = common.resolve()
    main = common  # where git runs the hooks of the main work tree: of a bare repository, the folder itself
    if common.name == ".git":
        main = common.parent
    elif top is not None and (top / ".git").is_file():
        pointer = os.fsdecode((top / ".git").read_bytes()).removeprefix("gitdir: ").rstrip("\n")
        if (top / pointer).resolve() == common:  # a submodule, or a separate git directory
            main = top.resolve()
    scripts, python = scripts or shipped(), python or sys.executable or "python3"
    return Site(common, main, env, scripts, python, is_strict(common, env))


def is_strict(common: Path, env: Mapping[str, str] | None) -> bool:
    """Whether the clone's settings ask for the hook at every move of a branch."""
    return chain.git(env, f"--git-dir={common}", "config", "--get", "--type=bool", layout.STRICT)[1] == b"true\n"


def plan_of(site: Site) -> Plan:
    """What the user's settings ask for now, ours left out of account."""
    base = chain.users(chain.values(site.common, site.env), worktree=False)
    own = tuple(
        folder
        for folder in chain.git_dirs(site.common)
        if chain.users(chain.values(folder, site.env), worktree=True) is not None
    )
    return Plan(base is not None or site.default.is_symlink(), base, own)
