"""What is wrong in a clone, and what to do about it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from git_peer import layout
from git_peer.core import near
from git_peer.core.errors import Malformed, PeerError
from git_peer.core.session import record as sessions
from git_peer.core.target import glob as globs
from git_peer.core.text import count
from git_peer.hooks import install as hooks
from git_peer.hooks import mirrors, rewriting
from git_peer.ops import gate, log_repair
from git_peer.ops.peer import Peer
from git_peer.publish import attempts, loss
from git_peer.store.clone.clone import Clone
from git_peer.store.git.remote import run
from git_peer.store.git.repo import Repo
from git_peer.store.settings import Settings

Check = dict[str, Any]


class Parts(Protocol):
    """What is examined: as wiring puts it together."""

    repo: Repo
    clone: Clone
    settings: Settings

    def peer(self) -> Peer:
        """The Peer of this run."""


OLDEST_GIT = (2, 34)
_PATIENCE = 1.5  # seconds for the sandbox's engine
YOUNG = 10  # seconds; a ref lock of that age may be a living git's


def _check(name: str, status: str, detail: str, hint: str = "") -> Check:
    return {"name": name, "status": status, "detail": detail, "hint": hint}


def examine(parts: Parts, fix: bool) -> list[Check]:
    """Every check, in order; with `fix` what can be mended is mended first."""
    found = [_git(parts)]
    try:
        parts.settings.check()
        found.append(
            _check("settings", "warn" if parts.settings.warnings else "ok", "; ".join(parts.settings.warnings))
        )
    except PeerError as why:
        found.append(_check("settings", "fail", why.message, why.hint))
    if not parts.clone.is_set_up:
        found.append(_check("set up", "fail", "git-peer is not set up here", "`git peer init`"))
        return found
    if parts.clone.damaged:
        try:
            parts.clone.check()
        except PeerError as why:
            found.append(_check("clone", "fail", why.message, why.hint))
        return found
    if parts.clone.copied:
        found.append(
            _check(
                "clone",
                "warn",
                "this folder was copied from another clone",
                "the next writing command gives it an id of its own",
            )
        )
    found.extend(_read_only(parts))
    found.extend(_sandbox(parts))
    found.append(_hooks(parts, fix))
    found.append(_notes(parts, fix))
    found.extend(_mirrors(parts, fix))
    found.extend(_locks(parts, fix))
    peer = parts.peer()
    found.append(_log(peer, fix))
    found.append(_remote(peer))
    if _is_readable(peer):
        found.append(_clock(peer))
        found.append(_worktree(peer))
        found.extend(_branches(peer))
        found.append(_attempts(peer))
    return found


def _git(parts: Parts) -> Check:
    text = run(["--version"], parts.repo.gitdir, 10).out.strip()
    numbers = tuple(int(n) for n in re.findall(r"\d+", text)[:2])
    if numbers < OLDEST_GIT:
        return _check("git", "fail", text, "git-peer wants git 2.34 or newer")
    return _check("git", "ok", text)


def _read_only(parts: Parts) -> list[Check]:
    """Whether this process may write what it must, as it may not in many an agent's sandbox; nothing where it may."""
    wanted = dict.fromkeys((parts.repo.gitdir, parts.repo.common, parts.clone.folder))
    shut = [str(folder) for folder in wanted if not os.access(folder, os.W_OK)]
    if not shut:
        return []
    detail = f"cannot be written from here: {', '.join(shut)}; reading works, locks and commits do not"
    return [
        _check("git directory", "warn", detail, "an agent's sandbox has to allow it, or the owner to give the right")
    ]


def sandbox_image(settings: Settings) -> tuple[str, list[str] | None]:
    """(the sandbox's image, None where the engine has it, else what is wrong and a hint)."""
    from git_peer.adapters import docker_image

    image = ""
    try:
        image = str(settings.get("sandboxImage") or docker_image.declared(settings.top).tag)
        # In a process of its own, which can be ended whatever the engine does, and has the library instead of this one.
        args = [sys.executable, "-P", "-m", "git_peer.adapters.docker", image]
        wrong = json.loads(subprocess.run(args, capture_output=True, timeout=_PATIENCE).stdout or "[]")
    except PeerError as why:
        wrong = [why.message, why.hint]
    except subprocess.TimeoutExpired:
        wrong = ["the Docker engine does not answer", "look at its service"]
    return image, wrong


