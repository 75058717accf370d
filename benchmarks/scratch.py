"""A scratch folder: an environment in which nothing of the machine's user is seen, and programs timed in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import git_peer

GIT_PEER = (sys.executable, "-P", "-m", "git_peer")  # as the installed program, minus the search for it on PATH
_DROPPED = ("GIT_", "CLAUDE", "CODEX", "GEMINI", "PYTHON", "XDG_", "LC_", "LANG")
_CONFIG = """\
[user]
\tname = Bench Mark
\temail = bench@example.com
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""


class Failed(Exception):
    """A program that was to be timed did not end with 0; its errors."""


class Scratch:
    """Programs run in `folder` with an environment of its own; git's own housekeeping stays out of the figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "gitconfig"
        config.write_text(_CONFIG)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)} | {
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            # Compiled once for the run, as an installed package is, whatever the caller's settings are.
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "PYTHONPATH": str(Path(git_peer.__file__).resolve().parent.parent),
        }

    def run(self, args: Sequence[str], where: Path, env: Mapping[str, str] | None = None) -> str:
        """A program's stdout; Failed where it does not end with 0."""
        return self._spawn(args, where, env)[1]

    def time(self, args: Sequence[str], where: Path, env: Mapping[str, str] | None = None) -> float:
        """Milliseconds from a program's start to its exit; Failed where it does not end with 0."""
        return self._spawn(args, where, env)[0]

    def _spawn(self, args: Sequence[str], where: Path, env: Mapping[str, str] | None) -> tuple[float, str]:
        began = time.perf_counter()
        ran = subprocess.run(
            args, cwd=where, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        took = (time.perf_counter() - began) * 1000
        if ran.returncode:
            raise Failed(f"{' '.join(args)}: exit status {ran.returncode}\n{ran.stderr}")
        return took, ran.stdout

    def cpu(self, args: Sequence[str], where: Path) -> float:
        """Milliseconds of processor time that a program takes, with what it waits for; Failed as in time()."""
        child = subprocess.Popen(
            args,
            cwd=where,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise Failed(f"{' '.join(args)}: exit status {child.returncode}")
        return (used.ru_utime + used.ru_stime) * 1000

    def git(self, where: Path, *args: str, env: Mapping[str, str] | None = None) -> str:
        """What git says, without the last newline."""
        return self.run(("git", *args), where, env).removesuffix("\n")

    def peer(self, where: Path, *args: str) -> str:
        """What git-peer says."""
        return self.run((*GIT_PEER, *args), where)

    def repo(self, name: str, files: Sequence[str] = ("README.md",)) -> Path:
        """A repository with one commit of small files."""
        path = self.folder / name
        self.git(self.folder, "init", "-q", str(path))
        write(path, files, "first\n")
        self.git(path, "add", "-A")
        self.git(path, "commit", "-q", "-m", "first")
        return path

    def bare(self, name: str, source: Path) -> Path:
        """A bare copy of `source`'s commits to push to; it becomes the origin of `source`."""
        path = self.folder / name
        self.git(self.folder, "clone", "-q", "--bare", str(source), str(path))
        self.git(source, "remote", "add", "origin", str(path))
        return path

    def copy(self, source: Path, name: str) -> Path:
        """A copy of a whole folder, in place of an earlier one of that name."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(source, path, symlinks=True)
        return path


def write(top: Path, files: Sequence[str], text: str) -> None:
    """Put `text` into each of the files."""
    for file in files:
        path = top / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
