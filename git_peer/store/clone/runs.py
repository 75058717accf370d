"""Which runs of this clone are over, whatever the log says of their leases: their work tree or process is gone.

Standard library only: the gate asks before it refuses, and an agent's hook notes which process it works for.
"""

from __future__ import annotations

import os

from git_peer import layout
from git_peer.store.clone import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SHELLS = (b"sh", b"bash", b"dash", b"zsh", b"ksh", b"ash")


def has_left(common: str, session: Mapping[str, Any]) -> bool:
    """Whether a session of this clone cannot go on: only what is certain counts. `common` is its git directory."""
    gitdir = session.get("gitdir", "")
    if gitdir and _tree_is_gone(os.path.join(common, gitdir), session.get("host", "")):
        return True
    return _is_dead(_notes(f"{common}/{layout.FOLDER}", session["name"]).get("process"))


def also(folder: str, name: str | None) -> tuple[str, ...]:
    """The names of the same run in other work trees, into which it reached. `folder` is the clone's."""
    found = _notes(folder, name).get("also", ()) if name else ()
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def process(caller: int) -> dict[str, Any]:
    """The agent that has a hook run, by the process that called the hook; {} where that cannot be told.

    A shell that was started for the hook alone is not it.
    """
    try:
        while True:
            start, above, state = _stat(caller)
            with open(f"/proc/{caller}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if state == "Z" or caller <= 1:
                return {}
            if os.path.basename(words[0].lstrip(b"-")) not in _SHELLS or not any(b"hook" in word for word in words):
                return {"pid": caller, "start": start, "boot": times.boot(), "space": _space()}
            caller = above
    except (OSError, ValueError, IndexError):
        return {}


def noted(known: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """What to note of a session's process: it is the agent for sure when it calls again.

    One that starts hooks and ends meanwhile is none, and its end must not end a session.
    """
    if not found or not isinstance(known, dict) or any(known.get(key) != value for key, value in found.items()):
        return {**found, "sure": False} if found else {}
    return {**found, "sure": True}


def _tree_is_gone(gitdir: str, host: str) -> bool:
    if not os.path.isdir(gitdir):
        return True  # `git worktree remove`, or prune
    try:
        with open(os.path.join(gitdir, "gitdir"), encoding="utf-8", errors="surrogateescape") as file:
            tree = os.path.dirname(os.path.join(gitdir, file.read().rstrip("\n")))
    except OSError:
        return False
    # What this machine does not see another may: a container that has the repository alone, a disk that is not in.
    return host == os.uname().nodename and not os.path.exists(tree) and not os.path.exists(f"{gitdir}/locked")


def _is_dead(process: Any) -> bool:
    if not isinstance(process, dict) or process.get("sure") is not True:
        return False
    if process.get("boot") != times.boot() or process.get("space") != _space():
        return False
    try:
        start, _, state = _stat(int(process["pid"]))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, IndexError):
        return False
    return start != process.get("start") or state in "ZX"


def _stat(pid: int) -> tuple[int, int, str]:
    """(when it started, its parent, its state) of a process."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[19]), int(fields[1]), fields[0].decode("ascii")


def _space() -> int:
    """Tells the space of process ids from those of other containers."""
    return os.stat("/proc/self/ns/pid").st_ino if os.path.exists("/proc/self/ns/pid") else 0


def _notes(folder: str, name: str) -> dict[str, Any]:
    """What the hooks of an agent noted of its session."""
    from json import loads

    try:
        with open(f"{folder}/{layout.D_AGENTS}/{name}.json", "rb") as file:
            found = loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
