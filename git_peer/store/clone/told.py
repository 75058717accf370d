"""What a session of this clone was told, so that it is told once; and letters: what it is to be told yet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from git_peer import layout
from git_peer.store import files

KEPT = 50  # letters of one session
# Commits of the log that end what a session has, or answer it. Canonical JSON has these bytes; see arrivals.of.
TELLING = re.compile(
    rb'"kind":"(?:delta\.ack|lock\.(?:break|expire|preempt|release)|session\.end|task\.(?:lapse|move|release))"'
    rb'|"takeover":"'
)
# Those of them by which somebody gets a letter.
WRITING = re.compile(rb'"kind":"(?:delta\.ack|session\.end|task\.(?:lapse|move|release))"|"takeover":"')


def known(folder: Path, name: str) -> set[str]:
    """The keys of the ends of debates that the session of that name was told. `folder` is the clone's."""
    return set(files.read_json(_path(folder, name)).get("told", ()))


def note(folder: Path, name: str, keys: list[str]) -> None:
    """These are told, and are all that may be asked about again."""
    if known(folder, name) != set(keys):
        files.write_json(_path(folder, name), {"told": sorted(keys)}, durable=False)


def _path(folder: Path, name: str) -> Path:
    return folder / layout.D_TOLD / f"{name}.json"


# -- letters --------------------------------------------------------------------------------------
# A file each, so that who reads and who delivers at the same time take nothing from one another.
def waiting(folder: Path, name: str) -> list[dict[str, Any]]:
    """The letters for sessions of that name that they were not told of, oldest first; `gitdir` is their work tree."""
    found = [letter for path in _letters(folder, name) if (letter := files.read_json(path))]  # one may go meanwhile
    return sorted(found, key=lambda letter: (letter["at"], letter["id"]))


def deliver(folder: Path, letters: dict[str, list[dict[str, Any]]]) -> None:
    """Put letters where their sessions find them; each once, however often it comes, and not too many."""
    for name, fresh in letters.items():
        for letter in fresh[-KEPT:]:
            files.write_json(_box(folder, name) / f"{letter['id']}.json", letter)
        for letter in waiting(folder, name)[:-KEPT]:
            read(folder, name, {letter["id"]})


def read(folder: Path, name: str, idents: set[str]) -> None:
    """The session was told of these."""
    for path in _letters(folder, name):
        if path.stem in idents:
            path.unlink(missing_ok=True)


def _letters(folder: Path, name: str) -> list[Path]:
    try:
        return [path for path in _box(folder, name).iterdir() if path.suffix == ".json" and path.name[0] != "."]
    except OSError:
        return []


def _box(folder: Path, name: str) -> Path:
    return folder / layout.D_LETTERS / name
