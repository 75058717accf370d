"""What tests of integration share: a plan, tasks handed in by workers, and a sandbox that is only a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from git_peer.core.plan.task import record as tasks
from git_peer.core.plan.task.decide import Move
from git_peer.ops import claims
from git_peer.ops import integrate as integrating
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from git_peer.ports import Job, Ran
from tests.cli.asking import ask
from tests.world import Clone

LINES = "".join(f"line {number}\n" for number in range(20))


class Shell:
    """A sandbox that runs commands as they are; `ran` is what it was asked. `first` is called before each."""

    kind = "shell"

    def __init__(self, first: Callable[[Job], None] | None = None) -> None:
        self.ran: list[tuple[str, str]] = []
        self._first = first

    def run(self, job: Job) -> Ran:
        """Run it."""
        self.ran.append((job.label, job.command))
        if self._first is not None:
            self._first(job)
        report = job.code.parent / f"{job.code.name}.xml"
        env = {"PATH": os.environ["PATH"], "REPORT": str(report)}
        done = subprocess.run(["sh", "-c", job.command], cwd=job.code, env=env, capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raw = report.read_bytes() if report.exists() else b""
        report.unlink(missing_ok=True)
        return Ran(done.returncode, said, raw, 0.0)

    def close(self) -> None:
        """Nothing is left."""


class Team:
    """A clone whose log tasks are planned in, worked on and integrated."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone

    def add(self, title: str, *options: str) -> str:
        """A task; its id."""
        return str(ask(self.clone, "task", "add", title, *options, as_="planner")["task"]["id"])

    def commit(self, base: str, files: Mapping[str, str | bytes | None], message: str = "work") -> str:
        """A commit on `base` with files written, or removed where they are None; the work tree is not touched."""
        index = Path(self.clone.path) / ".git" / "test-index"
        env = {"GIT_INDEX_FILE": str(index)}
        self.clone.git("read-tree", base, env=env)
        for path, text in files.items():
            if text is None:
                self.clone.git("update-index", "--force-remove", "--", path, env=env)
                continue
            raw = text if isinstance(text, bytes) else text.encode()
            blob = self.clone.git("hash-object", "-w", "--stdin", stdin=raw).line
            line = b"100644 " + blob.encode() + b"\t" + os.fsencode(path) + b"\0"
            self.clone.git("update-index", "-z", "--index-info", env=env, stdin=line)
        tree = self.clone.git("write-tree", env=env).line
        index.unlink()
        return self.clone.git("commit-tree", tree, "-p", base, "-m", message).line

    def hand_in(self, ident: str, commit: str, worker: str = "", lock: bool = False) -> str:
        """Have a worker claim a task and hand in that commit, on its branch; the commit."""
        name = worker or f"worker-{ident}"
        peer = peer_in(self.clone, name)
        claims.claim(peer, ident, lock, None)
        self.publish(ident, commit)
        peer.run(Move(me=peer.me, task=ident, status="review", commit=commit))
        return commit

    def publish(self, ident: str, commit: str) -> None:
        """Put a commit on a task's branch."""
        branch = f"refs/heads/peer/task/{ident}"
        if peer_in(self.clone, "planner").remote is not None:
            self.clone.git("push", "-q", "--no-verify", "origin", f"+{commit}:{branch}")
        else:
            self.clone.git("update-ref", branch, commit)

    def status(self, ident: str) -> str:
        """A task's status."""
        found = tasks.get(peer_in(self.clone, "planner").state, ident)
        assert found is not None
        return found.status

    def deltas(self) -> list[dict[str, Any]]:
        """All deltas."""
        found: list[dict[str, Any]] = ask(self.clone, "deltas", "--all")["deltas"]
        return found


def peer_in(clone: Clone, name: str) -> Peer:
    """A Peer of a session in a clone; this process stands there from now on."""
    os.chdir(clone.path)
    return Parts(name, writing=True).peer(writing=True)


def integrate(clone: Clone, box: Shell, name: str = "integrator", **options: Any) -> dict[str, Any]:
    """Integrate in a clone."""
    return integrating.integrate(peer_in(clone, name), box, integrating.Options(**options), lambda _: None)
