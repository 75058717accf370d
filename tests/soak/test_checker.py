"""The checker can fail: each mutant of the engine breaks an invariant in a directed run, and the honest engine none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.soak import journal
from tests.soak.checker import check
from tests.soak.driver import LOG, Crew, settle
from tests.world import Clone, World, sealed

pytestmark = pytest.mark.faults

OUR_LOG = "refs/peer/coordination"
Argv = Sequence[str]


@dataclass(frozen=True)
class Act:
    """A session of clone number `clone` runs its script; acts of one stage run at once.

    `faults` are there with every engine; `mutated`: this is one of those whose engine the mutant is.
    """

    name: str
    clone: int
    script: Sequence[Argv]
    faults: tuple[str, ...] = ()
    mutated: bool = True
    offset: float = 0  # seconds by which its clock is off


@dataclass(frozen=True)
class Play:
    """Stages one after the other, in local mode (one clone) or in two clones with a remote; then a sync in each."""

    stages: Sequence[Sequence[Act]]
    local: bool = False


@dataclass(frozen=True)
class Mutant:
    """What is weak in the engine, the play that shows it, the invariants of which one must be said to be broken."""

    weak: tuple[str, ...]
    play: str
    breaks: tuple[str, ...] = field(default=())


def _one(name: str, clone: int, *words: str, **given: Any) -> Sequence[Act]:
    return (Act(name, clone, [words], **given),)


LOCK = ("lock", "a.py", "--ttl", "10m")
PASSING = [("await", "../decided"), LOCK, ("signal", "../overtaken")]
PLAYS = {
    "two ask in turn": Play([_one("ann", 0, *LOCK), _one("bob", 1, *LOCK)]),
    "two ask for lines": Play([_one("ann", 0, "lock", "src/api.py:1"), _one("bob", 1, "lock", "src/api.py:2")]),
    "two ask at once": Play([(Act("ann", 0, PASSING), Act("bob", 1, [LOCK], ("overtaken",)))]),
    "two ask at once in one clone": Play([(Act("ann", 0, PASSING), Act("bob", 0, [LOCK], ("overtaken",)))], local=True),
    "one renews and another asks": Play(
        [
            _one("ann", 0, "lock", "a.py", "--ttl", "1s"),
            _one("ann", 0, "session", "renew"),
            _one("bob", 1, *LOCK),
        ]
    ),
    "an answer is lost for good": Play([_one("ann", 0, *LOCK, faults=("deaf",)), _one("cat", 0, "sync")]),
    "an answer is lost": Play([_one("ann", 0, *LOCK, faults=("mumbling",)), _one("cat", 0, "lock", "b.py")]),
    "one goes offline": Play([_one("ann", 0, *LOCK, "--offline"), _one("ann", 0, "sync")]),
    "one goes offline and loses": Play(
        [_one("ann", 0, *LOCK, "--offline"), _one("bob", 1, *LOCK, mutated=False), _one("ann", 0, "sync")]
    ),
    "one goes offline, and another waits for it": Play(
        [
            _one("ann", 0, *LOCK, "--offline"),
            _one("bob", 1, *LOCK),
            _one("cat", 1, "lock", "a.py", "--wait", "30s", faults=("dies waiting",)),
            _one("bob", 1, "unlock", "a.py"),
            _one("ann", 0, "sync"),
        ]
    ),
    "a sync loses one lock and hears nothing of another": Play(
        [
            (Act("ann", 0, [(*LOCK, "--offline"), ("lock", "b.py", "--offline")]),),
            _one("bob", 1, *LOCK),
            _one("ann", 0, "sync", faults=("deaf",)),
        ]
    ),
    "a clock is set forward": Play(
        [
            _one("cat", 1, "lock", "c.py"),
            _one("ann", 0, *LOCK),
            _one("cat", 1, "sync"),
            _one("bob", 1, *LOCK, offset=3600.0),
        ]
    ),
    "one waits and another asks": Play(
        [
            _one("ann", 0, *LOCK),
            _one("bob", 1, "lock", "a.py", "--wait", "30s", faults=("dies waiting",)),
            _one("ann", 0, "unlock", "a.py"),
            _one("cat", 0, *LOCK),
        ]
    ),
    "one waits, and another's clock is set forward": Play(
        [
            _one("ann", 0, *LOCK),
            _one("cat", 1, "sync"),
            _one("bob", 0, "lock", "a.py", "--wait", "30s", faults=("dies waiting",)),
            _one("cat", 1, "sync"),
            _one("ann", 0, "unlock", "a.py"),
            _one("dan", 1, *LOCK, offset=3600.0),
        ]
    ),
    "one pushes": Play([(Act("ann", 0, [("commit",), ("push", "origin", "HEAD:refs/heads/main")]),)]),
    "one locks, then another something else": Play([_one("ann", 0, *LOCK), _one("cat", 0, "lock", "b.py")]),
}
MUTANTS = {
    "shared and exclusive are ignored": Mutant(("overlap",), "two ask in turn", ("1",)),
    "neighbouring lines are granted": Mutant(("neighbours",), "two ask for lines", ("1",)),
    "a swap without a compare": Mutant(("kernel lock", "compare"), "two ask at once in one clone", ("2", "5")),
    "a push without a lease": Mutant(("lease",), "two ask at once", ("2", "5")),
    "heights are skipped": Mutant(("skips heights",), "two ask in turn", ("2",)),
    "what arrives is not verified": Mutant(("forged", "credulous"), "two ask in turn", ("3",)),
    "a command is decided twice": Mutant(("twice",), "two ask in turn", ("4",)),
    "a grant is told as a refusal": Mutant(("says no",), "two ask in turn", ("5",)),
    "what was told is given back": Mutant(("gives back the told",), "one locks, then another something else", ("5",)),
    "the living are expired": Mutant(("expires the living",), "two ask in turn", ("6",)),
    "a clock is taken at its word": Mutant(("believes its clock",), "a clock is set forward", ("6",)),
    "a clock that was set forward overtakes": Mutant(
        ("waits by the clock",), "one waits, and another's clock is set forward", ("fair",)
    ),
    "evidence is older than a renewal": Mutant(("old evidence",), "one renews and another asks", ("6",)),
    "tokens begin anew": Mutant(("tokens begin anew",), "two ask in turn", ("7",)),
    "tentative commits are pushed undecided": Mutant(("undecided",), "one goes offline", ("8",)),
    "losses are not named": Mutant(("mum",), "one goes offline and loses", ("8",)),
    "code is recorded and not pushed": Mutant(("no code",), "one pushes", ("9",)),
    "no attempt is on record": Mutant(("no attempt",), "an answer is lost for good", ("10",)),
    "what nobody was told of is kept": Mutant(("keeps",), "an answer is lost for good", ("10",)),
    "the queue is ignored": Mutant(("no queue",), "one waits and another asks", ("fair",)),
}


def _place(world: World, play: Play) -> list[Clone]:
    clones = [world.clone(f"c{number}") for number in range(1 if play.local else 2)]
    for number, clone in enumerate(clones):
        for key, value in (("retryTimeout", "1s"), ("clockSkew", "1s")):
            clone.git("config", f"peer.{key}", value)
        first = ("--local",) if play.local else ("--remote", "origin")
        clone.peer("init", *(() if number else first), "--no-hooks")
    return clones


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Processes for all tests: what a mutant changes stays in its own."""
    with Crew(sealed(tmp_path_factory.mktemp("crew") / "home")) as made:
        yield made


