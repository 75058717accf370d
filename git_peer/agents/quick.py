"""The hooks of agents: `git peer hook AGENT EVENT`. Answers within three seconds, exits 0, and refuses only on purpose.

Everything but reading stdin is done by a child that holds none of the agent's pipes: a stuck disk or a lock that
does not come free stops the child, not the answer. What can be told from this clone's memory is told without
git, pygit2 and click; agents/hooks.py does the rest.
"""

from __future__ import annotations

import os
import select
import signal
import time
from importlib import import_module

from git_peer.agents.event import EVENTS, LOCKING, Answer, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from git_peer.agents.memory import Holdings
    from git_peer.agents.shell import Call
    from git_peer.agents.site import Site

AGENTS = {"claude-code": "claude", "codex": "codex", "gemini": "gemini"}  # name → the module that speaks its dialect
PATIENCE = 2.6  # seconds in which there is an answer; Python's own start comes on top
LEFT_BEHIND = 30  # seconds that the child may go on when the answer went out without it
MOST = 32 << 20  # bytes of stdin
_WHOLE = b"\0"  # ends what the child says
_UNSEEN = "git-peer has not looked at this; the commit hook still does"


def main(agent: str, rest: Sequence[str]) -> int:
    """Answer one call of a hook; 0, whatever comes."""
    end = time.monotonic() + PATIENCE
    _have_standard_files()
    name = rest[0] if rest else ""
    dialect = import_module(f"git_peer.agents.{AGENTS[agent]}")
    if name == "wait":
        from git_peer.agents import wake

        return wake.main(dialect, _stdin(end)[0])
    raw, complaint = _stdin(end)
    if name not in EVENTS:
        complaint = f"git-peer knows no hook {name!r} of {agent}: `git peer agent install {agent}` mends the settings"
    said = b"" if complaint else _in_time(dialect, name, raw, end)
    if said is None:
        complaint = f"git-peer did not answer in time: {_UNSEEN}"
    _say(said or (_encoded(dialect.write(name, Answer(message=complaint))) if complaint else b""))
    return 0


def _have_standard_files() -> None:
    """Where one of the three was closed, a pipe of ours must not take its place."""
    while (handle := os.open(os.devnull, os.O_RDWR)) < 3:
        continue
    os.close(handle)


def _say(said: bytes) -> None:
    """Give the answer; an agent that has gone away needs none."""
    try:
        while said:
            said = said[os.write(1, said) :]
    except OSError:
        return


def _stdin(end: float) -> tuple[bytes, str]:
    """(what is on stdin, what is wrong with that). An agent that does not end it is not waited for."""
    parts: list[bytes] = []
    size, patience = 0, time.monotonic() + (end - time.monotonic()) / 2
    try:
        if os.isatty(0):
            return b"", "git-peer: a hook is called by an agent, with its JSON on stdin"
        while size <= MOST and select.select([0], [], [], max(0.0, patience - time.monotonic()))[0]:
            part = os.read(0, 1 << 16)
            if not part:
                return b"".join(parts), ""
            parts.append(part)
            size += len(part)
    except OSError as why:
        return b"", f"git-peer cannot read what the agent says ({why.strerror}): {_UNSEEN}"
    if size > MOST:
        return b"", f"git-peer was told over {MOST >> 20} MiB: {_UNSEEN}"
    return b"".join(parts), ""  # it may be whole, though it was not ended


def _in_time(dialect: Any, name: str, raw: bytes, end: float) -> bytes | None:
    """The answer of a child; None where it takes too long."""
    ours, theirs = os.pipe()
    caller = os.getppid()
    child = os.fork()
    if child == 0:
        _as_child(dialect, name, raw, caller, ours, theirs)
    os.close(theirs)
    parts: list[bytes] = []
    while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(ours, 1 << 16)
        if not part:  # the last byte tells that nothing is missing
            said = b"".join(parts)
            return said[:-1] if said[-1:] == _WHOLE else None
        parts.append(part)
    return None


