"""Installs the gate into whatever hooks the user has, beside them, and takes it out without a trace.

Two ways in. Where git takes hooks from `<common>/hooks`, a marked block goes into each hook that has a gate
(hook_blocks). Where `core.hooksPath` names a folder, or `<common>/hooks` is a link, that folder is not ours to
write into: a folder of dispatchers stands before it (hook_chain).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks import blocks, chain
from git_peer.hooks.site import HookState, Plan, Site, plan_of, shipped, site_of

__all__ = ["HookState", "inspect", "install", "remove", "shipped"]

F_HOOKS = "hooks.json"  # what install made and remove cannot tell by looking
_AGAIN = "git peer init"
_ALL = (*blocks.GATED, blocks.MOVES)  # that may carry a gate


def install(
    common_dir: Path,
    worktree_top: Path | None,
    *,
    env: Mapping[str, str] | None = None,
    scripts: Path | None = None,
    python: str | None = None,
) -> list[HookState]:
    """Installs the gate, or repairs it; what is right already is not touched. Gives what inspect() gives.

    `scripts` is the folder of the gate's scripts and `python` the interpreter they start: by default what
    belongs to this package. Raises PeerError "failed" or "busy"; what can be seen beforehand changes nothing.
    """
    site = site_of(common_dir, worktree_top, env, scripts, python)
    with explained("install"), alone(site):
        _unlock(site)
        gates, plan = site.gates(), plan_of(site)
        conf = chain.conf(site.common, site.top) if plan.chained or plan.worktrees else {}
        _precheck(site, plan)
        for name, text in gates.items():
            (site.peer / layout.D_HOOKS).mkdir(parents=True, exist_ok=True)
            blocks.write(site.peer / layout.D_HOOKS / name, text)
        if not plan.chained:
            _install_blocks(site)
        if conf:
            _install_chain(site, plan, conf)
        else:
            _take_out_chain(site)
        if plan.chained:  # git does not look there now
            _take_out_blocks(site)
        elif not site.strict and not (site.peer / layout.F_SERVER).exists():
            blocks.unpatch(site.default / blocks.MOVES, blocks.MOVES, site.links)
            put_back(site.default, blocks.MOVES)
        if not site.strict and not (site.peer / layout.F_SERVER).exists():
            (site.peer / layout.D_HOOKS / blocks.MOVES).unlink(missing_ok=True)
    with explained("look at"):
        return _inspected(site, plan)


def remove(common_dir: Path, worktree_top: Path | None, *, env: Mapping[str, str] | None = None) -> list[str]:
    """Takes out all that install() made. Gives a line for each thing that had to stay, with the reason.

    Raises PeerError "failed" or "busy".
    """
    site = site_of(common_dir, worktree_top, env, None, None)
    with explained("take out"), alone(site):
        _unlock(site)
        stayed = _take_out_chain(site) + _take_out_blocks(site)
        for name in _ALL:
            (site.peer / layout.D_HOOKS / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not there, or no longer only ours
            (site.peer / layout.D_HOOKS).rmdir()
        with contextlib.suppress(OSError):
            site.peer.rmdir()
    return stayed


def inspect(
    common_dir: Path,
    worktree_top: Path | None,
    *,
    env: Mapping[str, str] | None = None,
    scripts: Path | None = None,
    python: str | None = None,
) -> list[HookState]:
    """How each hook that has a gate stands in this clone. Writes nothing; raises PeerError "failed"."""
    site = site_of(common_dir, worktree_top, env, scripts, python)
    with explained("look at"):
        return _inspected(site, plan_of(site))


def _inspected(site: Site, plan: Plan) -> list[HookState]:
    find = _look_chained(site, plan) if plan.chained else _look_plain(site, plan)
    return [_judge(site, plan, find(name), name, text) for name, text in site.gates().items()]


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns an error of the operating system into one for people."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise PeerError(
            "failed",
            f"cannot {doing} the hooks: {where}{error.strerror or error}",
            f"put that right, then run {_AGAIN} again",
        ) from error


@contextlib.contextmanager
def alone(site: Site) -> Iterator[None]:
    """Keeps others out who install in the same clone: two that set one hook aside would lose it."""
    folder = os.open(site.common, os.O_RDONLY | os.O_DIRECTORY)  # a folder can be locked, and no lock file stays
    try:
        with contextlib.suppress(OSError):  # a network file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _precheck(site: Site, plan: Plan) -> None:
    """Raises for what would stop the work half way."""
    folders = [site.peer, site.peer / layout.D_HOOKS]
    if plan.chained or plan.worktrees:
        folders += [site.dispatchers, *(path.parent for path in _configs(site, plan))]
    if not plan.chained:
        folders.append(site.default)
        for name in site.gated:
            blocks.check(blocks.placed(site.default / name, name), name)
    for folder in folders:
        there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PeerError("failed", f"{there} cannot be written", f"make it a folder to write to, then run {_AGAIN}")


# -- git's own folder -----------------------------------------------------------------------------


def gate_of(name: str) -> str:
    """The gate's script as seen from a hook in `<common>/hooks`, so that a moved or copied clone finds its own."""
    return f"${{0%/*}}/../{layout.FOLDER}/{layout.D_HOOKS}/{name}"


