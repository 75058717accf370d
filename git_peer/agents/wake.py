"""Waking an idle agent: a process that the agent starts when it stops, and that ends when there is something for it.

Only the agent's own settings make it more than a process: of Claude Code a hook with `asyncRewake` that exits 2.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Mapping
from typing import Any

from git_peer import layout
from git_peer.agents import memory
from git_peer.agents import phrases as wording
from git_peer.agents import site as sites
from git_peer.agents.site import Site

NEWS = 75  # exit status: there is something, on stderr. Not 2, which a broken program may end with
LONGEST = 570.0  # seconds; the agent ends it after ten minutes
LOOK = 1.0  # seconds between looks at this clone's copy
FETCH = 30.0  # seconds between fetches of all who wait in a clone


def main(dialect: Any, raw: bytes) -> int:
    """Wait for what wakes the agent; NEWS when it came, else 0."""
    try:
        return _main(dialect, raw)
    except Exception:  # noqa: BLE001 - nobody is woken by an accident of ours
        return 0


def _main(dialect: Any, raw: bytes) -> int:
    import json

    payload = json.loads(raw.decode("utf-8", "replace"))
    event = dialect.read("stop", payload)
    env = {**os.environ, **dialect.environment(event.session)}
    site = sites.of(os.path.realpath(event.cwd or os.getcwd()), env)
    if site is None or not event.session or event.subagent or not stays(env):
        return 0
    os.environ.update(env)
    name, token, parent = site.session(env), secrets.token_hex(8), os.getppid()
    sites.write(memory.waiter(site, name), {"token": token})
    try:
        return _watch(site, name, token, parent, env)
    finally:
        if _still_waits(site, name, token):
            memory.unwait(site, name)


def _still_waits(site: Site, name: str, token: str) -> bool:
    """Whether no later one waits, and the agent is not at work again."""
    return bool(sites.record(memory.waiter(site, name)).get("token") == token)


def _watch(site: Site, name: str, token: str, parent: int, env: Mapping[str, str]) -> int:
    """Look until there is something (NEWS), or nobody is left to wake; 0."""
    end = time.monotonic() + LONGEST
    known: tuple[Any, ...] | None = None
    while time.monotonic() < end and os.getppid() == parent and _lives(env):
        if not _still_waits(site, name, token):
            return 0
        seen = _stamp(site)
        if seen != known:
            known = seen
            told = _news(site, name)
            if told:
                from git_peer.core.text import harmless

                sys.stderr.write(harmless(told) + "\n")
                return NEWS
        time.sleep(LOOK)
        if site.remote:
            _fetch(site)
    return 0


def stays(env: Mapping[str, str]) -> bool:
    """Whether the agent goes on when its turn is over. A run of `claude -p` or of its SDK ends when its hooks have."""
    return not env.get("CLAUDE_CODE_ENTRYPOINT", "").startswith("sdk")


def _lives(env: Mapping[str, str]) -> bool:
    """Whether the agent itself lives, where it says who it is: between it and its hook is a shell, which stays."""
    with contextlib.suppress(ValueError, ProcessLookupError, PermissionError):
        os.kill(int(env.get("CLAUDE_PID", "")), 0)
        return True
    return not env.get("CLAUDE_PID", "").isdigit()


def _stamp(site: Site) -> tuple[Any, ...]:
    """What tells that something has changed in this clone's copy."""
    found = []
    for path in (f"{site.common}/{layout.TIP}", f"{site.common}/packed-refs", f"{site.folder}/{layout.D_TENTATIVE}"):
        try:
            found.append(os.stat(path).st_mtime_ns)
        except OSError:
            found.append(0)
    return (*found, int(time.time()) // 60)  # leases run out without a word


def _news(site: Site, name: str) -> str:
    """What the agent should get up for, each thing once."""
    from git_peer.agents.hooks import TOLD
    from git_peer.ops import notices
    from git_peer.ops.wiring import Parts

    peer = Parts(start=site.top).peer()
    notes = memory.of(site, name)
    fresh = [one for one in notices.of(peer) if one["code"] in TOLD and wording.key(one) not in notes.get("told", ())]
    wants = notes.get("wants", {})
    free = [path for path in wants if not peer.check([path])]
    if not fresh and not free:
        return ""
    notes["told"] = [*notes.get("told", ()), *(wording.key(one) for one in fresh)]
    notes["wants"] = {path: since for path, since in wants.items() if path not in free}
    memory.keep(site, name, notes)
    return "\n".join(filter(None, (wording.free(free), wording.news(fresh))))


def _fetch(site: Site) -> None:
    """Of all who wait in this clone one fetches, every so often."""
    from git_peer.core.errors import PeerError
    from git_peer.ops.wiring import Parts

    with contextlib.suppress(PeerError):
        peer = Parts(start=site.top).peer()
        if peer.clone.fetched_ago > FETCH:
            with peer.clone.try_writing() as mine:
                if mine:
                    peer.engine.advance(FETCH)
