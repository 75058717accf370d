"""The format is a promise: events of every kind, as earlier releases wrote them, still make the same trees.

replay.jsonl was begun by the release that was there before events and commands became classes with their own rules; a
line is a commit: its events and its tree's id, which never change, and the words for people that go with them, which
may: its subject, and what `git peer log` says of each event. It only ever grows: a new kind of event, or a new version
of one, adds lines.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pygit2
import pytest

from git_peer.core.log.state import DictReader, State
from git_peer.core.rules import fold, subject
from git_peer.store.git.objects import TreeWriter

COMMITS = [json.loads(line) for line in Path(__file__).with_name("replay.jsonl").read_text().splitlines()]
LOGS = sorted({commit["log"] for commit in COMMITS})


def _line(event: dict[str, Any]) -> bytes:
    """The canonical JSON of an event, by other code than the program's."""
    return json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("log", LOGS)
def test_the_same_events_make_the_same_trees(log: int, tmp_path: Path) -> None:
    git = pygit2.init_repository(str(tmp_path), bare=True)
    blobs: dict[str, bytes] = {}
    for commit in COMMITS:
        if commit["log"] != log:
            continue
        state = State(DictReader(blobs))
        events = [fold.parse(_line(event)) for event in commit["events"]]
        fold.apply(state, events, commit["height"])
        kept = {path: raw for path, raw in blobs.items() if path not in state.changes}
        blobs = {**kept, **{path: raw for path, raw in state.changes.items() if raw is not None}}
        where = f"commit {commit['height']} of log {log}"
        assert TreeWriter(git).build(None, dict(blobs)) == commit["tree"], where
        assert subject.of(events, State(DictReader(blobs))) == commit["subject"], where
        assert [subject.said(event) for event in events] == commit["says"], where


def test_every_kind_of_event_is_among_them() -> None:
    assert {event["kind"] for commit in COMMITS for event in commit["events"]} == set(fold.KINDS)


def test_every_version_of_an_event_is_among_them() -> None:
    there = {(event["kind"], event.get("v", 1)) for commit in COMMITS for event in commit["events"]}
    assert there == {(name, v) for name, kind in fold.KINDS.items() for v in range(kind.came, kind.newest() + 1)}
