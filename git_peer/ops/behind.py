"""What has landed on a path since this branch left the integration branch: whoever edits it here edits an old text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from git_peer.core.target import target as targets
from git_peer.core.target.target import Target
from git_peer.ops.peer import Peer
from git_peer.store.git import work

MOST = 5  # targets that are told of one by one


def of(peer: Peer, wanted: Iterable[Target]) -> list[dict[str, Any]]:
    """A notice of each file or folder that stands otherwise on the integration branch, as far as it was fetched."""
    git, branch = peer.repo.handle, peer.state.log.integration
    remote = peer.remote.name if peer.remote is not None else ""
    by_path = {one.real: one for one in wanted if one.kind in ("file", "dir") and one.real}
    onto = work.integration(git, branch, remote) if branch and by_path else ""
    late = work.behind(git, peer.repo.head, onto, list(by_path))
    where = f"{remote}/{branch}" if remote else branch
    found = []
    for path in late[:MOST]:
        shown = targets.show(by_path[path])
        more = f", and {len(late) - MOST} more" if len(late) > MOST and path == late[MOST - 1] else ""
        found.append(
            {
                "code": "behind",
                "message": f"{shown} has changed on {where} ({onto[:12]}) since your branch left it{more}",
                "target": shown,
                "commit": onto,
                "hint": f"take it in before you change it: `git merge {where}` or `git rebase {where}`",
            }
        )
    return found
