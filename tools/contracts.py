"""A contract for import-linter: a module reaches the standard library and what is listed, nothing else."""

from __future__ import annotations

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _with_ancestors(module: str) -> set[str]:
    """The module and the packages whose `__init__` runs when it is imported."""
    parts = module.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)}


class OnlyContract(Contract):
    """`module` may import, however indirectly, the standard library, `allowed` and the packages that hold those.

    A module that does not exist yet keeps the contract, so that the rule can stand before the code.
    """

    type_name = "only"

    module = fields.StringField()
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the base class's
        """Walk everything that importing the module runs; keep a shortest way to whatever is not allowed."""
        start = cast("str", self.module)
        allowed = _with_ancestors(start).union(*map(_with_ancestors, cast("list[str]", self.allowed)))
        ways: dict[str, list[str]] = {start: [start]}
        queue = [start] if start in graph.modules else []
        wrong: list[list[str]] = []
        for current in queue:  # grows while it is walked: breadth first
            runs = graph.find_modules_directly_imported_by(current) | (_with_ancestors(current) - {current})
            for name in sorted(runs - ways.keys()):
                ways[name] = [*ways[current], name]
                if name.split(".")[0] in sys.stdlib_module_names:
                    continue
                if name in allowed:
                    queue.append(name)
                else:
                    wrong.append(ways[name])
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each module that is not allowed: the way to it."""
        for way in check.metadata["wrong"]:
            output.print_error(" -> ".join(way), bold=False)
