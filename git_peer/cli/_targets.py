"""Targets and paths from a command line, as git takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from git_peer import layout
from git_peer.core.errors import PeerError
from git_peer.core.target import target as targets
from git_peer.core.target.target import Target

if TYPE_CHECKING:
    from git_peer.store.git.repo import Repo

_MOST = 16 << 20  # bytes of --pathspec-from-file


def listed(given: Iterable[str], source: str | None, nul: bool) -> list[str]:
    """What the command line names, and --pathspec-from-file."""
    texts = list(given)
    if nul and source is None:
        raise PeerError("usage", "-z goes with --pathspec-from-file", "")
    if source is None:
        return texts
    if texts:
        raise PeerError("usage", "--pathspec-from-file and targets exclude each other", "")
    from git_peer.ops import reading

    raw = reading.stdin(_MOST) if source == "-" else reading.file(source, _MOST)
    lines = raw.split(b"\0" if nul else b"\n")
    return [layout.from_bytes(line.removesuffix(b"\r") if not nul else line) for line in lines if line]


def parsed(repo: Repo, texts: Iterable[str]) -> list[Target]:
    """Targets as they stand on the command line; PeerError("usage") for a wrong one.

    Behind a link stands what it leads to: who changes the one by its name changes the other.
    """
    top = str(repo.top) if repo.top is not None else ""
    found: list[Target] = []
    for text in texts:
        target = targets.parse(text, repo.prefix, repo.what_is, top, repo.in_any_tree)
        found.append(target)
        behind = repo.leads_to(target.real) if target.kind == "file" else None
        if behind is not None:
            found.append(targets.of_path("dir" if repo.what_is(behind) == "dir" else "file", behind))
    return found


def paths(repo: Repo, texts: Iterable[str]) -> list[str]:
    """Plain paths from the top of the work tree."""
    found = parsed(repo, [text if text.startswith(":") else f":(literal){text}" for text in texts])
    return [target.real for target in found]


class Asked(NamedTuple):
    """What `check` asks about: plain paths, ranges and sections of files that are there, names; from the top."""

    paths: list[str]
    lines: list[Target]
    names: list[Target]


def checked(repo: Repo, texts: Iterable[str]) -> Asked:
    """The paths, lines, sections and names of what `check` was given: `@issue/42` is a name, as it is for `lock`."""
    plain, of_lines, named = [], [], []
    for text in texts:
        if text.startswith("@"):
            named.append(text)
            continue
        try:
            target = parsed(repo, [text])[0]
        except PeerError:
            target = None  # a path, whatever its name looks like
        if target is not None and target.kind in ("lines", "section") and repo.what_is(target.real) == "file":
            of_lines.append(target)
        else:
            plain.append(text)
    return Asked(paths(repo, plain), of_lines, parsed(repo, named))