def _sandbox(parts: Parts) -> list[Check]:
    """Whether the runner's sandbox can be used; nothing where it cannot, and nobody wants it. Slow it never is."""
    if importlib.util.find_spec("docker") is None:
        return []
    image, wrong = sandbox_image(parts.settings)
    if wrong is None:
        return [_check("sandbox", "ok", f"Docker, {image}")]
    if not (parts.settings.get("sandboxImage") or parts.settings.get("runnerModel")):
        return []
    message, hint = wrong or ["its check does not run", "`git peer sandbox check` says why"]
    return [_check("sandbox", "warn", f"{message}; only `git peer run` needs it", hint)]


def _hooks(parts: Parts, fix: bool) -> Check:
    states = (
        hooks.install(parts.repo.common, parts.repo.top) if fix else hooks.inspect(parts.repo.common, parts.repo.top)
    )
    wrong = [s for s in states if s.state != "installed"]
    told = [one for one in gate.notices(parts.repo, mend=fix) if one.get("hint")]
    if told:
        return _check("hooks", "fail", told[0]["message"], told[0]["hint"])
    if wrong:
        detail = "; ".join(f"{s.name}: {s.state}{' (' + s.detail + ')' if s.detail else ''}" for s in wrong)
        return _check("hooks", "fail", detail, "`git peer init` installs them again")
    return _check("hooks", "ok", ", ".join(s.name for s in states))


def _notes(parts: Parts, fix: bool) -> Check:
    """Whether git takes notes along when it replaces commits; else the next sync does, by what the hooks recorded."""
    if fix:
        rewriting.add(parts.clone)
    if not rewriting.is_set(parts.repo.common):
        text = f"notes.rewriteRef is without {layout.NOTES}: notes follow an amend or a rebase only with the next sync"
        return _check("notes", "warn", text, "`git peer init` adds it again")
    return _check("notes", "ok", "they follow amends and rebases")


def _mirrors(parts: Parts, fix: bool) -> list[Check]:
    """Whether a `git fetch --prune` would delete our refs."""
    if fix:
        mirrors.guard(parts.clone)
    keys = mirrors.unguarded(parts.repo.common)
    if not keys:
        return []
    detail = f"{', '.join(keys)} takes every ref: `git fetch --prune` would delete the log here"
    return [_check("refspecs", "fail", detail, "`git peer doctor --fix` leaves refs/peer/ out of it")]


def _locks(parts: Parts, fix: bool) -> list[Check]:
    """Ref locks that a killed git left behind: ours are taken away with --fix, others are named."""
    found = []
    common = parts.repo.common
    files = [*(common / "refs").rglob("*.lock"), *(common / f"{name}.lock" for name in ("HEAD", "packed-refs"))]
    for path in sorted(files):
        age = _age(path)
        if age is None:
            continue
        ours = path.relative_to(common).as_posix().startswith("refs/peer/")
        if age < YOUNG:
            found.append(_check("ref locks", "warn", f"{path.name} is {age} s old", "if it stays, look again"))
        elif ours and fix:
            with parts.clone.writing(10):
                if (_age(path) or 0) >= YOUNG:  # no other has taken its place meanwhile
                    path.unlink(missing_ok=True)
            found.append(_check("ref locks", "ok", f"removed {path.name}, {age} s old"))
        else:
            hint = "`git peer doctor --fix` removes it" if ours else f"if no git runs here, remove {path}"
            found.append(_check("ref locks", "fail" if ours else "warn", f"{path.name} is {age} s old", hint))
    return found or [_check("ref locks", "ok", "none is stale")]


def _age(path: Path) -> int | None:
    """Seconds since a file was written; None where there is none."""
    try:
        return max(0, int(time.time() - path.stat().st_mtime))
    except FileNotFoundError:
        return None


def _log(peer: Peer, fix: bool) -> Check:
    """The log here and on its remote: the same word for what is wrong as every command has."""
    try:
        said = log_repair.mended(peer) if fix else ""
        _examined(peer)
        peer.refuse_half()
    except PeerError as why:
        return _check("log", "fail", why.message, why.hint)
    log_ = peer.state.log
    if log_.format > layout.FORMAT:
        detail = f"it has format {log_.format}, and this release knows {layout.FORMAT}: it reads, and writes nothing"
        return _check("log", "fail", detail, "update git-peer")
    there = _there(peer) if peer.remote is not None and not fix else None
    text = f"height {log_.height}, id {log_.id}, {log_.mode}, format {log_.format}"
    if log_.format < layout.FORMAT:
        text += f"; once everybody has updated, `git peer init --upgrade` moves it to {layout.FORMAT}"
    return there or _check("log", "ok", f"{text}; {said}" if said else text)


