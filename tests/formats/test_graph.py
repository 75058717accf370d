"""dot and Mermaid: whatever a title says, it stays inside of its quotes, and the graph is the plan's."""

from __future__ import annotations

import re

from hypothesis import given, settings

from git_peer.formats import graph
from git_peer.formats.document import Document
from tests.core.bench import Bench
from tests.formats.plans import board, documents, take

_DOT = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|->|[{}\[\];=,]|\s+')
_NODE = re.compile(r'(n\d+)\["[^"\n]*"\]:::([a-z_]+)')
_MERMAID = re.compile(
    r'flowchart LR|subgraph p\d+\["[^"\n]*"\]|end|n\d+\["[^"\n]*"\]:::[a-z_]+|n\d+ (?:-->|-\.-) n\d+'
    r"|classDef [a-z_]+ fill:#[0-9a-f]{6},color:#[0-9a-f]{6}"
)


def tokens(text: str) -> list[str]:
    """A dot text in tokens; fails where something is none."""
    found: list[str] = []
    at = 0
    while at < len(text):
        token = _DOT.match(text, at)
        assert token, text[at : at + 40]
        found.append(token[0])
        at = token.end()
    return [token for token in found if token.strip()]


def edges(document: Document) -> int:
    """How many lines a graph of it has between nodes."""
    rows = document.rows("tasks")
    return sum(len(row.values["depends_on"]) + bool(row.values["parent"]) for row in rows)


@settings(max_examples=40)
@given(documents())
def test_both(document: Document) -> None:
    """Well-formed, with a node for each task, an edge for each dependency, a cluster for each phase."""
    bench = Bench()
    take(bench, document)
    found = board(bench)
    dotted = tokens(graph.dot(found))
    assert dotted[:3] == ["digraph", "plan", "{"]
    depth = 0
    for token in dotted:
        depth += {"{": 1, "}": -1}.get(token, 0)
        assert depth >= 0
    assert depth == 0
    assert dotted.count("->") == edges(found)
    assert dotted.count("fillcolor") == len(found.rows("tasks"))
    assert dotted.count("subgraph") == len(found.rows("phases"))
    drawn = graph.mermaid(found)
    lines = drawn.split("\n")[:-1]
    assert all(_MERMAID.fullmatch(line.strip()) for line in lines), drawn
    assert [one[1] for one in _NODE.findall(drawn)].count("done") == [
        row.values["status"] for row in found.rows("tasks")
    ].count("done")
    assert sum(" --> " in line or " -.- " in line for line in lines) == edges(found)
