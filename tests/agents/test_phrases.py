"""What an agent is told where a refusal rests on an old copy."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from git_peer.agents import phrases
from git_peer.ops import brief


@pytest.mark.parametrize(("writable", "said"), [(True, "origin did not answer in time"), (False, "cannot be written")])
def test_who_is_to_blame_for_an_old_copy(writable: bool, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remote where it was silent; not where this clone's git directory is read-only, as in a sandbox."""
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    monkeypatch.setattr(brief, "free_tasks", lambda peer, most: [])
    clone = SimpleNamespace(fetched_ago=5.0, folder="/x/.git/peer")
    peer: Any = SimpleNamespace(remote=SimpleNamespace(name="origin"), clone=clone)
    found = [{"path": "a", "why": "disputed", "debate": "d", "topic": "t", "lock": None}]
    told = phrases.refused(peer, found, fresh=False)
    assert "as of 5 s ago" in told
    assert said in told
    assert ("did not answer" in told) is writable
