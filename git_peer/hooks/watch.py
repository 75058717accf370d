"""Whether git runs the gate in a work tree, where the seal does not tell: a look, and a repair.

What is looked at is what git will do, not what install() once did: with another folder, another manager's files or a
git-peer that has moved, commits of what others have locked would pass in silence.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks import blocks, chain, seal
from git_peer.hooks import install as hooks
from git_peer.hooks.site import Site, site_of
from git_peer.store import files

_STARTS = re.compile(rb"^peer_python=(?P<python>.*?)(?: peer_gate=(?P<gate>.*))?$", re.MULTILINE)
_MENDS = "`git peer init` puts it back"


@dataclass(frozen=True)
class Finding:
    """How the gate stands: why it is open ("" where it is not), what mends that, hooks that it was put back into."""

    open: str = ""
    hint: str = ""
    mended: tuple[str, ...] = ()
    was: str = ""  # why it was open before it was mended


def look(common: Path, top: Path | None, gitdir: Path, name: str, *, mend: bool) -> Finding:
    """How the gate stands in the work tree of `gitdir`, which sessions call `name`; with `mend` it is put back first.

    Raises nothing: what cannot be mended or looked at is a finding.
    """
    try:
        return _look(site_of(common, top, None, None, None), top, gitdir, name, mend)
    except PeerError as why:
        return Finding(f"it cannot be looked at: {why.message}", why.hint)
    except OSError as why:
        return Finding(f"it cannot be looked at: {why.filename}: {why.strerror}", "`git peer doctor` tells more")


def _look(site: Site, top: Path | None, gitdir: Path, name: str, mend: bool) -> Finding:
    found = chain.values(gitdir, site.env)
    before = _open(site, top, found)
    hint = _MENDS
    if mend and (before or _due(site)):
        try:
            hooks.install(site.common, top)
        except PeerError as why:
            hint = f"{why.message}; {why.hint}" if before else ""
        found = chain.values(gitdir, site.env)
    if not mend:
        return Finding(_told(before), hint if before else "")
    mark = seal.record(str(site.peer), _hangs_on(site, top, gitdir, found), os.environ)
    after = _open(site, top, found) if before else before
    with contextlib.suppress(PeerError, OSError):  # a disk that takes no writes: it is looked at again next time
        known = files.read_json(Path(seal.path_of(str(site.peer))))
        same = {**mark, "trees": {}} == {**known, "trees": {}}
        mark["trees"] = {**(known["trees"] if same else {}), name: _told(after)}
        files.write_json(Path(seal.path_of(str(site.peer))), mark, durable=False)
    mended = tuple(hook for hook in before if hook not in after)
    return Finding(_told(after), hint if after else "", mended, _told({hook: before[hook] for hook in mended}))


def _told(found: Mapping[str, str]) -> str:
    """Hooks without a gate in words: each reason once, with its hooks."""
    whys = dict.fromkeys(found.values())
    return "; ".join(f"{', '.join(one for one in found if found[one] == why)}: {why}" for why in whys)


def users(common: Path, top: Path | None, gitdir: Path, name: str) -> bool:
    """Whether git runs a hook of the user's under this name: in a file, around or beside ours, or by its settings."""
    site = site_of(common, top, None, None, None)
    found = [value for _, value in chain.values(gitdir, site.env) if not chain.is_ours(value)]
    folder = (top or common) / found[-1] if found else site.default
    if blocks.is_users(folder, name) or blocks.is_users(site.dispatchers, name):
        return True
    _, out = chain.git(None, f"--git-dir={gitdir}", "config", "-z", "--get-regexp", r"^hook\..*\.event$")
    return name in (row.partition("\n")[2] for row in os.fsdecode(out).split("\0"))


# -- what git does --------------------------------------------------------------------------------
_Values = list[tuple[str, str]]  # of core.hooksPath, as chain.values() has them


def _folder(site: Site, top: Path | None, found: _Values) -> tuple[Path, str]:
    """(the folder that git takes the hooks of a work tree from, its setting as git has it; "" for the default)."""
    if not found:
        return site.default, ""
    value = found[-1][1]
    return (top or site.common) / value, value


