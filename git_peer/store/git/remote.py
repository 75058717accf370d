"""The remote that arbitrates, through the git program: it has the user's credentials, leases and --atomic."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.store.files import refused_by_disk
from git_peer.store.git.repo import common_of

_WHOLE_HISTORY = "--depth=2147483647"  # git's own word for: no end
# What git says itself of a push: it is told as our error, or by its refs.
_OWN_WORDS = re.compile(rb"(?:error|fatal|hint): |To |Everything up-to-date|branch '|\s*$| [-+=*! ] ")
_NOT_ASCII = re.compile(rb"\\(?:37777777([67][0-7]{2})|([23][0-7]{2}))")  # a byte as traces have it, signed or not


@dataclass(frozen=True)
class Ran:
    """What a git child said."""

    status: int
    out: str
    err: str
    timed_out: bool = False


@dataclass(frozen=True)
class Pushed:
    """How a push ended: ok; lost (somebody moved a ref); rejected (by the server, with its text);
    unreachable (nothing was sent); unknown (something was sent and no answer came)."""

    end: str
    text: str = ""
    refs: tuple[tuple[str, str, str, str], ...] = ()  # (flag, source, destination, summary)
    said: tuple[str, ...] = ()  # the server's own lines, which git shows as `remote: …`


class Hearing(NamedTuple):
    """The user's own words for a push of code: the remote's name, who hears the server, git's own options."""

    to: str
    hear: Callable[[bytes], None] | None = None
    settings: Sequence[str] = ()


def run(
    args: Sequence[str],
    cwd: Path,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    hear: Callable[[bytes], None] | None = None,
) -> Ran:
    """Run git and wait at most `timeout` seconds; past that it and its helpers are ended.

    `hear` gets what the server says, and how far git is, while git runs: lines that end in a line feed or a return.
    """
    # On a terminal git may have to ask for a password, so it stays in our process group; else it gets its own,
    # that its helpers can be ended with it.
    apart = not sys.stdin.isatty() if sys.stdin else True
    # What counts is what is there, not what a replace ref would show instead.
    environ = {**os.environ, "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", **(env or {})}
    child = subprocess.Popen(
        ["git", *args],
        cwd=cwd,
        env=environ,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0 if apart else None,
    )
    try:
        if hear is None:
            out, err = child.communicate(stdin, timeout=max(timeout, 0.1))
        else:
            out, err = _heard(child, stdin, max(timeout, 0.1), hear)
        return Ran(child.returncode, _text(out), _text(err))
    except subprocess.TimeoutExpired:
        _end(child, apart)
        return Ran(-1, "", "timed out", timed_out=True)
    except BaseException:
        _end(child, apart)
        raise


def _heard(
    child: subprocess.Popen[bytes], stdin: bytes | None, timeout: float, hear: Callable[[bytes], None]
) -> tuple[bytes, bytes]:
    """What communicate() does, with what is for the user handed on as it comes."""
    import threading  # only where somebody listens

    assert child.stderr is not None
    pipe, said, rest = child.stderr, [], b""

    def listen() -> None:
        nonlocal rest
        while piece := os.read(pipe.fileno(), 1 << 16):
            said.append(piece)
            *lines, rest = re.split(rb"(?<=[\r\n])", rest + piece)
            for line in lines:
                if not _OWN_WORDS.match(line):
                    hear(line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    child.stderr = None  # its listener reads it
    out, _ = child.communicate(stdin, timeout=timeout)
    listener.join(2)  # a helper that outlives git may hold it open
    return out, b"".join(said)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _end(child: subprocess.Popen[bytes], apart: bool) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            if apart:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)
        except ProcessLookupError:
            pass
        try:
            child.communicate(timeout=2)
            return
        except subprocess.TimeoutExpired:
            continue


class Unsound(PeerError):
    """The log on the remote holds an object that git's own check refuses: no clone can fetch past it."""


