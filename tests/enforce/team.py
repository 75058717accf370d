"""Sessions at work in clones of one remote, and what it means that one of them is refused."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.world import Clone, Result, World

HELD = "src/auth.py"  # what alice holds, where a test has her hold something
COMMIT = ("commit", "-q", "-m", "x")
AGENT = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "run-1"}  # as Claude Code's shell has it


@dataclass(frozen=True)
class Member:
    """A session in a work tree; `name` None is its unnamed person. `env` comes on top."""

    at: Clone
    name: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)

    def _env(self, more: Mapping[str, str | None] | None) -> dict[str, str | None]:
        named = {"GIT_PEER_SESSION": self.name} if self.name else {}
        return {**named, **self.env, **(more or {})}

    def git(
        self, *args: str, check: bool = True, env: Mapping[str, str | None] | None = None, cwd: str = "",
        stdin: bytes | None = None,
    ) -> Result:  # fmt: skip
        """git, as this session."""
        return self.at.git(*args, check=check, env=self._env(env), cwd=cwd, stdin=stdin)

    def peer(self, *args: str, status: int | None = 0, cwd: str = "", stdin: bytes | None = None) -> Result:
        """git-peer, as this session."""
        return self.at.peer(*args, status=status, cwd=cwd, env=self._env(None), stdin=stdin)

    def lock(self, *targets: str) -> None:
        """Take locks."""
        self.peer("lock", *targets)

    def holds(self) -> set[str]:
        """The targets it holds, by its copy of the log."""
        return {lock["target"] for lock in self.peer("locks", "--mine", "--json").json()["locks"]}

    def change(self, *paths: str) -> None:
        """Change files (made where they are not), not staged."""
        for path in paths:
            there = self.at.path / path
            self.at.write(path, (there.read_bytes() if there.is_file() else b"") + f"{self.name}\n".encode())

    def stage(self, paths: Iterable[str]) -> list[str]:
        """Stage new files of these names, whatever the file system thinks of them; those that git has taken."""
        blob = self.git("hash-object", "-w", "--stdin", stdin=b"x\n").line
        before = set(self.git("ls-files", "-z").out.split("\0"))
        rows = "".join(f"100644 {blob}\t{path}\0" for path in paths)
        self.git("update-index", "-z", "--index-info", stdin=rows.encode("utf-8", "surrogateescape"), check=False)
        return sorted(set(self.git("ls-files", "-z").out.split("\0")) - before)

    def commit(self, *paths: str, options: tuple[str, ...] = ()) -> str:
        """Change these and nothing else, and commit them; the commit's id."""
        self.change(*paths)
        self.git("add", "-A", "--", *paths)
        self.git("commit", "-q", *options, "-m", f"{self.name or 'person'} changes {', '.join(paths)}", "--", *paths)
        return self.at.head()

    def sneaks(self, *paths: str) -> str:
        """Commit past the hook; the commit's id."""
        return self.commit(*paths, options=("--no-verify",))

    def refused(
        self, *args: str, why: str = "is locked by alice", env: Mapping[str, str | None] | None = None, cwd: str = ""
    ) -> Result:
        """git says no for that reason, and neither HEAD nor a ref of the remote has moved."""
        before = self.at.head(), self.at.world.refs()
        result = self.git(*args, check=False, env=env, cwd=cwd)
        assert result.status == 1, f"not refused\n{result}"
        assert why in result.err, result
        assert (self.at.head(), self.at.world.refs()) == before, result
        return result

    def refused_push(self, *args: str, code: str = "locked") -> dict[str, Any]:
        """`git peer push` says no with that code, and no ref of the remote has moved; the whole answer."""
        before = self.at.world.refs()
        answer = self.peer("push", "--json", *args, status=1).json()
        assert answer["error"]["code"] == code, answer
        assert self.at.world.refs() == before
        return answer


@dataclass
class Team:
    """Two clones that are set up with one log on the remote: alice's, bob's."""

    world: World
    alice: Member
    bob: Member

    @classmethod
    def of(cls, world: World, held: bool = False) -> Team:
        """Set up, as `git peer init` left the clones of a template; with `held` alice has taken HELD."""
        source = _template(held)
        shutil.rmtree(world.remote)
        for name in ("remote.git", "one", "other"):
            shutil.copytree(source / name, world.folder / name, symlinks=True)
        for name in ("one", "other"):
            _settle(world.folder / name, source, world)
        return cls._named(world)

    @classmethod
    def _named(cls, world: World) -> Team:
        one, other = (Clone(world, world.folder / name) for name in ("one", "other"))
        return cls(world, Member(one, "alice"), Member(other, "bob"))

    def hold(self, *targets: str) -> None:
        """alice takes locks, and bob's clone hears of it."""
        self.alice.lock(*(targets or (HELD,)))
        self.bob.peer("sync")

    @contextmanager
    def nothing_moves(self) -> Iterator[None]:
        """No ref of the remote moves."""
        before = self.world.refs()
        yield
        assert self.world.refs() == before


@functools.cache
def _template(held: bool) -> Path:
    """A folder with a remote and two clones that are set up. Made once a process, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="git-peer-team-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = World(folder)
    world.clone("one").peer("init", "--remote", "origin")
    world.clone("other").peer("init")
    if held:
        Team._named(world).hold()
    return folder


def _settle(clone: Path, source: Path, world: World) -> None:
    """Make a copied clone the one that it was copied from: its remote, its inode, the age of its copy of the log."""
    config, facts, stale = (clone / ".git" / name for name in ("config", "peer/clone.json", "peer/stale-at"))
    config.write_text(config.read_text().replace(str(source / "remote.git"), world.url))
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"inode": (clone / ".git").stat().st_ino}))
    stale.write_text(f"{int(time.time()) + 30}\n")
    Clone(world, clone).git("update-index", "-q", "--refresh")
