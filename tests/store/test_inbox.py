"""Answers in the inbox: each requester finds its own, durably or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from git_peer.publish import inbox


def _refuse(*_: Any) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("links", [True, False])
def test_each_finds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Also where the file system has no links, and when an answer is given once more."""
    if not links:
        monkeypatch.setattr(os, "link", _refuse)
    folder = tmp_path / "inbox"
    requests = [inbox.post(folder, b"{}") for _ in range(3)]
    assert len(inbox.take(folder, 2)) == 2
    assert [request.answer() for request in requests] == [None] * 3
    given = {
        request.ident: {"answer": {"text": f"line\nbreak {number}"}} for number, request in enumerate(requests[:2])
    }
    for _ in range(2):
        inbox.give_answers(folder, given)
    assert [request.answer() for request in requests] == [*given.values(), None]
    requests[0].leave()  # as if it had died
    assert list(inbox.untold(folder)) == [(requests[0].ident, given[requests[0].ident])]
    for request in requests:
        request.close()
    assert os.listdir(folder) == []