class Remote:
    """One remote of the repository at `gitdir`, and the branch on it that is the log."""

    def __init__(self, gitdir: Path, top: Path | None, name: str, branch: str) -> None:
        self.gitdir = gitdir
        self.top = top
        self.name = name
        self.branch = branch
        self.pushes = 0
        self.fetches = 0
        self.along: Sequence[str] = ()  # refspecs that a fetch of the log brings too; patterns, which may match nothing
        self._url = ""

    def _run(
        self,
        args: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        hear: Callable[[bytes], None] | None = None,
    ) -> Ran:
        # Absolute, for the caller's GIT_DIR may be relative to where it stood.
        where = {"GIT_DIR": str(self.gitdir), **({"GIT_WORK_TREE": str(self.top)} if self.top else {})}
        return run(args, self.top or self.gitdir, timeout, {**where, **(env or {})}, hear=hear)

    @property
    def ref(self) -> str:
        """The log's ref on the remote."""
        return f"refs/heads/{self.branch}"

    @property
    def url(self) -> str:
        """The one URL that pushes go to; PeerError where there is none, or more than one."""
        if not self._url:
            ran = self._run(["remote", "get-url", "--push", "--all", self.name], 10)
            urls = ran.out.splitlines()
            if ran.status or not urls:
                hint = "`git remote -v` lists them; where it was renamed, `git peer init --remote NAME` follows it"
                raise PeerError("not_found", f"no remote called {self.name}", hint)
            if len(urls) > 1:
                raise PeerError(
                    "unsupported",
                    f"remote {self.name} has {len(urls)} push URLs; one arbiter must decide",
                    "leave it one push URL, or name another remote with `git config peer.remote NAME`",
                )
            self._url = urls[0]
        return self._url

    def fetch(self, timeout: float, whole: bool = False) -> str | None:
        """Fetch the log into our own ref; the commit it stands on, None where the remote has no log.

        `whole` asks for every object anew, whatever git believes is here: in a partial clone it believes too much.
        Raises PeerError("unreachable"), Unsound.
        """
        return self._fetch(self.ref, layout.INCOMING, timeout, whole, self.along)

    def fetch_unsound(self, timeout: float) -> str | None:
        """The same with what git's own check refuses: for who mends it."""
        return self._fetch(self.ref, layout.INCOMING, timeout, whole=False, check=False)

    @property
    def _deepening(self) -> list[str]:
        """The flag by which a shallow clone gets all of what it fetches; the code's history stays as short as it is."""
        return [_WHOLE_HISTORY] if (common_of(self.gitdir) / "shallow").exists() else []

    def notes(self, timeout: float) -> str | None:
        """Fetch the notes on code commits into our own ref; the commit they stand on, None where there are none."""
        return self._fetch(layout.NOTES, layout.NOTES_INCOMING, timeout, whole=False)

    def branch_head(self, branch: str, timeout: float) -> str | None:
        """Fetch a branch of the code into our own ref; the commit it stands on, None where there is none."""
        return self._fetch(f"refs/heads/{branch}", layout.INTEGRATION, timeout, whole=False)

    def bring(self, ref: str, into: str, timeout: float) -> str | None:
        """Fetch a ref of the code, or a pattern of refs, into our own; the commit it stands on, None for none.

        A commit's id stands for itself, where the remote gives it out.
        """
        return self._fetch(ref, into, timeout, whole=False)

    def _fetch(
        self, ref: str, into: str, timeout: float, whole: bool, along: Sequence[str] = (), check: bool = True
    ) -> str | None:
        self.fetches += 1
        ran = self._run(
            [
                "-c",
                f"fetch.fsckObjects={'true' if check else 'false'}",
                "-c",
                "core.hooksPath=/dev/null",
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--no-auto-gc",
                "--refmap=",
                *(["--refetch", *self._deepening] if whole else []),
                self.url,
                f"+{ref}:{into}",
                *along,
            ],
            timeout,
        )
        if ran.status == 0:
            return self._run(["rev-parse", "--verify", "-q", into], 10).out.strip() or None
        if "couldn't find remote ref" in ran.err:
            return None
        if "fsck error" in ran.err:
            raise Unsound(
                "untrusted",
                f"the log on {self.name} holds an object that git's own check refuses: {_last(ran.err)}",
                "`git peer doctor --fix` sets it back to the last good commit, where one may force the branch there",
            )
        if "did not receive expected object" in ran.err and not whole:
            return self._fetch(ref, into, timeout, whole=True, along=along, check=check)
        if ran.err.startswith("fatal: bad object refs/"):  # git's own word for a ref here that it cannot read
            raise PeerError("untrusted", f"git cannot fetch: {_last(ran.err)}", "`git peer doctor --fix` mends ours")
        if f"cannot lock ref '{into}'" in ran.err or ".lock': File exists" in ran.err:
            raise PeerError("busy", f"cannot write {into}: {_last(ran.err)}", "`git peer doctor` names the cause")
        own = "\n".join(line for line in ran.err.splitlines() if not line.startswith("remote:"))
        disk = refused_by_disk(OSError(own), ours=False)
        if disk:
            raise PeerError("failed", f"cannot write what {self.name} sent: {disk}", "is the disk full, or read-only?")
        raise self._unreachable(ran)

    def _unreachable(self, ran: Ran) -> PeerError:
        said = "it did not answer in time" if ran.timed_out else _last(ran.err)
        return PeerError(
            "unreachable",
            f"cannot reach {self.name}: {said}",
            "check the network and try again",
        )

    def push(
        self,
        candidate: str,
        base: str | None,
        timeout: float,
        code: Sequence[str] = (),
        options: Sequence[str] = (),
        heard: Hearing | None = None,
    ) -> Pushed:
        """Push `candidate` onto the log, leased on `base` (None: the branch must not exist), atomically with `code`.

        `code` holds refspecs, `options` the user's flags for them. No hook runs: with code it has run before.
        """
        self.pushes += 1
        with _scratch_file() as trace:
            target = heard.to if heard else self.url  # git's tracking refs and upstreams go by the name
            args = [
                *(heard.settings if heard else ()),
                "push",
                "--porcelain",
                "--atomic",
                "--no-follow-tags",
                *([] if heard else ["--no-signed"]),  # the log's own pushes are signed by their commits
                "--no-recurse-submodules",
                "--no-verify",
                *options,
                f"--force-with-lease={self.ref}:{base or ''}",
                target,
                *code,
                f"{candidate}:{self.ref}",
            ]
            ran = self._run(args, timeout, {"GIT_TRACE_PACKET": str(trace)}, heard.hear if heard else None)
            sent = _sent(trace, self.ref)
        return _classified(ran, self.ref, sent)

    def push_notes(self, commit: str, base: str | None, timeout: float) -> Pushed:
        """Push the notes on code commits, leased on `base` (None: there must be none)."""
        self.pushes += 1
        args = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--no-recurse-submodules"]
        lease = f"--force-with-lease={layout.NOTES}:{base or ''}"
        ran = self._run([*args, lease, self.url, f"{commit}:{layout.NOTES}"], timeout)
        return _classified(ran, layout.NOTES, sent=False)

    def push_code(self, commit: str, ref: str, base: str | None, timeout: float) -> Pushed:
        """Push `commit` onto a ref of the code, leased on `base` (None: there must be none); no hook runs."""
        self.pushes += 1
        args = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--no-recurse-submodules"]
        ran = self._run([*args, f"--force-with-lease={ref}:{base or ''}", self.url, f"{commit}:{ref}"], timeout)
        return _classified(ran, ref, sent=False)

    def try_atomic(self, commit: str, name: str, timeout: float) -> Pushed:
        """A real atomic push of two throw-away refs, which are deleted again: may we push here, and atomically?"""
        self.pushes += 1
        names = [f"{layout.STAGE}{name}-{side}" for side in "ab"]
        args = ["push", "--porcelain", "--atomic", "--no-verify", "--no-signed", "--no-follow-tags", self.url]
        ran = self._run([*args, *(f"+{commit}:{ref}" for ref in names)], timeout)
        if ran.status == 0:
            self.pushes += 1
            self._run([*args, *(f":{ref}" for ref in names)], timeout)
            return Pushed("ok")
        if any(line.startswith("!\t") for line in ran.out.splitlines()):
            return Pushed("rejected", _last(ran.err))
        return Pushed("unreachable", _last(ran.err))

    def delete(self, ref: str, timeout: float) -> Pushed:
        """Delete a ref of ours; one that is not there is ok."""
        self.pushes += 1
        ran = self._run(["push", "--porcelain", "--no-verify", self.url, f":{ref}"], timeout)
        if ran.status == 0 or "remote ref does not exist" in ran.err:
            return Pushed("ok")
        return Pushed("rejected" if "!\t" in ran.out else "unreachable", _last(ran.err))

    def clear(self, refs: Mapping[str, str], timeout: float) -> tuple[list[str], str]:
        """Delete refs, each while it stands on the commit given: (those that are gone, why the first other is not)."""
        self.pushes += 1
        args = ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--no-recurse-submodules"]
        leases = [f"--force-with-lease={name}:{commit}" for name, commit in refs.items()]
        ran = self._run([*args, *leases, self.url, *(f":{name}" for name in refs)], timeout)
        told = _refs(ran)
        if not told:
            raise self._unreachable(ran)
        refused = [summary for flag, _, _, summary in told if flag == "!"]
        return [name for flag, _, name, _ in told if flag == "-"], "".join(refused[:1])

    def refs(self, pattern: str, timeout: float) -> dict[str, str]:
        """Ref → what it stands on, of those there that match a pattern, without fetching them."""
        ran = self._run(["ls-remote", "--refs", self.url, pattern], timeout)
        if ran.status:
            raise self._unreachable(ran)
        return {name: ident for ident, _, name in (line.partition("\t") for line in ran.out.splitlines())}

    def tip(self, timeout: float) -> str | None:
        """The commit that the log stands on there, without fetching it; None where there is no log."""
        return self.refs(self.ref, timeout).get(self.ref)

    def moved_to(self, branch: str, timeout: float) -> str:
        """The branch that the remote's HEAD names, where it has none called `branch` any more; else ""."""
        ran = self._run(["ls-remote", "--symref", self.url, "HEAD", f"refs/heads/{branch}"], timeout)
        rows = [line.split("\t") for line in ran.out.splitlines()]
        if ran.status or any(row[-1] == f"refs/heads/{branch}" for row in rows):
            return ""
        head = next((row[0].removeprefix("ref: refs/heads/") for row in rows if row[0].startswith("ref: refs/")), "")
        there = any(row[-1] == "HEAD" and not row[0].startswith("ref: ") for row in rows)
        return head if there else ""

    def head_branch(self, timeout: float) -> str:
        """The branch that the remote's HEAD names, there or not yet; "" where it does not tell."""
        with _scratch_file() as trace:
            env = {"GIT_TRACE_PACKET": str(trace)}
            ran = self._run(["ls-remote", "--symref", self.url, "HEAD"], timeout, env)
            if ran.status:
                raise self._unreachable(ran)
            first = ran.out.splitlines()[:1]
            if first and first[0].startswith("ref: refs/heads/"):
                return first[0].removeprefix("ref: refs/heads/").split("\t")[0]
            return _unborn(traced(trace))


