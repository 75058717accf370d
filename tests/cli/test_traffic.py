"""How often the network and git are asked: counted by git's own trace beside what `traffic` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.asking import ask, refused
from tests.world import Clone, World


class Trace:
    """git's record of the git processes that ran. Remote helpers and servers count to the one that started them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "trace"
        self.folder.mkdir()
        self.env = {"GIT_TRACE2_EVENT": str(self.folder)}

    def verbs(self) -> list[str]:
        """The subcommands of the git processes that git-peer itself started, sorted; forgets them."""
        found = []
        for path in self.folder.iterdir():
            if "/" not in self._sid(path):
                found.append(self._verb(path))
            path.unlink()
        return sorted(found)

    def _events(self, path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    def _sid(self, path: Path) -> str:
        return str(self._events(path)[0]["sid"])

    def _verb(self, path: Path) -> str:
        names = [event["name"] for event in self._events(path) if event["event"] == "cmd_name"]
        return str(names[0]) if names else "?"


def network(verbs: list[str]) -> list[str]:
    """Those that cross the network."""
    return [
        verb for verb in verbs if verb in {"push", "fetch", "ls-remote", "clone", "pull", "fetch-pack", "send-pack"}
    ]


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """What git notes about itself."""
    return Trace(tmp_path)


def test_an_uncontended_lock(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """One push, no fetch: for a first lock (which starts the session), a second, a renewal and the unlock."""
    one, _ = pair
    for args in (("lock", "src/"), ("lock", "docs/", "README.md"), ("lock", "src/"), ("unlock", "--all")):
        answer = ask(one, *args, as_="zoe", env=trace.env)
        assert answer["traffic"] == {"pushes": 1, "fetches": 0}
        assert network(trace.verbs()) == ["push"]


def test_a_lock_on_an_old_copy(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """Somebody wrote meanwhile: the leased push fails, one fetch, one push more."""
    one, two = pair
    ask(two, "lock", "docs/", as_="abe")
    answer = ask(one, "lock", "src/", as_="zoe", env=trace.env)
    assert answer["traffic"] == {"pushes": 2, "fetches": 1}
    assert network(trace.verbs()) == ["fetch", "push", "push"]


def test_a_refused_lock(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """Fetches once, to be sure, and pushes nothing."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    ask(two, "sync")
    told = refused(two, "locked", "lock", "src/api.py", as_="abe", env=trace.env)
    assert told["traffic"] == {"pushes": 0, "fetches": 1}
    assert network(trace.verbs()) == ["fetch"]
    refused(two, "usage", "lock", "../x", as_="abe", env=trace.env)
    refused(two, "not_allowed", "lock", "x", "--priority", "11", as_="abe", env=trace.env)
    assert network(trace.verbs()) == []


def test_a_stale_refusal_is_looked_at_again(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """The copy says locked, the remote says free: granted after one fetch."""
    one, two = pair
    ask(one, "lock", "src/", as_="zoe")
    ask(two, "sync")
    ask(one, "unlock", "src/", as_="zoe")
    answer = ask(two, "lock", "src/", as_="abe", env=trace.env)
    assert answer["traffic"] == {"pushes": 1, "fetches": 1}
    assert network(trace.verbs()) == ["fetch", "push"]


def test_readers_ask_nobody(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """They answer from the copy: no network; doctor alone asks the remote, and fetches nothing."""
    one, _ = pair
    for args in (("status",), ("locks",), ("peers",), ("whoami",), ("check", "README.md"), ("fsck",)):
        ask(one, *args, env=trace.env)
        assert network(trace.verbs()) == []
    ask(one, "doctor", env=trace.env)
    assert set(network(trace.verbs())) <= {"ls-remote"}


def test_offline_asks_nobody(pair: tuple[Clone, Clone], trace: Trace) -> None:
    """--offline means it."""
    one, _ = pair
    ask(one, "lock", "src/", "--offline", as_="zoe", env=trace.env)
    ask(one, "unlock", "src/", as_="zoe", env=trace.env)
    assert network(trace.verbs()) == []


def test_local_mode_starts_no_git(local: Clone, trace: Trace) -> None:
    """Lock, renewal, refusal, unlock, readers: not one git child, once it has been seen that the gate stands."""
    local.peer("session", "start", as_="zoe")
    for args in (
        ("lock", "src/"),
        ("lock", "src/", "docs/"),
        ("locks",),
        ("status",),
        ("check", "x"),
        ("unlock", "--all"),
    ):
        answer = ask(local, *args, as_="zoe", env=trace.env)
        assert answer.get("traffic", {"pushes": 0, "fetches": 0}) == {"pushes": 0, "fetches": 0}
        assert trace.verbs() == [], args
    ask(local, "lock", "src/", as_="zoe", env=trace.env)
    refused(local, "locked", "lock", "src/", as_="abe", env=trace.env)
    assert trace.verbs() == []
    local.git("status", env=trace.env)
    assert trace.verbs() == ["status"]  # the trace would have seen one


def test_what_a_push_takes(pair: tuple[Clone, Clone], trace: Trace, world: World) -> None:
    """`git peer push` sends code, log and notes once, together."""
    one, _ = pair
    ask(one, "lock", "src/", as_="zoe")
    one.write("src/api.py", "x\n")
    one.commit("x", env={"GIT_PEER_SESSION": "zoe"})
    trace.verbs()
    before = world.refs()
    answer = ask(one, "push", as_="zoe", env=trace.env)
    assert answer["traffic"]["pushes"] == 1
    moved = {ref for ref, ident in world.refs().items() if before.get(ref) != ident}
    assert moved == {"refs/heads/main", "refs/heads/peer/coordination", "refs/notes/peer"}
