"""The clone's settings, so that git runs dispatchers of ours before a folder that core.hooksPath names.

Nothing of the user's is replaced. The config file gets one `[include]` of a file in `peer/` at its end, where it
counts last. So `git config core.hooksPath` of the user and of hook managers goes on working, and a clone whose
`peer/` folder is gone falls back to the user's own setting, for git passes over an include that is missing.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from git_peer import layout
from git_peer.core.errors import PeerError

_TWIN = ".config-lock"  # in peer/: the second name of a lock file of ours
CONF, CONF_HERE = "hooks.conf", "hooks-here.conf"  # in peer/: what is included
_DROP = frozenset(
    (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_NAMESPACE",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_COUNT",
    )
)


def git(env: Mapping[str, str] | None, *args: str | Path) -> tuple[int, bytes]:
    """(exit status, stdout) of git, without what the caller's environment says on repository and settings."""
    kept = {key: value for key, value in (os.environ if env is None else env).items() if key not in _DROP}
    try:
        done = subprocess.run(("git", *args), env=kept, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as error:
        raise PeerError("failed", f"git does not start: {error.strerror}", "is git on PATH?") from error
    if done.returncode not in (0, 1):  # 1 is git config's "no such key"
        said = os.fsdecode(done.stderr).strip()
        raise PeerError("failed", f"git cannot read its settings: {said}", "git config --list --show-origin")
    return done.returncode, done.stdout


def is_ours(value: str) -> bool:
    """Whether a value of core.hooksPath is a folder of dispatchers, here or where the clone was before."""
    return value == f"{layout.FOLDER}/{layout.D_CHAIN}" or value.endswith(f"/{layout.FOLDER}/{layout.D_CHAIN}")


def values(git_dir: Path, env: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """(scope, value) of each core.hooksPath for the work tree of `git_dir`, the one that counts last."""
    _, out = git(
        env, f"--git-dir={git_dir}", "config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath"
    )
    parts = os.fsdecode(out).split("\0")[:-1]
    return list(zip(parts[::2], parts[1::2], strict=True))


def git_dirs(common: Path) -> list[Path]:
    """The git directories of all work trees that have settings of their own, the main one first if it has."""
    linked = sorted((common / "worktrees").glob("*")) if (common / "worktrees").is_dir() else []
    return [folder for folder in (common, *linked) if (folder / "config.worktree").is_file()]


def users(found: list[tuple[str, str]], *, worktree: bool) -> str | None:
    """The user's own folder by these values: of the work tree's scope, or of all the others; None for none."""
    mine = [value for scope, value in found if (scope == "worktree") is worktree and not is_ours(value)]
    return mine[-1] if mine else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped + '"'


def conf(common: Path, top: Path) -> dict[str, bytes]:
    """The files that are included, by name: the folder as seen from `top` of the main work tree, and absolute.

    The absolute one serves linked work trees and a GIT_DIR from elsewhere, but only while the clone is where
    it is now; the relative one goes with a clone that is moved, copied or mounted at another place.
    """
    folder = common / layout.FOLDER / layout.D_CHAIN
    pattern = re.sub(r"([*?\[\\])", r"\\\1", str(common))
    if "\n" in pattern:
        raise PeerError("failed", "a path with a line break cannot stand in git's settings", "move the repository")
    relative = f"[core]\n\thooksPath = {_quoted(os.path.relpath(folder, top))}\n"
    for match in (pattern, f"{pattern}/worktrees/"):
        relative += f"[includeIf {_quoted('gitdir:' + match)}]\n\tpath = {CONF_HERE}\n"
    return {
        CONF: os.fsencode(relative),
        CONF_HERE: os.fsencode(f"[core]\n\thooksPath = {_quoted(str(folder))}\n"),
    }


def _include(config: Path, common: Path) -> tuple[bytes, str]:
    """(the lines for the end of a config file, without the last newline; the path that they include)."""
    path = os.path.relpath(common / layout.FOLDER / CONF, config.parent)
    return f"[include] # git-peer: the gate, then the hooks of core.hooksPath\n\tpath = {path}".encode(), path


def included(config: Path, common: Path) -> bool:
    """Whether a config file has our lines."""
    return config.is_file() and _include(config, common)[0] in config.read_bytes()


def include(config: Path, common: Path) -> None:
    """Puts our lines at the end of a config file."""
    with _Edit(config, common) as edit:
        lines, _ = _include(config, common)
        if edit.data and not edit.data.endswith(b"\n"):
            edit.data += b"\n" + lines  # no newline behind it: then the one before it is ours too
        else:
            edit.data += lines + b"\n"


def exclude(config: Path, common: Path, env: Mapping[str, str] | None) -> bool:
    """Takes our lines out again, byte for byte where nobody wrote between them; whether there were any."""
    if not included(config, common):
        return False
    lines, path = _include(config, common)
    with _Edit(config, common) as edit:
        at = edit.data.index(lines)
        before, after = edit.data[:at], edit.data[at + len(lines) :]
        if not after:
            edit.data = before.removesuffix(b"\n")
            return True
        if re.match(rb"\n(?:[ \t]*(?:[#;][^\n]*)?\n)*[ \t]*(?:\[|\Z)", after):
            edit.data = before + after[1:]
            return True
    # Somebody's own `path =` follows under our heading: git takes out just the line that is ours.
    git(env, "config", "--file", config, "--unset-all", "include.path", f"^{re.escape(path)}$")
    return True


def _locked(config: Path) -> tuple[Path, Path]:
    """(the file behind a config file's name, git's lock file for it)."""
    path = Path(os.path.realpath(config))
    return path, path.with_name(path.name + ".lock")


def unlock(configs: Iterable[Path], common: Path) -> None:
    """Removes what a killed _Edit left, by its second name; only for whom nobody else edits at the same time."""
    twin = common / layout.FOLDER / _TWIN
    for config in configs:
        lock = _locked(config)[1]
        with contextlib.suppress(FileNotFoundError):
            if lock.samefile(twin):
                lock.unlink()
    twin.unlink(missing_ok=True)


class _Edit:
    """A config file under git's own lock file: `data` is what it has, and what it gets at the end.

    The lock file has a second name of ours: should we be killed, it is known by that.
    """

    def __init__(self, config: Path, common: Path) -> None:
        self.path, self.lock = _locked(config)
        self.twin = common / layout.FOLDER / _TWIN
        self.data = b""

    def __enter__(self) -> Self:
        try:
            self._take()
        except FileExistsError as error:
            raise PeerError("busy", f"somebody is writing {self.path}", f"if nobody is, remove {self.lock}") from error
        self.data = self.before = self.path.read_bytes()
        return self

    def _take(self) -> None:
        with contextlib.suppress(OSError):  # no folder of ours, another file system, or one without second names
            self.twin.unlink(missing_ok=True)
            self.twin.touch(0o600)
        try:
            os.link(self.twin, self.lock)
        except FileExistsError:
            self.twin.unlink(missing_ok=True)
            raise
        except OSError:
            os.close(os.open(self.lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._replace(kind is None and self.data != self.before)
        finally:
            with contextlib.suppress(OSError):
                self.twin.unlink(missing_ok=True)

    def _replace(self, changed: bool) -> None:
        if not changed:
            self.lock.unlink()
            return
        try:
            self.lock.write_bytes(self.data)
            self.lock.chmod(stat.S_IMODE(self.path.stat().st_mode))
            self.lock.replace(self.path)
        except OSError:
            self.lock.unlink(missing_ok=True)
            raise