def backoff(attempt: int, jitter: float, longest: float = 1.0) -> None:
    """Sleep between lost races: doubling from 20 ms to `longest` seconds, scaled by `jitter` in 0…1."""
    time.sleep(min(0.02 * 2.0**attempt, longest) * (0.5 + jitter))


@contextmanager
def _scratch_file() -> Iterator[Path]:
    """An empty file that nobody else can open, gone afterwards. `tempfile` would take as long to import as git runs."""
    path = Path(os.environ.get("TMPDIR") or "/tmp", f"git-peer-{os.getpid()}-{os.urandom(8).hex()}")  # noqa: S108
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as why:
        raise PeerError("failed", f"cannot write {path}: {why.strerror}", "TMPDIR names another folder") from None
    try:
        yield path.absolute()
    finally:
        path.unlink(missing_ok=True)


def traced(trace: Path) -> bytes:
    """What git wrote to a GIT_TRACE_PACKET, with the bytes that are not ASCII, which stand there as signed octals."""
    return _NOT_ASCII.sub(lambda octal: bytes([int(octal[1] or octal[2], 8) & 0xFF]), trace.read_bytes())


def _sent(trace: Path, ref: str) -> bool:
    """Whether the push got as far as telling the remote, or the helper that talks HTTP to it, to move `ref`."""
    command = rb"> (?:[0-9a-f]{40,64} ){2}" + re.escape(ref.encode()) + rb"(?![^\\\s])"
    try:
        return re.search(command, traced(trace)) is not None
    except OSError:
        return False


