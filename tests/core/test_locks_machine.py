"""Locks under Hypothesis: any order of commands and clock jumps, against a model too plain to be wrong."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from git_peer.core.errors import PeerError
from git_peer.core.lock import record as locks
from git_peer.core.log.command import Me
from git_peer.core.rules import decide as commands
from git_peer.core.session import record as sessions
from tests.core.bench import Bench, agent

# What each target covers of a world of four paths: enough to decide every overlap among them.
COVERS = {
    "a": {"a", "a/x", "a/y"},
    "a/": {"a/x", "a/y"},
    "a/x": {"a/x"},
    "a/*": {"a/x", "a/y"},
    "*": {"a", "b"},
    "b": {"b"},
    "@n": {"@n"},
}
PEOPLE = [agent(name, f"c-{name}") for name in "abc"]
TTL, SKEW = 100, 60

WHO = st.sampled_from(PEOPLE)
TARGETS = st.lists(st.sampled_from(sorted(COVERS)), min_size=1, max_size=3, unique=True)
MODES = st.sampled_from(["exclusive", "shared"])


class Locks(RuleBasedStateMachine):
    """held: session → target → mode; heard: when something last came from it."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.held: dict[str, dict[str, str]] = {}
        self.heard: dict[str, int] = {}

    def stands(self, me: Me, target: str, mode: str) -> list[str]:
        """The sessions that stand against it; empty where it is free."""
        return [
            name
            for name, its in self.held.items()
            if name != me.name
            and any(COVERS[one] & COVERS[target] and "exclusive" in (mode, how) for one, how in its.items())
        ]

    def lapsed(self, name: str) -> bool:
        return self.bench.now > self.heard[name] + TTL + SKEW

    @rule(me=WHO, wanted=TARGETS, mode=MODES)
    def lock(self, me: Me, wanted: list[str], mode: str) -> None:
        name = str(me.name)
        mine = self.held.get(name, {})
        fresh = [t for t in wanted if not (t in mine and mode in (mine[t], "shared"))]
        others = {other for target in fresh for other in self.stands(me, target, mode)}
        try:
            self.bench.lock(me, *wanted, mode=mode, ttl=TTL)
            granted = True
        except PeerError as why:
            assert why.code == "locked"
            granted = False
        assert granted == all(self.lapsed(other) for other in others)
        if granted:
            for other in others:
                gone = {
                    t for t in self.held[other] if any(self._against(t, f, self.held[other][t], mode) for f in fresh)
                }
                self.held[other] = {t: how for t, how in self.held[other].items() if t not in gone}
            self.held.setdefault(name, {}).update(dict.fromkeys(wanted, mode))
            self.heard[name] = self.bench.now

    @staticmethod
    def _against(one: str, other: str, how: str, mode: str) -> bool:
        return bool(COVERS[one] & COVERS[other]) and "exclusive" in (how, mode)

    @rule(me=WHO, what=st.sampled_from(sorted(COVERS)))
    def unlock(self, me: Me, what: str) -> None:
        name = str(me.name)
        mine = self.held.get(name, {})
        try:
            self.bench.unlock(me, what)
            assert what in mine
            del mine[what]
            self.heard[name] = self.bench.now
        except PeerError as why:
            assert what not in mine
            assert why.code in ("not_found", "not_yours")

    @precondition(lambda self: self.heard)
    @rule(me=WHO)
    def renew(self, me: Me) -> None:
        try:
            self.bench.do(commands.Renew(me=me))
            self.heard[str(me.name)] = self.bench.now
        except PeerError as why:
            assert why.code == "not_found"
            assert me.name not in self.heard

    @rule(me=WHO)
    def end(self, me: Me) -> None:
        try:
            self.bench.do(commands.End(me=me))
            assert me.name in self.heard
            self.held.pop(str(me.name), None)
            del self.heard[str(me.name)]
        except PeerError as why:
            assert why.code == "not_found"
            assert me.name not in self.heard

    @rule(seconds=st.sampled_from([1, TTL - 1, TTL + 1, TTL + SKEW, TTL + SKEW + 1]))
    def time_passes(self, seconds: int) -> None:
        self.bench.now += seconds

    @invariant()
    def the_log_says_the_same(self) -> None:
        state = self.bench.state
        found: dict[str, dict[str, str]] = {}
        for lock in locks.all_of(state):
            name = lock.target.path + "/" if lock.target.kind == "dir" else lock.target.path
            name = f"@{name}" if lock.target.kind == "name" else name
            found.setdefault(lock.session, {})[name] = lock.mode
        assert found == {name: its for name, its in self.held.items() if its}
        assert {s.name for s in sessions.all_of(state)} == set(self.heard)

    @invariant()
    def the_index_leads_to_every_lock(self) -> None:
        state = self.bench.state
        every = {lock.id for lock in locks.all_of(state)}
        listed = {lock.id for s in sessions.all_of(state) for lock in locks.held_by(state, s.name)}
        assert every == listed


TestLocks = Locks.TestCase
TestLocks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
