"""A small world for a test: a sealed environment, a bare remote, clones of it, and the real program run in them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import forked

REQUIRED = os.environ.get("GIT_PEER_REQUIRE", "")  # read before a test's environment is sealed
TIMEOUT = 120  # seconds; nothing that a test runs takes longer, so a hang ends as a failure with its output

_DROPPED_PREFIXES = (
    "GIT_", "CLAUDE", "CODEX", "GEMINI", "ANTHROPIC", "SSH_", "XDG_", "LC_", "PRE_COMMIT",
)  # fmt: skip
_DROPPED = (
    "LANG", "LANGUAGE", "EMAIL", "EDITOR", "VISUAL", "PAGER", "BROWSER", "COLUMNS", "NO_COLOR", "FORCE_COLOR",
    "CLICOLOR", "CLICOLOR_FORCE",
    "PYTHONDONTWRITEBYTECODE",  # thousands of processes would each compile everything anew
)  # fmt: skip
_CONFIG = """\
[user]
\tname = Test Person
\temail = person@example.com
[init]
\tdefaultBranch = main
[protocol "file"]
\tallow = always
[gc]
\tautoDetach = false
[maintenance]
\tautoDetach = false
"""
_FILES = {
    "README.md": "# example\n",
    "docs/guide.md": "How to.\n",
    "src/api.py": "def serve() -> None:\n    pass\n",
    "src/auth.py": "def login() -> None:\n    pass\n",
}
_DATED = {"GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000"}  # the same ids every run


def sealed(home: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing of the machine's user is seen; makes `home` with its git configuration.

    What pip needs to find packages stays: a test of the pre-commit framework installs with it.
    """
    source = os.environ if base is None else base
    env = {key: value for key, value in source.items() if key not in _DROPPED and not key.startswith(_DROPPED_PREFIXES)}
    home.mkdir(parents=True, exist_ok=True)
    config = home / "gitconfig"
    if not config.exists():
        config.write_text(_CONFIG)
    env["HOME"] = str(home)
    for name, folder in (
        ("CONFIG", ".config"),
        ("DATA", ".local/share"),
        ("CACHE", ".cache"),
        ("STATE", ".local/state"),
    ):
        env[f"XDG_{name}_HOME"] = str(home / folder)
    env |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        # `git peer` finds git-peer where this interpreter's programs are.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), source.get("PATH", os.defpath))),
    }
    for name in ("NO_PROXY", "no_proxy"):  # the servers of the tests are on loopback
        env[name] = ",".join(filter(None, (env.get(name, ""), "127.0.0.1", "localhost")))
    _keep_pip(source, env)
    return env