def _near_gate(name: str) -> str:
    """The same, seen from a dispatcher."""
    return f"${{0%/*}}/../{layout.D_HOOKS}/{name}"


def _install_blocks(site: Site) -> None:
    if not site.default.exists():
        blocks.write(site.peer / F_HOOKS, json.dumps({"format": 1, "made": ["hooks"]}).encode() + b"\n", 0o644)
        site.default.mkdir()
    for name in site.gated:
        blocks.patch(site.default / name, name, gate_of(name), site.links)


def _take_out_blocks(site: Site) -> list[str]:
    stayed: list[str] = []
    if not site.default.is_symlink() and site.default.is_dir():
        # Hook managers rename what they find (.legacy, .old): our lines come out of those too.
        for path in sorted(site.default.iterdir()):
            name = next((each for each in _ALL if path.name == each or path.name.startswith(each + ".")), "")
            if name and path.name != name + blocks.ASIDE:
                stayed.append(blocks.unpatch(path, name, site.links))
        stayed += [put_back(site.default, name) for name in _ALL]
    for name in _ALL:
        (site.links / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        site.links.rmdir()
    if (site.peer / F_HOOKS).is_file():
        with contextlib.suppress(OSError):  # the user has put something into the folder that we made
            site.default.rmdir()
        (site.peer / F_HOOKS).unlink()
    return [line for line in stayed if line]


def put_back(folder: Path, name: str) -> str:
    """Puts back a hook that was set aside and lost the file that ran it; "" or why it stays aside."""
    aside, path = folder / (name + blocks.ASIDE), folder / name
    if not os.path.lexists(aside):
        return ""
    if os.path.lexists(path):
        return f"{aside}: another {name} has taken its place"
    aside.replace(path)
    return ""


# -- a folder that core.hooksPath names -----------------------------------------------------------


def _configs(site: Site, plan: Plan) -> list[Path]:
    """The config files that need our lines."""
    return [site.common / "config"] * plan.chained + [folder / "config.worktree" for folder in plan.worktrees]


def _unlock(site: Site) -> None:
    """Removes the config files' locks that a killed install or remove left."""
    chain.unlock(
        [site.common / "config", *(each / "config.worktree" for each in chain.git_dirs(site.common))], site.common
    )


def _dispatchers(site: Site, plan: Plan) -> dict[str, bytes]:
    """The dispatchers by name. Where work trees differ, each asks git for the folder when it runs."""
    folders = [plan.base] if plan.chained else []
    folders += [chain.users(chain.values(each, site.env), worktree=True) for each in plan.worktrees]
    names = dict.fromkeys(site.gated)
    for folder in folders:
        has = site.default if folder is None else site.top / folder
        names.update(dict.fromkeys(blocks.dispatched(has)))
    ask = bool(plan.worktrees)
    return {
        name: blocks.dispatcher(name, _near_gate(name), plan.base, ask=ask, gated=name in site.gated) for name in names
    }


def _links(site: Site, plan: Plan, taken: Container[str]) -> dict[str, str]:
    """The links to hooks that may come, by name; where work trees differ one link cannot serve all."""
    if not plan.chained or plan.worktrees:
        return {}
    folder = site.default if plan.base is None else Path(plan.base)
    there = str(folder) if plan.base and folder.is_absolute() else os.path.relpath(site.top / folder, site.dispatchers)
    return blocks.links(there, taken)


def _link(path: Path, target: str) -> None:
    """Put a link where there is nothing but another link, or a dispatcher, of ours."""
    if path.is_symlink() and os.readlink(path) == target:
        return
    if blocks.is_link(path) or blocks.is_dispatcher(blocks.read(path) or b""):
        path.unlink()
    if not os.path.lexists(path):
        path.symlink_to(target)


def _install_chain(site: Site, plan: Plan, conf: Mapping[str, bytes]) -> None:
    site.dispatchers.mkdir(parents=True, exist_ok=True)
    for name, text in conf.items():
        blocks.write(site.peer / name, text, 0o644)
    # Before git is led here: should we be killed, the user's hooks run all the same.
    texts, written = _dispatchers(site, plan), list[Path]()
    links = _links(site, plan, texts)
    for name in set(_old_dispatchers(site)) - set(texts) - set(links):
        (site.dispatchers / name).unlink()
    for name, target in links.items():
        _link(site.dispatchers / name, target)
    for name, text in texts.items():
        path = site.dispatchers / name
        if blocks.is_link(path):
            path.unlink()
        old = blocks.read(path)
        if os.path.lexists(path) and (old is None or not blocks.is_dispatcher(old)):
            if name in site.gated:  # a tool took our folder for the user's and put its own hook here
                blocks.patch(path, name, _near_gate(name), None)
            continue
        blocks.write(path, text)
        written.append(path)
    wanted = _configs(site, plan)
    for config in (site.common / "config", *(folder / "config.worktree" for folder in chain.git_dirs(site.common))):
        git_dir = config.parent
        if config not in wanted:
            chain.exclude(config, site.common, site.env)
        elif not chain.included(config, site.common) or not _counts(site, git_dir, config):
            chain.exclude(config, site.common, site.env)
            chain.include(config, site.common)
            if not _counts(site, git_dir, config):
                chain.exclude(config, site.common, site.env)
                raise PeerError("failed", f"{config}: core.hooksPath cannot be chained", "git config --show-origin -l")
    for path in written:
        os.utime(path)  # newer than the settings that it was made for


def _old_dispatchers(site: Site) -> list[str]:
    if not site.dispatchers.is_dir():
        return []
    return [
        path.name
        for path in site.dispatchers.iterdir()
        if blocks.is_link(path) or blocks.is_dispatcher(blocks.read(path) or b"")
    ]


def _counts(site: Site, git_dir: Path, config: Path) -> bool:
    """Whether our folder is the last word of the config file's scope, as seen from its git directory."""
    found = [
        value
        for scope, value in chain.values(git_dir, site.env)
        if (scope == "worktree") is (config.name == "config.worktree")
    ]
    return bool(found) and chain.is_ours(found[-1])


def _take_out_chain(site: Site) -> list[str]:
    for config in (site.common / "config", *(folder / "config.worktree" for folder in chain.git_dirs(site.common))):
        chain.exclude(config, site.common, site.env)
    for name in (chain.CONF, chain.CONF_HERE):
        (site.peer / name).unlink(missing_ok=True)
    stayed: list[str] = []
    for name in _old_dispatchers(site):
        (site.dispatchers / name).unlink()
    if site.dispatchers.is_dir():
        for name in _ALL:
            stayed.append(blocks.unpatch(site.dispatchers / name, name, None))
            stayed.append(put_back(site.dispatchers, name))
        stayed += [f"{path}: not made by git-peer" for path in sorted(site.dispatchers.iterdir())]
        with contextlib.suppress(OSError):
            site.dispatchers.rmdir()
    return [line for line in stayed if line]


def is_settled(site: Site) -> bool:
    """Whether install() would change nothing."""
    plan = plan_of(site)
    if plan.chained or plan.worktrees:
        texts = _dispatchers(site, plan)
        links = _links(site, plan, texts)
        there = set(_old_dispatchers(site))
        if there - set(texts) - set(links) or any(not os.path.lexists(site.dispatchers / one) for one in texts):
            return False
    with explained("look at"):
        return all(state.state == "installed" for state in _inspected(site, plan))


# -- looking --------------------------------------------------------------------------------------


def _overruled(site: Site, plan: Plan) -> str:
    """The first config file from which git gets another folder than the plan's; "" for none."""
    return next((str(each) for each in _configs(site, plan) if not _counts(site, each.parent, each)), "")


def _look_chained(site: Site, plan: Plan) -> Callable[[str], HookState]:
    texts, overruled = _dispatchers(site, plan), _overruled(site, plan)
    folder = site.default.resolve() if plan.base is None else plan.base

    def find(name: str) -> HookState:
        path = site.dispatchers / name
        data = blocks.read(path)
        if overruled:
            return HookState(name, path, "foreign-manager", f"git takes its hooks from {folder} ({overruled})")
        if data is None:
            return HookState(name, path, "missing", f"{path} is gone")
        if data == texts[name] or (blocks.carries(data) and not blocks.is_dispatcher(data)):
            return HookState(name, path, "installed", f"before the hooks in {folder}")
        if blocks.carries(data):
            return HookState(name, path, "outdated", "made by another release, or for another folder")
        return HookState(name, path, "foreign-manager", f"{blocks.manager(data) or 'somebody'} has replaced it")

    return find


def _look_plain(site: Site, plan: Plan) -> Callable[[str], HookState]:
    overruled = _overruled(site, plan)

    def find(name: str) -> HookState:
        path = blocks.placed(site.default / name, name)
        data = blocks.read(path)
        who = blocks.manager(data)
        if data is None or not blocks.carries(data):
            if who:
                return HookState(name, path, "foreign-manager", f"{who} owns this hook")
            return HookState(name, path, "missing", "the gate is not in this hook")
        if overruled:
            return HookState(name, path, "foreign-manager", f"a work tree has its hooks elsewhere ({overruled})")
        if blocks.refreshed(name, gate_of(name), data) != data:
            return HookState(name, path, "outdated", "made by another release, or edited")
        beside = "the pre-commit framework runs it first" if path.name != name else f"beside {who}" if who else ""
        return HookState(name, path, "installed", beside)

    return find


def _judge(site: Site, plan: Plan, found: HookState, name: str, gate: bytes) -> HookState:
    """What was found, seen together with the gate's script and the settings that lead there."""
    if found.state != "installed":
        return found
    if not blocks.executable(found.path):
        return replace(found, state="missing", detail="not executable, so git passes over it")
    script = site.peer / layout.D_HOOKS / name
    if blocks.read(script) is None:
        return replace(found, state="missing", detail=f"{script} is gone")
    if blocks.read(script) != gate or not blocks.executable(script):
        return replace(found, state="outdated", detail=f"{script} is from another release, or edited")
    conf = chain.conf(site.common, site.top) if _configs(site, plan) else {}
    if any(blocks.read(site.peer / each) != text for each, text in conf.items()):
        return replace(found, state="outdated", detail="made when the clone was at another place")
    return found
