"""A task of the benchmark: what is asked, what is there, how it is judged, and a solution that shows it can be done."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Puzzle:
    """`asks` is the description of the task, `path` the file it is about; `checks` are assertions on its names.

    `given` are files that are there before, `answer` the whole of `path` in one solution. A check is a line of Python.
    """

    name: str
    asks: str
    checks: str
    answer: str
    given: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The file that is to be written."""
        return f"{self.name}.py"

    @property
    def tests(self) -> str:
        """The tests by which it is judged: one of each check, so that it is seen which one fails."""
        lines = [line for line in self.checks.strip().split("\n") if line.strip()]
        cases = [f"def test_{number}():\n    {line}\n" for number, line in enumerate(lines, 1)]
        head = f"import pytest\n\nimport {self.name} as m\n\n\ndef fails(kind, call):\n"
        head += "    with pytest.raises(kind):\n        call()\n    return True\n"
        return "\n\n".join([head, *cases])
