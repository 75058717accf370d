"""Out of a log and into another: nothing is lost, and what was not edited does not change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_peer.formats.document import Document
from git_peer.ops.plan_merge import Side
from tests.core.bench import Bench
from tests.formats.plans import READ, board, documents, export, take

SHOWN_MD = {
    "phases": {"id", "name"},
    "tasks": {
        "id", "title", "description", "phase", "parent", "depends_on", "paths", "inputs", "outputs", "provides", "uses",
        "accept", "checklist", "priority", "estimate", "skills", "status",
    },
    "contracts": {"name", "type", "definition", "version", "status", "approved_by"},
}  # fmt: skip


@settings(max_examples=50)
@given(documents(), st.sampled_from(["toml", "json"]))
def test_lossless(document: Document, form: str) -> None:
    """Export, import into an empty log, export: the same text."""
    first, second = Bench(), Bench()
    take(first, document)
    text = export(first, form)
    take(second, READ[form](text))
    assert export(second, form) == text


@settings(max_examples=50)
@given(documents())
def test_what_was_given_is_there(document: Document) -> None:
    """The first import keeps every value."""
    bench = Bench()
    take(bench, document)
    for section in ("phases", "tasks", "contracts"):
        key = "name" if section == "contracts" else "id"
        found = {row.values[key]: row.values for row in board(bench).rows(section)}
        for row in document.rows(section):
            there = found[row.values[key]]
            derived = {"status"} if section == "phases" else set()
            for name in row.values.keys() - derived:
                assert there[name] == row.values[name], (section, name)
    assert board(bench).goal == document.goal


@settings(max_examples=50)
@given(documents(), st.sampled_from(["toml", "json", "md"]))
def test_unedited_changes_nothing(document: Document, form: str) -> None:
    """An export that nobody edited changes nothing, in any format."""
    bench = Bench()
    take(bench, document)
    text = export(bench, form)
    height = bench.height
    found = take(bench, READ[form](text), Side(bench.state))
    assert (found.edits, found.changes) == ([], [])
    assert bench.height == height
    assert READ[form](text.replace("\n", "\r\n")).rows("tasks") == READ[form](text).rows("tasks")


@settings(max_examples=50)
@given(documents())
def test_markdown_keeps_what_it_shows(document: Document) -> None:
    """Markdown into an empty log gives what it shows."""
    first, second = Bench(), Bench()
    take(first, document)
    take(second, READ["md"](export(first, "md")))
    one, two = board(first), board(second)
    assert one.goal == two.goal
    for section, names in SHOWN_MD.items():
        key = "name" if section == "contracts" else "id"
        had = {row.values[key]: {name: row.values[name] for name in names} for row in one.rows(section)}
        has = {row.values[key]: {name: row.values[name] for name in names} for row in two.rows(section)}
        assert has == had


@pytest.mark.parametrize("form", ["toml", "json", "md"])
def test_an_empty_plan(form: str) -> None:
    """Nothing is a plan too."""
    bench = Bench()
    assert take(bench, READ[form](export(bench, form)), Side(bench.state)).edits == []
