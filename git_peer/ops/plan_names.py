"""Who is who in a plan's text: rows and the log's tasks and phases, by id, by key, by title or by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_peer.core.plan import record as plan
from git_peer.core.plan.edits import KEY
from git_peer.formats.document import Bad, Document, Row

_Values = Mapping[str, Mapping[str, Any]]


class Names:
    """`task_ids` and `phase_ids` have each row's id, by its place; that of a task which is given one in turn is a key.

    `base` are the tasks that the text was exported with, none where it is no export of this log.
    """

    def __init__(
        self, document: Document, base: _Values, present: _Values, phases: _Values, base_phases: _Values
    ) -> None:
        self.document = document
        self.base, self.present = base, present
        self.phase_ids: list[str] = []
        self._phases: dict[str, str] = {}
        self._name_phases(phases, base_phases)
        self.task_ids: list[str] = []
        self._tasks: dict[str, str] = {}
        self._titles: dict[str, list[str]] = {}
        self._name_tasks()

    # -- phases -----------------------------------------------------------------------------------
    def _name_phases(self, present: _Values, base: _Values) -> None:
        by_name: dict[str, str] = {values["name"]: ident for ident, values in {**base, **present}.items()}
        taken: dict[str, object] = {**base, **present}
        for row in self.document.rows("phases"):
            if ident := row.values.get("id", ""):
                taken[ident] = row
        for row in self.document.rows("phases"):
            ident, name = row.values.get("id", ""), row.values.get("name", "")
            if not ident and not name.strip():
                raise self._bad("phases", row, "a phase without a name")
            if ident and ident not in base and ident not in present and not plan.is_id(ident):
                raise self._bad(
                    "phases", row, f"not an id for a phase: {ident[:80]!r}", "letters, digits, '.', '_', '-'"
                )
            if not ident and name in self._phases:
                raise self._bad("phases", row, f"the phase {name} is there twice")
            if not ident:
                ident = by_name.get(name) or plan.slug(name, taken)
                taken[ident] = row
            if ident in self.phase_ids:
                raise self._bad("phases", row, f"the phase {ident} is there twice")
            self.phase_ids.append(ident)
            if name:
                self._phases.setdefault(name, ident)
        self._phases |= {ident: ident for ident in self.phase_ids}
        if not (base and self.document.log):  # what is not in the text stays
            self._phases = by_name | {ident: ident for ident in present} | self._phases

    def _bad(self, section: str, row: Row, message: str, hint: str = "") -> Bad:
        return Bad(message, self.document.locate(section, row.index, ""), hint)

    def phase(self, row: Row, text: str) -> str:
        """The id of the phase that a task names."""
        found = self._phases.get(text)
        if found is None:
            line = self.document.locate("tasks", row.index, "phase")
            known = ", ".join(dict.fromkeys(self._phases.values())) or "none"
            raise Bad(f"no phase {text[:80]!r} for task {shown(row)}", line, f"there is {known[:200]}")
        return found

    # -- tasks ------------------------------------------------------------------------------------
    def _name_tasks(self) -> None:
        rows = self.document.rows("tasks")
        given: dict[str, Row] = {}
        for row in rows:
            ident = row.values.get("id", "")
            if ident in given:
                line = self.document.locate("tasks", row.index, "id")
                first = self.document.locate("tasks", given[ident].index, "id")
                raise Bad(f"the id {ident} is given twice, first in line {first}", line, "an id is for one task")
            if ident:
                given[ident] = row
            titled = self._titles.setdefault(row.values.get("title", ""), [])
            titled.append(row.key)
        free: dict[str, list[str]] = {}
        for ident, values in self.present.items():
            if ident not in given and ident not in self.base:
                free.setdefault(values["title"], []).append(ident)
        for row in rows:
            title = row.values.get("title", "")
            ident = row.key
            if ident.startswith(KEY) and len(free.get(title, ())) == len(self._titles[title]) == 1:
                ident = free[title][0]  # it was imported before
            elif not ident.startswith(KEY):
                self._check(row, ident)
            self._tasks[row.key] = ident
            self.task_ids.append(ident)
        for ident, values in self.present.items():
            if ident not in self._tasks and ident not in self.base:
                self._titles.setdefault(values["title"], [ident])

    def _check(self, row: Row, ident: str) -> None:
        if ident not in self.base and ident not in self.present and not plan.is_id(ident):
            line = self.document.locate("tasks", row.index, "id")
            hint = f"letters, digits, '.', '_' and '-', at most 64; one that begins with {KEY} is given in turn"
            raise Bad(f"not an id for a task: {ident[:80]!r}", line, hint)

    def task(self, row: Row, key: str, text: str) -> str:
        """The id of the task that a row names in its field `key`."""
        if text in self._tasks:
            return self._tasks[text]
        if text in self.present and text not in self.base:
            return text
        titled = self._titles.get(text, [])
        if len(titled) == 1:
            return self._tasks.get(titled[0], titled[0])
        line = self.document.locate("tasks", row.index, key)
        if titled:
            raise Bad(f"{key} of task {shown(row)}: more than one task is called {text[:80]!r}", line, "name its id")
        why = "which is not in the file any more" if text in self.base else "which is no task"
        raise Bad(f"{key} of task {shown(row)} names {text[:80]!r}, {why}", line, "an id or a title names a task")


def shown(row: Row) -> str:
    """How a task is spoken of in an error."""
    return row.values.get("id") or repr(row.values.get("title", "")[:80])
