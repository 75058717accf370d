"""Any model as a planner: forms under a schema, and prompts that always fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_peer.adapters.forms import FormPlanner
from git_peer.core.errors import PeerError
from git_peer.ports import Message, Progress, Said, Tool, Usage
from tests.models.schemas import form, holds

ONE = Tool("hand_in", "Hand it in.", form(a={"type": "string"}))
TWO = Tool("ask", "Ask.", form(q={"type": "boolean"}))


class Counted:
    """A model whose tokens are characters; it answers what it is given, and keeps what it was asked."""

    name = "counted"

    def __init__(self, context: int, *answers: str, end: Literal["done", "cut"] = "done") -> None:
        self.context = context
        self.usage = Usage()
        self.asked: list[tuple[list[Message], dict[str, Any] | None, int]] = []
        self._answers = list(answers)
        self._end = end

    def count(self, messages: Sequence[Message]) -> int:
        """Its tokens."""
        return sum(10 + len(one.content) for one in messages)

    def say(
        self,
        messages: Sequence[Message],
        most: int,
        seconds: float,
        progress: Progress,
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> Said:
        """The next answer."""
        assert seconds > 0
        assert (seed, temperature) == (0, 0.0)
        progress("", 0)
        assert self.count(messages) + most <= self.context, "the prompt leaves no room for the answer"
        self.asked.append((list(messages), schema, most))
        return Said(self._answers.pop(0), self._end, 1, 1)

    def close(self) -> None:
        """Nothing is held."""


def quiet(_piece: str, _tokens: int) -> None:
    """Nobody is told."""


def test_one_tool_is_its_own_schema() -> None:
    model = Counted(10_000, '{"a": "x"}', '{"a": "y"}')
    planner = FormPlanner(model, 500, 60)
    assert planner.ask("sys", "prompt", [ONE], quiet).input == {"a": "x"}
    again = planner.correct("not so", quiet)
    assert (again.tool, again.input) == ("hand_in", {"a": "y"})
    messages, schema, most = model.asked[1]
    assert schema == ONE.schema
    assert most == 500
    assert [one.role for one in messages] == ["system", "user", "assistant", "user"]
    assert messages[2].content == '{"a": "x"}'


def test_of_two_tools_one_is_named() -> None:
    model = Counted(10_000, '{"tool": "ask", "input": {"q": true}}')
    answer = FormPlanner(model, 500, 60).ask("sys", "prompt", [ONE, TWO], quiet)
    assert (answer.tool, answer.input) == ("ask", {"q": True})
    schema = model.asked[0][1]
    assert schema is not None
    assert holds(schema, {"tool": "hand_in", "input": {"a": ""}})
    assert not holds(schema, {"tool": "hand_in", "input": {"q": True}})


@pytest.mark.parametrize("said", ["{", "", "[1]", '{"tool": "ask"}', "3"])
def test_what_is_no_answer(said: str) -> None:
    answer = FormPlanner(Counted(10_000, said), 500, 60).ask("sys", "prompt", [ONE, TWO], quiet)
    assert answer.unreadable
    cut = FormPlanner(Counted(10_000, said, end="cut"), 500, 60).ask("sys", "prompt", [ONE], quiet)
    assert cut.end == "cut"


@given(st.integers(2500, 6000), st.lists(st.integers(0, 9000), min_size=1, max_size=5))
def test_every_prompt_fits(context: int, sizes: list[int]) -> None:
    """Whatever the parts' sizes: all fits, what is cut is told, and no part is cut that need not be."""
    parts = [f'<data about="part {at}">\n{"x" * size}\n</data>' for at, size in enumerate(sizes)]
    model = Counted(context, json.dumps({"a": ""}))
    FormPlanner(model, 1000, 60).ask("sys", "\n\n".join(["The goal: win", *parts]), [ONE], quiet)
    shown = model.asked[0][0][1].content
    assert "The goal: win" in shown
    for at, size in enumerate(sizes):
        part = shown.partition(f'<data about="part {at}">\n')[2].partition("\n</data>")[0]
        kept = part.count("x")
        assert kept == size or (f"(cut: {size - kept:,} more characters)" in part and kept >= 100)
        assert kept == size or kept >= max(min(other, kept) for other in sizes)


def test_a_goal_without_end_is_refused() -> None:
    with pytest.raises(PeerError) as found:
        FormPlanner(Counted(3000), 1000, 60).ask("sys", "g" * 9000, [ONE], quiet)
    assert found.value.code == "invalid"