def _unborn(trace: bytes) -> str:
    """The branch that HEAD names and that is not there yet: an empty remote says it to git, and not each git to us."""
    found = re.search(rb"< unborn HEAD symref-target:refs/heads/(\S+)", trace)
    return found[1].decode("utf-8", "surrogateescape") if found else ""


def _refs(ran: Ran) -> tuple[tuple[str, str, str, str], ...]:
    """What a push said of each ref, as Pushed.refs."""
    lines = [line.split("\t") for line in ran.out.splitlines() if line.count("\t") == 2]
    told = ((flag, *pair.rsplit(":", 1), summary) for flag, pair, summary in lines)
    return tuple(row for row in told if len(row) == 4)


def said_by_server(ran: Ran) -> tuple[str, ...]:
    """The lines of the server's in what a push said."""
    return tuple(line.removeprefix("remote:").strip() for line in ran.err.splitlines() if line.startswith("remote:"))


def _classified(ran: Ran, ref: str, sent: bool) -> Pushed:
    refs = _refs(ran)
    mine = [row for row in refs if row[2] == ref]
    if ran.status == 0 and mine and mine[0][0] != "!":
        return Pushed("ok", refs=refs, said=said_by_server(ran))
    if mine and mine[0][0] == "!":
        text = "; ".join(row[3] for row in refs if row[0] == "!")
        # `[remote failure]` is git's word for: sent, and the remote did not say what became of it.
        if "remote failure" in text or "unpack" in text:
            return Pushed("unknown", text, refs)
        server = said_by_server(ran)
        return Pushed("rejected", "\n".join([text, *server]), refs, server)
    if sent:
        return Pushed("unknown", "it did not answer in time" if ran.timed_out else _last(ran.err))
    if "hook declined" in ran.err or "pre-push" in ran.err or (ran.status == 1 and "Could not" not in ran.err):
        said = [line for line in ran.err.splitlines() if line and not line.startswith("error: failed to push some")]
        return Pushed("rejected", "\n".join(said) or "it said nothing")
    low = ran.err.lower()
    denied = (
        ("permission" in low and "denied" in low and "publickey" not in low) or "403" in low or "not enabled" in low
    )
    return Pushed(
        "denied" if denied else "unreachable", "it did not answer in time" if ran.timed_out else _last(ran.err)
    )


def _last(err: str) -> str:
    """The line of git's complaint that says most."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    return (fatal or lines or ["git said nothing"])[0].removeprefix("fatal: ").removeprefix("error: ")
