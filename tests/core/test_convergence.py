"""Convergence: whatever clones do and in whatever order they sync, offline too, in the end all have the same tip.

Real clones of a real remote, real processes; the history checker decides whether the log explains every answer.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from git_peer import layout
from tests.faults.forks import Ask, Forks, forks
from tests.soak.checker import check
from tests.soak.driver import LOG
from tests.soak.journal import Asked
from tests.world import Clone, Result, World

CLONES, SESSIONS = 3, 2
TARGETS = ("a.py", "src/", "src/b.py", "src/*.py", "@deploy")
QUICK = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "peer.retryTimeout", "GIT_CONFIG_VALUE_0": "5s"}

# A deed is (clone, session, what): arguments, or a change of the clone's network.
Deed = tuple[int, int, tuple[str, ...]]


def _deeds() -> st.SearchStrategy[Deed]:
    target = st.sampled_from(TARGETS)
    words = st.one_of(
        st.tuples(st.just("lock"), target),
        st.tuples(st.just("lock"), target, st.just("--shared")),
        st.tuples(st.just("lock"), target, st.just("--offline")),
        st.tuples(st.just("lock"), target, st.just("--preempt"), st.just("--priority"), st.sampled_from("09")),
        st.tuples(st.just("unlock"), target),
        st.sampled_from([("unlock", "--all"), ("sync",), ("sync",), ("session", "renew"), ("session", "end")]),
        st.sampled_from([("network", "goes"), ("network", "comes")]),
    )
    return st.tuples(st.integers(0, CLONES - 1), st.integers(0, SESSIONS - 1), words)


# Turns one after the other; the deeds of a turn happen at once.
TURNS = st.lists(st.lists(_deeds(), min_size=1, max_size=3), min_size=4, max_size=14)
ORDER = st.permutations(range(CLONES))


@dataclass
class Play:
    """Clones of one remote, and what was asked and answered."""

    forks: Forks
    world: World
    clones: list[Clone] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def begin(self) -> None:
        """Set all clones up."""
        self.clones = [self.world.clone(f"c{number}") for number in range(CLONES)]
        for number, clone in enumerate(self.clones):
            self.forks.peer(clone, "init", *(() if number else ("--remote", "origin")), "--no-hooks")

    def turn(self, deeds: Sequence[Deed]) -> None:
        """Do these at once."""
        asks = []
        for number, (clone, session, words) in enumerate(deeds):
            if words[0] == "network":
                url = self.world.url if words[1] == "comes" else str(self.world.folder / "nowhere.git")
                self.clones[clone].git("remote", "set-url", "origin", url)
            elif (clone, session) not in [deed[:2] for deed in deeds[:number]]:
                asks.append(self._ask(clone, f"c{clone}-s{session}", words))
        begin = time.time()
        answers = self.forks.together(asks)
        for ask, answer in zip(asks, answers, strict=True):
            self._note(ask, answer, begin)

    def _ask(self, clone: int, session: str, words: tuple[str, ...]) -> Ask:
        reason = ("--reason", f"{session}/{len(self.asked)}") if words[0] == "lock" else ()
        return Ask(self.clones[clone], (*words, *reason, "--json"), session, env=QUICK)

    def _note(self, ask: Ask, answer: Result, begin: float) -> None:
        ident = ask.argv[ask.argv.index("--reason") + 1] if "--reason" in ask.argv else f"{ask.as_}/{len(self.asked)}"
        said = answer.json()
        one = Asked(ident, ask.as_, ask.where.name, ask.argv, begin, end=time.time(), status=answer.status, answer=said)
        self.asked.append(one)

    def end(self, order: Sequence[int]) -> None:
        """The network is back, and each clone syncs in that order, twice: the last one's news reach the first."""
        for clone in self.clones:
            clone.git("remote", "set-url", "origin", self.world.url)
        for number in [*order, *order]:
            ask = self._ask(number, f"c{number}-s0", ("sync",))
            self._note(ask, self.forks.together([ask])[0], time.time())

    def judge(self) -> None:
        """One tip for all, one for who joins now, whole clones, and a log that explains every answer."""
        late = self.world.clone("late")
        self.forks.peer(late, "init", "--no-hooks")
        tips = {clone.name: clone.git("rev-parse", layout.TIP).line for clone in (*self.clones, late)}
        assert set(tips.values()) == {self.world.refs()[LOG]}, tips
        trees = {clone.git("rev-parse", f"{layout.TIP}^{{tree}}").line for clone in (*self.clones, late)}
        assert len(trees) == 1
        for clone in self.clones:
            assert self.forks.peer(clone, "fsck", "--json").json()["problems"] == []
            assert not clone.git("for-each-ref", layout.TENTATIVE).out, "undecided after a sync"
            attempts = clone.path / ".git" / layout.FOLDER / layout.D_ATTEMPTS
            assert not attempts.is_dir() or not list(attempts.iterdir())
        assert check(self.world.remote, LOG, self.asked) == []


@pytest.fixture
def forked() -> Forks:
    """Processes for every example."""
    return forks()


def converge(forked: Forks, folder: Path, turns: Sequence[Sequence[Deed]], order: Sequence[int]) -> Play:
    """Play it in a folder of its own, and judge."""
    folder.mkdir()
    try:
        play = Play(forked, World(folder))
        play.begin()
        for deeds in turns:
            play.turn(deeds)
        play.end(order)
        play.judge()
        return play
    finally:
        shutil.rmtree(folder)


LEFT_OUT = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)


@settings(max_examples=10, suppress_health_check=LEFT_OUT, phases=(Phase.explicit, Phase.generate))
@given(turns=TURNS, order=ORDER)
def test_convergence(forked: Forks, tmp_path: Path, turns: list[list[Deed]], order: list[int]) -> None:
    """Any order of commands and syncs."""
    converge(forked, tmp_path / "world", turns, order)


@pytest.mark.soak
@settings(max_examples=100, suppress_health_check=LEFT_OUT)
@given(turns=TURNS, order=ORDER)
def test_convergence_at_length(forked: Forks, tmp_path: Path, turns: list[list[Deed]], order: list[int]) -> None:
    """The same, for longer."""
    converge(forked, tmp_path / "world", turns, order)


def test_all_offline_at_once(forked: Forks, tmp_path: Path) -> None:
    """Every clone takes the same path without the network; one of them has it in the end, whoever syncs first."""
    for order in ((0, 1, 2), (2, 0, 1)):
        away: list[list[Deed]] = [[(clone, 0, ("network", "goes"))] for clone in range(CLONES)]
        taken: list[list[Deed]] = [[(clone, 0, ("lock", "a.py", "--offline")) for clone in range(CLONES)]]
        play = converge(forked, tmp_path / "world", [*away, *taken], order)
        lost = {one.session for one in play.asked for _ in one.answer.get("lost", ())}
        assert lost == {f"c{clone}-s0" for clone in order[1:]}
