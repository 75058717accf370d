"""What arrives on the log's branch: whatever it is, it verifies or is malformed, and a repair on top of it verifies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_peer.core.log import record as log
from git_peer.core.log.command import Scene
from git_peer.core.log.state import State
from git_peer.core.rules import decide as commands
from git_peer.core.session import record as sessions
from git_peer.store.git.chain import Chain
from tests.core.bench import A, B
from tests.core.test_bounds import NASTY, lines

WHO = pygit2.Signature("x", "x@example.com", 1700000000, 0)


class Log:
    """A log in a bare repository, with two sessions."""

    def __init__(self, folder: Path) -> None:
        self.git = pygit2.init_repository(str(folder), bare=True)
        self.chain = Chain(self.git)
        ids = iter(f"{n:016x}" for n in range(1, 1000))
        root = log.LogCreate(id=next(ids), at=1, by="git-peer", log="L", format=1, mode="local", readme="r")
        self.tip = self.chain.append(None, [root], 1)
        for me in (A, B):
            state = self.chain.state(self.tip)
            scene = Scene(now=1_000_000, ident=lambda: next(ids), height=state.log.height + 1)
            outcome = commands.decide(state, commands.Start(me=me), scene)
            self.tip = self.chain.append(self.tip, outcome.events, 1)
        self.sids = {one.name: one.sid for one in sessions.all_of(self.chain.state(self.tip))}

    def commit(self, message: bytes, parents: list[str], tree: str) -> str:
        raw = f"tree {tree}\n" + "".join(f"parent {one}\n" for one in parents)
        raw += "author x <x@example.com> 1700000000 +0000\ncommitter x <x@example.com> 1700000000 +0000\n\n"
        return str(self.git.write(pygit2.enums.ObjectType.COMMIT, raw.encode() + message))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    folder = tmp_path_factory.mktemp("log")
    yield Log(folder)
    shutil.rmtree(folder)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_commit_is_good_or_void(made: Log, data: st.DataObject) -> None:
    """Several commits of anything on the log: no exception of ours, and one repair brings the log on."""
    tip, commits = made.tip, list[str]()
    for _ in range(data.draw(st.integers(1, 3))):
        events = data.draw(st.lists(lines(made.sids) | _records(), min_size=1, max_size=3))
        body = b"\n".join(msgspec.json.encode(one, order="sorted") for one in events)
        message = data.draw(st.sampled_from([b"x\n\n" + body + b"\n", body, b"", b"\xff\n\n\xff\n", b"x\n\n{}\n"]))
        tree = str(made.git[made.tip].peel(pygit2.Tree).id)
        empty = str(made.git.TreeBuilder().write())
        parents = data.draw(st.sampled_from([[tip], [tip], [tip], [tip, made.tip]]))
        tip = made.commit(message, parents, data.draw(st.sampled_from([tree, empty])))
        commits.append(tip)
    problems = made.chain.verify(made.tip, commits)
    good, bad = made.chain.last_good(made.tip, commits)
    assert bool(problems) == bool(bad)
    assert good is not None
    if bad:
        repair = log.LogRepair(id="00ab", at=1, by="git-peer", good=good, voids=tuple(bad))
        mended = made.chain.append(bad[-1], [repair], 1, tree_of=good)
        assert made.chain.verify(made.tip, [*commits, mended]) == []
        assert made.chain.state(mended).log.height == made.chain.state(good).log.height + len(bad) + 1
        assert [entry.commit for entry in made.chain.history(mended)][:2] == [mended, good]


def _records() -> st.SearchStrategy[dict[str, Any]]:
    """Repairs and other events of the log's own, by hand."""
    hexes = st.sampled_from(["0" * 40, "f" * 40, "x", ""])
    repair = st.builds(
        lambda good, voids: {"kind": "log.repair", "id": "r1", "at": 1, "by": "git-peer", "good": good, "voids": voids},
        hexes,
        st.lists(hexes | NASTY, max_size=3),
    )
    return repair | st.just({"kind": "log.void", "id": "v1", "at": 1, "by": "git-peer"})


def test_a_repair_reaches_below_what_was_verified_only_where_that_is_malformed(made: Log) -> None:
    """Else whoever repairs could take back what others hold."""
    good = made.tip
    void = log.LogVoid(id="0001", at=1, by="git-peer")
    first = made.chain.append(good, [void], 1)
    second = made.chain.append(first, [msgspec.structs.replace(void, id="0002")], 1)
    theft = log.LogRepair(id="0003", at=1, by="git-peer", good=good, voids=(first, second))
    stolen = made.chain.append(second, [theft], 1, tree_of=good)
    for base, commits in ((second, [stolen]), (None, [*(made.chain.path(None, second) or ()), stolen])):
        (problem,) = made.chain.verify(base, commits)
        assert problem.commit == stolen


def test_a_repair_is_followed_by_who_took_its_void_for_good(made: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone whose newest verified commit breaks a bound of today follows the repair that voids it."""
    event = log.LogFormat(id="0001", at=1, by="git-peer", format=99)

    def earlier(self: log.LogFormat, state: State, height: int, index: int) -> None:
        state.set_log(msgspec.structs.replace(state.log, format=self.format))

    with monkeypatch.context() as patch:
        patch.setattr(log.LogFormat, "apply", earlier)
        pinned = made.chain.append(made.tip, [event], 1)
    repair = log.LogRepair(id="0002", at=1, by="git-peer", good=made.tip, voids=(pinned,))
    mended = made.chain.append(pinned, [repair], 1, tree_of=made.tip)
    assert made.chain.verify(pinned, [mended]) == []
    assert made.chain.state(mended).log.format == 1
