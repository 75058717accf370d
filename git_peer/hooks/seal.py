"""The seal: by a few stats it shows whether all that the gate hangs on is as it was when the gate was in place.

In `peer/seal.json`: `at`, where that folder is, for a copied clone's seal is not its own; `env`, the variables that
name git's settings; `files`, path → what stat said (null: not there); `trees`, for each work tree that was looked at,
why git does not run the gate there ("" where it does). Standard library only, for every edit of an agent waits for it.
"""

from __future__ import annotations

import os

from git_peer import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_NAMING = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
_KEY = "core.hookspath"


def path_of(folder: str) -> str:
    """Where the seal of a clone is; `folder` is the clone's."""
    return f"{folder}/{layout.F_SEAL}"


def read(folder: str, gitdir: str, env: Mapping[str, str]) -> tuple[bool, str]:
    """(whether the seal is whole for a work tree, what it says is wrong there).

    `gitdir` names the work tree as sessions do. A clone whose hooks nobody wanted needs none.
    """
    from json import loads

    try:
        with open(path_of(folder), "rb") as file:
            found = loads(file.read())
        trees, files = found["trees"], found["files"]
        here = found["at"] == place(folder) and found["env"] == named(env)
        whole = here and gitdir in trees and all(stat(one) == files[one] for one in files)
    except OSError:
        return not wanted(folder), ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return False, ""
    return whole, str(trees[gitdir]) if whole else ""


def place(folder: str) -> list[str | int]:
    """What tells a clone's folder from that of a copy."""
    return [folder, os.stat(folder).st_ino]


def wanted(folder: str) -> bool:
    """Whether hooks were ever installed here: `init --no-hooks` leaves neither scripts nor a seal."""
    return os.path.lexists(path_of(folder)) or os.path.lexists(f"{folder}/{layout.D_HOOKS}")


def named(env: Mapping[str, str]) -> list[str | None]:
    """What an environment says of where git's settings are."""
    return [env.get(key) for key in _NAMING]


def stat(path: str) -> list[int] | None:
    """What tells a file from what it was; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode]


def record(folder: str, paths: Iterable[str], env: Mapping[str, str]) -> dict[str, Any]:
    """A clone's seal on these files as they are now, with no work tree looked at."""
    return {"at": place(folder), "env": named(env), "files": {path: stat(path) for path in paths}, "trees": {}}


def overruled(env: Mapping[str, str]) -> str:
    """Why what git is started by from here runs no gate, by the environment alone; "" where it does."""
    said = _KEY in env.get("GIT_CONFIG_PARAMETERS", "").lower()
    count = env.get("GIT_CONFIG_COUNT", "")
    numbers = range(int(count)) if count.isdigit() and len(count) < 4 else ()
    keys = [env.get(f"GIT_CONFIG_KEY_{number}", "").lower() for number in numbers]
    if not said and _KEY not in keys:
        return ""
    return f"GIT_CONFIG_{'PARAMETERS' if said else 'COUNT'} in the environment sets core.hooksPath"