def _is_readable(peer: Peer) -> bool:
    try:
        return peer.state.log.height > 0
    except (Malformed, PeerError):
        return False


def _examined(peer: Peer) -> None:
    """PeerError where the log here is not what its events make."""
    problems = peer.chain.verify(None, _history(peer, peer.engine.tip()))
    if problems:
        raise loss.poisoned(problems[0])


def _history(peer: Peer, tip: str, base: str | None = None) -> list[str]:
    """The commits after `base` up to `tip`; PeerError where it is no history of a log."""
    path = peer.chain.path(base, tip)
    if path is None:
        raise loss.Poisoned("untrusted", f"{tip[:12]} is no commit of a log", "it was changed by hand")
    return path


def _there(peer: Peer) -> Check | None:
    """What is wrong with the remote's log beside this copy. Without --fix nothing is written, so nothing fetched."""
    assert peer.remote is not None
    name, tip = peer.remote.name, peer.engine.tip()
    try:
        there = peer.remote.tip(10)
    except PeerError:
        return None  # the check of the remote says so
    wrong = loss.astray(peer.chain, peer.remote, tip, there)
    if wrong is not None:
        return _check("log", "fail", wrong.message, wrong.hint)
    assert there is not None
    if there not in peer.repo.git:
        return _check("log", "warn", f"{name} is ahead of this copy", "`git peer sync` fetches and verifies it")
    problems = peer.chain.verify(tip, _history(peer, there, tip))
    if problems:
        poisoned = loss.poisoned(problems[0], f"the log on {name}")
        return _check("log", "fail", poisoned.message, poisoned.hint)
    return None


def _remote(peer: Peer) -> Check:
    if peer.remote is None:
        return _check("remote", "ok", "local mode: no remote is asked")
    try:
        url = peer.remote.url
        peer.remote.head_branch(10)
    except PeerError as why:
        return _check("remote", "fail", why.message, why.hint)
    facts = peer.clone.facts
    if facts.get("writable") is False:
        return _check(
            "remote", "warn", f"{url}: you may not push there, this clone is a reader", "`git peer init` again"
        )
    if facts.get("atomic") is False:
        return _check("remote", "warn", f"{url} does not take atomic pushes", "code and log land in two steps")
    return _check("remote", "ok", f"{url}, atomic pushes")


def _clock(peer: Peer) -> Check:
    if peer.clock_is_off:
        hint = "set the clock; until then lapsed locks are taken by watching only"
        return _check("clock", "warn", "this clock is more than five minutes off the others'", hint)
    return _check("clock", "ok", "near the others'")


def _worktree(peer: Peer) -> Check:
    scene = peer.scene(peer.state)
    here = [s for s in sessions.all_of(peer.state) if sessions.same_run(s, peer.me) and sessions.is_live(s, scene)]
    agents = [s.name for s in here if s.agent]
    if len(agents) > 1:
        return _check("work tree", "warn", f"agents share it: {', '.join(agents)}", "give each a `git worktree`")
    return _check("work tree", "ok", ", ".join(s.name for s in here))


def _branches(peer: Peer) -> list[Check]:
    """Branches that the log or a setting names, and that there are not; nothing where all are there."""
    refs = [ref.split("/", 3) for ref in peer.repo.git.references]
    heads, there = (["/".join(ref[at:]) for ref in refs if ref[1] == of] for at, of in ((2, "heads"), (3, "remotes")))
    known = {*heads, *there}
    found, landing, given = [], peer.state.log.integration, peer.settings.get("integration")
    moved = peer.remote.moved_to(landing, 10) if peer.remote is not None and landing and not given else ""
    if moved:
        detail = (
            f"by the log work lands on {landing}, and {peer.remote.name if peer.remote else ''} has {moved} instead"
        )
        found.append(_check("branches", "warn", detail, f"the next `git peer push` to {moved} records it"))
    for name in ("integration", "gateBranches"):
        for branch in peer.settings.get(name):
            if branch not in known and not globs.is_glob(branch):
                hint = near.hint(branch, known, "`git fetch`, where it is new on the remote")
                found.append(
                    _check("branches", "warn", f"peer.{name} names {branch}, and there is no such branch", hint)
                )
    return found


def _attempts(peer: Peer) -> Check:
    open_ones = list(attempts.orphans(peer.engine.attempts))
    for one in open_ones:
        one.leave()
    if open_ones:
        return _check(
            "attempts",
            "warn",
            f"{count(len(open_ones), 'publish', 'publishes')} not settled",
            "any writing command settles them",
        )
    return _check("attempts", "ok", "all are settled")
