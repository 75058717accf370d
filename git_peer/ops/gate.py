"""What a run is told of the gate in its work tree: that it is open, or that it was and has been put back."""

from __future__ import annotations

import os
from typing import Any

from git_peer import layout
from git_peer.hooks import seal
from git_peer.store.git.repo import Repo

CODE = "gate"


def notices(repo: Repo, mend: bool) -> list[dict[str, Any]]:
    """The notices about the gate; with `mend`, for whoever may write, it is put back first.

    A glance at the seal, where nothing has changed; only else is anything asked of git.
    """
    over = seal.overruled(os.environ)
    if over:
        return [_open(over, "commits made from here are not checked; take it out of the environment")]
    whole, wrong = seal.read(str(repo.common / layout.FOLDER), repo.gitdir_name, os.environ)
    if whole and not wrong:
        return []
    from git_peer.hooks import watch  # with it comes all that installs hooks

    found = watch.look(repo.common, repo.top, repo.gitdir, repo.gitdir_name, mend=mend)
    told: list[dict[str, Any]] = []
    if found.mended:
        text = f"the gate was open, and is in place again ({found.was})"
        told.append({"code": CODE, "message": text, "mended": list(found.mended)})
    if found.open:
        told.append(_open(found.open, found.hint))
    return told


def _open(why: str, hint: str) -> dict[str, Any]:
    text = f"the gate is open, so what others have locked is not refused here ({why})"
    return {"code": CODE, "message": text, "hint": hint}
