"""What the post-commit hook says of a session, made ready for it: it is sh, and starts no Python.

In `peer/who/`: `<session>` holds the work tree on one line and the middle of a provenance note on the next;
`<agent>+<its own session id>+<work tree>`, or `+<work tree>` for the unnamed person, holds a session's name.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from git_peer import layout
from git_peer.core import note as notes
from git_peer.core.errors import PeerError
from git_peer.core.lock.record import Lock
from git_peer.core.log.state import State
from git_peer.core.plan.task import record as tasks
from git_peer.core.session.record import Session
from git_peer.store import files

_WORD = re.compile(r"[A-Za-z0-9._@-]{1,100}")
_PLACE = re.compile(r"(?:worktrees/[^\s/]+)?")


def ready(folder: Path, state: State, session: Session, held: Sequence[Lock]) -> None:
    """Prepare the note of a session of this clone that holds these locks. `folder` is the clone's."""
    if not _PLACE.fullmatch(session.gitdir):
        return
    task = next((one.id for one in tasks.claimed_by(state, session.name) if one.status == "in_progress"), "")
    where, middle = session.gitdir or ".", notes.fragment(session, task, [lock.token for lock in held if lock.token])
    _write(folder / layout.D_WHO / session.name, f"{where}\n{middle}\n")
    if session.default:
        _write(folder / layout.D_WHO / f"+{_last(session.gitdir)}", f"{session.name}\n")


def holds(folder: Path, name: str, tokens: Sequence[int]) -> None:
    """Of what is prepared for a session only these tokens still hold."""
    path = folder / layout.D_WHO / name
    try:
        where, middle, _ = path.read_text("utf-8").split("\n")
        fields = json.loads(f"{{{middle}}}")
    except (OSError, ValueError):
        return
    fields["tokens"] = sorted(tokens)[-notes.TOKENS :]
    if not tokens:
        del fields["tokens"]
    _write(path, f"{where}\n{notes.encode(fields)[1:-1]}\n")


def forget(folder: Path, sid: str) -> None:
    """A session is over."""
    with contextlib.suppress(OSError):
        for path in (folder / layout.D_WHO).iterdir():
            if f'"sid":"{sid}"' in path.read_text("utf-8", "replace"):
                path.unlink()


def answers_to(folder: Path, agent: str, ident: str, gitdir: str, name: str) -> None:
    """An agent's own session id, in this work tree, stands for the session of that name."""
    if ident and _WORD.fullmatch(ident) and _PLACE.fullmatch(gitdir):
        _write(folder / layout.D_WHO / f"{agent}+{ident}+{_last(gitdir)}", f"{name}\n")


def _last(gitdir: str) -> str:
    return gitdir.rpartition("/")[2] or "."


def _write(path: Path, text: str) -> None:
    try:
        if path.read_text("utf-8", "surrogateescape") == text:
            return
    except OSError:
        pass
    with contextlib.suppress(PeerError):  # only a note would be later, or say less
        files.write(path, text, durable=False)
