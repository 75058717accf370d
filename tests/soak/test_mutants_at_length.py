"""Each mutant of the engine in a soak as it is run: no play is written for it, and it is found all the same."""

from __future__ import annotations

import pytest

from tests.soak.driver import soak
from tests.soak.test_checker import MUTANTS
from tests.world import World

pytestmark = [pytest.mark.faults, pytest.mark.soak]

SECONDS = 20


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant(world: World, name: str) -> None:
    mutant = MUTANTS[name]
    figures = soak(world, SECONDS, clones=2, sessions=3, seed=5, weak=mutant.weak)
    assert {line.partition(":")[0] for line in figures.violations}.intersection(mutant.breaks), figures
