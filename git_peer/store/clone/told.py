"""What a session of this clone was told about debates, so that it is told once."""

from __future__ import annotations

from pathlib import Path

from git_peer import layout
from git_peer.store import files


def known(folder: Path, name: str) -> set[str]:
    """The keys of what the session of that name was told. `folder` is the clone's."""
    return set(files.read_json(_path(folder, name)).get("told", ()))


def note(folder: Path, name: str, keys: list[str]) -> None:
    """These are told, and are all that may be asked about again."""
    if known(folder, name) != set(keys):
        files.write_json(_path(folder, name), {"told": sorted(keys)}, durable=False)


def _path(folder: Path, name: str) -> Path:
    return folder / layout.D_TOLD / f"{name}.json"