def _open(site: Site, top: Path | None, values: _Values) -> dict[str, str]:
    """Hook → why git does not run the gate with it; nothing where the gate is in place."""
    folder, setting = _folder(site, top, values)
    found: dict[str, str] = {}
    for name in site.gated:
        path = blocks.placed(folder / name, name)
        try:
            data = path.read_bytes()
        except OSError:
            data = None
        why = ""
        if not blocks.carries(data):
            who = blocks.manager(data)
            if setting and not chain.is_ours(setting):
                why = f"git takes its hooks from {setting}"
            elif data is None:
                why = "the hook is gone"
            else:
                why = f"{who} has replaced the hook" if who else "the hook is without it"
        elif not blocks.executable(path):
            why = "the hook is not executable, so git passes over it"
        else:
            why = _stops(site, site.peer / layout.D_HOOKS / name)
        if why:
            found[name] = why
    return found


def _stops(site: Site, script: Path) -> str:
    """Why one of the gate's scripts does not get as far as the gate; "" where it does."""
    data = blocks.read(script)
    if data is None or not blocks.executable(script):
        return f"{script} is gone, or not executable"
    for path, needs in _starts(data):
        if not os.access(path, needs):
            return f"git-peer has moved: {path} is gone"
    return ""


def _starts(script: bytes) -> Iterator[tuple[str, int]]:
    """(path, how it is needed) of what a script of ours starts."""
    found = _STARTS.search(script)
    for key, needs in (("python", os.X_OK), ("gate", os.R_OK)) if found else ():
        with contextlib.suppress(ValueError):
            yield from ((path, needs) for path in shlex.split(os.fsdecode(found[key] or b"")) if path)  # type: ignore[index]


def _due(site: Site) -> bool:
    """Whether what is installed, though it may work, is not what this git-peer would install.

    Another git-peer's that lives is left alone: two that are used by turns would replace each other for ever.
    """
    script = blocks.read(site.peer / layout.D_HOOKS / "pre-commit")
    theirs = [path for path, _ in _starts(script)] if script is not None else []
    ours = [path for path, _ in _starts(site.gates()["pre-commit"])]
    if theirs and theirs != ours and all(map(os.path.exists, theirs)):
        return False
    return not hooks.is_settled(site)


# -- what that hangs on ---------------------------------------------------------------------------
def _hangs_on(site: Site, top: Path | None, gitdir: Path, values: _Values) -> list[str]:
    """The files that decide whether git runs the gate; those that are not there, but would count, too."""
    # Every folder that a setting names, also one that another overrules.
    folders = {site.default, _folder(site, top, values)[0], *(Path(top or site.common, value) for _, value in values)}
    found = [f"{folder}/{name}" for folder in folders for name in site.gated]
    found += [f"{folder}/{name}.legacy" for folder in folders for name in site.gated]
    found += [str(folder) for folder in folders if folder not in (site.default, site.dispatchers)]
    found += [f"{site.peer}/{kind}/{name}" for kind in (layout.D_HOOKS, layout.D_CHAIN) for name in site.gated]
    found += [f"{site.peer}/{name}" for name in (chain.CONF, chain.CONF_HERE)]
    found += [str(site.scripts / name) for name in site.gated]
    found += [str(Path(module.__file__ or "")) for module in (blocks, chain, hooks)]
    for name in site.gated:
        script = blocks.read(site.peer / layout.D_HOOKS / name)
        found += [path for path, _ in _starts(script or b"")]
    found += [f"{tree}/config.worktree" for tree in (site.common, *sorted((site.common / "worktrees").glob("*")))]
    found += [str(site.common / "worktrees"), *_configs(gitdir)]
    return list(dict.fromkeys(os.path.abspath(one) for one in found))


def _configs(gitdir: Path) -> Iterator[str]:
    """git's settings: the files that it reads, those that it would read if they were there, and what they include."""
    env = os.environ
    home = env.get("HOME", "")
    yield f"{gitdir}/config"
    yield from (
        (env["GIT_CONFIG_GLOBAL"],)
        if "GIT_CONFIG_GLOBAL" in env
        else (
            f"{home}/.gitconfig",
            f"{env.get('XDG_CONFIG_HOME') or home + '/.config'}/git/config",
        )
    )
    yield env.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig"
    _, out = chain.git(None, f"--git-dir={gitdir}", "config", "--list", "--show-origin", "--includes", "-z")
    parts = os.fsdecode(out).split("\0")
    for origin, entry in zip(parts[::2], parts[1::2], strict=False):
        file = origin.removeprefix("file:")
        key, _, value = entry.partition("\n")
        if origin.startswith("file:"):
            yield file
        if key.startswith("include") and key.endswith(".path"):
            yield os.path.join(os.path.dirname(file), os.path.expanduser(value))
            if key.startswith(("includeif.onbranch:", "includeif.hasconfig:")):
                yield f"{gitdir}/HEAD"