def _as_child(dialect: Any, name: str, raw: bytes, caller: int, ours: int, theirs: int) -> None:
    """Work out the answer and end. Nothing of it may come out another way."""
    try:
        os.setsid()
        signal.alarm(LEFT_BEHIND)
        os.close(ours)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        said = answer(dialect, name, raw, caller) + _WHOLE
        while said:
            said = said[os.write(theirs, said) :]
    finally:
        os._exit(0)


def _encoded(found: Mapping[str, Any]) -> bytes:
    """JSON on one line; nothing where there is nothing to say."""
    from json import dumps

    return dumps(found).encode() + b"\n" if found else b""


def answer(dialect: Any, name: str, raw: bytes, caller: int = 0) -> bytes:
    """What the agent is told about an event, as bytes for its stdin; whatever is wrong inside is a message.

    `caller` is the process that called the hook.
    """
    try:
        found = _answer(dialect, name, raw, caller)
    except Exception as why:  # noqa: BLE001 - an accident of ours must not keep an agent from working
        told = _accident(why)
        closed = name in LOCKING and getattr(why, "extra", {}).get("closed")
        found = Answer(deny=told) if closed else Answer(message=told)
    return _encoded(dialect.write(name, _shown(found)))


def _shown(found: Answer) -> Answer:
    """An answer in which nothing is left that a terminal obeys or nobody sees: the edge of this face."""
    texts = {name: said for name, said in vars(found).items() if said}
    if not texts:
        return found
    from git_peer.core.text import harmless

    return Answer(**harmless(texts))


def _accident(why: Exception) -> str:
    if os.environ.get("GIT_PEER_DEBUG"):
        from traceback import format_exc

        return format_exc()
    closed = getattr(why, "extra", {}).get("closed")
    told = getattr(why, "message", "") or (str(why) if closed else f"{type(why).__name__}: {why}")
    if closed:
        told = "; ".join(filter(None, (told, getattr(why, "hint", ""))))
    text = "".join(char if char.isprintable() else " " for char in told)[:400]
    return f"git-peer: {text}." if closed else f"git-peer: {text}. {_UNSEEN}"


def _answer(dialect: Any, name: str, raw: bytes, caller: int) -> Answer:
    from json import loads

    try:
        payload = loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        return Answer(message=f"git-peer was told no JSON object: {_UNSEEN}")
    event: Event = dialect.read(name, payload)
    env = {**os.environ, **dialect.environment(event.session)}
    event.caller = caller
    event.cwd = os.path.realpath(event.cwd or os.getcwd())
    if name in LOCKING:
        return _locking(dialect, event, env)
    from git_peer.agents import site as sites

    site = sites.of(event.cwd, env)
    if site is None or (name == "post-edit" and not _is_due(site, env)):
        return Answer()
    return _slow(dialect, event, env, [(site, [])])


def _locking(dialect: Any, event: Event, env: Mapping[str, str]) -> Answer:
    """What is about to be changed has to be this session's."""
    from git_peer.agents import site as sites

    paths: Sequence[str] = event.paths
    calls: Sequence[Call] = ()
    if event.name == "pre-shell":
        from git_peer.agents import shell

        found = shell.changes(event.command, env, lambda name, where: _alias(name, os.path.join(event.cwd, where)))
        paths = [*found.paths, *_patched(found.patches, event.cwd)]
        calls = found.calls
    elif any(".git" in os.path.realpath(os.path.join(event.cwd, path)).split("/") for path in paths):
        from git_peer.agents import unhooking

        calls = unhooking.calls(event)
    groups = sites.grouped(paths, event.cwd, env, links=event.name == "pre-shell")
    asked = _called(calls, event.cwd, env)
    if asked:
        known = {site.top for site, _ in groups}
        groups = [*((site, []) for site, _ in asked.values() if site.top not in known), *groups]
        return _slow(dialect, event, env, groups, {top: of_it for top, (_, of_it) in asked.items()})
    left = [(site, inner) for site, inner in groups if not _is_ours(site, inner, event, env)]
    return _slow(dialect, event, env, left) if left else Answer()


