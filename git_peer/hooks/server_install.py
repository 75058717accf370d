"""Puts the server's hooks into a repository that clones push to, beside its own, and takes them out again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.hooks import blocks, chain
from git_peer.hooks.install import alone, explained, gate_of, put_back
from git_peer.hooks.site import Site, site_of


class Served(NamedTuple):
    """How a repository stands: its git directory, whether and how it checks, its hooks that carry the check."""

    folder: Path
    installed: bool
    strict: bool
    branch: str
    hooks: Sequence[str]


def find(folder: str) -> Path:
    """The git directory of the repository at `folder`; PeerError where there is none, or a clone's work is done."""
    words = ("-C", folder, "rev-parse", "--path-format=absolute", "--git-common-dir")
    try:
        _, out = chain.git(None, *words)
    except PeerError:
        out = b""
    if not out:
        raise PeerError("not_found", f"{folder} is no git repository", "name the folder that clones push to")
    return Path(os.fsdecode(out.rstrip(b"\n")))


def look(common: Path) -> Served:
    """How it stands. Writes nothing."""
    facts = _facts(common)
    carried = [
        name
        for name in blocks.SERVER
        if blocks.carries(blocks.read(common / "hooks" / name)) and blocks.executable(common / "hooks" / name)
    ]
    wanted = _names(bool(facts.get("strict")))
    installed = bool(facts) and all(name in carried for name in wanted)
    return Served(
        common, installed, bool(facts.get("strict")), str(facts.get("branch") or layout.BRANCH), tuple(carried)
    )


def install(common: Path, strict: bool, branch: str) -> Served:
    """Install, or bring up to date; a repository that already is so is not touched."""
    found = chain.values(common, None)
    if found:
        raise PeerError(
            "unsupported",
            f"core.hooksPath is set for {common}: git does not look at its hooks folder",
            "take core.hooksPath out there, or call the hook peer/hooks/pre-receive from the folder that it names",
        )
    site, wanted = site_of(common, None, None, None, None), _names(strict)
    with explained("install"), alone(site):
        for name in wanted:
            blocks.check(site.default / name, name)
        (site.peer / layout.D_HOOKS).mkdir(parents=True, exist_ok=True)
        for name, text in site.gates(wanted).items():
            blocks.write(site.peer / layout.D_HOOKS / name, text)
        facts = {"branch": branch, "format": 1, "strict": strict}
        blocks.write(site.peer / layout.F_SERVER, json.dumps(facts).encode() + b"\n", 0o644)
        site.default.mkdir(exist_ok=True)
        for name in wanted:
            blocks.patch(site.default / name, name, gate_of(name), site.links)
        for name in set(blocks.SERVER) - set(wanted):
            _out(site, name)
    return look(common)


def remove(common: Path) -> list[str]:
    """Take all of it out; a line for each thing that had to stay."""
    site = site_of(common, None, None, None, None)
    with explained("take out"), alone(site):
        stayed = [line for name in blocks.SERVER for line in _out(site, name)]
        (site.peer / layout.F_SERVER).unlink(missing_ok=True)
        for folder in (site.links, site.peer / layout.D_HOOKS, site.peer):
            with contextlib.suppress(OSError):  # not there, or a clone's that is set up itself
                folder.rmdir()
    return stayed


def _out(site: Site, name: str) -> list[str]:
    stayed = [blocks.unpatch(site.default / name, name, site.links), put_back(site.default, name)]
    (site.peer / layout.D_HOOKS / name).unlink(missing_ok=True)
    return [line for line in stayed if line]


def _names(strict: bool) -> tuple[str, ...]:
    return blocks.SERVER if strict else blocks.SERVER[:1]


def _facts(common: Path) -> dict[str, object]:
    try:
        found = json.loads((common / layout.FOLDER / layout.F_SERVER).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
