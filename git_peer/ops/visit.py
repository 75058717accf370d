"""A visit: a repository without git-peer asks the log of its remote, as a CI job does, and keeps no trace of that.

What is fetched goes into a scratch repository beside it, which borrows its objects.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from git_peer import layout
from git_peer.core.errors import Malformed, PeerError
from git_peer.ops.peer import Peer
from git_peer.ops.wiring import Parts
from git_peer.publish import loss
from git_peer.store.clone.clone import Clone
from git_peer.store.git import refs
from git_peer.store.git.chain import Chain
from git_peer.store.git.remote import Remote, run
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

DEPTH = 50  # commits of the log that are fetched, and verified on the first of them
_NOT_TAKEN = ("core.bare", "core.worktree", "core.hookspath", "core.repositoryformatversion")


@contextmanager
def visiting(parts: Parts, writing: bool = False) -> Iterator[Peer]:
    """A Peer on the newest log: of this clone where it is set up, else of a visit that ends with this."""
    if parts.clone.is_set_up:
        peer = parts.peer(writing=writing)
        if peer.remote is not None:
            patience = peer.settings.get("retryTimeout")
            with peer.clone.writing(patience):
                peer.engine.advance(patience)
        yield peer
        return
    with tempfile.TemporaryDirectory(prefix="git-peer-") as scratch:
        yield _visitor(parts, Path(scratch))


def _visitor(parts: Parts, folder: Path) -> Peer:
    """A Peer in a scratch repository that borrows the objects, the remote and the credentials of this one."""
    home = parts.repo
    name = _remote(parts)
    _lay(home, folder)
    repo = Repo(os.fspath(folder))
    settings = Settings(repo.handle, home.top)
    branch = str(settings.get("branch"))
    remote = Remote(repo.gitdir, None, name, branch)
    patience = settings.get("retryTimeout")
    tip = _fetch(remote, repo, patience)
    chain = Chain(repo.handle)
    _verified(chain, remote, tip)
    state = chain.state(tip)
    if settings.log_id and settings.log_id != state.log.id:
        raise PeerError(
            "untrusted",
            f"the log on {name} is {state.log.id}; this project's is {settings.log_id}",
            "is it a fork's? `git config peer.remote NAME` names another remote",
        )
    clone = Clone(repo.common)
    clone.folder.mkdir(exist_ok=True)
    clone.set_up(log=state.log.id, remote=name, branch=branch, writable=True, atomic=True)
    clone.move_tip(repo.git, tip, None)
    clone.fetched(time.time(), settings.get("maxStaleness"))
    me = msgspec.structs.replace(parts.me, clone=clone.ident, head=home.head, branch=home.branch)
    return Peer(repo, clone, settings, me, remote, parts.world, parts.options())


def _remote(parts: Parts) -> str:
    """The remote that has the log: by the settings, else `origin`, else the only one."""
    names = [one for one in parts.repo.git.remotes.names() if one]
    asked = str(parts.settings.get("remote") or "")
    if asked in names or (not asked and names):
        return asked or ("origin" if "origin" in names else names[0])
    raise PeerError("not_set_up", "there is no remote whose log could be asked", "`git peer init` starts a log here")


def _lay(home: Repo, folder: Path) -> None:
    """Make the scratch repository."""
    where = {"GIT_DIR": str(home.gitdir)}
    if run(["init", "--quiet", "--bare", "--template=", os.fspath(folder)], folder.parent, 30).status:
        raise PeerError("failed", f"cannot make a repository in {folder}", "is the disk full? TMPDIR names another")
    objects = os.environ.get("GIT_OBJECT_DIRECTORY") or os.fspath(home.common / "objects")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(os.path.abspath(objects)) + b"\n")
    if (home.common / "shallow").exists():
        shutil.copy(home.common / "shallow", folder / "shallow")
    listed = run(["config", "--list", "-z", "--local", "--includes"], home.gitdir, 30, where).out
    rows = [row.partition("\n") for row in listed.split("\0") if row]
    with (folder / "config").open("a", encoding="utf-8", errors="surrogateescape") as file:
        for key, _, value in rows:
            if key not in _NOT_TAKEN and not key.startswith(("extensions.", "include", "branch.", "core.")):
                file.write(_setting(key, _whole(home, key, value)))
    (folder / "config").chmod(0o600)  # a CI job's token may be among them
    tracking = run(["for-each-ref", "--format=%(objectname) %(refname)", "refs/remotes/"], home.gitdir, 30, where).out
    packed = "".join(f"{line}\n" for line in tracking.splitlines() if not line.endswith("/HEAD"))
    (folder / "packed-refs").write_text(packed, "utf-8", "surrogateescape")


def _whole(home: Repo, key: str, value: str) -> str:
    """A setting as it means the same in another folder."""
    if key.startswith("remote.") and key.endswith(("url", "pushurl")) and "://" not in value:
        there = (home.top or home.gitdir) / value
        return os.fspath(there) if not os.path.isabs(value) and there.exists() else value
    return value


def _setting(key: str, value: str) -> str:
    section, _, rest = key.partition(".")
    sub, _, name = rest.rpartition(".")
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    quoted = sub.replace("\\", "\\\\").replace('"', '\\"')
    head = f'[{section} "{quoted}"]' if sub else f"[{section}]"
    return f'{head}\n\t{name} = "{text}"\n'


def _fetch(remote: Remote, repo: Repo, patience: float) -> str:
    """The newest commits of the log; where it stands. PeerError where the remote has none, or does not answer."""
    args = ["-c", "core.hooksPath=/dev/null", "-c", "fetch.fsckObjects=true", "fetch", "--quiet", "--no-tags"]
    args += ["--no-write-fetch-head", "--no-auto-gc", "--refmap=", f"--depth={DEPTH}", remote.url]
    ran = run([*args, f"+{remote.ref}:{layout.INCOMING}"], repo.gitdir, patience, {"GIT_DIR": str(repo.gitdir)})
    remote.fetches += 1
    tip = refs.read(repo.git, layout.INCOMING)
    if ran.status == 0 and tip is not None:
        return tip
    if "couldn't find remote ref" in ran.err:
        hint = f"`git peer init --remote {remote.name}` in a clone starts one"
        raise PeerError("not_set_up", f"{remote.name} has no log of git-peer on {remote.branch}", hint)
    said = "it did not answer in time" if ran.timed_out else (ran.err.strip().splitlines() or ["git said nothing"])[-1]
    raise PeerError("unreachable", f"cannot reach {remote.name}: {said}", "check the network and try again")


def _verified(chain: Chain, remote: Remote, tip: str) -> None:
    """Verify what was fetched of the log, on its oldest commit: PeerError where it is malformed."""
    line: list[str] = []
    at: str | None = tip
    try:
        while at is not None:
            entry = chain.entry(at)
            line.append(at)
            at = entry.parent
    except Malformed as why:
        raise PeerError(
            "untrusted", f"the log on {remote.name} is malformed: {why}", "`git peer doctor --fix`"
        ) from why
    except PeerError:  # where the fetch cut it off
        pass
    oldest_first: Sequence[str] = line[::-1]
    base = None if at is None else oldest_first[0]
    problems = chain.verify(base, oldest_first[1:] if base else oldest_first)
    if problems:
        raise loss.poisoned(problems[0], f"the log on {remote.name}")
