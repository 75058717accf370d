"""A plan as a graph, for dot and for Mermaid: phases around tasks, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_peer.core.text import line
from git_peer.formats.document import Document

_COLOURS = {
    "todo": "#eeeeee", "in_progress": "#fff2b3", "review": "#d6e4ff", "merge_point": "#c3d9ff", "done": "#c9efc9",
    "blocked": "#ffd0c9", "dropped": "#d9d9d9",
}  # fmt: skip
_LONG = 80  # characters of a title


def dot(document: Document) -> str:
    """The document as a directed graph of Graphviz. Every text is a quoted string; ids are n1, n2, …."""
    nodes = _nodes(document)
    lines = ["digraph plan {", f"  label={_dot(_short(document.goal or ''))}; labelloc=t; rankdir=LR;"]
    lines.append('  node [shape=box, style="rounded,filled"];')
    for at, (name, among) in enumerate(_groups(document)):
        pad = "  " if name is None else "    "
        if name is not None:
            lines += [f"  subgraph cluster_{at} {{", f"    label={_dot(name)};"]
        for task in among:
            said = f"{task['id']}: {_short(task['title'])}\n{_state(task)}"
            lines.append(f"{pad}{nodes[task['id']]} [label={_dot(said)}, fillcolor={_dot(_COLOURS[task['status']])}];")
        if name is not None:
            lines.append("  }")
    for before, behind, is_part in _edges(document, nodes):
        lines.append(f"  {before} -> {behind}{' [style=dashed, arrowhead=odiamond]' if is_part else ''};")
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(document: Document) -> str:
    """The document as a flowchart of Mermaid. Every text is in quotes, what could end or mark it up as an entity."""
    nodes = _nodes(document)
    lines = ["flowchart LR"]
    for at, (name, among) in enumerate(_groups(document)):
        pad = "  " if name is None else "    "
        if name is not None:
            lines.append(f'  subgraph p{at}["{_entities(name)}"]')
        for task in among:
            said = f"{_entities(task['id'])}: {_entities(_short(task['title']))}<br/>{_entities(_state(task))}"
            lines.append(f'{pad}{nodes[task["id"]]}["{said}"]:::{task["status"]}')
        if name is not None:
            lines.append("  end")
    for before, behind, is_part in _edges(document, nodes):
        lines.append(f"  {before} {'-.-' if is_part else '-->'} {behind}")
    lines += [f"  classDef {status} fill:{colour},color:#000000" for status, colour in _COLOURS.items()]
    return "\n".join(lines) + "\n"


def _nodes(document: Document) -> dict[str, str]:
    return {row.values["id"]: f"n{at}" for at, row in enumerate(document.rows("tasks"), 1)}


def _groups(document: Document) -> Iterator[tuple[str | None, list[dict[str, Any]]]]:
    """(name of a phase, its tasks), in order; None for the tasks outside of phases, which come first."""
    among: dict[str, list[dict[str, Any]]] = {}
    for row in document.rows("tasks"):
        among.setdefault(row.values["phase"], []).append(row.values)
    yield None, among.get("", [])
    for phase in document.rows("phases"):
        status = f" ({phase.values['status']})" if phase.values["status"] else ""
        yield _short(phase.values["name"]) + status, among.get(phase.values["id"], [])


def _edges(document: Document, nodes: dict[str, str]) -> Iterator[tuple[str, str, bool]]:
    """(task, what waits for it, whether it is a part of that)."""
    for row in document.rows("tasks"):
        own = nodes[row.values["id"]]
        yield from ((nodes[one], own, False) for one in row.values["depends_on"])
        if row.values["parent"]:
            yield own, nodes[row.values["parent"]], True


def _state(task: dict[str, Any]) -> str:
    return f"{task['status']}, {task['assignee']}" if task["assignee"] else str(task["status"])


def _short(text: str) -> str:
    return line("".join(char if char.isprintable() else " " for char in text), _LONG)


def _dot(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'


def _entities(text: str) -> str:
    """Letters, digits and what is harmless as they are, the rest as Mermaid's `#code;`."""
    return "".join(char if char.isalnum() or char in " .,:_/()-…" else f"#{ord(char)};" for char in text)
