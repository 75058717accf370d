"""A repository with the gate's scripts as its hooks and a log written with git's plumbing alone."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from git_peer import layout
from git_peer.core.target import glob as globs
from git_peer.hooks.blocks import GATED

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "git_peer" / "hooks" / "gate_start.py"
CLONE = "c1"


def target(path: str, kind: str = "file") -> dict[str, str]:
    """A target's record."""
    if layout.is_utf8(path):
        return {"kind": kind, "path": path}
    return {"kind": kind, "path": layout.percent(path), "encoding": "percent"}


def session(name: str, **fields: Any) -> dict[str, Any]:
    """A session's record: another clone's, alive, unless `fields` say otherwise."""
    now = int(time.time())
    base = {"name": name, "sid": f"sid-{name}", "clone": "c2", "started": now, "at": now, "height": 7, "ttl": 1800}
    return base | fields


def lock(path: str, by: str = "claude-a", kind: str = "file", **fields: Any) -> dict[str, Any]:
    """A lock's record."""
    base = {
        "id": f"id{abs(hash((path, by, kind))):x}", "target": target(path, kind), "mode": "exclusive", "token": 1 << 20,
        "sid": f"sid-{by}", "session": by, "priority": 5, "ttl": 1800, "at": int(time.time()),
    }  # fmt: skip
    return base | fields


def fence(**fields: Any) -> dict[str, Any]:
    """The fence of what "me" lost, and bob has held since."""
    lost = {"id": "f1", "target": target("a"), "sid": "sid-me", "session": "me", "token": 5, "at": 1}
    return lost | {"holder": {"sid": "sid-bob", "session": "bob", "token": 9}} | fields


def place(root: str, record: Mapping[str, Any]) -> str:
    """The tree path of a record."""
    about = record["target"]
    path = layout.unpercent(about["path"]) if "encoding" in about else about["path"]
    return layout.record(root, globs.literal_dir(path) if about["kind"] == "glob" else path, record["id"])


class Site:
    """One repository and what a test does in it. `programs` counts interpreters, `cli` what the CLI was called with."""

    def __init__(self, top: Path, *, init: bool = True) -> None:
        self.base, self.top = top.parent, top
        self.env = dict(os.environ)
        if not init:
            return
        subprocess.run(["git", "init", "-q", str(top)], check=True, env=self.env)
        for key in ("gc.auto", "maintenance.auto"):
            self.git("config", key, "0")
        self.peer.mkdir()
        self.write_peer("clone.json", {"clone": CLONE, "log": "L1", "inode": (top / ".git").stat().st_ino})
        self.install()

    @property
    def peer(self) -> Path:
        return self.top / ".git" / "peer"

    @property
    def programs(self) -> int:
        return self._lines("python.txt")

    @property
    def cli(self) -> str:
        path = self.base / "cli.txt"
        return path.read_text() if path.exists() else ""

    def _lines(self, name: str) -> int:
        path = self.base / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def install(self, python: str | None = None) -> None:
        """The scripts as the repository's hooks; the interpreter and the CLI record that they ran."""
        recorder, cli, here = self.base / "the python", self.base / "the cli", shlex.quote(str(self.base))
        recorder.write_text(f'#!/bin/sh\necho x >>{here}/python.txt\nexec {sys.executable} "$@"\n')
        cli.write_text(
            f'#!/bin/sh\n{{ echo "$*|$GIT_INDEX_FILE|$(git rev-parse --show-toplevel)"; cat; }} '
            f">{here}/cli.new\n"
            f"mv {here}/cli.new {here}/cli.txt\n"
        )
        words = {
            "@PYTHON@": shlex.quote(python or str(recorder)), "@GATE@": shlex.quote(str(GATE)),
            "@GITPEER@": shlex.quote(str(cli)),
        }  # fmt: skip
        for source in (ROOT / "hooks" / name for name in GATED):
            text = source.read_text()
            for word, value in words.items():
                text = text.replace(word, value)
            hook = self.top / ".git" / "hooks" / source.name
            hook.write_text(text)
            hook.chmod(0o755)
        recorder.chmod(0o755)
        cli.chmod(0o755)

    def run(self, *args: str | bytes, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """git, whatever it says."""
        return subprocess.run(
            ["git", *args], cwd=cwd or self.top, env=self.env | env, capture_output=True, text=True,
            errors="surrogateescape", stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip

    def git(self, *args: str | bytes, cwd: Path | None = None, **env: str) -> str:
        """git, which must succeed; its stdout."""
        done = self.run(*args, cwd=cwd, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refused(self, *args: str | bytes, cwd: Path | None = None, **env: str) -> str:
        """git, whose hook must refuse; its stderr."""
        done = self.run(*args, cwd=cwd, **env)
        assert done.returncode != 0, f"not refused: {args}\n{done.stdout}{done.stderr}"
        assert done.stderr.startswith("error: "), done.stderr
        assert "\nhint: " in done.stderr
        assert "no-verify" not in done.stderr
        return done.stderr

    def status(self, **env: str) -> int:
        """The exit status of the gate itself, asked about the index as it is."""
        argv = [sys.executable, "-I", "-S", str(GATE), "pre-commit"]
        return subprocess.run(argv, cwd=self.top, env=self.env | env, stderr=subprocess.DEVNULL).returncode

    def write(self, path: str, text: str = "x\n") -> None:
        """A file of the work tree."""
        file = os.fsencode(self.top) + b"/" + layout.to_bytes(path)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "w") as out:
            out.write(text)

    def base_commit(self, *paths: str) -> None:
        """The files, committed past the gate."""
        for path in paths:
            self.write(path, f"old {path}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "base", "--no-verify", "--allow-empty")

    def write_peer(self, name: str, value: Any) -> None:
        """A file of the folder peer/."""
        path = self.peer / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))

    def log(self, *records: Mapping[str, Any], sessions: tuple[Mapping[str, Any], ...] = (), **more: Any) -> None:
        """The log's tip: locks among `records` by default, `fences`, `disputes`, `folds`; with their sessions."""
        files: dict[str, Any] = {"log.json": {"format": 1, "height": 9, "id": "L1", "mode": "local"}}
        if more.get("folds"):
            files["log.json"]["folds"] = True
        for root, found in (
            (layout.T_LOCKS, records), (layout.T_FENCES, more.get("fences", ())),
            (layout.T_DISPUTES, more.get("disputes", ())),
        ):  # fmt: skip
            files |= {place(root, record): record for record in found}
        known = {record["name"]: record for record in sessions}
        for record in records:
            known.setdefault(record["session"], session(record["session"]))
        files |= {layout.session(name): record for name, record in known.items()}
        lines = [b"commit refs/peer/coordination\ncommitter n <n@x> 1 +0000\ndata 0\ndeleteall\n"]
        for path, value in files.items():
            raw = (
                value if isinstance(value, bytes) else json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
            )
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(raw), raw))
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force"], input=b"".join(lines), check=True, cwd=self.top, env=self.env
        )

    def children(self, *args: str) -> list[str]:
        """The names of all git commands that a run of git starts, itself among them."""
        trace = self.base / "trace.json"
        trace.unlink(missing_ok=True)
        self.run(*args, GIT_TRACE2_EVENT=str(trace))
        events = map(json.loads, trace.read_text().splitlines())
        starts = [event["argv"] for event in events if event["event"] == "start"]
        return [next(word for word in argv[1:] if not word.startswith("-")) for argv in starts]