def _alias(name: str, where: str) -> str:
    from git_peer.agents import touched  # late: few lines have a word that is none of git's

    return touched.alias(name, where)


def _called(calls: Sequence[Call], cwd: str, env: Mapping[str, str]) -> dict[str, tuple[Site, list[Call]]]:
    """The work trees in which git commands run, by their tops; what runs where nothing is set up is left out."""
    from git_peer.agents import site as sites

    found: dict[str, tuple[Site, list[Call]]] = {}
    for call in calls:
        call.where = os.path.realpath(os.path.join(cwd, call.where))
        told = {}
        if call.gitdir:
            told = {"GIT_DIR": os.path.join(call.where, call.gitdir), "GIT_WORK_TREE": call.where}
        if call.tree:
            call.where = told["GIT_WORK_TREE"] = os.path.realpath(os.path.join(call.where, call.tree))
        site = sites.of(call.where, {**env, **told})
        if site is not None:
            found.setdefault(site.top, (site, []))[1].append(call)
    return found


def _patched(files: Sequence[str], cwd: str) -> list[str]:
    """The files that patches in files change."""
    from git_peer.agents import patches
    from git_peer.agents import site as sites

    found: list[str] = []
    for file in files:
        found += patches.paths(sites.read(os.path.join(cwd, file))[: 1 << 24].decode("utf-8", "surrogateescape"))
    return found


def _is_ours(site: Site, paths: Sequence[str], event: Event, env: Mapping[str, str]) -> bool:
    """Whether this session has all of them, by memory alone, and nothing is to be told or looked after."""
    from git_peer.agents import detached, memory
    from git_peer.hooks import seal

    name = site.session(env)
    if not seal.read(site.folder, site.gitdir, env)[0]:
        return False
    held = memory.Holdings(site, name, int(time.time()))
    if not name or not held.plain or held.lost:
        return False
    if not all(held.fresh(path) or _has_part(site, name, held, path, event) for path in paths):
        return False
    if event.subagent and memory.others(site, name, event.subagent, paths):
        return False
    if site.remote:
        detached.refresh_if_stale(site, env)
        if held.waiting:
            detached.ensure_sender(site, env)
    return True


def _has_part(site: Site, name: str, held: Holdings, path: str, event: Event) -> bool:
    """Whether the event changes only lines of the file that this session has."""
    if not event.edits or not held.parts(path):
        return False
    from git_peer.agents import memory
    from git_peer.agents.event import pairs

    whole = os.path.join(site.top, path)
    return memory.has_part(site, name, held, path, pairs(event, os.path.realpath(whole)))


def _is_due(site: Site, env: Mapping[str, str]) -> bool:
    """Whether a lease has to be looked after, or there may be something to be told."""
    from git_peer.agents import detached, memory
    from git_peer.hooks import seal

    if not seal.read(site.folder, site.gitdir, env)[0]:
        return True
    name, now = site.session(env), int(time.time())
    held = memory.Holdings(site, name, now)
    if site.remote and held.waiting:
        detached.ensure_sender(site, env)
    return held.due or held.lost or (name != "" and memory.unheard(site, name, now))


def _slow(
    dialect: Any,
    event: Event,
    env: Mapping[str, str],
    groups: Sequence[tuple[Site, list[str]]],
    calls: Mapping[str, list[Call]] | None = None,
) -> Answer:
    """What needs the log itself. `calls`: top of a work tree → git commands that run there."""
    import gc

    gc.disable()  # it lives for a moment, and what it imports now would only be looked through again and again
    from git_peer import lean

    lean.msgspec()
    from git_peer.agents import hooks

    os.environ.update(env)
    tasks = [(site, paths, (calls or {}).get(site.top, [])) for site, paths in groups]
    return hooks.handle(event, tasks, event.name in dialect.HEARS)