def perform(crew: Crew, world: World, play: Play, weak: Sequence[str] = ()) -> list[str]:
    """The violations that the checker finds after a play."""
    clones = _place(world, play)
    journals = world.folder / "journals"
    journals.mkdir()
    for number, stage in enumerate(play.stages):
        for act in stage:
            crew.start(_spec(act, clones, journals / f"{number}-{act.name}.jsonl", weak))
        assert crew.wait(30) == []
    settle(crew, clones, journals)
    asked = journal.read(journals)
    acts = {act.name for stage in play.stages for act in stage}
    assert acts <= {one.session for one in asked}, "somebody did not play"
    where, ref = (clones[0].path, OUR_LOG) if play.local else (world.remote, LOG)
    return check(where, ref, asked)


def _spec(act: Act, clones: list[Clone], path: Path, weak: Sequence[str]) -> dict[str, Any]:
    clone = clones[act.clone]
    return {
        "name": act.name, "clone": clone.name, "cwd": str(clone.path), "journal": str(path),
        "script": [list(argv) for argv in act.script], "weak": [*act.faults, *(weak if act.mutated else ())],
        "offset": act.offset,
    }  # fmt: skip


@pytest.mark.parametrize("name", PLAYS)
def test_honest(crew: Crew, world: World, name: str) -> None:
    assert perform(crew, world, PLAYS[name]) == []


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant(crew: Crew, world: World, name: str) -> None:
    mutant = MUTANTS[name]
    found = perform(crew, world, PLAYS[mutant.play], mutant.weak)
    assert {line.partition(":")[0] for line in found}.intersection(mutant.breaks), found
