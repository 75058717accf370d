"""What a run is told of the gate in its work tree: that it is open, or that it was and has been put back."""

from __future__ import annotations

from typing import Any

from git_peer.hooks import watch
from git_peer.store.git.repo import Repo

CODE = "gate"


def notices(repo: Repo, mend: bool) -> list[dict[str, Any]]:
    """The notices about the gate; with `mend`, for whoever may write, it is put back first."""
    found = watch.look(repo.common, repo.top, repo.gitdir, mend=mend)
    told: list[dict[str, Any]] = []
    if found.mended:
        text = f"the gate was open, and is in place again ({found.was})"
        told.append({"code": CODE, "message": text, "mended": list(found.mended)})
    if found.open:
        text = f"the gate is open, so what others have locked is not refused here ({found.open})"
        told.append({"code": CODE, "message": text, "hint": found.hint})
    return told
