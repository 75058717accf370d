"""Notes under writers of three clones, two work trees each, all at once: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter

import pytest

from git_peer import layout
from tests.world import Clone, World

ROUNDS = 8


def _ids(clone: Clone, rev: str) -> Counter[str]:
    """The ids of the lines that git shows on a commit, each as often as it stands there."""
    out = clone.git("notes", "--ref=peer", "show", rev, check=False).out
    return Counter(json.loads(line)["id"] for line in out.splitlines() if line.strip())


def _makers(clone: Clone, rev: str) -> list[str]:
    out = clone.git("notes", "--ref=peer", "show", rev, check=False).out
    lines = [json.loads(line) for line in out.splitlines() if line.strip()]
    return [line["session"] for line in lines if line["kind"] == "commit"]


class Writer(threading.Thread):
    """A session that commits, amends, rebases and syncs; `made`: its commits as they were first, `now`: at last."""

    def __init__(self, tree: Clone, name: str, seed: int) -> None:
        super().__init__()
        self.tree, self.name, self.chance = tree, name, random.Random(seed)
        self.env = {"GIT_PEER_SESSION": name}
        self.made: list[str] = []
        self.now: list[str] = []
        self.failed: BaseException | None = None

    def run(self) -> None:
        """Everything in turn; what fails fails the test."""
        try:
            self.tree.peer("lock", f"{self.name}/", as_=self.name)
            for number in range(ROUNDS):
                self._round(number)
        except BaseException as why:  # noqa: BLE001 - a thread's failure is told by the test
            self.failed = why

    def _round(self, number: int) -> None:
        self.tree.write(f"{self.name}/{number}", "x\n")
        self.made.append(self.tree.commit(f"{self.name} {number}", env=self.env))
        what = self.chance.randrange(5)
        if what == 0:
            self.tree.git("commit", "-q", "--amend", "-m", f"{self.name} {number} again", env=self.env)
        elif what == 1:
            self.tree.peer("sync", as_=self.name, status=None)
        elif what == 2 and number > 1:
            backend = self.chance.choice(("--merge", "--apply"))
            # Onto something else, so that every commit of this session becomes another one.
            base = self.tree.git("commit-tree", "-p", "main", "-m", f"base {self.name} {number}", "main^{tree}").line
            root = self.tree.git("merge-base", "HEAD", "main").line
            onto = self.tree.git("rev-list", "--reverse", f"{root}..HEAD").out.split()[0]
            first = self.tree.git("rev-parse", f"{onto}^").line
            self.tree.git("rebase", "-q", backend, "--onto", base, first, env={"GIT_PEER_SESSION": "somebody"})


@pytest.mark.slow
@pytest.mark.faults
def test_nothing_lost_nothing_doubled(world: World) -> None:
    """Six sessions in three clones, with amends, rebases by somebody else, and syncs between."""
    clones = [world.clone(name) for name in "abc"]
    clones[0].peer("init", "--remote", "origin")
    for clone in clones[1:]:
        clone.peer("init")
    writers: list[Writer] = []
    for number, clone in enumerate(clones):
        for side in range(2):
            name = f"{clone.name}{side}"
            writers.append(Writer(clone.worktree(f"{name}-tree", name), name, 10 * number + side))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not [writer.failed for writer in writers if writer.failed is not None]
    for writer in writers:
        out = writer.tree.git("rev-list", "--author-date-order", "--reverse", "main..HEAD").out.split()
        own = [
            commit for commit in out if writer.tree.git("log", "-1", "--format=%s", commit).out.startswith(writer.name)
        ]
        assert len(own) == ROUNDS
        told = [writer.tree.peer("notes", "--json", commit).json()["notes"] for commit in own]
        assert [[line["id"] for line in lines] for lines in told] == [
            [ident] for ident in writer.made
        ]  # before any sync
        writer.now = own
    for _ in range(2):
        for clone in clones:
            clone.peer("sync")
    assert len({clone.git("rev-parse", f"{layout.NOTES}^{{tree}}").line for clone in clones}) == 1
    assert [clone.peer("sync", "--json").json()["traffic"]["pushes"] for clone in clones] == [0, 0, 0]  # at rest
    assert world.refs()[layout.NOTES] == clones[0].git("rev-parse", layout.NOTES_INCOMING).line
    for writer in writers:
        for commit, first in zip(writer.now, writer.made, strict=True):
            for clone in clones:
                assert _ids(clone, commit) == {first: 1}
                assert _makers(clone, commit) == [writer.name]


@pytest.mark.faults
def test_pushes_at_once(world: World) -> None:
    """Three clones push code with their notes in one go each: all of them arrive, in one history."""
    clones = [world.clone(name) for name in "abc"]
    clones[0].peer("init", "--remote", "origin")
    made = {}
    for clone in clones:
        clone.peer("init")
        clone.git("switch", "-q", "-c", clone.name)
        clone.peer("lock", f"{clone.name}/", as_=clone.name)
        clone.write(f"{clone.name}/x", "x\n")
        made[clone.name] = clone.commit("x", env={"GIT_PEER_SESSION": clone.name})
    running = [clone.start_peer("push", "--json", "-u", "origin", clone.name, as_=clone.name) for clone in clones]
    answers = [one.finish(0).json() for one in running]
    assert [answer["notices"] for answer in answers] == [[], [], []]
    reader = world.clone("reader", "--no-checkout")
    reader.git("fetch", "-q", "origin", f"{layout.NOTES}:{layout.NOTES}")
    for name, commit in made.items():
        assert world.refs()[f"refs/heads/{name}"] == commit
        assert _makers(reader, commit) == [name]


@pytest.mark.faults
def test_kills(world: World) -> None:
    """kill -9 of syncs at any moment: what was noted is noted once, and what was recorded comes."""
    one, two = world.clone("a"), world.clone("b")
    one.peer("init", "--remote", "origin")
    two.peer("init")
    one.peer("lock", "src/", as_="zoe")
    made = []
    for number in range(12):
        one.write("src/api.py", f"{number}\n")
        made.append(one.commit(f"{number}", env={"GIT_PEER_SESSION": "zoe"}))
        running = one.start_peer("sync")
        threading.Event().wait(0.15 + 0.05 * number)
        running.kill()
    one.peer("sync")
    two.peer("sync")
    for clone in (one, two):
        for commit in made:
            assert _ids(clone, commit) == {commit: 1}