def _keep_pip(source: Mapping[str, str], env: dict[str, str]) -> None:
    """pip's own configuration and cache stay those of the machine, though HOME moves."""
    home = Path(source.get("HOME") or "~").expanduser()
    config = Path(source.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    if "PIP_CONFIG_FILE" not in env and config.is_file():
        env["PIP_CONFIG_FILE"] = str(config)
    env.setdefault("PIP_CACHE_DIR", str(Path(source.get("XDG_CACHE_HOME") or home / ".cache") / "pip"))


@functools.cache
def _has(what: str) -> bool:
    """Whether a tool is there: a program on PATH, or with `git-` a command of git's own."""
    if what.startswith("git-"):
        where = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
        return shutil.which(what, path=where) is not None
    return shutil.which(what) is not None


def require(what: str, present: Callable[[], bool] | None = None) -> None:
    """Skip the test when the tool `what` is missing; with GIT_PEER_REQUIRE=all (or a list that names it) fail.

    `present` answers for what is no program on PATH.
    """
    if present() if present is not None else _has(what):
        return
    if REQUIRED == "all" or what in REQUIRED.split(","):
        pytest.fail(f"{what} is missing, and GIT_PEER_REQUIRE={REQUIRED} wants it", pytrace=False)
    pytest.skip(f"{what} is missing")


@dataclass(frozen=True)
class Result:
    """A program that ran to its end: its arguments, exit status, output and errors."""

    args: tuple[str, ...]
    status: int
    raw: bytes
    raw_err: bytes

    @property
    def out(self) -> str:
        """stdout as text; bytes that are not UTF-8 as lone surrogates."""
        return self.raw.decode("utf-8", "surrogateescape")

    @property
    def err(self) -> str:
        """stderr as text."""
        return self.raw_err.decode("utf-8", "surrogateescape")

    @property
    def line(self) -> str:
        """stdout without its last newline."""
        return self.out.removesuffix("\n")

    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout. Fails when there is none, or anything beside it."""
        return json_of(self.raw)

    def objects(self) -> list[dict[str, Any]]:
        """A stream's JSON objects, one a line."""
        return [json_of(line) for line in self.raw.splitlines()]

    def __str__(self) -> str:
        shown = [f"$ {' '.join(self.args)}", f"exit status {self.status}"]
        shown += [f"-- {name}\n{text}" for name, text in (("stdout", self.out), ("stderr", self.err)) if text]
        return "\n".join(shown).encode("utf-8", "backslashreplace").decode()


def json_of(text: str | bytes) -> dict[str, Any]:
    """The JSON object that is the whole of `text`."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AssertionError(f"not one JSON object ({error}): {text!r}") from None
    assert isinstance(found, dict), f"not a JSON object: {text!r}"
    return found


def merged(env: Mapping[str, str | None] | None) -> dict[str, str]:
    """This process's (sealed) environment with changes; None takes a variable out."""
    base: dict[str, str | None] = {**os.environ, **(env or {})}
    return {key: value for key, value in base.items() if value is not None}


@dataclass
class Running:
    """A program under way. Whoever starts it calls finish() or kill(); what a failed test left, end_running() kills."""

    args: tuple[str, ...]
    process: subprocess.Popen[bytes]
    stdin: bytes | None = None

    def finish(self, status: int | None = None, timeout: float = TIMEOUT) -> Result:
        """Wait for the end; asserts the exit status when one is given."""
        try:
            out, err = self.process.communicate(self.stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"no end after {timeout} s\n{Result(self.args, -9, out, err)}") from None
        result = Result(self.args, self.process.returncode, out, err)
        assert status is None or result.status == status, f"expected exit status {status}\n{result}"
        return result

    def kill(self) -> Result:
        """kill -9, and what it had said."""
        self.process.kill()
        return self.finish()


def start(
    args: tuple[str, ...], cwd: Path, env: Mapping[str, str | None] | None = None, stdin: bytes | None = None,
    real: bool = False,
) -> Running:  # fmt: skip
    """Start a program in a folder, its output kept; no terminal, and no stdin unless given.

    git-peer is forked from a server that has it imported, unless `real` or real_processes() wants a new interpreter,
    or the environment says something that only a new one takes up.
    """
    whole = merged(env)
    forks = not (real or _real.get()) and forked.can(args, whole)
    process = (forked.Forked if forks else subprocess.Popen)(
        [os.fsencode(arg) for arg in args],
        cwd=cwd,
        env=whole,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running = Running(args, process, stdin)
    _started.append(running)
    return running


_started: list[Running] = []
_real = ContextVar("real", default=os.environ.get("GIT_PEER_REAL", "") == "all")


@contextlib.contextmanager
def real_processes() -> Iterator[None]:
    """Every git-peer that is started in here is a new interpreter."""
    token = _real.set(True)
    try:
        yield
    finally:
        _real.reset(token)


def end_running() -> None:
    """Kill what a test has started and, having failed, not waited for."""
    while _started:
        running = _started.pop()
        if running.process.returncode is None:
            running.kill()


class Clone:
    """A work tree: a clone of the world's remote, or a linked work tree of one."""

    def __init__(self, world: World, path: Path) -> None:
        self.world = world
        self.path = path
        self.name = path.name

    def git(
        self, *args: str, env: Mapping[str, str | None] | None = None, check: bool = True,
        cwd: str = "", stdin: bytes | None = None,
    ) -> Result:  # fmt: skip
        """Run git here (`cwd`: in a folder below). With `check`, exit status 0 is asserted."""
        return start(("git", *args), self.path / cwd, env, stdin).finish(0 if check else None)

    def peer(
        self, *args: str, as_: str | None = None, env: Mapping[str, str | None] | None = None,
        status: int | None = 0, cwd: str = "", stdin: bytes | None = None, real: bool = False,
    ) -> Result:  # fmt: skip
        """Run git-peer here, as session `as_`; asserts the exit status (None: whatever it is)."""
        return self.start_peer(*args, as_=as_, env=env, cwd=cwd, stdin=stdin, real=real).finish(status)

    def start_peer(
        self, *args: str, as_: str | None = None, env: Mapping[str, str | None] | None = None,
        cwd: str = "", stdin: bytes | None = None, real: bool = False,
    ) -> Running:  # fmt: skip
        """Start git-peer here and do not wait; for races and kills. `real`: a new interpreter, not a fork."""
        named = ("--as", as_) if as_ is not None else ()
        # -P: a json.py or click.py in the work tree under test must not be imported.
        return start((*forked.PROGRAM, *named, *args), self.path / cwd, env, stdin, real)

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file, with the folders above it. Not staged."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        return target

    def read(self, path: str) -> str:
        """A file's text."""
        return (self.path / path).read_bytes().decode("utf-8", "surrogateescape")

    def commit(self, message: str, *paths: str, env: Mapping[str, str | None] | None = None) -> str:
        """Stage `paths` (none given: everything) and commit through all hooks; the commit's id."""
        self.git("add", "-A", "--", *paths, env={"GIT_LITERAL_PATHSPECS": "1"} if paths else None)
        self.git("commit", "-q", "-m", message, env=env)
        return self.head()

    def head(self, rev: str = "HEAD") -> str:
        """The id of a commit."""
        return self.git("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}").line

    def worktree(self, name: str, branch: str | None = None) -> Clone:
        """A linked work tree beside this one, on a new branch (default: of its name)."""
        path = self.path.parent / name
        self.git("worktree", "add", "-q", "-b", branch or name, str(path))
        return Clone(self.world, path)

    @property
    def gitdir(self) -> Path:
        """The work tree's git directory."""
        return Path(self.git("rev-parse", "--absolute-git-dir").line)

    @property
    def common(self) -> Path:
        """The git directory that all work trees of the clone share."""
        return (self.path / self.git("rev-parse", "--git-common-dir").line).resolve()


class World:
    """A bare remote with one commit on main, which checks what it receives, and clones of it, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        shutil.copytree(template() / "remote.git", self.remote)

    @property
    def url(self) -> str:
        """The remote's URL over path."""
        return str(self.remote)

    def clone(
        self, name: str, *options: str, url: str | None = None, env: Mapping[str, str | None] | None = None
    ) -> Clone:
        """A clone named `name`. Plain ones are copied from a template; with options or another URL git clones."""
        path = self.folder / name
        if options or url is not None:
            start(("git", "clone", "-q", *options, url or self.url, str(path)), self.folder, env).finish(0)
            return Clone(self, path)
        shutil.copytree(template() / "clone", path, symlinks=True)
        clone = Clone(self, path)
        config = path / ".git" / "config"
        config.write_text(config.read_text().replace(str(template() / "remote.git"), self.url))
        if _refs_files(self.remote) != _refs_files(template() / "remote.git"):  # it has moved on
            clone.git("fetch", "-q", "origin")
            clone.git("merge", "-q", "--ff-only", "@{upstream}")
        clone.git("update-index", "-q", "--refresh")  # copied files have other inodes
        return clone

    def refs(self) -> dict[str, str]:
        """The remote's refs: name → id."""
        out = start(("git", "for-each-ref", "--format=%(refname) %(objectname)"), self.remote).finish(0).out
        return dict(line.split(" ") for line in out.splitlines())


def _refs_files(remote: Path) -> dict[str, bytes]:
    """The files that hold a bare repository's refs; equal means no ref has moved."""
    files = [path for path in (remote / "refs").rglob("*") if path.is_file()]
    files += [path for path in (remote / "packed-refs",) if path.exists()]
    return {str(path.relative_to(remote)): path.read_bytes() for path in files}


@functools.cache
def template() -> Path:
    """The folder that worlds are copied from: remote.git and a clone of it. Made once a process, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="git-peer-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    remote, seed = folder / "remote.git", folder / "clone"

    def git(*args: str) -> None:
        start(("git", *args), folder, {**sealed(folder / "home"), **_DATED}).finish(0)

    git("init", "-q", "--bare", "--template=", str(remote))
    git("-C", str(remote), "config", "receive.fsckObjects", "true")
    git("clone", "-q", "--template=", str(remote), str(seed))
    for path, text in _FILES.items():
        (seed / path).parent.mkdir(exist_ok=True)
        (seed / path).write_text(text)
    git("-C", str(seed), "add", "-A")
    git("-C", str(seed), "commit", "-q", "-m", "start")
    git("-C", str(seed), "push", "-q", "-u", "origin", "main")
    git("-C", str(seed), "remote", "set-head", "origin", "main")
    for made in (remote, seed / ".git"):
        (made / "hooks").mkdir(exist_ok=True)  # without the samples that git would put there
        (made / "info").mkdir(exist_ok=True)
    return folder
