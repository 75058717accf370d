"""Grammars of JSON schemas: what cannot be held is refused, by name."""

from __future__ import annotations

import pytest

from git_peer.adapters.gbnf import grammar
from git_peer.core.errors import PeerError
from tests.models.schemas import HELD, PLAN, REFUSED, TREE, form


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(PeerError) as found:
        grammar(REFUSED[name])
    assert found.value.code == "unsupported"


@pytest.mark.parametrize("name", HELD)
def test_a_hint_for_people_changes_nothing(name: str) -> None:
    told = {**HELD[name], "title": "T", "description": "What it is.", "$comment": "c", "examples": []}
    assert grammar(told) == grammar(HELD[name])


def test_every_rule_is_there_once() -> None:
    for schema in (PLAN, TREE, *HELD.values()):
        names = [line.split(" ::= ")[0] for line in grammar(schema).splitlines() if line]
        assert len(names) == len(set(names))
        assert names[0] == "root"


def test_optional_keys_do_not_multiply() -> None:
    """The length grows with the keys, not with their combinations."""
    sizes = [len(grammar(form([], **{f"k{at}": {"type": "null"} for at in range(count)}))) for count in (10, 20, 40)]
    assert sizes[2] - sizes[1] < 3 * (sizes[1] - sizes[0])
