"""Where a path lies: its work tree, and what git-peer knows there. No git process: every edit waits for it."""

from __future__ import annotations

import os
from types import MappingProxyType

from git_peer import layout
from git_peer.core.session import naming

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Damaged(Exception):
    """What git-peer wrote here cannot be read. `extra` says, as an error's does, that nothing may be changed then."""

    extra = MappingProxyType({"closed": True})


class Site:
    """A work tree of a repository that is set up. `facts` is its clone.json, `gitdir` as sessions name it."""

    def __init__(self, top: str, common: str, gitdir: str, facts: Mapping[str, Any]) -> None:
        self.top = top
        self.common = common
        self.folder = f"{common}/{layout.FOLDER}"
        self.gitdir = gitdir
        self.facts = facts

    @property
    def remote(self) -> bool:
        """Whether a remote arbitrates."""
        return bool(self.facts.get("remote"))

    def session(self, env: Mapping[str, str]) -> str:
        """The name of the session that an environment tells of here; "" for a person's, which goes by more."""
        return naming.name_from(env, self.gitdir)[0] or ""


def of(path: str, env: Mapping[str, str]) -> Site | None:
    """The work tree that the absolute `path` lies in, whether it is there or not; None where git-peer is not set up.

    git's own environment counts first, as for git.
    """
    if env.get("GIT_DIR"):
        gitdir = os.path.realpath(env["GIT_DIR"])
        top = os.path.realpath(env.get("GIT_WORK_TREE") or os.getcwd())
        return _set_up(top, gitdir) if path == top or path.startswith(top.rstrip("/") + "/") else None
    top = path if os.path.isdir(path) else os.path.dirname(path)
    while True:
        gitdir = _gitdir(f"{top.rstrip('/')}/.git")
        if gitdir:
            return _set_up(top, gitdir)
        above = os.path.dirname(top)
        if above == top:
            return None
        top = above


def _gitdir(path: str) -> str:
    """The git directory that `.git` is, or names; "" for none."""
    if os.path.isdir(path):
        return os.path.realpath(path)
    raw = read(path)
    if not raw.startswith(b"gitdir: "):
        return ""
    named = os.fsdecode(raw[8:].rstrip(b"\r\n"))
    return os.path.realpath(os.path.join(os.path.dirname(path), named))


def _set_up(top: str, gitdir: str) -> Site | None:
    pointer = os.fsdecode(read(f"{gitdir}/commondir").rstrip(b"\n"))
    common = os.path.realpath(os.path.join(gitdir, pointer)) if pointer else gitdir
    path = f"{common}/{layout.FOLDER}/{layout.F_CLONE}"
    facts = record(path)
    if not facts.get("clone"):
        if os.path.lexists(path):
            raise Damaged(f"{path} is damaged, so nobody's locks are known here: `git peer init` mends it")
        return None
    return Site(top, common, "" if gitdir == common else os.path.relpath(gitdir, common), facts)


def inside(site: Site, path: str) -> str:
    """The path from the top as the log spells it; "" for what lies elsewhere, or belongs to git."""
    start = site.top.rstrip("/") + "/"
    inner = path[len(start) :] if path.startswith(start) else ""
    if inner.partition("/")[0].lower() == ".git":
        return ""
    return layout.from_bytes(os.fsencode(inner))


def grouped(paths: Iterable[str], cwd: str, env: Mapping[str, str], links: bool) -> list[tuple[Site, list[str]]]:
    """The paths of each work tree, from its top; what lies in none that is set up is left out.

    What is written through a symlink is its target; with `links` (a shell may replace one) the link counts too.
    """
    known: dict[str, Site | None] = {}
    found: dict[str, tuple[Site, dict[str, None]]] = {}
    for path in paths:
        whole = os.path.join(cwd, path)
        spots = [os.path.realpath(whole)]
        if links and os.path.islink(whole):
            spots.append(os.path.join(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole)))
        for spot in spots:
            folder = spot if os.path.isdir(spot) else os.path.dirname(spot)
            if folder not in known:
                known[folder] = of(spot, env)
            site = known[folder]
            inner = inside(site, spot) if site is not None else ""
            if site is not None and inner:
                found.setdefault(site.top, (site, {}))[1][inner] = None
    return [(site, list(inner)) for site, inner in found.values()]


# -- small files ------------------------------------------------------------------------------------
def read(path: str) -> bytes:
    """A file's content; nothing where it is not to be had."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def record(path: str) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is none, or it is torn."""
    from json import loads

    try:
        found = loads(read(path).decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def names(folder: str) -> list[str]:
    """The markers of a folder, as paths."""
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".json") and name[0] != "."]
    except OSError:
        return []


def write(path: str, value: Mapping[str, Any]) -> None:
    """Replace a small file by JSON; what is lost with it costs a reminder. Where it cannot be written, it is not."""
    from json import dumps

    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(dumps(value))
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            return
